"""A batch of one size, bound to the device's memory and replayed as a CUDA graph: nothing is launched by hand then."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from multigan import noise
from multigan.errors import UserError
from multigan.runtime.devices import Place, place_of
from multigan.runtime.onnx_file import OnnxFile
from multigan.runtime.watchdog import Watch


def check_fixed(file: OnnxFile, place: Place, batch: int) -> None:
    """Raise UserError where the graph cannot run with a fixed batch."""
    if not 1 <= batch <= file.trust.batch:
        raise UserError(f"fixed_batch {batch} is out of range: choose a whole number from 1 to {file.trust.batch}.")
    if place != "cuda":
        raise UserError(f"fixed_batch is for CUDA graphs, and the model runs on {place}: leave it away.")
    if file.branches:
        raise UserError("fixed_batch needs a graph without control flow, and this one has a loop: leave it away.")


class FixedSession:
    """A graph whose inputs and outputs stay where they are on the device; shorter batches are filled up.

    One call at a time: threads wait for one another. where: onnxruntime's name of the device.
    """

    def __init__(self, raw: onnxruntime.InferenceSession, file: OnnxFile, batch: int, where: str = "cuda") -> None:
        self.raw, self.file, self.batch = raw, file, batch
        self.fixed: int | None = batch
        self.outputs = tuple(each.name for each in raw.get_outputs())
        self.device: Place = place_of(raw)
        self.lock, self.binding = threading.Lock(), raw.io_binding()
        example = noise.inputs(file.contract, 0, 0, batch)
        self.values = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(value, where, 0) for name, value in example.items()
        }
        for name, value in self.values.items():
            self.binding.bind_ortvalue_input(name, value)
        shape = [batch, *file.contract.output.shape[1:]]
        kind = np.dtype(file.contract.output.dtype).type
        self.made = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, kind, where, 0)
        self.binding.bind_ortvalue_output(file.contract.output.name, self.made)

    def run(self, names: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The contract's output, of at most the fixed batch."""
        if list(names) != [self.file.contract.output.name]:
            raise UserError("a graph with a fixed batch gives its samples alone.")
        from multigan.runtime.session import failure

        options = onnxruntime.RunOptions()
        watch = Watch(self.file.trust.seconds, lambda: setattr(options, "terminate", True))
        count = max((len(each) for each in inputs.values() if each.ndim), default=self.batch)
        try:
            with self.lock, watch:
                for name, value in inputs.items():
                    self.values[name].update_inplace(_filled(value, self.batch))
                self.raw.run_with_iobinding(self.binding, options)
                return [self.made.numpy()[:count].copy()]  # of the CPU's memory it is no copy yet
        except Exception as error:
            raise failure(error, self.file, self.device, watch.expired) from error

    def close(self) -> None:
        del self.binding, self.raw


def _filled(values: NDArray[Any], batch: int) -> NDArray[Any]:
    """A batch of that size: the last sample again where there are fewer."""
    if not values.ndim or len(values) == batch:
        return np.ascontiguousarray(values)
    return np.concatenate([values, np.repeat(values[-1:], batch - len(values), axis=0)])
