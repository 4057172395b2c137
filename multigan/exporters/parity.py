"""Is the file the same function as the network? Both are run on the same inputs and compared."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import dataclass
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
numpy.save(output, session.run(None, dict(numpy.load(inputs)))[0])
print(" ".join(name for name in ("torch", "onnx", "multigan") if name in sys.modules))
"""


@dataclass(frozen=True)
class Comparison:
    """The largest absolute difference between the file's output and the network's, over a batch of that size."""

    batch: int
    error: float


def inputs_for(contract: Contract, count: int) -> dict[str, NDArray[Any]]:
    """Inputs of `count` samples as the runtime makes them, from seed 0."""
    return noise.inputs(contract, SEED, 0, count)


def compare(model: Path, module: torch.nn.Module, contract: Contract) -> list[Comparison]:
    """Run `model` in onnxruntime and `module` in torch, both on the CPU in float32, at each of BATCHES."""
    session = open_session(model)
    rows = []
    for batch in BATCHES:
        inputs = inputs_for(contract, batch)
        theirs = np.asarray(session.run([contract.output.name], inputs)[0])
        rows.append(Comparison(batch, difference(theirs, expected(module, inputs))))
    return rows


def check_in_fresh_process(model: Path, module: torch.nn.Module, contract: Contract, tolerance: float) -> None:
    """Load and run `model` in a new process that imports numpy and onnxruntime alone.

    Raises UserError where it fails there, drags torch in, or differs by more than `tolerance`.
    """
    inputs, output = model.with_suffix(".npz"), model.with_suffix(".npy")
    feeds = inputs_for(contract, 2)
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
        error = difference(np.load(output), expected(module, feeds))
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
