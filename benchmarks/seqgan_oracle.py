"""The experiment of the SeqGAN paper: what a generator's texts are worth under the oracle that made the real ones.

    python benchmarks/seqgan_oracle.py --minutes 120                              # a seeded oracle
    python benchmarks/seqgan_oracle.py --weights seqgan_oracle.npz --minutes 120  # the paper's own
    python benchmarks/seqgan_oracle.py --weights seqgan_oracle.npz --anchors      # only whether the scorer is right
    python benchmarks/seqgan_oracle.py --weights seqgan_oracle.npz --minutes 25 \\
        --arms likelihood gumbel "rollouts, often" dense                          # the objectives, from a better start

Arms: `rollouts` is the paper's schedule (recipe seqgan_oracle) as far as the minutes go, beside its copy that goes on
by likelihood. The others leave likelihood where it foretells unseen texts best, long before the paper does, have one
small discriminator, and a step of the generator after far fewer texts; `likelihood` is where they begin. Printed:
the curve that each run has logged, how its discriminator takes texts that it has not seen, and the verdict over
temperatures: of `rollouts` against its copy, of each against `likelihood`, in a table and a picture.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from _arms import train
from _models import multigan
from _timing import machine, pin, table
from torch import Tensor

from multigan import checkpoint, noise
from multigan.runs import find_checkpoint
from multigan.text import head
from multigan.text.config import TextRecipe
from multigan.text.metrics.picture import draw
from multigan.text.metrics.sweep import ORACLE, Point
from multigan.text.metrics.sweep import table as sheet
from multigan.text.metrics.verdict import verdict
from multigan.text.networks import Judge, Policy
from multigan.text.oracle import Oracle
from multigan.text.oracle import anchors as anchors_of

LIKELIHOOD = 60_000
"""Texts, six times each: about where NLL_test is lowest."""
SMALL = [
    f"likelihood.samples={LIKELIHOOD}",
    "likelihood.baseline=false",
    "warmup=30000",
    "discriminator={kind: recurrent, embedding: 32, hidden: 64, dropout: 0.3}",
    "discriminator_optimizer={lr: 1.0e-3, betas: [0.9, 0.999]}",
    "training.evaluate_every=50000",
]
ARMS = {
    "rollouts": [],
    "likelihood": [
        "objective={kind: likelihood}",
        "warmup=0",
        f"training.samples={LIKELIHOOD}",
        "training.discriminator_steps=1",
        "training.evaluate_every=20000",
    ],
    "rollouts, often": [
        *SMALL,
        "training.discriminator_steps=16",
        "objective={kind: rollouts, rollouts: 16, baseline: mean, normalize: true}",
        "generator_optimizer={lr: 2.0e-3, betas: [0.9, 0.999], clip: 10.0}",
    ],
    "dense": [
        *SMALL,
        "training.discriminator_steps=2",
        "objective={kind: dense, baseline: mean, normalize: true}",
        "generator_optimizer={lr: 1.0e-3, betas: [0.5, 0.999], clip: 10.0}",
    ],
    "gumbel": [
        *SMALL,
        "training.discriminator_steps=1",
        "training.samples=500000",  # the temperature falls until then
        "objective={kind: gumbel}",
        "loss={kind: relativistic}",
        "generator_optimizer={lr: 2.0e-4, betas: [0.9, 0.999], clip: 10.0}",
    ],
}
KEPT = ["NLL_oracle", "NLL_test", "NLL_oracle of the baseline", "NLL_test of the baseline"]
JUDGED = 2000
"""Texts of each kind that a discriminator is asked about."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, help="the paper's oracle, an .npz file; absent: a seeded one")
    parser.add_argument("--anchors", action="store_true", help="only the anchors of the scorer")
    parser.add_argument("--arms", nargs="*", default=["rollouts"], choices=list(ARMS))
    parser.add_argument("--minutes", type=float, default=120, help="of each arm, its likelihood among them")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="change every arm's recipe")
    parser.add_argument("--out", type=Path, default=Path("build/seqgan_oracle"))
    given = parser.parse_args()
    pin(given.threads)
    print(f"{machine()}, {given.threads} threads")
    anchors(given)
    if not given.anchors:
        for arm in given.arms:
            play(arm, given)
        show(given)


def judge(given: argparse.Namespace) -> Oracle:
    return Oracle.load(given.weights) if given.weights else Oracle.seeded(0)


def anchors(given: argparse.Namespace) -> None:
    """What the scorer says of texts whose worth is known."""
    found = anchors_of(judge(given), given.samples)
    print(table([["texts", "NLL_oracle"], *([name, f"{value:.3f}"] for name, value in found.items())]))


def play(arm: str, given: argparse.Namespace) -> None:
    """Train an arm, or go on with one that was broken off, and show its curve and its end."""
    folder = given.out / arm.replace(", ", "-")
    changes = [f"seed={given.seed}", *ARMS[arm], *given.set]
    if given.weights:
        changes.append(f"data.oracle.weights={given.weights.resolve()}")
    if not (folder / "evaluation").exists():
        if (folder / "checkpoints").exists():
            multigan("train", "text", "--resume", folder, "--minutes", f"{given.minutes:g}", "--device", "cpu")
        else:
            train("seqgan_oracle", "text", None, folder, given.minutes, changes)
        multigan("evaluate", folder, "--samples", str(given.samples), "--out", folder / "evaluation")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    seen = [line for line in lines if "NLL_oracle" in line]
    step = max(1, len(seen) // 12)
    rows = [["texts shown", *KEPT]]
    rows += [
        [f"{line['samples']:,}", *(f"{line[name]:.3f}" if name in line else "" for name in KEPT)]
        for line in [*seen[:-1:step], *seen[-1:]]
    ]
    report = json.loads((folder / "evaluation" / "report.json").read_text())
    print(f"\n{arm}\n{table(rows)}\n")
    if report["headline"]:
        print(report["headline"])
    if arm != "likelihood":
        print(seen_and_unseen(folder, judge(given)), flush=True)


@torch.no_grad()
def seen_and_unseen(folder: Path, oracle: Oracle) -> str:
    """How often a run's discriminator takes a text of the oracle rather than one of its generator."""
    weights = checkpoint.load(find_checkpoint(folder))
    assert isinstance(weights.recipe, TextRecipe)
    generator, discriminator = head.networks(weights.recipe)
    checkpoint.fill(generator, weights, checkpoint.GENERATOR_EMA)
    checkpoint.fill(discriminator, weights, "discriminator")
    assert isinstance(generator, Policy)
    assert isinstance(discriminator, Judge)
    data = weights.recipe.data
    assert data.length is not None
    assert data.oracle is not None
    length, first = data.length, data.oracle.seed
    uniform = torch.from_numpy(noise.fractions(first, 0, JUDGED, length)).float()
    made = torch.cat([generator.sample(part) for part in uniform.split(64)])
    texts = {
        "made": made,
        "seen": oracle.sample(JUDGED, length, first),
        "unseen": oracle.sample(JUDGED, length, first + 1),
    }
    scores = {name: mean_verdict(discriminator, torch.as_tensor(each)) for name, each in texts.items()}
    taken = {name: (scores[name][:, None] > scores["made"]).double().mean().item() for name in ("seen", "unseen")}
    return (
        "its discriminator takes a text of the oracle rather than one of the generator in "
        f"{taken['seen']:.1%} of pairs where it was trained on that text, in {taken['unseen']:.1%} where it was not"
    )


@torch.no_grad()
def mean_verdict(discriminator: Judge, texts: Tensor) -> Tensor:
    """The logit of each text, or the mean of its symbols' `[N]`."""
    discriminator.dropout.rest()
    found = torch.cat([discriminator.verdicts(part) for part in texts.split(256)])
    return found if found.dim() == 1 else found.mean(dim=1)


def show(given: argparse.Namespace) -> None:
    """The curves of all arms that are there, and who is ahead of likelihood that is stopped early."""
    points: dict[str, list[Point]] = {}
    for path in sorted(given.out.glob("*/evaluation/sweep.json")):
        arm = path.parent.parent.name
        for each in (Point(**each) for each in json.loads(path.read_text())):
            name = arm if each.model != "likelihood" or arm == "likelihood" else f"likelihood beside {arm}"
            points.setdefault(name, []).append(replace(each, model=name))
    drawn = [each for rows in points.values() for each in rows]
    draw(drawn, ORACLE, given.out / "oracle.png")
    print(f"\n{sheet(drawn, ORACLE)}\n")
    for name, rows in points.items():
        if name != "likelihood" and "likelihood" in points:
            print(verdict(rows, points["likelihood"], ORACLE, "the noise"))
    print(f"\n{given.out / 'oracle.png'}")


if __name__ == "__main__":
    main()
