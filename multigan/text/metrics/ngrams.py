"""An n-gram language model in numpy: interpolated modified Kneser-Ney (Kneser and Ney, 1995; Chen and Goodman, 1999).

    p(w | c) = max(a(cw) - D(a(cw)), 0) / a(c.) + gamma(c) p(w | c without its first symbol)

a(cw) is the count of the n-gram at the highest order, and below it how many different symbols come before cw. D is D1,
D2 or D3 for an a of 1, 2, or 3 and more, estimated from how many n-grams have 1, 2, 3 and 4. gamma(c) is what the
discounts leave over, so that the whole is a distribution; the lowest order is interpolated with the uniform one. A text
begins with one start symbol, which is never predicted, and before which nothing comes: n-grams with it keep their
counts at every order, as in KenLM (Heafield et al., 2013).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError
from multigan.text.metrics.grams import Corpus, Ints

Sequences = Sequence[Sequence[int] | Ints]
Floats = NDArray[np.float64]
FALLBACK = (0.5, 1.0, 1.5)
"""The discounts of an order whose counts do not determine them, as in KenLM."""


@dataclass(frozen=True)
class Likelihood:
    """Mean negative log-likelihoods in nats. per_symbol: over all symbols, ends included. per_text: of whole texts.
    perplexity: exp(per_symbol)."""

    per_symbol: float
    per_text: float

    @property
    def perplexity(self) -> float:
        return float(np.exp(min(self.per_symbol, 700.0)))


@dataclass(frozen=True)
class _Order:
    """What one order knows. keys: its n-grams, ascending; an n-gram's place among them is its number. discounted
    `[keys]`: its count less the discount. totals `[contexts]`: the sum of the counts of what follows each
    (n - 1)-gram. left `[contexts]`: the share that the discounts leave over, 1 where nothing follows."""

    keys: Ints
    discounted: Floats
    totals: Floats
    left: Floats


class NGramModel:
    """A model of texts of symbols 0 to `vocabulary_size` - 1. `fit` makes it."""

    def __init__(self, orders: Sequence[_Order], vocabulary_size: int, end: bool) -> None:
        self._orders = orders
        self.vocabulary_size = vocabulary_size
        self.end = end

    @staticmethod
    def fit(sequences: Sequences, order: int, vocabulary_size: int, *, end: bool = True) -> NGramModel:
        """Count the n-grams of texts up to `order` symbols.

        sequences: texts of symbols 0 to vocabulary_size - 1, without start and end, which the model adds. end: texts
        end with a symbol of their own, number vocabulary_size; False where all have one length and the end says
        nothing. Raises UserError where there is no text, a symbol is out of range, or the order or the vocabulary is
        below 1.
        """
        if order < 1 or vocabulary_size < 1:
            raise UserError(f"an n-gram model of order {order} over {vocabulary_size} symbols: both are 1 or more.")
        corpus = _framed(sequences, vocabulary_size, end)
        return NGramModel(list(_counted(corpus, order)), vocabulary_size, end)

    def log_probability(self, sequence: Sequence[int] | Ints) -> Floats:
        """ln p of each symbol given those before it, and of the end where texts have one: `[symbols (+ 1)]`."""
        return self._log_probabilities(_framed([sequence], self.vocabulary_size, self.end))

    def nll(self, sequences: Sequences) -> Likelihood:
        """The mean negative log-likelihood of texts, in nats a symbol and a text.

        Raises UserError where there is no text, or a symbol is out of range.
        """
        corpus = _framed(sequences, self.vocabulary_size, self.end)
        found = self._log_probabilities(corpus)
        if not len(found):
            raise UserError("texts without a symbol have no likelihood: give some that are not empty.")
        return Likelihood(-float(found.mean()), -float(found.sum()) / len(corpus.lengths))

    def _log_probabilities(self, corpus: Corpus) -> Floats:
        predicted = np.full(len(corpus.symbols), 1.0 / (self.vocabulary_size + self.end))
        context, there = np.zeros_like(corpus.symbols), np.ones(len(corpus.symbols), bool)
        codes = np.zeros_like(corpus.symbols)
        for order, known in enumerate(self._orders, start=1):
            keys = corpus.extended(codes, order)
            codes = _found(known.keys, keys)
            held = np.where(codes >= 0, known.discounted[np.maximum(codes, 0)], 0.0)
            total = np.where(there, known.totals[context], 0.0)
            left = np.where(there, known.left[context], 1.0)
            predicted = held / np.maximum(total, 1e-300) * (total > 0) + left * predicted
            context, there = _before(codes, corpus, order)
        logs: Floats = np.log(predicted[corpus.position > 0])
        return logs


def _framed(sequences: Sequences, size: int, end: bool) -> Corpus:
    """Each text after the start symbol, size + 1, and before the end, size."""
    if not len(sequences):
        raise UserError("there are no texts: give one or more.")
    lengths = np.array([len(each) for each in sequences], np.int64)
    flat = np.concatenate([np.asarray(each, np.int64).reshape(-1) for each in sequences])
    if len(flat) and not 0 <= flat.min() <= flat.max() < size:
        wrong = int(flat.min() if flat.min() < 0 else flat.max())
        raise UserError(f"symbol {wrong} is not one of the {size} symbols 0 to {size - 1}.")
    framed = np.full(len(flat) + len(lengths) * (1 + end), size, np.int64)
    begins = np.cumsum(lengths + 1 + end) - (lengths + 1 + end)
    framed[begins] = size + 1
    inside = np.ones(len(framed), bool)
    inside[begins] = False
    if end:
        inside[begins + lengths + 1] = False
    framed[inside] = flat
    return Corpus.numbered(framed, lengths + 1 + end, size + 2)


def _found(keys: Ints, wanted: Ints) -> Ints:
    """The place of each wanted key among the ascending keys, -1 where it is not there."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def _before(codes: Ints, corpus: Corpus, order: int) -> tuple[Ints, NDArray[np.bool_]]:
    """The number of the `order`-gram just before each symbol (0 where there is none), and whether there is one."""
    before = np.concatenate([[-1], codes[:-1]]) if len(codes) else codes
    there = (corpus.position >= order) & (before >= 0)
    return np.where(there, before, 0), there


# --- counting -------------------------------------------------------------------------------------------------------


def _counted(corpus: Corpus, highest: int) -> Iterator[_Order]:
    """The orders from 1 to `highest`."""
    codes, contexts = np.zeros_like(corpus.symbols), 1
    context = np.zeros_like(corpus.symbols)
    for order in range(1, highest + 1):
        keys = corpus.extended(codes, order)
        known, where, counts = np.unique(keys[keys >= 0], return_index=True, return_counts=True)
        if not len(known):
            return  # all texts are shorter
        where = np.flatnonzero(keys >= 0)[where]
        codes = _found(known, keys)
        amounts = counts.astype(np.int64)
        if order < highest:
            begins = corpus.position[where] == order - 1
            amounts = np.where(begins, counts, _ways_in(corpus, codes, order, len(known)))
        if order == 1:
            amounts[corpus.position[where] == 0] = 0  # the start symbol is no event
        yield _smoothed(known, amounts, context[where], contexts)
        context, _ = _before(codes, corpus, order)
        contexts = len(known)


def _ways_in(corpus: Corpus, codes: Ints, order: int, known: int) -> Ints:
    """How many different symbols come before each `order`-gram."""
    longer = corpus.position >= order
    ends = np.flatnonzero(longer)
    pairs = np.unique(codes[ends] * corpus.size + corpus.symbols[ends - order])
    return np.bincount(pairs // corpus.size, minlength=known).astype(np.int64)


def _smoothed(keys: Ints, amounts: Ints, context: Ints, contexts: int) -> _Order:
    discounts = np.array([0.0, *_discounts(amounts)])
    taken = discounts[np.minimum(amounts, 3)]
    totals = np.bincount(context, weights=amounts, minlength=contexts).astype(np.float64)
    spared = np.bincount(context, weights=taken, minlength=contexts)
    left = np.where(totals > 0, spared / np.maximum(totals, 1), 1.0)
    return _Order(keys, amounts - taken, totals, left)


def _discounts(amounts: Ints) -> tuple[float, float, float]:
    """D1, D2 and D3 from how many n-grams have a count of 1, 2, 3 and 4 (Chen and Goodman, 1999, equation 26)."""
    n1, n2, n3, n4 = (int((amounts == each).sum()) for each in (1, 2, 3, 4))
    if not min(n1, n2, n3, n4):
        return FALLBACK
    share = n1 / (n1 + 2 * n2)
    found = (1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3)
    return found if all(0 <= each <= most for each, most in zip(found, (1, 2, 3), strict=True)) else FALLBACK
