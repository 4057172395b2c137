"""How good, how varied and how new generated pictures are, measured against real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError
from multigan.image.extractors import Extractor, Features, Pictures, Progress
from multigan.metrics import Statistics, frechet_distance, manifold, nearest, statistics

DENSITY_K = 5
"""Neighbours for density and coverage, as in Naeem et al. (2020)."""
Labels = NDArray[np.int64]
Sampler = Callable[[int], Pictures]
"""Called with a count; gives that many generated pictures, uint8 `[count, C, H, W]`.

It makes them in parts and turns each part into bytes: as float32 they would take four times the memory.
"""


class Evaluator:
    """Measures generators against one set of real pictures; the real features are computed once, at the first use.

    extractor: makes the features. reference: real pictures, uint8 `[n, C, H, W]`. k: neighbours for precision and
    recall. Raises UserError where there are too few pictures for k.
    """

    def __init__(
        self, extractor: Extractor, reference: Pictures, *, k: int = 3, progress: Progress | None = None
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

    def __call__(self, sampler: Sampler) -> dict[str, float]:
        """Measure as many samples as there are real pictures: the figures of `compare`."""
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
    """Raise UserError where `count` pictures are too few for `k` neighbours."""
    least = max(k, DENSITY_K) + 1
    if k < 1:
        raise UserError(f"k is {k}: choose 1 neighbour or more.")
    if count < least:
        raise UserError(f"{count} pictures are too few: with k = {k} at least {least} are needed on each side.")


@dataclass(frozen=True)
class Diversity:
    """Generated pictures' variance within a class over the real ones', pixel by pixel: 1 is as varied as the data.

    ratio: the mean within-class variance of all classes and pixels, over the same of the real pictures. worst: the
    smallest ratio of one class, and `worst_class` its number. Classes with fewer than two pictures are left out.
    """

    ratio: float
    worst: float
    worst_class: int


def diversity(
    generated: Pictures, labels: Labels | None, real: Pictures, real_labels: Labels | None
) -> Diversity | None:
    """Compare the variance within each class; without labels all pictures are one class.

    generated `[n, C, H, W]`, real `[m, C, H, W]`, labels `[n]` and `[m]`. A collapsed class shows as a ratio near 0.
    None where no class has two generated pictures and two different real ones.
    """
    made, truth = _variances(generated, labels), _variances(real, real_labels)
    classes = [each for each in sorted(made.keys() & truth.keys()) if truth[each] > 0]
    if not classes:
        return None
    ratios = {each: made[each] / truth[each] for each in classes}
    worst = min(classes, key=lambda each: ratios[each])
    whole = sum(made[each] for each in classes) / sum(truth[each] for each in classes)
    return Diversity(whole, ratios[worst], worst)


def _variances(pictures: Pictures, labels: Labels | None) -> dict[int, float]:
    """The mean over pixels of the unbiased variance over the pictures of a class, by class."""
    numbers = np.zeros(len(pictures), np.int64) if labels is None else np.asarray(labels)
    found = {}
    for each in np.unique(numbers):
        chosen = pictures[numbers == each]
        if len(chosen) > 1:
            # Whole numbers: exact sums without a float64 copy of the pictures.
            total = chosen.sum(axis=0, dtype=np.int64).astype(np.float64)
            squares = np.einsum("nchw,nchw->chw", chosen, chosen, dtype=np.int64, casting="safe").astype(np.float64)
            found[int(each)] = float(((squares - total**2 / len(chosen)) / (len(chosen) - 1)).mean())
    return found


@dataclass(frozen=True)
class Novelty:
    """Whether samples are new or remembered.

    distance_ratio: the median distance of a generated picture to the nearest real one, over the median distance of a
    real picture to the nearest other real one: about 1 for new pictures, far below 1 for remembered ones. near_copies:
    the share of generated pictures nearer to a real one than 99% of the real pictures are to each other: 0.01 would be
    as among the real ones. indices, distances `[n, k]`: the nearest real pictures of each generated one, distances
    over the real pictures' median.
    """

    distance_ratio: float
    near_copies: float
    indices: NDArray[np.int64]
    distances: NDArray[np.float64]


def novelty(generated: Features, real: Features, k: int = 5) -> Novelty:
    """Look for each generated picture's nearest real ones; features `[n, d]` and `[m, d]`, m at least k and 2."""
    among_real = nearest(real, real, 1, exclude_self=True)[1][:, 0]
    indices, distances = nearest(generated, real, k)
    unit = float(np.median(among_real)) or 1.0
    return Novelty(
        distance_ratio=float(np.median(distances[:, 0])) / unit,
        near_copies=float((distances[:, 0] <= np.quantile(among_real, 0.01)).mean()),
        indices=indices,
        distances=distances / unit,
    )
