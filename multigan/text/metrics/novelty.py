"""Whether texts are new, different from each other, and as long as the data's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError
from multigan.text.metrics.grams import Corpus, Ints, Texts

COPY = 8
"""Symbols of an n-gram that counts as copied when the training texts have it."""
DISTINCT = (1, 2, 3)


@dataclass(frozen=True)
class Novelty:
    """Shares of the generated texts, and their lengths in symbols.

    unique: different texts over all. novel: not among the training texts, letter by letter. empty: without a symbol.
    copied: the share of generated n-grams of `copy` symbols that the training texts have, NaN where no text is so long.
    mean_length, and length_distance: the mean distance between the generated lengths and the training texts' when both
    are sorted (Wasserstein-1), in symbols. distinct: by n, different n-grams over all (Li et al., 2016), NaN where
    there is none.
    """

    unique: float
    novel: float
    empty: float
    copied: float
    mean_length: float
    length_distance: float
    distinct: dict[int, float]


def novelty(
    generated: Sequence[str],
    training: Sequence[str],
    symbols: Callable[[str], Sequence[str]] = str.split,
    copy: int = COPY,
    orders: Sequence[int] = DISTINCT,
) -> Novelty:
    """Compare generated texts with the training texts; white space at their ends does not count.

    symbols: what a text is made of: `str.split` for words, `list` for characters. Raises UserError where one side has
    no text, or an n is below 1.
    """
    if not len(generated) or not len(training):
        raise UserError(f"{len(generated)} generated texts and {len(training)} training texts: both need one at least.")
    made, known = [text.strip() for text in generated], {text.strip() for text in training}
    ours, theirs = [symbols(text) for text in made], [symbols(text.strip()) for text in training]
    lengths, real = _lengths(ours), _lengths(theirs)
    return Novelty(
        unique=len(set(made)) / len(made),
        novel=float(np.mean([text not in known for text in made])),
        empty=float((lengths == 0).mean()),
        copied=copied(ours, theirs, copy),
        mean_length=float(lengths.mean()),
        length_distance=wasserstein(lengths, real),
        distinct=distinct(ours, orders),
    )


def copied(generated: Texts, training: Texts, order: int = COPY) -> float:
    """The share of the generated n-grams of `order` symbols that occur in the training texts (McCoy et al., 2023).

    NaN where no generated text is so long. Raises UserError where the order is below 1.
    """
    _check(order)
    corpus = Corpus.of(list(chain(generated, training)))
    text, gram, known = _last(corpus, order)
    ours = text < len(generated)
    there = np.zeros(known, bool)
    there[gram[~ours]] = True
    return _mean(there[gram[ours]])


def distinct(texts: Texts, orders: Sequence[int] = DISTINCT) -> dict[int, float]:
    """Distinct-n of all texts together, by n: different n-grams over n-grams (Li et al., 2016). It falls as there are
    more texts, so it compares only equal counts. Raises UserError where an order is below 1."""
    for order in orders:
        _check(order)
    found = {
        order: known / len(gram) if len(gram) else float("nan")
        for order, (_, gram, known) in enumerate(Corpus.of(texts).grams(max(orders, default=0)), start=1)
    }
    return {order: found[order] for order in orders}


def wasserstein(first: Ints, second: Ints) -> float:
    """The Wasserstein-1 distance between two sets of whole numbers from 0: the area between their distributions."""
    most = int(max(first.max(), second.max())) + 1
    shares = [np.cumsum(np.bincount(each, minlength=most)) / len(each) for each in (first, second)]
    return float(np.abs(shares[0] - shares[1]).sum())


def _last(corpus: Corpus, order: int) -> tuple[Ints, Ints, int]:
    """The n-grams of that order alone."""
    *_, found = corpus.grams(order)
    return found


def _lengths(texts: Texts) -> Ints:
    return np.array([len(text) for text in texts], np.int64)


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _check(order: int) -> None:
    if order < 1:
        raise UserError(f"n-grams of {order} symbols do not exist: choose 1 or more.")
