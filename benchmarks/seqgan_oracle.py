"""The experiment of the SeqGAN paper: what a generator's texts are worth under the oracle that made the real ones.

    python benchmarks/seqgan_oracle.py --minutes 120                              # a seeded oracle
    python benchmarks/seqgan_oracle.py --weights seqgan_oracle.npz --minutes 120  # the paper's own
    python benchmarks/seqgan_oracle.py --weights seqgan_oracle.npz --anchors      # only whether the scorer is right

Arms: `rollouts` is the paper's schedule (recipe seqgan_oracle) as far as the minutes go; the other objectives start
from as much likelihood, or, with `--start`, from the very weights of a checkpoint, so that their minutes are the game's
alone. Beside each its copy that goes on by likelihood. Printed: the curve that each run has logged, and the verdict of
`multigan evaluate` over temperatures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from _arms import train
from _models import multigan
from _timing import machine, pin, table

FASTER = ["training.discriminator_steps=8", "discriminator_optimizer={lr: 1.0e-4, betas: [0.9, 0.999]}"]
"""Of an arm that is not the paper's: a generator's step after 512 texts rather than 150,000."""
ARMS = {
    "rollouts": [],
    "rollouts, often": [*FASTER, "objective={kind: rollouts, rollouts: 16, baseline: mean, normalize: true}"],
    "dense": [
        *FASTER,
        "objective={kind: dense, baseline: mean, normalize: true}",
        "discriminator={kind: recurrent, embedding: 64, hidden: 64, dropout: 0.2}",
    ],
    "gumbel": [*FASTER, "objective={kind: gumbel}", "loss={kind: relativistic}"],
}
FRESH = {"dense": 100_000}
"""Texts on which a discriminator that the checkpoint of `--start` has not is trained alone."""
KEPT = ["NLL_oracle", "NLL_test", "NLL_oracle of the baseline", "NLL_test of the baseline"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, help="the paper's oracle, an .npz file; absent: a seeded one")
    parser.add_argument("--anchors", action="store_true", help="only the anchors of the scorer")
    parser.add_argument("--arms", nargs="*", default=["rollouts"], choices=list(ARMS))
    parser.add_argument("--minutes", type=float, default=120, help="of each arm, its likelihood among them")
    parser.add_argument("--start", type=Path, help="a checkpoint from which the arms play: likelihood is left out")
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


def anchors(given: argparse.Namespace) -> None:
    """What the scorer says of texts whose worth is known."""
    from multigan.text import oracle

    judge = oracle.Oracle.load(given.weights) if given.weights else oracle.Oracle.seeded(0)
    found = oracle.anchors(judge, given.samples)
    print(table([["texts", "NLL_oracle"], *([name, f"{value:.3f}"] for name, value in found.items())]))


def play(arm: str, given: argparse.Namespace) -> None:
    """Train an arm, or go on with one that was broken off, and show its curve and its end."""
    folder = given.out / arm.replace(", ", "-")
    changes = [f"seed={given.seed}", *ARMS[arm], *given.set]
    if given.weights:
        changes.append(f"data.oracle.weights={given.weights.resolve()}")
    if given.start:
        changes += ["likelihood.samples=0", f"warmup={FRESH.get(arm, 0)}"]
    if not (folder / "evaluation").exists():
        if (folder / "checkpoints").exists():
            multigan("train", "text", "--resume", folder, "--minutes", f"{given.minutes:g}", "--device", "cpu")
        else:
            train("seqgan_oracle", "text", None, folder, given.minutes, changes, given.start)
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
    print(f"\n{arm}\n{table(rows)}\n\n{report['headline']}")


if __name__ == "__main__":
    main()
