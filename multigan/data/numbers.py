"""The number that is told of each sample, such as a pitch: what may stand in its column, and its range. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError
from multigan.settings import Data, NumberRange

if TYPE_CHECKING:
    from multigan.data.sources import Source

LARGEST = 2.0**53
"""Beyond, whole numbers are not told apart."""

Numbers = NDArray[np.float32]


def parsed(text: str, column: str, where: str) -> float:
    """A cell of a csv as a number. Raises UserError where it is none. where: names the cell's place."""
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not usable(value):
        raise refused(repr(text), column, where)
    return value


def usable(value: float) -> bool:
    """Whether a number is finite and not too large."""
    return bool(abs(value) <= LARGEST)


def refused(value: str, column: str, where: str) -> UserError:
    """The sentence for a cell that is no number."""
    return UserError(
        f"data.number_column: {where} has {value[:60]} as {column}, which is no number that can be learned: mend it, "
        "or leave the cell empty and the sample is left out."
    )


def range_of(source: Source[Any], data: Data) -> NumberRange | None:
    """The range that `data` gives, else the smallest, the largest and the median number of a source; None where `data`
    names no column of them.

    Raises UserError where no range is given and they are all the same.
    """
    if data.number_range is not None:
        return data.number_range
    if data.number_column is None or source.numbers is None:
        return None
    low, high = float(source.numbers.min()), float(source.numbers.max())
    if low == high:
        raise UserError(
            f"data.number_column: {data.number_column} of {source.place} is {low:g} for every {source.medium.one}, "
            "which says nothing: name another column or leave the key away."
        )
    return NumberRange(minimum=low, maximum=high, default=float(np.float32(np.median(source.numbers))))


def numbers_of(source: Source[Any], data: Data) -> Numbers | None:
    """Each sample's number, float32 `[len]`, all within `data.number_range`; None where `data` names no column.

    Raises UserError where one lies outside.
    """
    if data.number_column is None or data.number_range is None or source.numbers is None:
        return None
    bounds = data.number_range
    outside = np.flatnonzero((source.numbers < bounds.minimum) | (source.numbers > bounds.maximum))
    if len(outside):
        index = int(outside[0])
        raise UserError(
            f"data.number_range: {data.number_column} is {source.numbers[index]:g} for {source.name(index)} of "
            f"{source.place}, outside of {bounds.minimum:g} to {bounds.maximum:g}: widen the range, or leave it away "
            "and it is the data's."
        )
    return source.numbers
