"""Is the file the same function as the network? Both are run on the same inputs and compared."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
    """

    batch: int
    error: float
    symbols: int = 0
    left_out: int = 0

    def __add__(self, other: Comparison) -> Comparison:
        """Both together."""
        symbols, left_out = self.symbols + other.symbols, self.left_out + other.left_out
        return Comparison(max(self.batch, other.batch), max(self.error, other.error), symbols, left_out)


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
        return [inputs_for(self.contract, batch)]

    def compare(self, inputs: dict[str, NDArray[Any]], made: Sequence[NDArray[Any]]) -> Comparison:
        """What the file `made` of the inputs against what the network does."""
        return Comparison(len(made[0]), difference(made[0], expected(self.module, inputs)))


def inputs_for(contract: Contract, count: int) -> dict[str, NDArray[Any]]:
    """Inputs of `count` samples as the runtime makes them, from seed 0."""
    return noise.inputs(contract, SEED, 0, count)


def compare(model: Path, reference: Reference) -> list[Comparison]:
    """Run `model` in onnxruntime and the network in torch, both on the CPU in float32, at each of BATCHES."""
    session = open_session(model)

    def once(inputs: dict[str, NDArray[Any]]) -> Comparison:
        return reference.compare(inputs, [np.asarray(each) for each in session.run(reference.outputs, inputs)])

    return [reduce(add, map(once, reference.cases(batch))) for batch in BATCHES]


def check_in_fresh_process(model: Path, reference: Reference, tolerance: float) -> None:
    """Load and run `model` in a new process that imports numpy and onnxruntime alone.

    Raises UserError where it fails there, drags torch in, or differs by more than `tolerance`.
    """
    inputs, output = model.with_suffix(".in.npz"), model.with_suffix(".out.npz")
    feeds = reference.cases(2)[0]
    np.savez(inputs, allow_pickle=False, **feeds)
    try:
        # -P: none of the present folder's modules, for a numpy.py there would be run.
        command = [sys.executable, "-P", "-c", _FRESH, str(model), str(inputs), str(output)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise UserError(
                f"the exported file does not run in a fresh process without torch: {done.stderr.strip()[-500:]}"
            )
        if done.stdout.strip():
            raise UserError(f"running the exported file drags in {done.stdout.strip()}, which it must do without.")
        with np.load(output) as made:
            error = reference.compare(feeds, [made[name] for name in made.files]).error
        if not error <= tolerance:
            raise UserError(f"the exported file differs in a fresh process by {error:.2g}, more than {tolerance:g}.")
    finally:
        inputs.unlink(missing_ok=True)
        output.unlink(missing_ok=True)


def open_session(model: Path) -> onnxruntime.InferenceSession:
    """A quiet CPU session with as many threads as torch uses."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def expected(module: torch.nn.Module, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """What `module` gives for `inputs`; see `arguments`."""
    positional, named = arguments(module, {name: torch.from_numpy(each) for name, each in inputs.items()})
    output: NDArray[Any] = module(*positional, **named).numpy()
    return output


def arguments(
    module: torch.nn.Module, inputs: dict[str, torch.Tensor]
) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
    """The inputs as a module's arguments: by name where it has arguments of all those names, for it may have others
    that are left away; else in their order."""
    names = inspect.signature(module.forward).parameters
    return ((), inputs) if inputs.keys() <= names.keys() else (tuple(inputs.values()), {})


def difference(left: NDArray[Any], right: NDArray[Any]) -> float:
    """The largest absolute difference; infinite where the shapes differ or a value is not a number."""
    if left.shape != right.shape:
        return float("inf")
    error = float(np.max(np.abs(left.astype(np.float64) - right.astype(np.float64))))
    return error if np.isfinite(error) else float("inf")
