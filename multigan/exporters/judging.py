"""A discriminator as an ONNX file: what it says of itself, and how it is compared with torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan import noise
from multigan.contract import Contract, Input, Output
from multigan.exporters.parity import SEED, Comparison, Reference, compared

FEATURES = "features"
_STREAM = 7
"""Of a seed's noise: another than a generator's inputs have."""


def judging(contract: Contract) -> Contract:
    """What the discriminator of a generator's contract says of itself.

    It takes what the generator gives, and the label and the number of conditional ones; texts have the model's length.
    Its output is the score, and `extra["features"]` names the other one.
    """
    made, length = contract.output, noise.length_of(contract) or 1
    shape = [length if side == "length" else side for side in made.shape]
    told = [each for each in contract.inputs if each.kind in ("label", "condition")]
    extra = {name: value for name, value in contract.extra.items() if name not in ("log_probability", "longest")}
    return replace(
        contract,
        role="discriminator",
        inputs=[Input("sample", "sample", made.dtype, shape, minimum=made.minimum, maximum=made.maximum), *told],
        output=Output("score", "float32", ["batch"]),
        extra={**extra, FEATURES: FEATURES},
    )


class SampleReference(Reference):
    """What a discriminator gives in torch, for samples of noise. Differences are those of its logits and features in
    units of their largest value where that is above 1."""

    @property
    def outputs(self) -> list[str]:
        return [self.contract.output.name, FEATURES]

    def inputs(self, count: int, start: int = 0, seed: int = SEED) -> dict[str, NDArray[Any]]:
        """Noise, louder from sample to sample and silent again after four."""
        said, *told = self.contract.inputs
        size = math.prod(int(side) for side in said.shape[1:])
        drawn = noise.fractions(seed, start, count, size, _STREAM).reshape(count, *said.shape[1:])
        if said.dtype == "int64":
            samples = np.floor(drawn * ((said.maximum or 0) + 1)).astype(np.int64)
        else:
            loudness = (np.arange(start, start + count) % 4 + 1) / 4
            samples = ((2 * drawn - 1) * loudness.reshape(-1, *[1] * (drawn.ndim - 1))).astype(np.float32)
        return {said.name: samples, **noise.inputs(replace(self.contract, inputs=told), seed, start, count)}

    def compare(self, inputs: dict[str, NDArray[Any]], made: Sequence[NDArray[Any]]) -> Comparison:
        found = []
        for left, right in zip(made, self.run(inputs), strict=True):
            largest = max(float(np.abs(right).max()), 1.0)
            found.append(compared(left / largest, right / largest))
        return reduce(add, found)
