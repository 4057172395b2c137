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
import re
import subprocess
import sys
import time
from pathlib import Path

from multigan.files import replacing, write_text

MODELS = Path(__file__).resolve().parents[1] / "multigan" / "demo" / "models"
LARGEST = 2_000_000
FIGURES = "figures.json"
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


def make(name: str) -> dict[str, object]:
    """Train one and put it in its place: what is told of it."""
    began = time.perf_counter()
    said = multigan("quickstart", QUICK[name])
    seconds = time.perf_counter() - began
    exported, commands = next(Path(RUNS[name]).glob("*.onnx")), [f"multigan quickstart {QUICK[name]}"]
    if exported.stat().st_size >= LARGEST:
        half = exported.with_name(f"{name}-fp16.onnx")
        commands.append(f"multigan export {RUNS[name]} --fp16 --out {half.name}")
        said += multigan("export", RUNS[name], "--fp16", "--out", str(half))
        exported = half
    if exported.stat().st_size >= LARGEST:
        raise SystemExit(f"{exported} has {exported.stat().st_size:,} bytes, and {LARGEST:,} are the most")
    with replacing(MODELS / f"{name}.onnx") as temporary:
        temporary.write_bytes(exported.read_bytes())
    figures = [line.strip() for line in said.splitlines() if re.search(r"\d+(\.\d+)?(%| ms| dB|x )|floor|max", line)]
    return {"commands": commands, "bytes": exported.stat().st_size, "seconds": round(seconds), "figures": figures}


def readme(told: dict[str, dict[str, object]]) -> str:
    """The folder's README.md."""
    lines = [
        "# The models that come with the demo",
        "",
        "Made by `tools/make_demo_models.py`, which runs the quick starts and writes this file.",
    ]
    for name in (each for each in QUICK if each in told):
        each = told[name]
        lines += ["", f"## {name}.onnx", ""]
        lines += [f"    {command}" for command in each["commands"]]  # type: ignore[attr-defined]
        lines += [
            "",
            f"{int(str(each['bytes'])) / 1e6:.2f} MB; {LICENCES[name]}. {each['seconds']} s on {each['machine']}.",
            "",
        ]
        lines += [f"- {line}" for line in each["figures"]]  # type: ignore[attr-defined]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=QUICK)
    only = parser.parse_args().only
    kept = MODELS / FIGURES
    told = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in [only] if only else QUICK:
        machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"
        told[name] = {**make(name), "machine": machine}
        write_text(kept, json.dumps(told, indent=1) + "\n")
        write_text(MODELS / "README.md", readme(told))
        print(f"{name}: {told[name]['bytes']:,} bytes in {told[name]['seconds']} s")


if __name__ == "__main__":
    main()
