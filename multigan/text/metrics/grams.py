"""N-grams of many texts as whole numbers, in numpy: an n-gram is the pair (its first n - 1 symbols, its last)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Text = Sequence[Hashable] | NDArray[np.int64]
"""The symbols of one text: words, characters or numbers."""
Texts = Sequence[Text]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Texts laid end to end. symbols: `[total]`, from 0 to `size`. text: whose symbol it is. position: in its text.
    lengths: `[texts]`."""

    symbols: Ints
    text: Ints
    position: Ints
    lengths: Ints
    size: int

    @staticmethod
    def of(texts: Texts) -> Corpus:
        """Number the symbols of texts in the order in which they come; equal symbols of all texts get one number."""
        numbers: dict[Hashable, int] = {}
        flat = [numbers.setdefault(symbol, len(numbers)) for text in texts for symbol in text]
        return Corpus.numbered(np.array(flat, np.int64), [len(text) for text in texts], len(numbers))

    @staticmethod
    def numbered(symbols: Ints, lengths: Iterable[int], size: int) -> Corpus:
        """Texts whose symbols are numbers already: `[total]`, and how many each text has."""
        counts = np.array(list(lengths), np.int64)
        text = np.repeat(np.arange(len(counts)), counts)
        position = np.arange(len(symbols)) - np.repeat(np.cumsum(counts) - counts, counts)
        return Corpus(symbols, text, position, counts, size)

    def extended(self, codes: Ints, order: int) -> Ints:
        """A number for the `order`-gram that ends at each symbol, `[total]`, from those of the (order - 1)-grams.

        codes: of the (order - 1)-gram that ends at each symbol, -1 where there is none (of order 1: zeros). The result
        is -1 where the text is too short or the shorter n-gram is none.
        """
        if order == 1:
            return np.where(codes < 0, -1, self.symbols)
        before = np.concatenate([[-1], codes[:-1]]) if len(codes) else codes
        there = (self.position >= order - 1) & (before >= 0)
        return np.where(there, before * self.size + self.symbols, -1)

    def grams(self, highest: int) -> Iterator[tuple[Ints, Ints, int]]:
        """Of each order from 1 to `highest`: the text of each n-gram, its number, and how many numbers there are.

        Equal n-grams have equal numbers, from 0 and without gaps.
        """
        codes = np.zeros_like(self.symbols)
        for order in range(1, highest + 1):
            keys = self.extended(codes, order)
            there = keys >= 0
            known, numbers = np.unique(keys[there], return_inverse=True)
            codes = np.full_like(keys, -1)
            codes[there] = numbers
            yield self.text[there], numbers, len(known)
