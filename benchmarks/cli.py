"""Times of whole processes: `multigan --help`, and of a DCGAN of 32x32 pixels in colour the first sample in Python and
`multigan generate -n 64`; the same of a stranger's file, in a process of its own.

    python benchmarks/cli.py

Beside them, what a bare Python and one that only imports the runtime's packages need: multigan cannot be faster.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from _models import MULTIGAN, hardly_trained
from _timing import interleave, machine, pin, run, table

TARGETS = {"multigan --help": "0.5", "import, load, first sample": "0.6", "multigan generate -n 64": "2"}
FIRST = "import multigan.runtime as r, sys; r.load(sys.argv[1]).sample(1)"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipe", default="dcgan")
    parser.add_argument("--model", type=Path, help="an exported file, instead of training the recipe a little")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    pin(given.threads)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = given.model or hardly_trained(given.recipe, folder)[1]
        generate = [*MULTIGAN, "generate", str(model), "-n", "64", "--seed", "7", "--out", str(folder / "pictures")]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import onnxruntime, numpy, PIL": [sys.executable, "-c", "import onnxruntime, numpy, PIL.Image"],
            "multigan --help": [*MULTIGAN, "--help"],
            "import, load, first sample": [sys.executable, "-c", FIRST, str(model)],
            "multigan generate -n 64": generate,
            "multigan generate -n 64 --untrusted": [*generate, "--untrusted"],
        }
        arms = {name: lambda command=command: run(command) for name, command in commands.items()}
        print(f"{machine()}, {given.threads} threads; {given.rounds} rounds")
        times = interleave(arms, given.rounds)
    rows = [["process", "wall s", "CPU s", "at most, s"]]
    for name, arm in times.items():
        rows.append([name, f"{1 / arm.rate('wall'):.2f}", f"{1 / arm.rate('cpu'):.2f}", TARGETS.get(name, "")])
    print(table(rows))


if __name__ == "__main__":
    main()
