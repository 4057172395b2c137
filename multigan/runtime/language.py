"""The vocabulary of a generator of text: from what a person writes to symbols, and back."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from multigan.contract import Contract
from multigan.errors import UserError
from multigan.noise import FREE, length_of
from multigan.runtime.trust import LONGEST
from multigan.vocabulary import Vocabulary

_NAMED = 5
"""Unknown symbols that a warning shows."""

_WARMEST = float(np.finfo(np.float32).max)

log = logging.getLogger("multigan")


class Text(NamedTuple):
    """number: of the sample of its seed. label: the name of its class, or None. log_probability: of all its symbols at
    temperature 1, what was given included, in nats. symbols: how many these are, with the end where there is one."""

    number: int
    text: str
    label: str | None
    log_probability: float
    symbols: int


class Score(NamedTuple):
    """log_probability: of a text's symbols, in nats. symbols: how many, with the end. perplexity: exp of the mean of
    minus the log-probability over them, the number of symbols that the model hesitates between."""

    log_probability: float
    symbols: int
    perplexity: float


@dataclass(frozen=True)
class Sampling:
    """How texts are drawn; see `Generator.texts`."""

    prompt: str | None = None
    gap: str | None = None
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    length: int | None = None


class Language:
    """What the contract of a generator of text says, checked: the file may be anyone's. outputs: of its graph. longest:
    the most symbols of a text that are allowed. Raises UserError where it is none or contradicts itself."""

    def __init__(self, contract: Contract, outputs: Sequence[str], longest: int = LONGEST):
        if contract.modality != "text":
            raise UserError(f"this model makes {contract.modality}, not texts.")
        self.contract = contract
        self.vocabulary = Vocabulary.from_json(contract.extra.get("vocabulary"))
        self.chances = contract.extra.get("log_probability")
        prefix = contract.input("prefix")
        highest = {contract.output.maximum, prefix.maximum if prefix else None}
        if highest != {len(self.vocabulary) - 1}:
            raise UserError(
                f"the file's vocabulary has {len(self.vocabulary):,} symbols, and its graph another number: "
                "export it again."
            )
        wanted = {"prefix", "temperature", "top_k", "top_p"} - {each.name for each in contract.inputs}
        if wanted or self.chances not in outputs:
            lacks = ", ".join(sorted(wanted)) or "output of log-probabilities"
            raise UserError(f"the file's graph has no {lacks}: export it again.")
        self.length = length_of(contract) or 1
        said = contract.extra.get("longest")
        self.longest = min(said, longest) if isinstance(said, int) else longest
        self.fixed = prefix is not None and isinstance(prefix.shape[-1], int)
        """Whether the graph takes texts of `length` alone."""

    # --- drawing ----------------------------------------------------------------------------------------------------

    def length_for(self, wanted: int | None) -> int:
        """The length of the texts."""
        if wanted is None:
            return self.length
        if self.fixed and wanted != self.length:
            raise UserError(
                f"length {wanted}: this model was exported with --unrolled, for texts of {self.length} symbols alone: "
                "leave the length away."
            )
        if not 1 <= wanted <= self.longest:
            raise UserError(
                f"length {wanted} is out of range: texts of this model have 1 to {self.longest} symbols, and "
                f"{self.length} unless told."
            )
        return wanted

    def given(self, asked: Sampling) -> dict[str, Any]:
        """The inputs that `asked` settles, the prefix of one text."""
        symbols = len(self.vocabulary)
        # As the graph takes them, in float32, which has no 1e-300 and no 1e300.
        if not 0 <= asked.temperature <= _WARMEST:
            raise UserError(
                f"temperature {asked.temperature:g} is out of range: choose 0 (always the likeliest symbol) or more, 1 "
                "for the model's own chances."
            )
        if not 0 <= asked.top_k <= symbols:
            raise UserError(
                f"top_k {asked.top_k} is out of range: choose 1 to {symbols}, the size of the vocabulary, or 0 for all."
            )
        if not (asked.top_p <= 1 and np.float32(asked.top_p) > 0):
            raise UserError(f"top_p {asked.top_p:g} is out of range: choose a number above 0 and at most 1 (all).")
        scalars = {"temperature": asked.temperature, "top_k": asked.top_k, "top_p": asked.top_p}
        return {**scalars, "prefix": self._prefix(asked)}

    def _prefix(self, asked: Sampling) -> NDArray[np.int64]:
        """The symbols that are given, `[length]`, FREE where the model chooses."""
        length = self.length_for(asked.length)
        found = self._encoded(asked.prompt or "", asked.gap)
        if len(found) > length:
            mend = "shorten it" if length == self.longest else "shorten it, or ask for a greater length"
            raise UserError(f"the prompt has {len(found)} symbols, and the texts {length}: {mend}.")
        return np.array(found + [FREE] * (length - len(found)), np.int64)

    def _encoded(self, prompt: str, gap: str | None) -> list[int]:
        """A prompt's symbols, FREE at each gap."""
        if gap is None:
            parts = [prompt]
        elif len(gap) != 1 or gap.isspace():
            raise UserError(f"the mark of a gap, {gap!r}, is not one visible character: choose one such as _.")
        elif self.vocabulary.kind == "words":
            words = prompt.split()
            marks = [-1, *(place for place, word in enumerate(words) if word == gap), len(words)]
            parts = [" ".join(words[left + 1 : right]) for left, right in pairwise(marks)]
        else:
            parts = prompt.split(gap)
        self._warn(parts, "prompt")
        found: list[int] = []
        for index, part in enumerate(parts):
            found += ([FREE] if index else []) + self.vocabulary.encode(part)
        return found

    def _warn(self, texts: Sequence[str], where: str) -> None:
        """Say what of the texts is counted as unknown."""
        if self.vocabulary.unknown_number is None:
            return
        unknown = list(dict.fromkeys(each for text in texts for each in self.vocabulary.unknown(text)))
        if unknown:
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            shown = ", ".join(map(repr, unknown[:_NAMED]))
            log.warning("%s%s of the %s: not in the vocabulary, taken as the unknown symbol", shown, more, where)

    def texts(
        self, first: int, symbols: NDArray[np.int64], chances: NDArray[np.float32], labels: NDArray[np.int64] | None
    ) -> list[Text]:
        """What the graph gave, from sample `first` on."""
        counts = self._counts(symbols)
        totals = chances.astype(np.float64).sum(axis=1)
        names = [None] * len(symbols) if labels is None else [self.contract.labels[label] for label in labels]
        rows = zip(symbols.tolist(), names, totals.tolist(), counts.tolist(), strict=True)
        return [
            Text(first + index, self.vocabulary.decode(row), name, total, count)
            for index, (row, name, total, count) in enumerate(rows)
        ]

    def _counts(self, symbols: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many symbols each text has, with the end where there is one."""
        length = symbols.shape[1]
        if not self.vocabulary.end:
            return np.full(len(symbols), length)
        ended = symbols == 0
        return np.where(ended.any(axis=1), ended.argmax(axis=1) + 1, length)

    # --- judging ----------------------------------------------------------------------------------------------------

    def rows(self, texts: Sequence[str]) -> list[list[int]]:
        """The symbols of texts, with the end where the vocabulary has one and there is room for it."""
        self._warn(texts, "texts" if len(texts) > 1 else "text")
        found = []
        for text in texts:
            row = self.vocabulary.encode(text, self.longest + 1)
            if len(row) > self.longest:
                raise UserError(
                    f"{text[:40]!r} has more than {self.longest} symbols, the most of this model: shorten it."
                )
            if self.vocabulary.end and len(row) < self.longest:
                row.append(0)
            if not row:
                raise UserError("an empty text has no probability here: leave it away.")
            found.append(row)
        return found


def padded(rows: Sequence[Sequence[int]], least: int = 0) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows as one array of at least so many columns, filled with 0, and where it is theirs."""
    counts = np.array([len(row) for row in rows])
    inside = np.arange(max(counts.max(), least)) < counts[:, None]
    table = np.zeros(inside.shape, np.int64)
    table[inside] = np.concatenate([np.asarray(row, np.int64) for row in rows])
    return table, inside


def scores(chances: NDArray[np.float32], inside: NDArray[np.bool_]) -> Iterator[Score]:
    """From the log-probability of each symbol `[batch, length]`, and which of them count."""
    totals = np.where(inside, chances, 0).astype(np.float64).sum(axis=1)
    for total, count in zip(totals.tolist(), inside.sum(axis=1).tolist(), strict=True):
        yield Score(total, count, math.exp(min(-total / count, 700.0)))
