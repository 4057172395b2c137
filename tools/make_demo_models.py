"""Train, export and record the small generators that come with the demo: multigan/demo/models/.

    python tools/make_demo_models.py                # the three quick starts, one after another: about 15 minutes
    python tools/make_demo_models.py --only names   # one of them; the README keeps what it says of the others

Each is what `multigan quickstart` makes, with its figures, in under 2 MB: where the export is larger, its weights are
stored in half precision (`multigan export --fp16`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from multigan.files import replacing, write_text

MODELS = Path(__file__).resolve().parents[1] / "multigan" / "demo" / "models"
LARGEST = 2_000_000
FIGURES = "figures.json"
SAMPLES = 1000
QUICK = {"digits": "image", "drums": "audio", "names": "text"}
RUNS = {"digits": "runs/quickstart", "drums": "runs/drums", "names": "runs/names"}
LICENCES = {
    "digits": "trained on MNIST's digits (LeCun, Cortes and Burges), CC BY-SA 3.0",
    "drums": "trained on CC0 clips",
    "names": "trained on first names in the public domain",
}


def multigan(*arguments: str) -> str:
    """Run a command of multigan's and give what it printed."""
    done = subprocess.run([sys.executable, "-m", "multigan", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"multigan {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def make(name: str, trained: bool) -> dict[str, object]:
    """Train one and put it in its place: what is told of it. trained: its run is there already."""
    run, commands, began = Path(RUNS[name]), [f"multigan quickstart {QUICK[name]}"], time.perf_counter()
    if not trained:
        multigan("quickstart", QUICK[name])
    seconds = round(time.perf_counter() - began)
    exported = run / f"{name}.onnx"
    if exported.stat().st_size >= LARGEST:
        half = exported.with_name(f"{name}-fp16.onnx")
        commands.append(f"multigan export {run} --fp16 --out {half.name}")
        multigan("export", str(run), "--fp16", "--out", str(half))
        exported = half
    if exported.stat().st_size >= LARGEST:
        raise SystemExit(f"{exported} has {exported.stat().st_size:,} bytes, and {LARGEST:,} are the most")
    commands.append(f"multigan evaluate {run} --samples {SAMPLES}")
    multigan("evaluate", str(run), "--samples", str(SAMPLES), "--out", str(run / "measured"))
    with replacing(MODELS / f"{name}.onnx") as temporary:
        temporary.write_bytes(exported.read_bytes())
    report = json.loads((run / "measured" / "report.json").read_text(encoding="utf-8"))
    told = {"commands": commands, "bytes": exported.stat().st_size}
    told |= {each: report[each] for each in ("figures", "floor")}
    return told if trained else {**told, "seconds": seconds}


def readme(told: dict[str, dict[str, Any]]) -> str:
    """The folder's README.md."""
    lines = [
        "# The models that come with the demo",
        "",
        "Made by `tools/make_demo_models.py`, which runs these commands and writes this file. The figures are those of",
        f"`multigan evaluate` of {SAMPLES:,} samples in full precision; real samples of as many where the floor is.",
    ]
    for name in (each for each in QUICK if "commands" in told.get(each, {})):
        each = told[name]
        took = f" Trained in {each['seconds']} s on {each['machine']}." if "seconds" in each else ""
        lines += ["", f"## {name}.onnx", "", *(f"    {command}" for command in each["commands"]), ""]
        lines += [f"{each['bytes'] / 1e6:.2f} MB; {LICENCES[name]}.{took}", ""]
        lines += ["| figure | this model | real samples |", "|---|---|---|"]
        for measure, value in each["figures"].items():
            floor = each["floor"].get(measure)
            lines.append(f"| {measure} | {value:.4g} | {'' if floor is None else f'{floor:.4g}'} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=QUICK)
    parser.add_argument("--trained", action="store_true", help="the runs are there: export and evaluate them")
    given = parser.parse_args()
    kept = MODELS / FIGURES
    told = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in [given.only] if given.only else QUICK:
        machine = f"{os.environ.get('OMP_NUM_THREADS', len(os.sched_getaffinity(0)))} cores of {platform.machine()}"
        kept_of = {each: told.get(name, {}).get(each) for each in ("seconds", "machine")} if given.trained else {}
        made = {"machine": machine, **make(name, given.trained)}
        told[name] = {**made, **{each: value for each, value in kept_of.items() if value is not None}}
        write_text(kept, json.dumps(told, indent=1) + "\n")
        write_text(MODELS / "README.md", readme(told))
        print(f"{name}: {told[name]['bytes']:,} bytes")


if __name__ == "__main__":
    main()
