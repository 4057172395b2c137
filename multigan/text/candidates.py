"""Generators of text that are compared: each draws the same texts' noise, whether a network or an exported file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from multigan import noise
from multigan.contract import Contract
from multigan.runtime import Generator
from multigan.text.measuring import TEST, TRAIN
from multigan.text.networks import Policy
from multigan.text.networks.sampler import Sampler

BATCH = 256
BY_HEART = 0.1
"""Where NLL_train is lower than NLL_test by more than this share of it, likelihood knows its texts by heart."""

Rows = NDArray[np.int64]
Sample = Callable[[float, int, int], Rows]
"""Called with (temperature, seed, count); gives texts `[count, T]`."""


@dataclass(frozen=True)
class Candidate:
    """A generator that is measured. policy: its network, where it is at hand."""

    name: str
    sample: Sample
    policy: Policy | None = None


class Drawing:
    """Draws texts by a contract's inputs. labels: int64, those that are asked for, over and over; None without
    classes."""

    def __init__(self, contract: Contract, labels: NDArray[np.int64] | None):
        self.contract, self.labels = contract, labels

    def by_policy(self, policy: Policy, unknown: int | None) -> Sample:
        """Of a network. unknown: the number of the symbol that is never drawn, or None."""
        sampler = Sampler(policy, unknown)

        @torch.no_grad()
        def make(inputs: dict[str, NDArray[Any]]) -> Rows:
            made: Rows = sampler(**{name: torch.from_numpy(value) for name, value in inputs.items()}).numpy()
            return made

        return self._sample(make)

    def by_file(self, generator: Generator) -> Sample:
        """Of an exported file."""

        def make(inputs: dict[str, NDArray[Any]]) -> Rows:
            return np.asarray(generator.session.run([generator.contract.output.name], inputs)[0])

        return self._sample(make)

    def _sample(self, make: Callable[[dict[str, NDArray[Any]]], Rows]) -> Sample:
        def sample(temperature: float, seed: int, count: int) -> Rows:
            starts = range(0, count, BATCH)
            return np.concatenate([make(self._inputs(at, min(BATCH, count - at), temperature, seed)) for at in starts])

        return sample

    def _inputs(self, start: int, count: int, temperature: float, seed: int) -> dict[str, NDArray[Any]]:
        labels = None if self.labels is None else self.labels[np.arange(start, start + count) % len(self.labels)]
        return noise.inputs(self.contract, seed, start, count, labels=labels, given={"temperature": temperature})


def by_heart(candidates: Sequence[Candidate], figures: Sequence[Mapping[str, float]]) -> str:
    """Whether likelihood is a weak opponent, in a sentence; empty where it is not. figures: of each at temperature 1;
    without NLL_test nothing else than the training texts is possible."""
    for each, found in zip(candidates, figures, strict=True):
        seen, unseen = found.get(TRAIN, np.inf), found.get(TEST, np.inf)
        if each.name == "likelihood" and seen < (1 - BY_HEART) * unseen:
            return (
                f"likelihood knows its training texts by heart ({TRAIN} {seen:.2f}, {TEST} {unseen:.2f}): stopped "
                "earlier (likelihood.samples, or training.samples of it alone) it would foretell others better."
            )
    return ""
