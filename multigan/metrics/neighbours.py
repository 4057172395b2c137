"""Nearest neighbours in feature space, and the measures made of them. Blockwise: memory stays bounded at any count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
BLOCK = 2048
"""Rows and columns of one block of distances: 32 MiB in float64."""


@dataclass(frozen=True)
class Manifold:
    """How well generated samples lie on the real ones' manifold, and cover it.

    precision, recall: the share of the generated samples within the real manifold, and of the real ones within the
    generated (Kynkäänniemi et al., 2019). density, coverage: the number of real balls around a generated sample over
    its k, and the share of the real balls that hold a generated one (Naeem et al., 2020).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def _points(values: ArrayLike, name: str) -> NDArray[np.floating]:
    array = np.asarray(values)
    if array.ndim != 2 or not len(array):
        raise ValueError(f"{name} of shape {array.shape} where [n, d] with n > 0 is expected")
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)


def _blocks(
    query: NDArray[np.floating], reference: NDArray[np.floating], block: int
) -> Iterator[tuple[int, int, Array, Array]]:
    """Squared distances in blocks: (row, column, squared `[m, n]`, what rounding may make of a zero there `[m, n]`).

    All columns of one block of rows come in a row. The points are centred first: |a|^2 + |b|^2 - 2ab then loses
    little to cancellation in float64.
    """
    center = reference.mean(axis=0, dtype=np.float64)
    for row in range(0, len(query), block):
        left = query[row : row + block].astype(np.float64) - center
        left_norm = np.einsum("ij,ij->i", left, left)[:, None]
        for column in range(0, len(reference), block):
            right = reference[column : column + block].astype(np.float64) - center
            norms = left_norm + np.einsum("ij,ij->i", right, right)[None, :]
            yield row, column, np.maximum(norms - 2 * (left @ right.T), 0.0), norms * 1e-12


def nearest(
    query: ArrayLike, reference: ArrayLike, k: int, *, exclude_self: bool = False, block: int = BLOCK
) -> tuple[NDArray[np.int64], Array]:
    """The k nearest rows of `reference` `[m, d]` to each row of `query` `[n, d]`, by Euclidean distance.

    Returns their indices `[n, k]` and distances `[n, k]`, nearest first; a distance of equal rows is exactly 0.
    exclude_self: query and reference are the same array, and row i is no neighbour of row i (a copy of it is).
    Raises ValueError where the shapes do not fit or the reference has fewer than k rows to choose from.
    """
    points, known = _points(query, "query"), _points(reference, "reference")
    if points.shape[1] != known.shape[1]:
        raise ValueError(f"features of {points.shape[1]} and of {known.shape[1]} dimensions cannot be compared")
    available = len(known) - exclude_self
    if not 1 <= k <= available:
        raise ValueError(f"k is {k}: choose from 1 to {available}, the number of samples to compare with")
    indices = np.zeros((len(points), k), dtype=np.int64)
    squares = np.full((len(points), k), np.inf)
    for row, column, square, _ in _blocks(points, known, block):
        rows = np.arange(row, row + len(square))
        if exclude_self:
            inside = (rows >= column) & (rows < column + square.shape[1])
            square[np.flatnonzero(inside), rows[inside] - column] = np.inf
        numbers = np.broadcast_to(np.arange(column, column + square.shape[1]), square.shape)
        both = np.concatenate([squares[rows], square], axis=1)
        candidates = np.concatenate([indices[rows], numbers], axis=1)
        chosen = np.argpartition(both, k - 1, axis=1)[:, :k]
        squares[rows] = np.take_along_axis(both, chosen, axis=1)
        indices[rows] = np.take_along_axis(candidates, chosen, axis=1)
    return _refined(points, known, indices)


def _refined(
    query: NDArray[np.floating], reference: NDArray[np.floating], indices: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Array]:
    """The chosen neighbours' distances from differences, without cancellation, sorted."""
    distances = np.empty(indices.shape)
    for position in range(indices.shape[1]):
        for row in range(0, len(query), BLOCK):
            part = slice(row, row + BLOCK)
            offset = query[part].astype(np.float64) - reference[indices[part, position]]
            distances[part, position] = np.sqrt(np.einsum("ij,ij->i", offset, offset))
    order = np.lexsort((indices, distances), axis=1)
    return np.take_along_axis(indices, order, axis=1), np.take_along_axis(distances, order, axis=1)


def manifold(real: ArrayLike, generated: ArrayLike, k: int = 3, density_k: int = 5, *, block: int = BLOCK) -> Manifold:
    """Improved precision and recall with `k` neighbours, density and coverage with `density_k`; see Manifold.

    real `[n, d]`, generated `[m, d]`. A sample lies within a manifold when it is no farther from one of its points than
    that point's k-th nearest neighbour among its own kind (itself not counted). Raises ValueError where the shapes do
    not fit or there are too few samples for k.
    """
    truth, made = _points(real, "real"), _points(generated, "generated")
    near = nearest(truth, truth, max(k, density_k), exclude_self=True, block=block)[1] ** 2
    real_radius, density_radius = near[:, k - 1], near[:, density_k - 1]
    made_radius = nearest(made, made, k, exclude_self=True, block=block)[1][:, k - 1] ** 2
    precise = np.zeros(len(made), dtype=bool)
    recalled = np.zeros(len(truth), dtype=bool)
    covered = np.zeros(len(truth), dtype=bool)
    balls = 0
    for row, column, square, slack in _blocks(made, truth, block):
        rows, columns = slice(row, row + len(square)), slice(column, column + square.shape[1])
        square -= slack
        precise[rows] |= (square <= real_radius[None, columns]).any(axis=1)
        recalled[columns] |= (square <= made_radius[rows, None]).any(axis=0)
        inside = square <= density_radius[None, columns]
        covered[columns] |= inside.any(axis=0)
        balls += int(np.count_nonzero(inside))
    return Manifold(
        precision=float(precise.mean()),
        recall=float(recalled.mean()),
        density=balls / (density_k * len(made)),
        coverage=float(covered.mean()),
    )
