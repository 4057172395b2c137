"""Slices that are decoded and resampled when they are needed, for what does not fit on the disk; nothing is written.

Of each slice only what is near it is read and decoded, so that a file's length costs nothing. `slices: all` asks every
file's header at the start, which tells how many slices it makes (`headers`); a table's cells would all have to be read
for that, so rows give one slice in each pass over the data: their first, or one at a place that is a function of the
seed, the row and the pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from multigan.audio.config import AudioRecipe
from multigan.audio.data.cache import Progress
from multigan.audio.data.decode import header, resampled_length, slicer
from multigan.audio.data.headers import Headers, headers_of
from multigan.audio.data.level import OFFSET, Level
from multigan.audio.data.medium import Frames, Sound, Source
from multigan.audio.data.positions import AudioStream, left_out, seconds_of
from multigan.audio.data.slices import Indices, Slices, crops
from multigan.data.cache import Ahead, moved
from multigan.data.order import draws, key
from multigan.data.reader import Reader
from multigan.data.sources import Selected

_HEARD = 64
"""Slices that are listened to at the start, for what is odd about the data."""
_PICKED = 1024
"""Slices that are asked for by their numbers at once."""
_DRAWN = 32
"""Slices that may stand in for a damaged one before its neighbours do."""


class StreamedAudio(AudioStream):
    """The slices of sounds that are not kept. A damaged one is replaced by a good one of its class."""

    def __init__(
        self, source: Source, recipe: AudioRecipe, device: torch.device, progress: Progress | None = None
    ) -> None:
        self._files, starts = len(source), None
        self._headers: Headers | None = None
        if recipe.data.slices == "all":
            self._headers = headers_of(source, recipe, progress)
            source = Pieces(source, self._headers.slices, recipe.data.rate or 1)
            starts = self._headers.slices.starts
        super().__init__(source, None, recipe, device)
        self._slices = recipe.data.slices
        self._reader = SliceReader(source, recipe, starts)
        self._ahead = Ahead(self._reader, self._numbers)

    def sentences(self) -> list[str]:
        slices = f"of {self.length / self.rate:.3g} seconds at {self.rate:,} Hz"
        said = []
        if self._headers is None:
            which = "their first slice" if self._slices == "first" else "one slice of each, somewhere else in each pass"
            said.append(f"{len(self):,} sounds of {self.source.place}: {which}, {slices}, decoded when it is needed.")
        else:
            read = self._files - self._headers.report.count
            said.append(
                f"{seconds_of(self._headers.seconds)} of sound by the headers of {read:,} files of "
                f"{self.source.place}: {len(self):,} slices {slices}, decoded when they are needed."
            )
            if count := self._headers.report.count:
                said.append(left_out(self._headers.report.skipped, count, self._files))
            if count := self._headers.short.count:
                what = "end before their header says and are used up to there"
                said.append(left_out(self._headers.short.skipped, count, self._files, what))
        return said + self._heard()

    def news(self) -> str:
        return self._reader.report.news()

    def samples(self, indices: Indices | Sequence[int]) -> Tensor:
        """The slices of these numbers, read in ascending order, so that what is stored together is read once."""
        numbers = np.asarray(indices, dtype=np.int64)
        found = torch.empty((len(numbers), *self._reader.shape))
        for places in self._together(numbers):
            found[torch.from_numpy(places)] = self._ahead.pick(numbers[places])
        return found

    def _together(self, numbers: Indices) -> list[Indices]:
        """Where the numbers stand, in their ascending order, some at a time: of a source with blocks, those of a few
        blocks, which it can hold."""
        places, blocks = np.argsort(numbers, kind="stable"), self.source.blocks
        part = np.arange(len(numbers)) // _PICKED
        if blocks is not None:
            passes, rows = np.divmod(numbers[places], len(self))
            block = np.searchsorted(blocks.bounds, rows, side="right") - 1
            part = (passes * len(blocks.bounds) + block) // blocks.window
        return np.split(places, np.flatnonzero(np.diff(part)) + 1)

    def close(self) -> None:
        self._ahead.close()

    def _range(self, start: int, count: int) -> Tensor:
        if self.source.blocks is not None:
            ahead = self._numbers(start + self.source.blocks.ahead(), count)
            self.source.prefetch(ahead % len(self))
        return moved(self._ahead.range(start, count), self._device)

    def _heard(self) -> list[str]:
        """What is odd about the first slices."""
        count = min(_HEARD, len(self))
        levels = []
        for made in self._ahead.pick(self._numbers(0, count)).numpy():
            levels.append(Level())
            levels[-1].see(made.T)
        silent, clipped = sum(level.peak == 0 for level in levels), sum(level.clipped for level in levels)
        beyond = sum(level.beyond for level in levels)
        offset = sum(level.mean for level in levels) / count
        odd = [
            f"{number} are {word}"
            for number, word in ((silent, "silent"), (clipped, "clipped"), (beyond, "far beyond full scale"))
            if number
        ]
        if abs(offset) > OFFSET:
            odd.append(f"their mean is {offset:.2f}, a constant offset (DC)")
        return [f"Of {count} slices listened to: {', '.join(odd)}."] if odd else []


class SliceReader(Reader[Sound]):
    """Slices, float32 `[C, T]`. Number n is of sample `n % len` of the source, for pass `n // len` over it.

    starts: the first frame of each sample's slice; absent: what `data.slices` says.
    """

    def __init__(self, source: Source, recipe: AudioRecipe, starts: Indices | None) -> None:
        data = recipe.data
        self._slice = slicer(data)
        assert data.rate is not None
        assert data.channels is not None
        assert data.length is not None
        super().__init__(source, self._slice, (data.channels, data.length), np.float32)
        self._starts, self._seed, self._length, self._rate = starts, recipe.seed, data.length, data.rate
        self._random = data.slices == "random"
        self._totals: dict[int, int] = {}
        """The frames of those whose header does not tell them."""
        # of a file that is damaged in one place, another pass may want another one: what is given shall not depend on
        # which passes there were
        self.lasting = not self._random
        if starts is not None:
            self.report.what, self.report.instead = "slices", "another good one"

    def read(self, index: int, turn: int = 0) -> Frames:
        passes, index = divmod(index, len(self.source))
        return super().read(index, turn + passes)

    def decoded(self, index: int, turn: int) -> Frames:
        return self._slice(partial(self.source.open, index), begin=partial(self._begin, index, turn))

    def _begin(self, index: int, turn: int, total: int | None) -> int:
        if self._random:
            total = self._total(index) if total is None else total
            number = np.array([turn * len(self.source) + index])
            return int(crops(self._seed, number, np.array([total]), self._length)[0])
        return 0 if self._starts is None else int(self._starts[index])

    def _total(self, index: int) -> int:
        """The frames of a sound that has to be decoded to count them; once."""
        if index not in self._totals:
            found = header(partial(self.source.open, index))
            self._totals[index] = resampled_length(found.frames, found.rate, self._rate)
        return self._totals[index]

    def _candidates(self, index: int) -> Iterator[int]:
        """Of the slices of files, at first some that are drawn by the index among those of its class and number: the
        damaged ones lie one after another, and shall not all be replaced by the slice that comes next."""
        yield index
        if self._starts is not None:
            alike = np.ones(len(self.source), np.bool_)
            for told in (self.source.labels, self.source.numbers):
                if told is not None:
                    alike &= told == told[index]
            pool = np.flatnonzero(alike)
            yield from pool[draws(key("stand-in", index), np.arange(_DRAWN)) % np.uint64(len(pool))].tolist()
        yield from super()._candidates(index)


class Pieces(Selected[Sound]):
    """Every slice of a source's files as a sample of its own."""

    def __init__(self, source: Source, slices: Slices, rate: int) -> None:
        labels = None if source.labels is None else source.labels[slices.files]
        super().__init__(source, slices.files, source.classes, labels)
        self._starts, self._rate = slices.starts, rate

    def name(self, index: int) -> str:
        return f"{super().name(index)} at {self._starts[index] / self._rate:.2f} seconds"
