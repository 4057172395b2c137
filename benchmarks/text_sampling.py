"""Sampling of texts on a CPU: the exported file in onnxruntime against torch.

    python benchmarks/text_sampling.py

10,000 texts of 20 symbols from an untrained LSTM (32 hidden, a vocabulary of 5,000), at temperature 1 without a cut.
torch does it once as it is usually written, with softmax, running sum and `searchsorted` over the whole vocabulary, and
once as a training here does (`Policy.sample`, two running sums). The file gives the log-probabilities besides; a
temperature and top-k are the file's alone.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

from _timing import Times, interleave, machine, pin, ratio, repeat, table

NAIVE, OURS, FILE = "torch, one running sum", "torch, Policy.sample", "onnxruntime"
WARM, CUT = "onnxruntime, temperature 0.8", "onnxruntime, top-k 10"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--vocabulary", type=int, default=5000)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    pin(1)
    print(f"{machine()}; 1 thread, {given.rounds} rounds, batches of {given.batch}\n", flush=True)
    measure(given.texts, given.length, given.vocabulary, given.hidden, given.batch, given.rounds)


def measure(texts: int, length: int, vocabulary: int, hidden: int, batch: int, rounds: int) -> None:
    """Print the table."""
    import numpy as np
    import torch

    from multigan import noise
    from multigan.contract import Contract, Input, Output
    from multigan.exporters import export_module
    from multigan.runtime import load
    from multigan.text.config import Lstm
    from multigan.text.networks import Shape, build_generator
    from multigan.text.networks.sampler import Sampler

    torch.set_num_threads(1)
    torch.manual_seed(0)
    chosen = Lstm(kind="lstm", embedding=hidden, hidden=hidden)
    policy = build_generator(chosen, Shape(vocabulary, length, ends=False)).eval().requires_grad_(False)
    axes: list[int | str] = ["batch", "length"]
    contract = Contract(
        modality="text",
        name="benchmark",
        inputs=[
            Input("noise", "noise", "float32", axes, "uniform"),
            Input("prefix", "prefix", "int64", axes, default=-1),
            Input("temperature", "scalar", "float32", [], default=1.0),
            Input("top_k", "scalar", "int64", [], default=0),
            Input("top_p", "scalar", "float32", [], default=1.0),
        ],
        output=Output("text", "int64", axes, 0, vocabulary - 1),
        extra={"length": length, "log_probability": "log_probability"},
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.onnx"
        export_module(Sampler(policy), contract, path)
        session = load(path, device="cpu", threads=1).session
    feeds = [noise.inputs(contract, 0, first, min(batch, texts - first)) for first in range(0, texts, batch)]

    def file(**scalars: float) -> None:
        told = {name: np.array(value, feeds[0][name].dtype) for name, value in scalars.items()}
        for feed in feeds:
            session.run(["text", "log_probability"], {**feed, **told})

    @torch.inference_mode()
    def naive() -> None:
        for feed in feeds:
            _one_sum(policy, (torch.from_numpy(feed["noise"]) + 1) / 2).numpy()

    @torch.inference_mode()
    def ours() -> None:
        for feed in feeds:
            policy.sample((torch.from_numpy(feed["noise"]) + 1) / 2).numpy()

    arms = {NAIVE: naive, OURS: ours, FILE: file, WARM: partial(file, temperature=0.8), CUT: partial(file, top_k=10)}
    times = interleave({name: repeat(work, 1) for name, work in arms.items()}, rounds, texts)
    head = ["", "texts/s", "CPU s for all", "times as fast as the first, CPU", "wall"]
    print(table([head, *(_row(name, times, texts) for name in arms)]))


def _row(name: str, times: dict[str, Times], texts: int) -> list[str]:
    rate = times[name].rate("cpu")
    fast = [ratio(times, NAIVE, name, clock) for clock in ("cpu", "wall")]
    return [
        name,
        f"{rate:,.0f}",
        f"{texts / rate:.2f}",
        *(f"{one:.2f} ({low:.2f} to {up:.2f})" for one, low, up in fast),
    ]


def _one_sum(policy, uniform):  # type: ignore[no-untyped-def]
    """Symbols by one running sum over the vocabulary."""
    import torch

    symbol = torch.zeros(len(uniform), dtype=torch.long)
    state, made = policy.begin(len(uniform)), []
    for column in uniform.unbind(1):
        features, state = policy.step(symbol, state)
        running = torch.softmax(policy.logits(features), dim=1).cumsum(dim=1)
        symbol = torch.searchsorted(running, column[:, None].contiguous(), right=True)[:, 0]
        symbol = symbol.clamp_max(running.shape[1] - 1)
        made.append(symbol)
    return torch.stack(made, dim=1)


if __name__ == "__main__":
    main()
