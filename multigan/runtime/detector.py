"""An exported discriminator: samples in, scores and features out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from multigan.contract import Contract, Input
from multigan.errors import UserError
from multigan.runtime.labels import Label, resolve
from multigan.runtime.numbers import Number
from multigan.runtime.numbers import resolve as resolve_numbers
from multigan.runtime.onnx_file import read
from multigan.runtime.session import Session, open_session
from multigan.runtime.texts import check_count, part_of
from multigan.runtime.trust import DEFAULT, Trust

ROUNDING = 1e-4
"""How far beyond its range a generator's own sample may lie: onnxruntime's tanh ends at -1.0000001."""


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
        session = open_session(file, device, threads)
        if not _is_detector(file.contract, session.outputs):
            raise UserError(f"{path} holds a contract that is no detector's: export it again.")
        return cls(session, file.contract, trust)

    def judge(self, samples: NDArray[Any], label: Label = None, number: Number = None, batch: int = 16) -> Judgement:
        """Score and features of samples as the contract says: pictures `[N, C, H, W]` and sounds `[N, C, T]`, float32
        in [-1, 1] up to rounding; symbols of texts, int64 `[N, T]`, filled up with 0.

        A score is a logit: its size means something only beside other scores of the same file. label, number: of a
        conditional model, for all or one for each. Raises UserError where a shape or an argument does not fit.
        """
        values = _fitting(samples, self.contract.inputs[0])
        check_count("batch", batch, self.trust.batch)
        if label is None and self.contract.input("label"):
            raise UserError("how real a sample looks depends on its class here: give a label.")
        if number is None and self.contract.input("condition"):
            raise UserError("how real a sample looks depends on its number here: give one.")
        told: dict[str, Any] = {
            "sample": values,
            "label": resolve(self.contract, label, len(values)),
            "condition": resolve_numbers(self.contract, number, len(values)),
        }
        parts = [self._run(told, slice(first, first + batch)) for first in range(0, len(values), batch)]
        return Judgement(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def _run(self, told: dict[str, Any], part: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        given: dict[str, Any] = {each.name: part_of(told[each.kind], part) for each in self.contract.inputs}
        names = [self.contract.output.name, str(self.contract.extra["features"])]
        score, features = self.session.run(names, given)
        count = len(given[self.contract.inputs[0].name])
        if score.shape != (count,) or features.ndim != 2 or len(features) != count:
            raise UserError(
                f"the model gave scores {list(score.shape)} and features {list(features.shape)} for {count} samples: "
                "export it again."
            )
        if not (np.isfinite(score).all() and np.isfinite(features).all()):
            raise UserError(
                "the model gives values that are not numbers: its training went wrong, export another checkpoint."
            )
        return score, features


def _is_detector(contract: Contract, outputs: Sequence[str]) -> bool:
    """Whether a contract, which may be anyone's, says all that is needed here: the samples first, then what they are
    told with."""
    kinds = [each.kind for each in contract.inputs]
    usual = kinds[:1] == ["sample"] and set(kinds[1:]) <= {"label", "condition"} and len(set(kinds)) == len(kinds)
    sizes = contract.inputs[0].shape[1:] if usual else [""]
    return usual and all(isinstance(side, int) for side in sizes) and contract.extra.get("features") in outputs


def _fitting(samples: NDArray[Any], said: Input) -> NDArray[Any]:
    """The samples as the graph takes them. Raises UserError where they are not what it judges."""
    try:
        given = np.asarray(samples)
        whole = given.dtype.kind in "iub"
        values = np.ascontiguousarray(given, said.dtype)
    except (ValueError, TypeError) as error:
        raise UserError(f"the samples are no array of numbers: {error}.") from error
    if said.dtype == "int64" and not whole:
        raise UserError(f"the samples are {given.dtype} where this model judges symbols: give whole numbers.")
    if list(values.shape[1:]) != said.shape[1:] or not len(values):
        raise UserError(f"the samples have the shape {list(values.shape)} where this model judges {said.shape}.")
    low, high = (math.inf * sign if end is None else end for sign, end in ((-1, said.minimum), (1, said.maximum)))
    room = 0.0 if said.dtype == "int64" else ROUNDING
    if not np.isfinite(values).all() or values.min() < low - room or values.max() > high + room:
        raise UserError(f"the samples have values outside of {low:g} to {high:g}.")
    return values.clip(low, high) if room else values
