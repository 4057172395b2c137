"""Values that change with the samples seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

Schedule = Callable[[int], float]
"""From the number of real samples shown so far to a value."""


def constant(value: float) -> Schedule:
    """Always `value`."""
    return lambda samples: value


def between(start: float, end: float, samples: int, shape: Literal["cosine", "linear"] = "cosine") -> Schedule:
    """From `start` to `end` over the first `samples` samples, then `end`.

    cosine: end + (start - end) (1 + cos(pi t)) / 2 with t = seen / samples (Loshchilov and Hutter, 2017).
    """

    def value(seen: int) -> float:
        share = min(max(seen / samples, 0.0), 1.0)
        left = (1 + math.cos(math.pi * share)) / 2 if shape == "cosine" else 1 - share
        return end + (start - end) * left

    return value
