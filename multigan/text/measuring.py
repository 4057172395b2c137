"""What is measured of a text generator: during training, and at each temperature of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multigan import noise
from multigan.heads import Sampler
from multigan.text.config import TextRecipe
from multigan.text.data.oracles import oracle_of
from multigan.text.data.stream import TextStream
from multigan.text.metrics.ngrams import NGramModel
from multigan.text.metrics.pairs import NGramPair
from multigan.text.metrics.sweep import ORACLE, REVERSE
from multigan.text.networks import Policy
from multigan.text.oracle import Oracle

TEST, TRAIN = "NLL_test", "NLL_train"
"""Of real texts under the generator: others than it has learned from, and those."""
BATCH = 256
AVERAGED = "generator_ema"
GENERATORS = {AVERAGED: "", "baseline": " of the baseline"}
"""Of a checkpoint's networks those that are measured, and what their figures' names end in."""
FRESH = 1
"""Added to an oracle's seed: what it makes for the test is not what was learned from."""


def nll(policy: Policy, rows: NDArray[np.int32], labels: NDArray[np.int64] | None, temperature: float = 1.0) -> float:
    """The mean over symbols of -ln p of texts `[M, T]` under a generator, in nats; not a number without texts."""
    total, count = 0.0, 0
    for start in range(0, len(rows), BATCH):
        part = torch.from_numpy(rows[start : start + BATCH].astype(np.int64)).to(policy.place)
        label = None if labels is None else torch.from_numpy(labels[start : start + BATCH]).to(policy.place)
        with torch.no_grad():
            logs, mask = policy.likelihood(part, label, temperature)
        total, count = total - float(logs.double().sum()), count + int(mask.sum())
    return total / count if count else float("nan")


def plain(rows: NDArray[np.integer], ends: bool) -> list[list[int]]:
    """Texts `[N, T]` as lists of their symbols, the end and what is behind it left out."""
    return [row[: row.index(0)] if ends and 0 in row else row for row in rows.tolist()]


class OracleMeasure:
    """NLL_oracle of texts, and NLL_test: of the oracle's own texts under the generator."""

    def __init__(self, recipe: TextRecipe, count: int):
        assert recipe.data.oracle is not None
        assert recipe.data.length is not None
        self.oracle: Oracle = oracle_of(recipe.data.oracle)
        self.test = self.oracle.sample(count, recipe.data.length, recipe.data.oracle.seed + FRESH).astype(np.int32)
        self.protocol = f"under the oracle; NLL_test on {count:,} other texts of its own"
        self.first = ORACLE.quality.name

    def __call__(self, rows: NDArray[np.int64], policy: Policy | None, temperature: float = 1.0) -> dict[str, float]:
        found = {self.first: float(self.oracle.nll(rows).mean())}
        return found if policy is None else found | {TEST: nll(policy, self.test, None, temperature)}


class CorpusMeasure:
    """The NLL of texts under an n-gram model of held-out real ones, the reverse perplexity, and NLL_test: of the
    held-out texts under the generator. The first is reverse perplexity, which bad and repeated texts both raise.

    real: rows that stand for the held-out ones where there are none; absent: all that are trained on."""

    def __init__(self, recipe: TextRecipe, stream: TextStream, real: NDArray[np.int32] | None = None):
        self.ends, self.held, self.labels = recipe.data.end, stream.held_out, stream.held_out_labels
        if not recipe.conditional:
            self.labels = None
        if real is None:
            real = self.held if len(self.held) else stream.rows
        self.pair = NGramPair(plain(real, self.ends), len(stream.vocabulary), end=self.ends)
        role = "held-out" if len(self.held) else "training"
        self.protocol = f"4-gram models (modified Kneser-Ney); {len(real):,} {role} texts"
        self.first = REVERSE.diversity.name

    @property
    def model(self) -> NGramModel:
        """Of the real texts."""
        return self.pair.model

    def __call__(self, rows: NDArray[np.int64], policy: Policy | None, temperature: float = 1.0) -> dict[str, float]:
        found = self.pair(plain(rows, self.ends))
        if policy is not None and len(self.held):
            found |= {TEST: nll(policy, self.held, self.labels, temperature)}
        return found


def measure_of(recipe: TextRecipe, stream: TextStream, count: int) -> OracleMeasure | CorpusMeasure:
    """What the recipe's texts are measured with."""
    return OracleMeasure(recipe, count) if recipe.data.oracle is not None else CorpusMeasure(recipe, stream)


class TextEvaluator:
    """`multigan.heads.Evaluator`: of the averaged generator and of the likelihood baseline, by the same noise."""

    def __init__(self, recipe: TextRecipe, stream: TextStream, device: torch.device):
        self._has_played = recipe.has_played
        count = min(recipe.evaluation.samples, max(64, len(stream)))
        self._measure = measure_of(recipe, stream, recipe.evaluation.samples)
        self.name = self._measure.first
        self.protocol = f"{count:,} texts, {self._measure.protocol}"
        self._uniform = torch.from_numpy(noise.fractions(recipe.seed + 1, 0, count, recipe.data.length or 1)).to(device)
        self._labels: Tensor | None = None
        if recipe.conditional and stream.labels is not None:
            order = np.random.default_rng(recipe.seed).permutation(len(stream))[np.arange(count) % len(stream)]
            self._labels = torch.from_numpy(stream.labels[order]).to(device)

    def __call__(self, sampler: Sampler, networks: Mapping[str, nn.Module], samples: int) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name, ending in GENERATORS.items():
            policy = networks.get(name)
            if isinstance(policy, Policy) and (name == AVERAGED or self._has_played(samples)):
                for key, value in self._measure(self._texts(policy), policy).items():
                    figures[key + ending] = value
        return figures

    def _texts(self, policy: Policy) -> NDArray[np.int64]:
        uniform = self._uniform.to(policy.dtype)
        labels: Sequence[Tensor | None] = [None] * len(uniform)
        if self._labels is not None:
            labels = self._labels.split(BATCH)
        parts = zip(uniform.split(BATCH), labels, strict=False)
        made: NDArray[np.int64] = torch.cat([policy.sample(*each) for each in parts]).cpu().numpy()
        return made


__all__ = ["CorpusMeasure", "OracleMeasure", "TextEvaluator", "measure_of", "nll", "plain"]
