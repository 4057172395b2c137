"""Novelty, lengths and distinct-n of texts against counts by sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from multigan.errors import UserError
from multigan.text.metrics.novelty import copied, distinct, novelty, wasserstein

TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=7), min_size=1, max_size=8)
LENGTHS = st.lists(st.integers(0, 12), min_size=1, max_size=20)


def grams(texts: list[list[str]], order: int) -> list[tuple[str, ...]]:
    return [tuple(text[at : at + order]) for text in texts for at in range(len(text) - order + 1)]


@given(TEXTS, TEXTS, st.integers(1, 4))
def test_copied_counts_ngrams_of_the_training_texts(made: list, training: list, order: int) -> None:
    known, ours = set(grams(training, order)), grams(made, order)
    wanted = sum(gram in known for gram in ours) / len(ours) if ours else math.nan
    assert copied(made, training, order) == pytest.approx(wanted, nan_ok=True)


@given(TEXTS)
def test_distinct_is_different_ngrams_over_ngrams(texts: list) -> None:
    for order, found in distinct(texts, (3, 1)).items():
        ours = grams(texts, order)
        assert found == pytest.approx(len(set(ours)) / len(ours) if ours else math.nan, nan_ok=True)


@given(LENGTHS, LENGTHS)
def test_the_distance_of_lengths_is_wassersteins(first: list[int], second: list[int]) -> None:
    wanted = wasserstein_distance(first, second)
    assert wasserstein(np.array(first), np.array(second)) == pytest.approx(wanted, abs=1e-12)


def test_shares_of_texts() -> None:
    training = ["a man rides a horse", "two dogs play ", "a cat"]
    generated = [" a cat", "a cat", "two dogs play", "two dogs", "", "a man rides a bike"]
    found = novelty(generated, training, copy=3, orders=(1,))
    assert found.unique == pytest.approx(5 / 6)
    assert found.novel == pytest.approx(3 / 6)
    assert found.empty == pytest.approx(1 / 6)
    assert found.mean_length == pytest.approx(14 / 6)
    assert found.copied == pytest.approx(3 / 4)  # all but "rides a bike"
    assert found.distinct == {1: pytest.approx(8 / 14)}


def test_symbols_may_be_characters() -> None:
    found = novelty(["abab"], ["bab"], list, copy=2)
    assert found.mean_length == 4
    assert found.length_distance == 1
    assert found.copied == 1
    assert found.distinct[2] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "wrong", [lambda: novelty([], ["a"]), lambda: novelty(["a"], []), lambda: copied([["a"]], [["a"]], 0)]
)
def test_mistakes_are_said_in_a_sentence(wrong) -> None:
    with pytest.raises(UserError):
        wrong()
