"""The text quick start from three seeds: how long it takes, and its names beside likelihood's and real ones.

    python benchmarks/quickstart_text.py

Each seed is one whole process of `multigan quickstart text`, whose own evaluation (1,000 names) is printed. Seeds that
are in --out already are not trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from _timing import machine, pin, table
from quickstart import train

FIGURES = [
    "n-gram NLL",
    "reverse perplexity",
    "NLL_test",
    "novel",
    "unique",
    "8-grams copied",
    "distance of the lengths",
]
PARTS = {"figures": "the generator", "baseline": "likelihood", "floor": "real against real"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/quickstart_text"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="change the recipe, to try this script")
    given = parser.parse_args()
    pin(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}, {given.threads} threads")
    rows = [["names", "seconds", "CPU seconds", *FIGURES]]
    verdicts = []
    for seed in given.seeds:
        model = train(seed, given.out, given.set, "text", "names")
        wall, cpu = json.loads(model.with_suffix(".json").read_text())
        report: dict[str, Any] = json.loads((model.parent / f"run{seed}" / "evaluation" / "report.json").read_text())
        for part, name in PARTS.items():
            cells = [f"{report[part][each]:.3f}" if each in report[part] else "" for each in FIGURES]
            times = [f"{wall:.0f}", f"{cpu:.0f}"] if part == "figures" else ["", ""]
            rows.append([f"seed {seed}: {name}", *times, *cells])
        verdicts.append(f"seed {seed}: {report['headline']}")
    print(f"\n{table(rows)}\n")
    print("\n".join(verdicts))


if __name__ == "__main__":
    main()
