"""What the streams of sounds have in common: slices in an endless shuffled order, addressed by position."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from multigan.adversarial.batch import Batch
from multigan.audio.config import AudioRecipe
from multigan.audio.data.medium import Source
from multigan.data.numbers import numbers_of
from multigan.data.order import Indices, order_of
from multigan.errors import UserError


class AudioStream(ABC):
    """A `Stream` of sounds `[B, C, T]` in [-1, 1]; conditions: `label`, for a conditional recipe, and `number`, for one
    that is told numbers.

    Each epoch shows every slice once in an order of its own. length: samples of a slice. labels, numbers: int64 and
    float32 `[N]`, one for each slice, or None.
    """

    def __init__(self, source: Source, files: Indices | None, recipe: AudioRecipe, device: torch.device) -> None:
        """files: the sample of the source that each slice is of; absent: each sample is one slice."""
        data = recipe.data
        if data.length is None or data.rate is None or data.channels is None:
            raise ValueError("data.length, data.rate and data.channels must be resolved before the stream is opened")
        self.source, self.length, self.rate, self._device = source, data.length, data.rate, device
        self._seed, self._conditional = recipe.seed, recipe.conditional
        self._count = len(source) if files is None else len(files)
        self._order = order_of(recipe.seed, max(1, self._count), source.blocks if files is None else None)
        self.labels: Tensor | None = None
        if source.labels is not None:
            labels = source.labels if files is None else source.labels[files]
            self.labels = torch.from_numpy(labels.astype(np.int64))
        numbers = numbers_of(source, data)
        self.numbers: Tensor | None = None
        if numbers is not None:
            self.numbers = torch.from_numpy(numbers if files is None else numbers[files])

    def __len__(self) -> int:
        return self._count

    def identity(self) -> str:
        """A digest of the source's names and numbers: see `multigan.data.sources.Source`."""
        return self.source.identity()

    def take(self, start: int, count: int) -> Batch:
        conditions = {}
        indices = torch.from_numpy(self._numbers(start, count) % self._count)
        if self._conditional and self.labels is not None:
            conditions["label"] = self.labels[indices].to(self._device)
        if self.numbers is not None:
            conditions["number"] = self.numbers[indices].to(self._device)
        return Batch(self._range(start, count), conditions)

    @abstractmethod
    def samples(self, indices: Indices | Sequence[int]) -> Tensor:
        """The slices of these numbers (not positions): float32 `[len, C, T]` on the CPU."""

    @abstractmethod
    def sentences(self) -> list[str]:
        """How much sound there is, and what is odd about it."""

    def news(self) -> str:
        """What could not be read since the last call, as text."""
        return ""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def _range(self, start: int, count: int) -> Tensor:
        """The slices at these positions, on the device."""

    def _numbers(self, start: int, count: int) -> Indices:
        """Of each position the slice's number, and `len` more for each epoch before: no two of them are the same."""
        positions = np.arange(start, start + count)
        return self._order.indices(positions) + positions // self._count * self._count


def no_sound(source: Source, skipped: Sequence[tuple[str, str]]) -> UserError:
    """The sentence for a source of which no file can be read. skipped: some of them, name and reason."""
    name, reason = min(skipped)
    return UserError(
        f"none of the {len(source):,} files of {source.place} can be read as a sound ({name}: {reason}): "
        "choose another --data."
    )


def left_out(
    skipped: Sequence[tuple[str, str]], count: int, total: int, what: str = "cannot be read and are left out"
) -> str:
    """The files that cannot be read, or whatever `what` says, `count` of `total`, as text. skipped: the first of them,
    name and reason."""
    lines = [f"{count:,} of {total:,} files {what}:"]
    lines += [f"  {name}: {reason}" for name, reason in sorted(skipped)]
    if count > len(skipped):
        lines.append(f"  and {count - len(skipped):,} others")
    return "\n".join(lines)


def seconds_of(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
