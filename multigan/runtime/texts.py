"""What a generator of text does beside `sample`: strings, and how likely it finds those of others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from multigan import noise
from multigan.contract import Contract
from multigan.errors import UserError
from multigan.runtime.labels import Label, is_sequence, resolve
from multigan.runtime.language import Language, Sampling, Score, Text, padded, scores
from multigan.runtime.onnx_file import taken_by
from multigan.runtime.session import Session
from multigan.runtime.trust import Trust

V = TypeVar("V", bound=np.generic)

BATCH = 64
MOST = 1_000_000
"""Samples in one call: beyond, a mistyped number fills the memory."""
_TO_DRAW = 80
"""Bytes that drawing takes for each number of noise, for a moment."""
_PLENTY = 2**28
"""Bytes from which on it is asked how many there are."""


class Texts(ABC):
    """Texts of an opened file. contract: what it says of itself."""

    contract: Contract
    session: Session
    trust: Trust

    @abstractmethod
    def _outputs(self, inputs: dict[str, NDArray[Any]], names: list[str]) -> list[NDArray[Any]]:
        """Some outputs of the graph."""

    @abstractmethod
    def _checked(self, output: NDArray[Any], inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """The contract's output, where it is what that says."""

    @cached_property
    def language(self) -> Language:
        """The vocabulary and the lengths of a generator of text."""
        return Language(self.contract, self.session.outputs, self.trust.length)

    def texts(self, n: int, seed: int = 0, prompt: str | None = None, **options: Any) -> list[str]:
        """Texts `start` to `start + n` of `seed`. options: those of `text_batches`, which says more of each text."""
        check_count("n", n, MOST)
        return [each.text for part in self.text_batches(n, seed, prompt, **options) for each in part]

    def text_batches(
        self,
        n: int,
        seed: int = 0,
        prompt: str | None = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        length: int | None = None,
        label: Label = None,
        batch: int = BATCH,
        start: int = 0,
        gap: str | None = None,
    ) -> Iterator[list[Text]]:
        """Texts `start` to `start + n` of `seed`, a batch at a time: any number of them takes little memory.

        Text i of a seed is the same whatever n, `start` and `batch`, a shorter one the beginning of a longer one.
        prompt: how the texts begin. gap: a character that stands in the prompt for one symbol that is free (of a model
        of words: as a word of its own); the model reads from left to right, so that what is behind a gap does not
        influence it, and may end the text in one. temperature: 0 gives always the likeliest symbol, 1 the model's own
        chances. top_k: of the likeliest symbols so many, 0 for all. top_p: of the likeliest those that together have
        this probability, 1 for all; both choose from the 128 likeliest. length: symbols, the model's own without it.
        label: as in `sample`. What is unknown in the prompt is said in the log. Raises UserError where an argument is
        out of range, the prompt does not fit, or the model makes no texts.
        """
        language = self.language
        given = language.given(Sampling(prompt, gap, temperature, top_k, top_p, length))
        check_count("n", n, noise.SAMPLES)
        self._check_batch(batch, n)
        one_for_each = is_sequence(label)
        labels = resolve(self.contract, label, n if one_for_each else 1, start)
        prefix = given["prefix"]

        def parts() -> Iterator[list[Text]]:
            for done in range(0, n, batch):
                count, first = min(batch, n - done), start + done
                here = part_of(labels, slice(done, done + count))
                classes = here if one_for_each else resolve(self.contract, label, count, first)
                told = {**given, "prefix": np.broadcast_to(prefix, (count, len(prefix)))}
                inputs = noise.inputs(self.contract, seed, first, count, labels=classes, length=len(prefix), given=told)
                yield language.texts(first, *self._symbols(inputs), classes)

        return parts()

    def score(self, texts: Sequence[str], label: Label = None, batch: int = BATCH) -> list[Score]:
        """How likely the model finds texts: of each the log-probability, the number of symbols and the perplexity.

        The end counts as a symbol where the vocabulary has one. What is unknown counts as the unknown symbol, and is
        said in the log. label: of a conditional model, one for all or one for each. Raises UserError where a text has
        more symbols than the model can read, or a label is missing.
        """
        language = self.language
        if label is None and self.contract.input("label"):
            raise UserError("how likely a text is depends on its class: give a label.")
        self._check_batch(batch, len(texts))
        labels = resolve(self.contract, label, len(texts))
        rows = language.rows(texts)
        found: list[Score] = []
        for first in range(0, len(rows), batch):
            here = slice(first, first + batch)
            table, inside = padded(rows[here], language.length if language.fixed else 0)
            told, classes = {"prefix": table}, part_of(labels, here)
            inputs = noise.inputs(
                self.contract, 0, first, len(table), labels=classes, length=table.shape[1], given=told
            )
            found += scores(self._symbols(inputs)[1], inside)
        return found

    def _check_batch(self, batch: int, n: int) -> None:
        """Raise UserError where so many at once, of `n`, are more than the model may have, or than fits into its
        memory before the graph is asked."""
        check_count("batch", batch, self.trust.batch)
        wanted = min(batch, n) * (taken_by(self.contract) or 0) * _TO_DRAW
        if wanted > _PLENTY and wanted > self.trust.bytes:
            raise UserError(
                f"to draw the noise of {min(batch, n)} samples takes {wanted / 1e9:.1f} GB, and the model may have "
                f"{self.trust.bytes / 1e9:.1f} GB: ask for a smaller batch, or allow it more (trust.memory)."
            )

    def _symbols(self, inputs: dict[str, NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The symbols of texts and their log-probabilities."""
        names = [self.contract.output.name, str(self.language.chances)]
        symbols, chances = self._outputs(inputs, names)
        if chances.shape != symbols.shape:
            raise UserError(f"the model gave {list(chances.shape)} log-probabilities: export it again.")
        return self._checked(symbols, inputs), chances


def check_count(name: str, value: int, most: int) -> None:
    """Raise UserError where a number of samples or steps lies outside of 1 to `most`."""
    if not 1 <= value <= most:
        raise UserError(f"{name} {value} is out of range: choose a whole number from 1 to {most}.")


def part_of(values: NDArray[V] | None, part: slice) -> NDArray[V] | None:
    """Some of an array that may be absent."""
    return None if values is None else values[part]
