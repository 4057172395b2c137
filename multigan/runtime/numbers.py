"""Which number a person means for each sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.contract import Contract, Input
from multigan.errors import UserError
from multigan.noise import is_number

Number = float | Sequence[float] | NDArray[np.floating] | None
Numbers = NDArray[np.float32]


def bounds_of(contract: Contract) -> Input | None:
    """The input of the graph that takes a number for each sample, if there is one."""
    return next((each for each in contract.inputs if is_number(each)), None)


def resolve(contract: Contract, number: Number, count: int) -> Numbers | None:
    """The number of each sample, float32 `[count]`, for one number or one for each.

    None where none is asked for: the samples then take turns (`multigan.noise.numbers`). Raises UserError where the
    model takes no number, one lies outside of its range, or the sequence has another length.
    """
    if number is None:
        return None
    bounds = bounds_of(contract)
    if bounds is None:
        raise UserError("this model was trained without a number: leave the number away (-n says how many samples).")
    values = np.asarray(number, np.float64)
    with np.errstate(over="ignore"):
        told = values.astype(np.float32)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != count):
        raise UserError(f"{values.size} numbers were given for {count} samples: give one, or one for each.")
    low, high = np.float32(bounds.minimum or 0.0), np.float32(bounds.maximum or 0.0)
    outside = values[~((told >= low) & (told <= high))]  # as float32 all three: 0.7 lies within a range up to 0.7
    if outside.size:
        column = contract.extra.get("number_column")
        whose = f" ({column})" if isinstance(column, str) else ""
        raise UserError(f"the number {outside.flat[0]:g}{whose} is out of range: the model knows {low:g} to {high:g}.")
    return np.broadcast_to(told, (count,)).copy()


@dataclass(frozen=True)
class Asked:
    """What a command line asks for: `60`, `48:72` evenly from the first to the last sample (`glides`), or several with
    commas, in turn."""

    stops: list[float]
    glides: bool

    @classmethod
    def parse(cls, text: str) -> Asked:
        """Raises UserError where the text is no such thing."""
        glides = ":" in text
        try:
            stops = [float(part) for part in text.split(":" if glides else ",")]
        except ValueError:
            stops = []
        if not np.isfinite(stops).all() or len(stops) != (2 if glides else max(len(stops), 1)):
            raise UserError(f"--number {text!r} is no number: write one such as 60, or a range such as 48:72.")
        return cls(stops, glides)

    def of(self, places: NDArray[Any], total: int) -> NDArray[np.float64]:
        """The numbers of the samples at these places, from 0, among `total`."""
        if not self.glides:
            return np.array(self.stops)[places % len(self.stops)]
        share = places / max(total - 1, 1)
        return self.stops[0] * (1 - share) + self.stops[-1] * share

    def way(self, there: int, total: int) -> NDArray[np.float64]:
        """The numbers of the samples of a way of which `there` lead from the first seed to the last, the others back.

        Raises UserError for several numbers, which would jump.
        """
        if not self.glides and len(self.stops) > 1:
            raise UserError("--number on a way between seeds is one number, such as 60, or a range, such as 48:72.")
        back = total - there
        places = np.concatenate([np.arange(there), (there - 1) * np.arange(back, 0, -1) / (back + 1)])
        return self.of(places, there) if self.glides else np.full(total, self.stops[0])
