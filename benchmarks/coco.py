"""Image COCO captions by words: three ways to train a discrete generator, each beside likelihood under the same budget.

    python benchmarks/coco.py --data image_coco.txt --minutes 10 --seeds 0 1 2

Texygen's 10,000 training captions, split at random into nine parts and one that is held out (its test file is of
another distribution). Each arm is trained for the same minutes, whatever it does with them, and its likelihood baseline
with it; `multigan evaluate` samples at several temperatures. Quality is BLEU-4 against the held-out captions, diversity
self-BLEU-4. The picture has a curve for each arm; seeds are trainings.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from _arms import SHARE, options, trained, tried
from _models import multigan
from _timing import machine, pin, table

from multigan.text.metrics.picture import draw
from multigan.text.metrics.sweep import BLEU, Point
from multigan.text.metrics.sweep import table as sheet
from multigan.text.metrics.verdict import verdict

WORDS = ["data.tokens={kind: words}", "data.length=32", "generator={kind: lstm, embedding: 128, hidden: 256}"]
JUDGED = "discriminator={kind: cnn, embedding: 64, widths: [2, 3, 4, 5], filters: [100, 100, 100, 100]}"
LIKELIHOOD = 90_000
"""Ten times each caption."""
LEARNED = (
    "likelihood={optimizer: {lr: {start: 3.0e-3, end: 3.0e-4}, betas: [0.9, 0.99], clip: 50.0}, baseline_lr: 3.0e-4}"
)
WARMUP = 12_800
WARMED = f"warmup={WARMUP}"
ARMS = {
    "rollouts": ("seqgan", [*WORDS, JUDGED, LEARNED, WARMED, "objective.rollouts=4"]),
    "dense": (
        "scratchgan",
        [
            *WORDS,
            "discriminator={kind: recurrent, embedding: 64, hidden: 256, dropout: 0.1}",
            LEARNED,
            WARMED,
            "training.batch=64",
        ],
    ),
    "gumbel": ("relgan", [*WORDS, JUDGED, LEARNED, WARMED]),
}
"""All begin from likelihood: from nothing, as ScratchGAN does, ten minutes do not reach."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="image_coco.txt")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=1000)
    options(parser, list(ARMS), "build/coco")
    parser.set_defaults(minutes=10.0)
    given = parser.parse_args()
    pin(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}, {given.threads} threads, {given.minutes:g} minutes an arm")
    for seed in given.seeds:
        for arm in given.arms:
            play(arm, seed, given)
    if not given.trials:
        show(given)


def play(arm: str, seed: int, given: argparse.Namespace) -> None:
    """Train and evaluate one arm of one seed, unless it is there."""
    name, (recipe, changes) = f"{arm}-{seed}", ARMS[arm]
    given.seed = seed
    samples = LIKELIHOOD + WARMUP + paid(arm, recipe, changes, given)
    learned = [*changes, f"likelihood.samples={LIKELIHOOD}"]
    found = trained(name, recipe, "text", given.data, given, learned, samples)
    out = given.out / name / "evaluation"
    if found is not None and not out.exists():
        multigan("evaluate", given.out / name, "--samples", str(given.samples), "--out", out, "--extractor", "none")


def paid(arm: str, recipe: str, changes: list[str], given: argparse.Namespace) -> int:
    """The texts that the game can be shown in what likelihood and warm-up leave of the minutes, by a trial of each."""
    alone = [*changes, "objective={kind: likelihood}", *given.set]
    warming = [*changes, "likelihood.samples=0", "warmup=10000000", *given.set]
    game = [*changes, "likelihood.samples=0", "warmup=0", *given.set]
    learned = tried(f"{arm}-likelihood", recipe, "text", given.data, given, alone)
    warmed = tried(f"{arm}-warmup", recipe, "text", given.data, given, warming)
    played = tried(f"{arm}-game", recipe, "text", given.data, given, game)
    before = LIKELIHOOD / learned + WARMUP / warmed
    left = 60 * given.minutes * SHARE - before
    if left <= 0:
        raise SystemExit(f"{arm}: likelihood and warm-up alone take {before / 60:.1f} minutes: raise --minutes")
    return int(left * played)


def show(given: argparse.Namespace) -> None:
    """The curves of all arms that are there, and what is to be said of them."""
    points: dict[str, list[Point]] = {}
    for path in sorted(given.out.glob("*/evaluation/sweep.json")):
        arm, _, seed = path.parent.parent.name.rpartition("-")
        read = [Point(**each) for each in json.loads(path.read_text())]
        for model in {each.model for each in read}:
            name = f"likelihood beside {arm}" if model == "likelihood" else arm
            points.setdefault(name, []).extend(
                averaged([each for each in read if each.model == model], name, int(seed))
            )
    baseline = [
        replace(each, model="likelihood") for name, rows in points.items() if " beside " in name for each in rows
    ]
    arms = {name: rows for name, rows in points.items() if " beside " not in name}
    drawn = [*(each for rows in arms.values() for each in rows), *baseline]
    report = next(iter(sorted(given.out.glob("*/evaluation/report.json"))), None)
    floor = json.loads(report.read_text())["floor"] if report else {}
    draw(
        drawn,
        BLEU,
        given.out / "coco.png",
        floor={name: floor[name] for name in ("BLEU-4", "self-BLEU-4") if name in floor},
    )
    print(f"\n{sheet(drawn, BLEU)}\n")
    for name, rows in arms.items():
        print(verdict(rows, points.get(f"likelihood beside {name}", []), BLEU))
    print(f"\n{table(figures(given.out))}\n\n{given.out / 'coco.png'}")


def averaged(points: list[Point], name: str, seed: int) -> list[Point]:
    """One point for each temperature: the mean over the noise's seeds, under the training's."""
    by_temperature: dict[float, list[Point]] = defaultdict(list)
    for each in points:
        by_temperature[each.temperature].append(each)
    found = []
    for temperature, rows in by_temperature.items():
        quality = sum(each.quality for each in rows) / len(rows)
        diversity = sum(each.diversity for each in rows) / len(rows)
        found.append(Point(name, temperature, quality, diversity, rows[0].n, seed))
    return found


def figures(folder: Path) -> list[list[str]]:
    """A row for each training, at temperature 1, and one for each one's baseline."""
    measures = ["BLEU-4", "self-BLEU-4", "NLL_test", "reverse perplexity", "novel"]
    rows: list[list[str]] = [["arm and seed", "texts shown", *measures]]
    for path in sorted(folder.glob("*/evaluation/report.json")):
        report: dict[str, Any] = json.loads(path.read_text())
        name = path.parent.parent.name
        shown = json.loads((path.parent.parent / "trained.json").read_text())["horizon"]
        for title, part in (
            (name, "figures"),
            (f"likelihood beside {name}", "baseline"),
            ("real against real", "floor"),
        ):
            if part == "floor" and path != sorted(folder.glob("*/evaluation/report.json"))[-1]:
                continue
            cells = [f"{report[part][each]:.3f}" if each in report[part] else "" for each in measures]
            rows.append([title, f"{shown:,}" if part == "figures" else "", *cells])
    return rows


if __name__ == "__main__":
    main()
