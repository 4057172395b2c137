"""Recipes trained for the same minutes each: an arm's horizon is what they pay, by the speed of a short trial.

On a machine that has other work, `--trials` takes the trials alone while it is quiet; `--patient` then plays the
horizons out, however long that takes.
"""

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
    parser.add_argument("--trials", action="store_true", help="only the trials")
    parser.add_argument("--patient", action="store_true", help="play the horizon out in any time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="change every arm's recipe")
    parser.add_argument("--out", type=Path, default=Path(out))


def horizon(name: str, recipe: str, modality: str, data: Path, given: argparse.Namespace, changes: list[str]) -> int:
    """The samples that the minutes pay for, by a trial that is taken once."""
    return int(tried(name, recipe, modality, data, given, changes) * 60 * given.minutes * SHARE)


def tried(name: str, recipe: str, modality: str, data: Path, given: argparse.Namespace, changes: list[str]) -> float:
    """Samples a second in a trial that is taken once."""
    trial = given.out / f"{name}-trial"
    found = trial / "horizon.json"
    if not found.exists():
        shutil.rmtree(trial, ignore_errors=True)
        train(recipe, modality, data, trial, given.trial, [*changes, "training.samples=100000000"])
        found.write_text(json.dumps({"samples_per_second": speed(trial), "threads": given.threads}))
    print(f"{name}: {found.read_text()}", flush=True)
    rate: float = json.loads(found.read_text())["samples_per_second"]
    return rate


def trained(
    name: str,
    recipe: str,
    modality: str,
    data: Path,
    given: argparse.Namespace,
    changes: list[str],
    samples: int | None = None,
) -> dict[str, Any] | None:
    """Train an arm, unless it is there: its folder under `given.out` is called `name`. What was shown, and how fast.

    samples: that the minutes pay for; absent: by a trial. None where only trials were asked for.
    """
    changes = [f"seed={given.seed}", *changes, *given.set]
    folder = given.out / name
    done = folder / "trained.json"
    if not done.exists():
        if samples is None:
            samples = horizon(name, recipe, modality, data, given, changes)
        print(f"{name}: {samples:,} samples in {given.minutes:g} minutes", flush=True)
        if given.trials:
            return None
        began = time.perf_counter()
        if given.patient and any((folder / "checkpoints").glob("*.state.safetensors")):
            multigan("train", modality, "--resume", folder, "--device", "cpu")
        else:
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was broken off
            minutes = None if given.patient else given.minutes
            train(recipe, modality, data, folder, minutes, [*changes, f"training.samples={samples}"])
        taken = (time.perf_counter() - began) / 60
        done.write_text(json.dumps({"minutes": given.minutes if given.patient else taken, "horizon": samples}))
    found = json.loads(done.read_text())
    shown = max(int(path.name.split(".")[0]) for path in (folder / "checkpoints").glob("*.state.safetensors"))
    print(f"{name}: trained for {found['minutes']:.1f} minutes towards {found['horizon']:,} samples", flush=True)
    return {**found, "shown": shown, "samples_per_second": speed(folder)}


def train(
    recipe: str,
    modality: str,
    data: Path | None,
    folder: Path,
    minutes: float | None,
    changes: list[str],
) -> None:
    """A training of the command line. data: absent: the recipe's own."""
    settings = [part for each in changes for part in ("--set", each)]
    limit = [] if minutes is None else ["--minutes", f"{minutes:g}"]
    options: list[str | Path] = ["--out", folder, "--device", "cpu", *limit]
    if data is not None:
        options += ["--data", data]
    multigan("train", modality, "--recipe", recipe, *settings, *options)


def speed(folder: Path) -> float:
    """Samples a second of a run: the median of its log."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return statistics.median(line["samples_per_second"] for line in lines if "samples_per_second" in line)
