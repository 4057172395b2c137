"""onnxruntime against torch in eager mode, on a CPU: exported generators of pictures and of sounds.

    python benchmarks/onnx_speed.py
    python benchmarks/onnx_speed.py --cases wavegan drums --threads 1

torch runs the averaged generator in inference mode, in both memory layouts where the network has two-dimensional
layers; onnxruntime runs the file that `multigan export` writes, and the same graph with its transposed convolutions as
torch gives them. All sides take numpy latents and labels and give numpy samples. Of sounds the real-time factor is the
seconds of sound that one second of the processor makes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import run as run_again

from _models import hardly_trained
from _timing import Times, interleave, machine, pin, ratio, repeat, table

BATCHES = (1, 16)
OURS, PLAIN, TORCH, LAST = "onnxruntime", "onnxruntime as torch exports", "torch", "torch channels_last"


@dataclass(frozen=True)
class Case:
    """A recipe, changes to it, and how many times as fast as torch is wanted at each of BATCHES."""

    modality: str
    changes: list[str] = field(default_factory=list)
    wanted: tuple[str, ...] = ("", "")
    sounds: str = ""
    """The real-time factor that is wanted at batch 1."""


CASES = {
    "dcgan": Case("image", wanted=("4", "1.4")),
    "wavegan": Case(
        "audio",
        ["data.rate=16000", "generator.width=64", "discriminator.width=8", "training.discriminator_steps=1"],
        ("1.8", "1.3"),
        "60",
    ),
    "drums": Case("audio"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--seconds", type=float, default=0.25, help="that torch takes for its share of a round")
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.model is not None:
        measure(CASES[given.cases[0]], given.model, given.run, given.threads[0], given.rounds, given.seconds)
        return
    print(f"{machine()}; {given.rounds} rounds")
    for name in given.cases:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as scratch:
            run, model = hardly_trained(name, Path(scratch), case.changes, case.modality)
            print(f"\n{name} {' '.join(case.changes)}".rstrip() + "\n", flush=True)
            for threads in given.threads:  # a process each: a pool of threads keeps the size that it began with
                options = ["--cases", name, "--threads", threads, "--rounds", given.rounds, "--seconds", given.seconds]
                command = [sys.executable, __file__, "--model", model, "--run", run, *options]
                run_again([str(each) for each in command], check=True)


def measure(case: Case, model: Path, run: Path, threads: int, rounds: int, seconds: float) -> None:
    """Print the table for one number of threads."""
    pin(threads)
    import numpy as np
    import torch
    from onnxruntime import InferenceSession

    from multigan import heads, noise
    from multigan.checkpoint import load_generator
    from multigan.exporters.graph import frozen, to_onnx
    from multigan.runs import find_checkpoint
    from multigan.runtime.onnx_file import read
    from multigan.runtime.session import open_session

    torch.set_num_threads(threads)
    recipe, eager, seen = load_generator(find_checkpoint(run))
    contract = heads.contract(recipe, seen)
    plain = model.with_name("plain.onnx")
    plain.write_bytes(to_onnx(frozen(eager), contract, rewrite=False).SerializeToString())
    sessions = {name: open_session(read(path), "cpu", threads) for name, path in ((OURS, model), (PLAIN, plain))}
    layouts = {TORCH: eager}
    if any(each.dim() == 4 for each in eager.parameters()):
        layouts[LAST] = deepcopy(eager).to(memory_format=torch.channels_last)

    def torch_once(network: torch.nn.Module, inputs: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return network(*(torch.from_numpy(each) for each in inputs.values())).numpy()

    def onnx_once(session: InferenceSession, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return session.run([contract.output.name], inputs)[0]

    compared = [*layouts, PLAIN]
    faster = [f"times {name}" for name in compared]
    rows = [["threads", "batch", *(f"{name}, ms" for name in (*compared, OURS)), *faster, "wanted, torch"]]
    if case.modality == "audio":
        rows[0] += ["real-time factor", "wanted"]
    for batch, wanted in zip(BATCHES, case.wanted, strict=True):
        inputs = noise.inputs(contract, 0, 0, batch)
        for session in sessions.values():
            apart = float(np.abs(torch_once(eager, inputs) - onnx_once(session, inputs)).max())
            if apart > 1e-4:
                raise SystemExit(f"the two sides differ by {apart:.1e}: they are not the same generator")
        first = interleave({TORCH: repeat(partial(torch_once, eager, inputs), 1)}, 3)[TORCH]
        calls = max(round(seconds * first.rate("wall")), 1)
        arms = {name: repeat(partial(torch_once, network, inputs), calls) for name, network in layouts.items()}
        arms |= {name: repeat(partial(onnx_once, session, inputs), calls) for name, session in sessions.items()}
        times = interleave(arms, rounds, calls, warmups=3)
        row = [str(threads), str(batch), *(f"{1000 / times[name].rate('cpu'):.2f}" for name in (*compared, OURS))]
        row += [spread(times, name) for name in compared]
        row.append(wanted)
        if case.modality == "audio":
            length = contract.output.shape[-1] / contract.extra["sample_rate"]
            row += [f"{batch * length * times[OURS].rate('cpu'):.0f}", case.sounds if batch == 1 else ""]
        rows.append(row)
    print(table(rows) + "\n", flush=True)


def spread(times: dict[str, Times], name: str) -> str:
    """How many times as fast onnxruntime is, in CPU time, with the quartiles."""
    middle, low, high = ratio(times, name, OURS, "cpu")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
