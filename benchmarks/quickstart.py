"""The quick start from three seeds: how long it takes, and how good, varied and new its digits are.

    python benchmarks/quickstart.py --mnist mnist.npz

Each seed is one whole process of `multigan quickstart`; benchmarks/digit_judge.py judges the files that it exports.
Seeds that are in --out already are not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from _models import MULTIGAN
from _timing import machine, pin, run, table

JUDGE = Path(__file__).with_name("digit_judge.py")
FIGURES = {
    "label agreement": "label agreement",
    "variance ratio": "variance ratio",
    "FD-EffLite0": "FD-EffLite0",
    "precision": "precision",
    "recall": "recall",
    "distance to nearest real / real's": "nearest real",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mnist", required=True, type=Path, help="mnist.npz, to train the judge on")
    parser.add_argument("--out", type=Path, default=Path("build/quickstart"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=1000, help="for the distance, precision and recall")
    parser.add_argument("--set", action="append", default=[], help="change the recipe, to try this script")
    given = parser.parse_args()
    pin(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}, {given.threads} threads")
    models = [train(seed, given.out, given.set) for seed in given.seeds]
    cache = given.out / "judge.safetensors"
    judge = [sys.executable, JUDGE, "--mnist", given.mnist, "--cache", cache, "--out", given.out]
    subprocess.run([*judge, "--samples", str(given.samples), *models], check=True)
    rows = [["seed", "seconds", "CPU seconds", *FIGURES.values()]]
    for seed, model in zip(given.seeds, models, strict=True):
        wall, cpu = json.loads(model.with_suffix(".json").read_text())
        folder = given.out / f"{model.stem}-judged"
        figures = json.loads((folder / "judged.json").read_text())["figures"]
        rows.append([str(seed), f"{wall:.0f}", f"{cpu:.0f}", *(f"{figures[name]:.3f}" for name in FIGURES)])
    floor = json.loads((folder / "report.json").read_text())["floor"]
    known = (f"{floor[name]:.3f}" if name in floor else "" for name in FIGURES)
    rows.append(["real against real", "", "", *known])
    print(f"\n{table(rows)}")


def train(seed: int, folder: Path, changes: list[str], what: str = "image", stem: str = "digits") -> Path:
    """The model of a seed, made by the quick start unless it is there; the seconds that it took lie beside it."""
    model = folder / f"seed{seed}.onnx"
    if not (model.exists() and model.with_suffix(".json").exists()):
        place = folder / f"run{seed}"
        shutil.rmtree(place, ignore_errors=True)  # of a run that was broken off
        settings = [part for each in changes for part in ("--set", each)]
        seconds = run([*MULTIGAN, "quickstart", what, "--seed", str(seed), "--out", str(place), *settings])
        os.replace(place / f"{stem}.onnx", model)
        model.with_suffix(".json").write_text(json.dumps(seconds))
    return model


if __name__ == "__main__":
    main()
