"""Which texts are trained on, and which are held out for the evaluation. No torch."""

from __future__ import annotations

import numpy as np

from multigan.data.order import Indices, permutation
from multigan.text.config import TextData, Words
from multigan.text.data.corpus import Corpus


def split(corpus: Corpus, data: TextData, seed: int) -> tuple[Indices, Indices]:
    """The rows to train on and those that are held out, each int64 and ascending: a function of the seed.

    `data.held_out` is the share of the different texts. Texts that read the same are on the same side, so that what is
    held out has never been seen; for words, white space makes no difference.
    """
    first: dict[str, int] = {}
    words = isinstance(data.tokens, Words)
    keys = (" ".join(text.split()) if words else text for text in corpus.texts)
    group = np.fromiter((first.setdefault(key, len(first)) for key in keys), np.int64, len(corpus))
    different = len(first)
    count = round(data.held_out * different)
    if data.held_out > 0:
        count = min(max(1, count), different - 1)
    apart = np.zeros(different, dtype=bool)
    apart[permutation(different, seed, "held out")[:count]] = True
    held = apart[group]
    return np.flatnonzero(~held), np.flatnonzero(held)
