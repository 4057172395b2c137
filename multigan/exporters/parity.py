"""Is the file the same function as the network? Both are run on the same inputs and compared."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from multigan import noise
from multigan.contract import Contract
from multigan.errors import UserError

BATCHES = (1, 2, 3, 16)
SEED = 0

_FRESH = """
import sys
import numpy, onnxruntime
onnxruntime.set_default_logger_severity(4)
model, inputs, output = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
numpy.savez(output, *session.run(None, dict(numpy.load(inputs))))
print(" ".join(name for name in ("torch", "onnx", "multigan") if name in sys.modules))
"""


@dataclass(frozen=True)
class Comparison:
    """The largest absolute difference between the file's output and the network's, over a batch of that size.

    symbols: of texts, how many were compared, which must be equal, and the difference is that of their
    log-probabilities. left_out: how many were not, since the text is at the edge of rounding there or was before.
    power, noise: the sums of squares of what the network gives, and of the difference.
    """

    batch: int
    error: float
    symbols: int = 0
    left_out: int = 0
    power: float = 0.0
    noise: float = 0.0

    def __add__(self, other: Comparison) -> Comparison:
        """Both together."""
        return Comparison(
            max(self.batch, other.batch),
            max(self.error, other.error),
            self.symbols + other.symbols,
            self.left_out + other.left_out,
            self.power + other.power,
            self.noise + other.noise,
        )

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio in decibels; infinite where nothing differs."""
        if not math.isfinite(self.noise):
            return -math.inf
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(self.power / self.noise) if self.power else -math.inf


@dataclass(frozen=True)
class Allowed:
    """How far a file may be from torch. error: the largest difference. snr: the least signal-to-noise ratio in dB."""

    error: float = math.inf
    snr: float = -math.inf

    def refusal(self, found: Comparison) -> str | None:
        """What is wrong with a file, in words that follow "the file", or None."""
        if not found.error <= self.error:
            return f"differs from torch by {found.error:.2e}, more than the tolerance of {self.error:g}"
        if not found.snr >= self.snr:
            return f"has a signal-to-noise ratio of {found.snr:.1f} dB against torch, less than {self.snr:g} dB"
        return None

    def __str__(self) -> str:
        parts = [f"within the tolerance of {self.error:g}"] if math.isfinite(self.error) else []
        parts += [f"at least {self.snr:g} dB"] if math.isfinite(self.snr) else []
        return ", ".join(parts)


class Reference:
    """What a network gives in torch, on the CPU, for inputs as the runtime makes them."""

    def __init__(self, module: torch.nn.Module, contract: Contract):
        self.module, self.contract = module, contract

    @property
    def outputs(self) -> list[str]:
        """The names of the graph's outputs that are compared."""
        return [self.contract.output.name]

    def cases(self, batch: int) -> list[dict[str, NDArray[Any]]]:
        """Inputs of `batch` samples each."""
        return [self.inputs(batch)]

    def inputs(self, count: int, start: int = 0, seed: int = SEED) -> dict[str, NDArray[Any]]:
        """Inputs of samples `start` to `start + count` of a seed, the classes in turn."""
        return noise.inputs(self.contract, seed, start, count)

    def run(self, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """What the network gives, one array for each of `outputs`."""
        return expected(self.module, inputs)

    def compare(self, inputs: dict[str, NDArray[Any]], made: Sequence[NDArray[Any]]) -> Comparison:
        """What the file `made` of the inputs against what the network does."""
        found = [compared(left, right) for left, right in zip(made, self.run(inputs), strict=True)]
        return reduce(add, found)


def compare(model: Path, reference: Reference) -> list[Comparison]:
    """Run `model` in onnxruntime and the network in torch, both on the CPU, at each of BATCHES."""
    session = open_session(model)

    def once(inputs: dict[str, NDArray[Any]]) -> Comparison:
        return reference.compare(inputs, [np.asarray(each) for each in session.run(reference.outputs, inputs)])

    return [reduce(add, map(once, reference.cases(batch))) for batch in BATCHES]


def check_in_fresh_process(model: Path, reference: Reference, allowed: Allowed) -> None:
    """Load and run `model` in a new process that imports numpy and onnxruntime alone.

    Raises UserError where it fails there, drags torch in, or differs by more than is `allowed`.
    """
    inputs, output = model.with_suffix(".in.npz"), model.with_suffix(".out.npz")
    feeds = reference.cases(2)[0]
    np.savez(inputs, **feeds)  # type: ignore[arg-type]
    try:
        # -P: none of the present folder's modules, for a numpy.py there would be run.
        command = [sys.executable, "-P", "-c", _FRESH, str(model), str(inputs), str(output)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise UserError(
                f"the exported file does not run in a fresh process without torch: {_last_line(done.stderr)}"
            )
        if done.stdout.strip():
            raise UserError(f"running the exported file drags in {done.stdout.strip()}, which it must do without.")
        with np.load(output) as made:
            there = [made[name] for name in made.files]
        refusal = replace(allowed, snr=-math.inf).refusal(reference.compare(feeds, there))
        if refusal is None and math.isfinite(allowed.snr):
            # Two samples are too few for a ratio: what was measured here has to come out there.
            here = open_session(model).run(None, feeds)
            refusal = allowed.refusal(reduce(add, map(compared, there, map(np.asarray, here))))
        if refusal:
            raise UserError(f"the exported file {refusal}, in a fresh process.")
    finally:
        inputs.unlink(missing_ok=True)
        output.unlink(missing_ok=True)


def _last_line(text: str) -> str:
    """Of a traceback what went wrong."""
    return (text.strip().splitlines() or ["it ended without a word"])[-1][:500]


def open_session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A quiet CPU session with as many threads as torch uses."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    content = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def expected(module: torch.nn.Module, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """What `module` gives for `inputs`, one tensor or several; see `arguments`."""
    positional, named = arguments(module, {name: torch.from_numpy(each) for name, each in inputs.items()})
    given = module(*positional, **named)
    return [each.numpy() for each in (given if isinstance(given, tuple) else (given,))]


def arguments(
    module: torch.nn.Module, inputs: dict[str, torch.Tensor]
) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
    """The inputs as a module's arguments: by name where it has arguments of all those names, for it may have others
    that are left away; else in their order."""
    names = inspect.signature(module.forward).parameters
    return ((), inputs) if inputs.keys() <= names.keys() else (tuple(inputs.values()), {})


def compared(made: NDArray[Any], expected: NDArray[Any]) -> Comparison:
    """Two arrays; all is infinite where the shapes differ or a value is not a number."""
    error = difference(made, expected)
    if not math.isfinite(error):
        return Comparison(len(made), error, noise=math.inf)
    exact = expected.astype(np.float64)
    apart = made.astype(np.float64) - exact
    return Comparison(len(made), error, power=float(np.sum(exact * exact)), noise=float(np.sum(apart * apart)))


def difference(left: NDArray[Any], right: NDArray[Any]) -> float:
    """The largest absolute difference; infinite where the shapes differ or a value is not a number."""
    if left.shape != right.shape:
        return float("inf")
    error = float(np.max(np.abs(left.astype(np.float64) - right.astype(np.float64))))
    return error if np.isfinite(error) else float("inf")
