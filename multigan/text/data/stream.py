"""The texts of a recipe as a stream of rows of numbers, and those that are held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from multigan.adversarial.batch import Batch
from multigan.data.cache import moved
from multigan.data.order import Indices, Order
from multigan.errors import UserError
from multigan.text.config import TextRecipe
from multigan.text.data.corpus import Corpus, read_corpus
from multigan.text.data.encoding import Encoded, Rows, encode
from multigan.text.data.oracles import oracle_corpus
from multigan.text.data.splitting import split
from multigan.text.data.vocabularies import vocabulary_of

__all__ = ["TextStream", "open_stream", "split"]

Labels = NDArray[np.int64]
_RARE = 0.001
"""A larger share of unknown symbols is worth a sentence."""


def open_stream(recipe: TextRecipe, device: torch.device, batch: int) -> TextStream:
    """The stream of `recipe.data`, which is resolved, for batches of `batch` texts.

    Raises UserError where the data is missing or cannot be read, has fewer texts than a batch, or has no classes
    although the recipe is conditional.
    """
    corpus = read_corpus(recipe.data) if recipe.data.oracle is None else oracle_corpus(recipe.data)
    if recipe.conditional and corpus.classes is None:
        raise UserError(
            f"the recipe is conditional and {corpus.place} has no classes: put the texts of each class into a file of "
            "its own, name data.label_column, or set conditional to false."
        )
    stream = TextStream(corpus, recipe, device)
    if len(stream) < batch:
        raise UserError(
            f"{corpus.place} has {len(stream):,} texts to train on, fewer than a batch of {batch}: add texts, or lower "
            "training.batch."
        )
    stream.check_classes()
    return stream


class TextStream:
    """A `Stream` of texts: int64 `[B, T]`, a text's symbols, 0 where it ends, and zeros; conditions: `label`, for a
    conditional recipe. Each epoch shows every text once in an order of its own.

    texts, labels, rows: those that are trained on, int64 `[N]` or None, int32 `[N, T]`; held_out_texts,
    held_out_labels, held_out: the same of those that no network is shown. Raises UserError where no text is left.
    """

    def __init__(self, corpus: Corpus, recipe: TextRecipe, device: torch.device) -> None:
        self.corpus, self.vocabulary = corpus, vocabulary_of(recipe.data)
        self._recipe, self._device = recipe, device
        trained, held = split(corpus, recipe.data, recipe.seed)
        self.texts, self.labels, self._encoded = self._side(trained)
        self.held_out_texts, self.held_out_labels, self._held = self._side(held)
        if not self.texts:
            raise UserError(self._nothing())
        self._order = Order(recipe.seed, len(self.texts))

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def rows(self) -> Rows:
        """What is trained on: int32 `[N, T]`."""
        return self._encoded.rows

    @property
    def held_out(self) -> Rows:
        """What is held out: int32 `[M, T]`."""
        return self._held.rows

    @property
    def classes(self) -> list[str] | None:
        return self.corpus.classes

    def identity(self) -> str:
        """A digest of the texts and their labels: another one means other data."""
        return self.corpus.identity()

    def take(self, start: int, count: int) -> Batch:
        indices = self._order.indices(np.arange(start, start + count))
        conditions = {}
        if self._recipe.conditional and self.labels is not None:
            conditions["label"] = moved(torch.from_numpy(self.labels[indices]), self._device)
        return Batch(moved(self.samples(indices), self._device), conditions)

    def samples(self, indices: Indices | Sequence[int]) -> torch.Tensor:
        """The texts of these numbers (not positions): int64 `[len, T]` on the CPU."""
        return torch.from_numpy(self.rows[np.asarray(indices, dtype=np.int64)].astype(np.int64))

    def sentences(self) -> list[str]:
        """How many texts there are, of what symbols and lengths, and what was left out of them."""
        counts, length = self._encoded.counts, self._encoded.rows.shape[1]
        data = self._recipe.data
        said = [
            f"{len(self):,} texts of {self.corpus.place} to train on, {len(self.held_out_texts):,} held out: "
            f"{int(counts.sum()):,} symbols, {counts.mean():.1f} a text and {int(counts.max()):,} at most, of a "
            f"vocabulary of {len(self.vocabulary):,}."
        ]
        both = (self._encoded, self._held)
        if unknown := self._unknown():
            said.append(f"{100 * unknown:.2g}% of the symbols are unknown (data.tokens.size).")
        if dropped := sum(each.dropped for each in both):
            said.append(f"{dropped:,} texts of more than {length - data.end:,} symbols are left out (data.long).")
        if cut := sum(each.cut for each in both):
            said.append(f"{cut:,} texts are cut after {length:,} symbols (data.long), and so have no end.")
        if short := sum(each.short for each in both):
            said.append(
                f"{short:,} texts of fewer than {length:,} symbols are left out, as they have no end (data.end)."
            )
        return said

    def news(self) -> str:
        """Nothing: all texts were read at the start."""
        return ""

    def close(self) -> None:
        """Nothing is read ahead."""

    def check_classes(self) -> None:
        """Raise UserError where a class of a conditional recipe has less than two texts to learn from."""
        if not self._recipe.conditional or self.classes is None or self.labels is None:
            return
        counts = np.bincount(self.labels, minlength=len(self.classes))
        fewest = int(counts.argmin())
        if counts[fewest] < 2:
            made = "one text" if counts[fewest] else "no text"
            raise UserError(
                f"the class {self.classes[fewest]!r} of {self.corpus.place} has {made} to learn from: add texts to it, "
                "name only the others in data.classes, or set conditional to false."
            )

    def _side(self, rows: Indices) -> tuple[list[str], Labels | None, Encoded]:
        """The texts of these rows that are kept, their labels and numbers."""
        encoded = encode([self.corpus.texts[row] for row in rows.tolist()], self.vocabulary, self._recipe.data)
        kept = rows[encoded.kept]
        labels = None if self.corpus.labels is None else self.corpus.labels[kept].astype(np.int64)
        return [self.corpus.texts[row] for row in kept.tolist()], labels, encoded

    def _unknown(self) -> float:
        """The share of unknown symbols in what is trained on, 0 where it is small."""
        number = self.vocabulary.unknown_number
        if number is None:
            return 0.0
        inside = np.arange(self.rows.shape[1]) < self._encoded.counts[:, None]
        share = float(((self.rows == number) & inside).sum() / max(1, inside.sum()))
        return share if share > _RARE else 0.0

    def _nothing(self) -> str:
        data, found = self._recipe.data, self._encoded
        mend = "raise it, or set data.long=cut" if found.dropped else "lower it"
        return (
            f"data.length: none of the {found.dropped + found.short:,} texts of {self.corpus.place} fits {data.length} "
            f"symbols: {mend}."
        )
