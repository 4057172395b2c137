"""onnxruntime against torch in eager mode: the same exported DCGAN of 32x32 pixels in colour, on a CPU.

    python benchmarks/onnx_speed.py

torch runs the averaged generator in inference mode, in both memory layouts; onnxruntime runs the file that `multigan
export` writes, and the same graph with its transposed convolutions as torch gives them. All sides take numpy latents
and give numpy pictures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from copy import deepcopy
from functools import partial
from pathlib import Path
from subprocess import run as run_again

from _models import hardly_trained
from _timing import interleave, machine, pin, ratio, repeat, table

BATCHES = (1, 16)
OURS, PLAIN = "onnxruntime", "onnxruntime as torch exports"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipe", default="dcgan")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--pictures", type=int, default=256, help="in a round")
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.model is not None:
        measure(given.model, given.run, given.threads[0], given.rounds, given.pictures)
        return
    with tempfile.TemporaryDirectory() as scratch:
        run, model = hardly_trained(given.recipe, Path(scratch))
        print(f"{machine()}; {given.rounds} rounds of {given.pictures} pictures\n")
        for threads in given.threads:  # a process each: a pool of threads keeps the size that it began with
            options = ["--threads", str(threads), "--rounds", str(given.rounds), "--pictures", str(given.pictures)]
            command = [sys.executable, __file__, "--model", str(model), "--run", str(run), *options]
            run_again(command, check=True)


def measure(model: Path, run: Path, threads: int, rounds: int, pictures: int) -> None:
    """Print the table for one number of threads."""
    pin(threads)
    import numpy as np
    import torch
    from onnxruntime import InferenceSession

    from multigan import heads
    from multigan.checkpoint import load_generator
    from multigan.exporters.graph import frozen, to_onnx
    from multigan.runs import find_checkpoint
    from multigan.runtime.onnx_file import read
    from multigan.runtime.session import open_session

    torch.set_num_threads(threads)
    recipe, eager, seen = load_generator(find_checkpoint(run))
    plain = model.with_name("plain.onnx")
    plain.write_bytes(to_onnx(frozen(eager), heads.contract(recipe, seen), rewrite=False).SerializeToString())
    sessions = {name: open_session(read(path), "cpu", threads) for name, path in ((OURS, model), (PLAIN, plain))}
    layouts = {"torch": eager, "torch channels_last": deepcopy(eager).to(memory_format=torch.channels_last)}

    def torch_once(network: torch.nn.Module, latent: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(latent)).numpy()

    def onnx_once(session: InferenceSession, latent: np.ndarray) -> np.ndarray:
        return session.run(["image"], {"latent": latent})[0]

    compared = [*layouts, PLAIN]
    faster = [f"times {name}, {clock}" for name in compared for clock in ("CPU", "wall")]
    rows = [["threads", "batch", *(f"{name}, ms" for name in (*compared, OURS)), *faster]]
    for batch in BATCHES:
        latent = np.random.default_rng(0).standard_normal((batch, recipe.latent.size), np.float32)
        for session in sessions.values():
            apart = float(np.abs(torch_once(eager, latent) - onnx_once(session, latent)).max())
            if apart > 1e-4:
                raise SystemExit(f"the two sides differ by {apart:.1e}: they are not the same generator")
        calls = max(pictures // batch, 1)
        arms = {name: repeat(partial(torch_once, network, latent), calls) for name, network in layouts.items()}
        arms |= {name: repeat(partial(onnx_once, session, latent), calls) for name, session in sessions.items()}
        times = interleave(arms, rounds, calls, warmups=3)
        milliseconds = [f"{1000 / times[name].rate('wall'):.2f}" for name in (*compared, OURS)]
        ratios = [f"{ratio(times, name, OURS, clock)[0]:.2f}" for name in compared for clock in ("cpu", "wall")]
        rows.append([str(threads), str(batch), *milliseconds, *ratios])
    print(table(rows) + "\n")


if __name__ == "__main__":
    main()
