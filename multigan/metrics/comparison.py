"""How good, how varied and how new generated samples are, from features `[n, d]` of them and of real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError
from multigan.metrics.frechet import Statistics, frechet_distance, statistics
from multigan.metrics.neighbours import manifold, nearest

DENSITY_K = 5
"""Neighbours for density and coverage, as in Naeem et al. (2020)."""
Samples = NDArray[Any]
Features = NDArray[np.float32]
Labels = NDArray[np.int64]
Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


class FeatureExtractor(Protocol):
    """What turns samples `[n, ...]` into features `[n, d]`.

    metric: what the Fréchet distance on these features is called. protocol: how they are made, in words.
    """

    @property
    def metric(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    def __call__(self, samples: Samples, progress: Progress | None = None) -> Features: ...


class Evaluator:
    """Measures generators against one set of real samples; the real features are computed once, at the first use.

    extractor: makes the features. reference: real samples `[n, ...]`. k: neighbours for precision and recall. Raises
    UserError where there are too few samples for k.
    """

    def __init__(
        self, extractor: FeatureExtractor, reference: Samples, *, k: int = 3, progress: Progress | None = None
    ) -> None:
        check_count(len(reference), k)
        self.extractor = extractor
        self.reference = reference
        self.k = k
        self.progress = progress

    @cached_property
    def _features(self) -> tuple[Features, Statistics]:
        features = self.extractor(self.reference, self.progress)
        return features, statistics(features)

    def __call__(self, sampler: Callable[[int], Samples]) -> dict[str, float]:
        """Measure as many samples as there are real ones: the figures of `compare`. sampler: called with a count."""
        features, known = self._features
        made = self.extractor(sampler(len(self.reference)), self.progress)
        return compare(self.extractor.metric, features, made, self.k, known)


def compare(
    metric: str, real: Features, generated: Features, k: int = 3, known: Statistics | None = None
) -> dict[str, float]:
    """The Fréchet distance under the name `metric`, precision, recall, density and coverage.

    real `[n, d]`, generated `[m, d]`; known: the statistics of `real`, where they are there already. Raises UserError
    where there are too few for k.
    """
    check_count(min(len(real), len(generated)), k)
    found = manifold(real, generated, k, DENSITY_K)
    return {metric: frechet_distance(known or real, generated)} | asdict(found)


def check_count(count: int, k: int) -> None:
    """Raise UserError where `count` samples are too few for `k` neighbours."""
    least = max(k, DENSITY_K) + 1
    if k < 1:
        raise UserError(f"k is {k}: choose 1 neighbour or more.")
    if count < least:
        raise UserError(f"{count} samples are too few: with k = {k} at least {least} are needed on each side.")


@dataclass(frozen=True)
class Diversity:
    """Generated samples' variance within a class over the real ones', value by value: 1 is as varied as the data.

    ratio: the mean within-class variance of all classes and values, over the same of the real samples. worst: the
    smallest ratio of one class, and `worst_class` its number. ratios: by class. Classes with fewer than two samples are
    left out.
    """

    ratio: float
    worst: float
    worst_class: int
    ratios: dict[int, float]


def diversity(generated: Samples, labels: Labels | None, real: Samples, real_labels: Labels | None) -> Diversity | None:
    """Compare the variance within each class; without labels all samples are one class.

    generated `[n, ...]`, real `[m, ...]`, labels `[n]` and `[m]`. A collapsed class shows as a ratio near 0. None where
    no class has two generated samples and two different real ones.
    """
    made, truth = _variances(generated, labels), _variances(real, real_labels)
    classes = [each for each in sorted(made.keys() & truth.keys()) if truth[each] > 0]
    if not classes:
        return None
    ratios = {each: made[each] / truth[each] for each in classes}
    worst = min(classes, key=lambda each: ratios[each])
    whole = sum(made[each] for each in classes) / sum(truth[each] for each in classes)
    return Diversity(whole, ratios[worst], worst, ratios)


def _variances(samples: Samples, labels: Labels | None) -> dict[int, float]:
    """The mean over values of the unbiased variance over the samples of a class, by class."""
    numbers = np.zeros(len(samples), np.int64) if labels is None else np.asarray(labels)
    # Of whole numbers the sums are exact, and take no float64 copy of the samples.
    kind = np.int64 if np.issubdtype(samples.dtype, np.integer) else np.float64
    found = {}
    for each in np.unique(numbers):
        chosen = samples[numbers == each].reshape(int((numbers == each).sum()), -1)
        if len(chosen) > 1:
            if kind is np.float64:
                chosen = chosen - chosen.mean(axis=0, dtype=np.float64)
            total = chosen.sum(axis=0, dtype=kind).astype(np.float64)
            squares = np.einsum("nv,nv->v", chosen, chosen, dtype=kind, casting="safe").astype(np.float64)
            found[int(each)] = float(((squares - total**2 / len(chosen)) / (len(chosen) - 1)).mean())
    return found


@dataclass(frozen=True)
class Novelty:
    """Whether samples are new or remembered.

    distance_ratio: the median distance of a generated sample to the nearest real one, over the median distance of a
    real sample to the nearest other real one: about 1 for new samples, far below 1 for remembered ones. near_copies:
    the share of generated samples nearer to a real one than 99% of the real samples are to each other: 0.01 would be
    as among the real ones. indices, distances `[n, k]`: the nearest real samples of each generated one, distances
    over the real samples' median.
    """

    distance_ratio: float
    near_copies: float
    indices: NDArray[np.int64]
    distances: NDArray[np.float64]


def novelty(generated: Features, real: Features, k: int = 5) -> Novelty:
    """Look for each generated sample's nearest real ones; features `[n, d]` and `[m, d]`, m at least k and 2."""
    among_real = nearest(real, real, 1, exclude_self=True)[1][:, 0]
    indices, distances = nearest(generated, real, k)
    unit = float(np.median(among_real)) or 1.0
    return Novelty(
        distance_ratio=float(np.median(distances[:, 0])) / unit,
        near_copies=float((distances[:, 0] <= np.quantile(among_real, 0.01)).mean()),
        indices=indices,
        distances=distances / unit,
    )
