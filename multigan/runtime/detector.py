"""An exported discriminator: samples in, scores and features out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from multigan.contract import Contract
from multigan.errors import UserError
from multigan.runtime.labels import Label, resolve
from multigan.runtime.numbers import Number
from multigan.runtime.numbers import resolve as resolve_numbers
from multigan.runtime.onnx_file import read
from multigan.runtime.session import Session, open_session
from multigan.runtime.texts import check_count, part_of
from multigan.runtime.trust import DEFAULT, Trust


class Judgement(NamedTuple):
    """score: float32 `[N]`, higher where a sample looks more like the data. features: float32 `[N, D]`."""

    score: NDArray[np.float32]
    features: NDArray[np.float32]


class Detector:
    """A discriminator that `multigan export --discriminator` wrote. contract: what the file says of itself. trust: its
    limits."""

    def __init__(self, session: Session, contract: Contract, trust: Trust = DEFAULT) -> None:
        self.session, self.contract, self.trust = session, contract, trust

    @classmethod
    def load(
        cls, path: str | Path, device: str = "auto", threads: int | None = None, trust: Trust = DEFAULT
    ) -> Detector:
        """Open an exported file. Arguments as in `Generator.load`. Raises UserError where it is no detector."""
        file = read(path, trust)
        file.contract.expect("discriminator", path)
        return cls(open_session(file, device, threads), file.contract, trust)

    def judge(self, samples: NDArray[Any], label: Label = None, number: Number = None, batch: int = 16) -> Judgement:
        """Score and features of samples as the contract says: pictures `[N, C, H, W]` and sounds `[N, C, T]`, float32
        in [-1, 1]; symbols of texts, int64 `[N, T]`, filled up with 0.

        A score is a logit: its size means something only beside other scores of the same file. label, number: of a
        conditional model, for all or one for each. Raises UserError where a shape or an argument does not fit.
        """
        said = self.contract.inputs[0]
        values = np.ascontiguousarray(samples, said.dtype)
        shape = [f"{side}" if isinstance(side, str) else side for side in said.shape]
        if list(values.shape[1:]) != said.shape[1:] or not len(values):
            raise UserError(f"the samples have the shape {list(values.shape)} where this model judges {shape}.")
        if not np.isfinite(values).all() or values.min() < (said.minimum or 0) or values.max() > (said.maximum or 0):
            raise UserError(f"the samples have values outside of {said.minimum:g} to {said.maximum:g}.")
        check_count("batch", batch, self.trust.batch)
        if label is None and self.contract.input("label"):
            raise UserError("how real a sample looks depends on its class here: give a label.")
        if number is None and self.contract.input("condition"):
            raise UserError("how real a sample looks depends on its number here: give one.")
        told: dict[str, Any] = {
            "label": resolve(self.contract, label, len(values)),
            "number": resolve_numbers(self.contract, number, len(values)),
        }
        parts = [self._run(values, told, slice(first, first + batch)) for first in range(0, len(values), batch)]
        return Judgement(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def _run(self, values: NDArray[Any], told: dict[str, Any], part: slice) -> list[NDArray[np.float32]]:
        given: dict[str, Any] = {name: part_of(each, part) for name, each in told.items() if each is not None}
        names = [self.contract.output.name, str(self.contract.extra.get("features"))]
        return self.session.run(names, {self.contract.inputs[0].name: values[part], **given})
