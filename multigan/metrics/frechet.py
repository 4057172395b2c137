"""The Fréchet distance between two Gaussians, and the running mean and covariance that it compares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass
class Statistics:
    """The mean `[d]` and covariance `[d, d]` of features that come in batches, in float64.

    count: samples so far. mean: `[d]`. scatter: the sum of the outer products of the deviations from the mean.
    """

    count: int
    mean: Array
    scatter: Array

    @staticmethod
    def empty(dimensions: int) -> Statistics:
        """The statistics of no sample."""
        return Statistics(0, np.zeros(dimensions), np.zeros((dimensions, dimensions)))

    def update(self, features: ArrayLike) -> Statistics:
        """Add a batch `[n, d]`. Raises ValueError where its shape does not fit or a value is not finite."""
        batch = np.asarray(features, dtype=np.float64)
        if batch.ndim != 2 or batch.shape[1] != len(self.mean):
            raise ValueError(f"features of shape {batch.shape} where [n, {len(self.mean)}] is expected")
        if not np.isfinite(batch).all():
            raise ValueError("features hold values that are not finite")
        if len(batch):
            mean = batch.mean(axis=0)
            deviations = batch - mean
            self.merge(Statistics(len(batch), mean, deviations.T @ deviations))
        return self

    def merge(self, other: Statistics) -> Statistics:
        """Add the samples of other statistics (Chan, Golub and LeVeque, 1983: stable for any two counts)."""
        count = self.count + other.count
        if count:
            step = other.mean - self.mean
            self.mean = self.mean + step * (other.count / count)
            self.scatter = self.scatter + other.scatter + np.outer(step, step) * (self.count * other.count / count)
            self.count = count
        return self

    @property
    def covariance(self) -> Array:
        """The unbiased covariance `[d, d]`. Raises ValueError for fewer than two samples."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 samples, not {self.count}")
        return self.scatter / (self.count - 1)


def statistics(features: ArrayLike) -> Statistics:
    """The statistics of one array of features `[n, d]`."""
    array = np.asarray(features)
    if array.ndim != 2:
        raise ValueError(f"features of shape {array.shape} where [n, d] is expected")
    return Statistics.empty(array.shape[1]).update(array)


Gaussian = Statistics | tuple[ArrayLike, ArrayLike] | ArrayLike


def _moments(gaussian: Gaussian) -> tuple[Array, Array]:
    if isinstance(gaussian, tuple):
        mean, covariance = (np.asarray(each, dtype=np.float64) for each in gaussian)
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise ValueError(f"a mean of shape {mean.shape} with a covariance of shape {covariance.shape}")
        return mean, (covariance + covariance.T) / 2
    found = gaussian if isinstance(gaussian, Statistics) else statistics(gaussian)
    return found.mean, found.covariance


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """|m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)) (Dowson and Landau, 1982; Heusel et al., 2017).

    a, b: Statistics, a tuple (mean `[d]`, covariance `[d, d]`), or features `[n, d]`. The result is in the features'
    squared units. Raises ValueError where shapes do not fit or there are fewer than two samples.
    """
    (mean_a, first), (mean_b, second) = _moments(a), _moments(b)
    if len(mean_a) != len(mean_b):
        raise ValueError(f"features of {len(mean_a)} and of {len(mean_b)} dimensions cannot be compared")
    offset = mean_a - mean_b
    distance = offset @ offset + np.trace(first) + np.trace(second) - 2 * _trace_of_root(first, second)
    return max(float(distance), 0.0)


def _trace_of_root(first: Array, second: Array) -> float:
    """tr((A B)^(1/2)) for positive semi-definite A and B.

    A B has the eigenvalues of the symmetric A^(1/2) B A^(1/2), so two symmetric decompositions do it, and no complex
    rounding appears. Where A lacks rank (fewer samples than dimensions) only its range matters: the rest is left out,
    so that rounded zeros are not raised to their roots (1e-16 would count as 1e-8, a thousand times).
    """
    values, vectors = np.linalg.eigh(first)
    kept = values > _noise(values)
    root = vectors[:, kept] * np.sqrt(values[kept])
    product = np.linalg.eigvalsh(root.T @ second @ root)
    return float(np.sqrt(product[product > _noise(product)]).sum())


def _noise(values: Array) -> float:
    """What eigenvalues in ascending order may be by rounding alone."""
    return max(float(values[-1]), 0.0) * len(values) * float(np.finfo(np.float64).eps) if len(values) else 0.0
