"""BLEU and self-BLEU as papers on text GANs use them (Zhu et al., 2018, Texygen), exact, for thousands of texts.

A text's score is the sentence BLEU-n (Papineni et al., 2002) with ALL references: the n-gram precisions are clipped at
the largest count in any one reference, the brevity penalty takes the closest reference length (of two, the shorter),
the orders 1 to n weigh the same, and an order without a match counts as 0.1 matches (method 1 of Chen and Cherry, 2014,
with epsilon 0.1). The score of a set of texts is the mean of theirs, not the corpus BLEU of machine translation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError
from multigan.text.metrics.grams import Corpus, Ints, Texts

EPSILON = 0.1
ORDERS = (2, 3, 4, 5)
Scores = NDArray[np.float64]


def bleu(generated: Texts, references: Texts, orders: Sequence[int] = ORDERS) -> dict[int, float]:
    """BLEU-n of generated texts against all references, by n: the mean of `bleu_scores`."""
    return _means(bleu_scores(generated, references, orders), orders)


def self_bleu(generated: Texts, orders: Sequence[int] = ORDERS) -> dict[int, float]:
    """Self-BLEU-n, by n: the mean of `self_bleu_scores`. 1 is the same text again and again."""
    return _means(self_bleu_scores(generated, orders), orders)


def bleu_scores(generated: Texts, references: Texts, orders: Sequence[int] = ORDERS) -> Scores:
    """The BLEU-n of each text, `[orders, texts]`, in [0, 1].

    generated, references: lists of lists of symbols (words or numbers). A text without a symbol has 0. Raises UserError
    where there is no text on one of the sides, or an order is below 1.
    """
    _check(orders, len(generated), len(references), 1)
    count = len(generated)
    corpus = Corpus.of([*generated, *references])
    lengths = corpus.lengths[:count]
    closest = _closest(lengths, *_bounds(lengths, np.unique(corpus.lengths[count:])))
    matches = []
    for text, gram, known in corpus.grams(max(orders)):
        owner, number, amount = _counted(text, gram, known)
        ours = owner < count
        most = np.zeros(known, np.int64)
        np.maximum.at(most, number[~ours], amount[~ours])
        matches.append(_clipped(owner[ours], amount[ours], most[number[ours]], count))
    return _scores(np.stack(matches), lengths, closest, orders)


def self_bleu_scores(generated: Texts, orders: Sequence[int] = ORDERS) -> Scores:
    """The BLEU-n of each text against all others, `[orders, texts]`, in [0, 1].

    Raises UserError where there are fewer than two texts, or an order is below 1.
    """
    _check(orders, len(generated), len(generated), 2)
    count = len(generated)
    corpus = Corpus.of(generated)
    closest = _closest(corpus.lengths, *_bounds_of_others(corpus.lengths))
    matches = []
    for text, gram, known in corpus.grams(max(orders)):
        owner, number, amount = _counted(text, gram, known)
        matches.append(_clipped(owner, amount, _most_elsewhere(number, amount), count))
    return _scores(np.stack(matches), corpus.lengths, closest, orders)


def _check(orders: Sequence[int], generated: int, references: int, least: int) -> None:
    if not orders or min(orders) < 1:
        raise UserError(f"BLEU of the orders {list(orders)} is not defined: name one order or more, each at least 1.")
    if min(generated, references) < least:
        raise UserError(
            f"BLEU of {generated} texts against {references} is not defined: at least {least} are needed on each side."
        )


def _means(scores: Scores, orders: Sequence[int]) -> dict[int, float]:
    return {order: float(row.mean()) for order, row in zip(orders, scores, strict=True)}


# --- n-grams --------------------------------------------------------------------------------------------------------


def _counted(text: Ints, gram: Ints, known: int) -> tuple[Ints, Ints, Ints]:
    """Each n-gram of each text once: the text, the n-gram, how often it has it; in the order of texts."""
    pairs, counts = np.unique(text * known + gram, return_counts=True)
    return pairs // max(known, 1), pairs % max(known, 1), counts


def _most_elsewhere(number: Ints, amount: Ints) -> Ints:
    """For each entry (a text's n-gram and its count) the largest count of that n-gram in another entry, or 0."""
    order = np.lexsort((-amount, number))
    grams, counts = number[order], amount[order]
    first = np.ones(len(grams), bool)
    first[1:] = grams[1:] != grams[:-1]
    leaders = np.flatnonzero(first)
    ends = np.append(leaders[1:], len(grams))
    # The leader's rival is the entry after it, where that is of the same n-gram; everyone else's is the leader.
    second = np.zeros(len(leaders), np.int64)
    several = ends - leaders > 1
    second[several] = counts[leaders[several] + 1]
    group = np.cumsum(first) - 1
    rival = np.where(first, second[group], counts[leaders[group]]) if len(grams) else counts
    found = np.empty_like(rival)
    found[order] = rival
    return found


def _clipped(owner: Ints, amount: Ints, most: Ints, count: int) -> Scores:
    """The matches of each text: its counts, each at most the references' largest."""
    return np.bincount(owner, weights=np.minimum(amount, most), minlength=count).astype(np.float64)


# --- lengths --------------------------------------------------------------------------------------------------------


def _bounds(lengths: Ints, known: Ints) -> tuple[Ints, Ints]:
    """For each length the largest of `known` (ascending) that is not above it, and the smallest that is not below; the
    other one where there is none."""
    below = np.searchsorted(known, lengths, side="right") - 1
    above = np.searchsorted(known, lengths, side="left")
    last = len(known) - 1
    return known[np.where(below < 0, above, below)], known[np.where(above > last, below, above)]


def _bounds_of_others(lengths: Ints) -> tuple[Ints, Ints]:
    """As `_bounds` among the lengths of all other texts."""
    known, amount = np.unique(lengths, return_counts=True)
    shared = amount[np.searchsorted(known, lengths)] > 1
    at = np.searchsorted(known, lengths)
    below, above = at - 1, at + 1
    last = len(known) - 1
    under = known[np.clip(np.where(below < 0, above, below), 0, last)]
    over = known[np.clip(np.where(above > last, below, above), 0, last)]
    return np.where(shared, lengths, under), np.where(shared, lengths, over)


def _closest(lengths: Ints, under: Ints, over: Ints) -> Ints:
    """The nearer of two reference lengths; of equally near ones the shorter."""
    nearer = np.abs(over - lengths) < np.abs(lengths - under)
    equal = np.abs(over - lengths) == np.abs(lengths - under)
    return np.where(equal, np.minimum(under, over), np.where(nearer, over, under))


# --- the score ------------------------------------------------------------------------------------------------------


def _scores(matches: Scores, lengths: Ints, closest: Ints, orders: Sequence[int]) -> Scores:
    """BLEU `[orders, texts]` from the matches `[highest order, texts]`."""
    highest = len(matches)
    possible = np.maximum(lengths[None] - np.arange(highest)[:, None], 1)
    logs = np.log(np.where(matches == 0, EPSILON, matches) / possible)
    penalty = np.exp(np.minimum(1 - closest / np.maximum(lengths, 1), 0))
    # Without one symbol in common the score is 0, smoothing or not.
    whole = np.where(matches[0] > 0, penalty, 0.0)
    cumulative = np.cumsum(logs, axis=0)
    return np.stack([whole * np.exp(cumulative[order - 1] / order) for order in orders])
