"""Texts as rows of numbers of one length. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError
from multigan.memory import memory, processes
from multigan.text.config import TextData
from multigan.vocabulary import Vocabulary

Rows = NDArray[np.int32]


@dataclass(frozen=True)
class Encoded:
    """rows: int32 `[N, T]`, a text's symbols, the end where there is one, then zeros. kept: int64 `[N]`, which of the
    texts they are. counts: int32 `[N]`, symbols of each, its end left out. dropped: texts left out as too long; short:
    as too short, where all have one length; cut: those that have lost their ends."""

    rows: Rows
    kept: NDArray[np.int64]
    counts: NDArray[np.int32]
    dropped: int
    short: int
    cut: int


def encode(texts: Sequence[str], vocabulary: Vocabulary, data: TextData) -> Encoded:
    """All texts as rows of `data.length`. A text that is cut has no end. Texts without an end all fill their rows.

    Of a text only as much is encoded as a row can hold. Raises UserError where the rows take more memory than there is.
    """
    if data.length is None:
        raise ValueError("data.length must be resolved")
    length = data.length
    _check_memory(len(texts), length)
    rows = np.zeros((len(texts), length), np.int32)
    counts = np.zeros(len(texts), np.int32)
    kept: list[int] = []
    dropped = short = cut = 0
    room = length - data.end
    for index, text in enumerate(texts):
        numbers = vocabulary.encode(text, length + 1)
        if len(numbers) > room:
            if data.long == "drop":
                dropped += 1
                continue
            cut += 1
            numbers = numbers[:length]
        elif not data.end and len(numbers) < length:
            short += 1
            continue
        rows[len(kept), : len(numbers)] = numbers
        counts[len(kept)] = len(numbers)
        kept.append(index)
    return Encoded(rows[: len(kept)], np.array(kept, np.int64), counts[: len(kept)], dropped, short, cut)


def lengths(texts: Iterable[str], vocabulary: Vocabulary, most: int) -> NDArray[np.int64]:
    """How many symbols each text has, its end left out; `most` where it has more."""
    return np.fromiter((len(vocabulary.encode(text, most)) for text in texts), np.int64)


def _check_memory(count: int, length: int) -> None:
    found = memory()
    need = 4 * count * length
    if found is not None and need > found.free // processes():
        raise UserError(
            f"data.length: {count:,} texts of {length:,} symbols take {need / 2**30:.1f} GiB of memory, of which "
            f"{found.free / processes() / 2**30:.1f} are free: lower it, or take fewer texts."
        )
