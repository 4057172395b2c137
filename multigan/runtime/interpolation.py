"""Paths between latents."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.contract import Input


def path(points: NDArray[np.float32], steps: int, contract_input: Input, closed: bool = False) -> NDArray[np.float32]:
    """From each of `points` `[k, ...]` to the next in `steps` steps: `[(k - 1) * steps + 1, ...]`, all points included.

    Normal latents go along the great circle between them (a straight line would pass through lengths that the generator
    never saw), uniform ones straight. closed: back to the first point, which is not repeated: `[k * steps, ...]`.
    """
    move = linear if contract_input.distribution == "uniform" else spherical
    stops: Sequence[NDArray[np.float32]] = [*points, points[0]] if closed else list(points)
    taken = [move(left, right, step / steps) for left, right in pairwise(stops) for step in range(steps)]
    return np.stack(taken if closed else [*taken, stops[-1]])


def linear(left: NDArray[Any], right: NDArray[Any], share: float) -> NDArray[np.float32]:
    """The straight line from `left` (share 0) to `right` (share 1)."""
    return (left.astype(np.float64) * (1.0 - share) + right.astype(np.float64) * share).astype(np.float32)


def spherical(left: NDArray[Any], right: NDArray[Any], share: float) -> NDArray[np.float32]:
    """The great circle from `left` to `right` (Shoemake, 1985); straight where they are parallel."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(np.sum(a * b)) / lengths if lengths else 1.0
    if abs(cosine) > 1.0 - 1e-9:
        return linear(left, right, share)
    angle = np.arccos(cosine)
    mixed = (np.sin((1.0 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    return np.asarray(mixed, np.float32)
