"""A classifier with a closed form: what says of generated samples which class they seem to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multigan.metrics.comparison import Features, Labels

Array = NDArray[np.float64]
SHRINKAGE = 0.2
TINY = 200
"""With fewer real samples the accuracy is found by leaving each out in turn, else by leaving out one half."""


@dataclass(frozen=True)
class Discriminant:
    """Linear discriminant analysis (Fisher, 1936): classes are Gaussians with one covariance, shrunk towards a multiple
    of the identity (Friedman, 1989), and equally likely. weights `[classes, d]`, bias `[classes]`."""

    weights: Array
    bias: Array

    @staticmethod
    def fit(features: Features, labels: Labels, classes: int, shrinkage: float = SHRINKAGE) -> Discriminant:
        """From features `[n, d]` and labels `[n]`; a class without samples is never said."""
        points = np.asarray(features, np.float64)
        means, present = np.zeros((classes, points.shape[1])), np.zeros(classes, bool)
        scatter = np.zeros((points.shape[1], points.shape[1]))
        for each in range(classes):
            chosen = points[labels == each]
            if len(chosen):
                means[each], present[each] = chosen.mean(axis=0), True
                offset = chosen - means[each]
                scatter += offset.T @ offset
        covariance = scatter / max(len(points) - int(present.sum()), 1)
        mean_variance = float(np.trace(covariance)) / len(covariance) or 1.0
        shrunk = (1 - shrinkage) * covariance + shrinkage * mean_variance * np.eye(len(covariance))
        weights: Array = np.linalg.solve(shrunk, means.T).T.astype(np.float64)
        bias: Array = np.where(present, -0.5 * np.einsum("cd,cd->c", weights, means), -np.inf)
        return Discriminant(weights, bias)

    def probabilities(self, features: Features) -> Array:
        """Of each class for features `[n, d]`: `[n, classes]`, rows with a sum of 1."""
        scores = np.asarray(features, np.float64) @ self.weights.T + self.bias
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: Array = powers / powers.sum(axis=1, keepdims=True)
        return found

    def __call__(self, features: Features) -> Labels:
        """The most probable class of each of `[n, d]`."""
        return (np.asarray(features, np.float64) @ self.weights.T + self.bias).argmax(axis=1)


@dataclass(frozen=True)
class Judge:
    """A classifier of real samples. accuracy: on real samples that it has not seen. real_score: their inception score.
    protocol: how they were found, in words."""

    classify: Discriminant
    accuracy: float
    real_score: float
    protocol: str


def judge(features: Features, labels: Labels, classes: int, seed: int = 0) -> Judge:
    """The classifier of real features `[n, d]` with labels `[n]`, and how often it is right of others.

    Fewer than TINY: it knows all of them, and its accuracy is that of as many classifiers, each without one sample.
    Else it knows one half, drawn by `seed`, and its accuracy is of the other.
    """
    count = len(features)
    if count < TINY:
        rows = np.arange(count)
        probabilities = np.concatenate(
            [
                Discriminant.fit(features[rows != row], labels[rows != row], classes).probabilities(features[[row]])
                for row in rows
            ]
        )
        accuracy = float((probabilities.argmax(axis=1) == labels).mean())
        found = Discriminant.fit(features, labels, classes)
        return Judge(found, accuracy, inception_score(probabilities), f"all {count} real samples; leave-one-out")
    order = np.random.default_rng(seed).permutation(count)
    known, others = order[: count // 2], order[count // 2 :]
    found = Discriminant.fit(features[known], labels[known], classes)
    probabilities = found.probabilities(features[others])
    accuracy = float((probabilities.argmax(axis=1) == labels[others]).mean())
    words = f"{len(known)} real samples; its accuracy of {len(others)} others"
    return Judge(found, accuracy, inception_score(probabilities), words)


def inception_score(probabilities: Array) -> float:
    """exp(mean KL(p(y|x) || p(y))) of class probabilities `[n, classes]` (Salimans et al., 2016): 1 where all samples
    seem the same, the number of classes where each is surely of one and all are as frequent."""
    whole = probabilities.mean(axis=0, keepdims=True)
    small = np.finfo(np.float64).tiny
    divergence = (probabilities * (np.log(probabilities + small) - np.log(whole + small))).sum(axis=1)
    return float(np.exp(divergence.mean()))
