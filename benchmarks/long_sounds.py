"""Five seconds at 48 kHz with WaveGAN: a training of a few turns from wav files, its export, and how fast that plays.

    python benchmarks/long_sounds.py

240,000 samples are 24 times the product of the strides [4, 4, 5, 5, 5, 5]. A turn is the recipe's: five steps of the
discriminator with the gradient penalty and one of the generator, in what arithmetic the training chooses here; its
time is that of the Trainer, sounds in memory. The memory is the most that the whole process of `multigan train` takes,
its previews of 64 sounds included. The files are sweeps: nothing is learned here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _models import MULTIGAN, multigan
from _timing import Times, interleave, machine, pin, repeat, table

RATE, LENGTH, STRIDES = 48_000, 240_000, "[4,4,5,5,5,5]"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="*", default=[16, 32])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3, help="that are timed, after one that is not")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    pin(given.threads)
    print(f"{machine()}, {given.threads} threads; batch {given.batch}\n")
    head = [
        "width",
        "parameters, M",
        "CPU s a turn",
        "wall s a turn",
        "peak memory, GB",
        "file, MB",
        "ms a sound, 1 thread",
        "real-time factor",
    ]
    rows = [head]
    with tempfile.TemporaryDirectory() as scratch:
        write_sweeps(Path(scratch) / "sweeps", given.batch)
        for width in given.widths:
            rows += [[str(width), *figures(width, given.batch, given.turns, Path(scratch))]]
            print(*rows[-1], file=sys.stderr)
    print(table(rows))


def write_sweeps(folder: Path, count: int) -> None:
    """Sweeps over five octaves, five seconds each, no two alike."""
    import numpy as np
    import soundfile

    folder.mkdir()
    seconds = np.arange(LENGTH) / RATE
    for index in range(count):
        turns = (100 + 10 * index) * 2**seconds / np.log(2)
        soundfile.write(folder / f"sweep{index}.wav", 0.5 * np.sin(2 * np.pi * turns), RATE, subtype="PCM_16")


def figures(width: int, batch: int, turns: int, scratch: Path) -> list[str]:
    """Train, export, time and play; the row of the table."""
    run, model = scratch / f"run{width}", scratch / f"model{width}.onnx"
    changes = [f"data.rate={RATE}", f"data.length={LENGTH}", f"training.batch={batch}", f"training.samples={5 * batch}"]
    for network in ("generator", "discriminator"):
        changes += [f"{network}.strides={STRIDES}", f"{network}.width={width}"]
    settings = [part for each in changes for part in ("--set", each)]
    options = ["--data", str(scratch / "sweeps"), "--out", str(run), "--device", "cpu"]
    peak = peak_memory([*MULTIGAN, "train", "audio", "--recipe", "wavegan", *options, *settings])
    multigan("export", run, "--onnx", "--out", model)
    times, sizes = turn(run, turns)
    played = play(model)
    return [
        " + ".join(f"{size / 1e6:.1f}" for size in sizes),
        *(f"{1 / times.rate(clock):.1f}" for clock in ("cpu", "wall")),
        f"{peak / 1e9:.1f}",
        f"{model.stat().st_size / 1e6:.0f}",
        f"{1000 * played:.0f}",
        f"{LENGTH / RATE / played:.0f}",
    ]


def peak_memory(command: list[str]) -> int:
    """Run a process; the most memory that it took, in bytes."""
    with tempfile.TemporaryFile("w+") as said:
        running = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read()}")
    return used.ru_maxrss * 1024


def turn(run: Path, turns: int) -> tuple[Times, list[int]]:
    """Times of the Trainer's turns of a run's recipe, and the parameters of generator and discriminator."""
    import torch
    from _training import trainer

    from multigan import checkpoint
    from multigan.runs import find_checkpoint
    from multigan.training.device import arithmetic

    recipe = checkpoint.load(find_checkpoint(run)).recipe
    ours = trainer(recipe, arithmetic(recipe.training, torch.device("cpu")))
    sizes = [sum(each.numel() for each in network.parameters()) for network in ours.game.networks.values()]
    return interleave({"turn": repeat(ours.turn, 1)}, turns)["turn"], sizes


def play(model: Path, rounds: int = 9) -> float:
    """CPU seconds that one sound takes in onnxruntime, on one thread: the median."""
    from multigan import noise
    from multigan.runtime.onnx_file import read
    from multigan.runtime.session import open_session

    file = read(model)
    session, taken = open_session(file, "cpu", threads=1), []
    for index in range(rounds + 2):
        inputs = noise.inputs(file.contract, 0, index, 1)
        before = time.process_time()
        session.run([file.contract.output.name], inputs)
        taken.append(time.process_time() - before)
    return statistics.median(taken[2:])


if __name__ == "__main__":
    main()
