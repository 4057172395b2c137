"""Recipes trained for the same minutes each: an arm's horizon is what they pay, by the speed of a short trial."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from _models import multigan

SHARE = 0.95
"""Of the minutes that the horizon is set to: previews and checkpoints take the rest."""


def options(parser: argparse.ArgumentParser, arms: list[str], out: str) -> None:
    """What the scripts that compare arms have in common."""
    parser.add_argument("--arms", nargs="*", default=arms)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--trial", type=float, default=0.75, help="minutes of the trial that finds the speed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="change every arm's recipe")
    parser.add_argument("--out", type=Path, default=Path(out))


def trained(
    name: str, recipe: str, modality: str, data: Path, given: argparse.Namespace, changes: list[str]
) -> dict[str, Any]:
    """Train an arm, unless it is there: its folder under `given.out` is called `name`. What was shown, and how fast."""
    changes = [f"seed={given.seed}", *changes, *given.set]
    folder = given.out / name
    done = folder / "trained.json"
    if not done.exists():
        trial = given.out / f"{name}-trial"
        for each in (trial, folder):
            shutil.rmtree(each, ignore_errors=True)  # of a run that was broken off
        train(recipe, modality, data, trial, given.trial, [*changes, "training.samples=100000000"])
        samples = int(speed(trial) * 60 * given.minutes * SHARE)
        began = time.perf_counter()
        train(recipe, modality, data, folder, given.minutes, [*changes, f"training.samples={samples}"])
        done.write_text(json.dumps({"minutes": (time.perf_counter() - began) / 60, "horizon": samples}))
    found = json.loads(done.read_text())
    shown = max(int(path.name.split(".")[0]) for path in (folder / "checkpoints").glob("*.state.safetensors"))
    print(f"{name}: trained for {found['minutes']:.1f} minutes towards {found['horizon']:,} samples", flush=True)
    return {**found, "shown": shown, "samples_per_second": speed(folder)}


def train(recipe: str, modality: str, data: Path, folder: Path, minutes: float, changes: list[str]) -> None:
    settings = [part for each in changes for part in ("--set", each)]
    options = ["--minutes", f"{minutes:g}", "--out", folder, "--device", "cpu"]
    multigan("train", modality, "--recipe", recipe, "--data", data, *settings, *options)


def speed(folder: Path) -> float:
    """Samples a second of a run: the median of its log."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return statistics.median(line["samples_per_second"] for line in lines if "samples_per_second" in line)
