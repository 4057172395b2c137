"""Exports of less precision on a CPU: torch in eager mode, onnxruntime with float32 as torch exports it and as
`multigan export` writes it, with float16 and with int8.

    python benchmarks/int8.py
    python benchmarks/int8.py --cases dcgan --run runs/NAME --data FOLDER --samples 5000

All sides take numpy latents and give numpy samples, in turn, in one process; times are of the CPU. The signal-to-noise
ratio is that of 64 samples against torch, which neither the ranges nor the comparison of the export have seen. --run
measures a trained network instead of one that has been shown 8 samples, --samples the Fréchet distances of its files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from subprocess import run as run_again

from _models import hardly_trained, multigan
from _timing import Times, interleave, machine, pin, ratio, repeat, table

BATCHES = (1, 16)
TORCH, PLAIN = "torch", "fp32 as torch exports"
FILES = ("fp32", "fp16", "int8")
SEED, SAMPLES = 5, 64
CASES: dict[str, tuple[str, list[str]]] = {
    "dcgan": ("image", []),
    "wavegan": (
        "audio",
        ["data.rate=16000", "generator.width=64", "discriminator.width=8", "training.discriminator_steps=1"],
    ),
}
WANTED = {
    ("dcgan", 1): (1.4, None),
    ("dcgan", 16): (1.7, None),
    ("wavegan", 1): (2.8, 6.0),
    ("wavegan", 16): (None, None),
}
"""How many times as fast int8 is wanted as float32 (as torch exports) and as torch."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--seconds", type=float, default=0.1, help="that torch takes for its share of a round")
    parser.add_argument("--run", type=Path, help="a trained run instead, with one of --cases")
    parser.add_argument("--data", help="real samples for the Fréchet distance, if not those of the run")
    parser.add_argument("--samples", type=int, default=0, help="for the Fréchet distance; 0 for none")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder is not None:
        measure(given.cases[0], given.folder, given.run, given.threads, given.rounds, given.seconds)
        return
    print(f"{machine()}; {given.threads} thread(s), {given.rounds} rounds")
    for name in given.cases:
        modality, changes = CASES[name]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            run = given.run or hardly_trained(name, folder, changes, modality)[0]
            for precision in FILES:
                flags = [] if precision == "fp32" else [f"--{precision}", "--snr", "1"]
                multigan("export", run, "--out", folder / f"{precision}.onnx", "--no-card", *flags)
            print(f"\n{name} {' '.join(changes)}".rstrip() + "\n", flush=True)
            options = ["--threads", given.threads, "--rounds", given.rounds, "--seconds", given.seconds]
            command = [sys.executable, __file__, "--cases", name, "--folder", folder, "--run", run, *options]
            run_again([str(each) for each in command], check=True)
            if given.samples:
                distances(folder, run, given.data, given.samples)


def measure(name: str, folder: Path, run: Path, threads: int, rounds: int, seconds: float) -> None:
    """Print the tables of one case."""
    pin(threads)
    import numpy as np
    import torch

    from multigan import heads, noise
    from multigan.checkpoint import load_generator
    from multigan.exporters.graph import frozen, to_onnx
    from multigan.exporters.parity import compared
    from multigan.runs import find_checkpoint
    from multigan.runtime.onnx_file import read
    from multigan.runtime.session import open_session

    torch.set_num_threads(threads)
    recipe, eager, seen = load_generator(find_checkpoint(run))
    contract = heads.contract(recipe, seen)
    paths = {PLAIN: folder / "plain.onnx", **{each: folder / f"{each}.onnx" for each in FILES}}
    paths[PLAIN].write_bytes(to_onnx(frozen(eager), contract, rewrite=False).SerializeToString())
    sessions = {each: open_session(read(path), "cpu", threads) for each, path in paths.items()}

    def torch_once(inputs: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return eager(*(torch.from_numpy(each) for each in inputs.values())).numpy()

    inputs = noise.inputs(contract, SEED, 0, SAMPLES)
    exact = torch_once(inputs)
    rows = [["file", "size, MB", "of float32's", "signal-to-noise, dB"]]
    for each, session in sessions.items():
        size = paths[each].stat().st_size
        share = size / paths["fp32"].stat().st_size
        snr = compared(session.run([contract.output.name], inputs)[0], exact).snr
        rows.append([each, f"{size / 1e6:.2f}", f"{100 * share:.1f}%", f"{snr:.1f}"])
    print(table(rows) + "\n", flush=True)

    compare = [TORCH, PLAIN, "fp32"]
    names = [TORCH, *sessions]
    head = ["batch", *(f"{each}, ms" for each in names), *(f"int8 times {each}" for each in compare)]
    rows = [[*head, "int8 times fp32, wall", f"wanted, {PLAIN}; torch"]]
    for batch in BATCHES:
        inputs = noise.inputs(contract, 0, 0, batch)
        first = interleave({TORCH: repeat(partial(torch_once, inputs), 1)}, 3)[TORCH]
        calls = max(round(seconds * first.rate("cpu")), 1)
        arms = {TORCH: repeat(partial(torch_once, inputs), calls)}
        for each, session in sessions.items():
            arms[each] = repeat(partial(session.run, [contract.output.name], inputs), calls)
        times = interleave(arms, rounds, calls, warmups=2)
        row = [str(batch), *(f"{1000 / times[each].rate('cpu'):.2f}" for each in names)]
        row += [spread(times, each, "cpu") for each in compare]
        wanted = "; ".join("" if each is None else f"{each:g}" for each in WANTED[name, batch])
        rows.append([*row, spread(times, "fp32", "wall"), wanted.strip("; ")])
    print(table(rows) + "\n", flush=True)


def spread(times: dict[str, Times], name: str, clock: str) -> str:
    """How many times as fast int8 is, with the quartiles."""
    middle, low, high = ratio(times, name, "int8", clock)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def distances(folder: Path, run: Path, data: str | None, samples: int) -> None:
    """Print the Fréchet distance of the float32 and the int8 file, on the same seeds and against the same samples."""
    from multigan.checkpoint import load
    from multigan.evaluation import evaluate
    from multigan.runs import find_checkpoint

    source = data or load(find_checkpoint(run)).recipe.data.source
    rows = [["file", "distance", "of float32's", "real against real"]]
    found = {}
    for each in FILES:
        report = evaluate(folder / f"{each}.onnx", source, count=samples, search=samples).report
        name = next(iter(report.figures))
        found[each] = report.figures[name]
        rows.append([each, f"{found[each]:.4g}", f"{found[each] / found['fp32']:.4f}", f"{report.floor[name]:.4g}"])
    rows[0][1] = f"{name}, {samples:,} samples"
    print(table(rows) + "\n", flush=True)


if __name__ == "__main__":
    main()
