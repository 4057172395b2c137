"""How long the files of a source are, and so how many slices they make, without decoding them. No torch.

libsndfile holds the header of most formats against the file's size; that of a flac or mp3 file it believes, although
the file may have been torn. So of those the last slice is read too, and where that fails the last one that can be read
is looked for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from multigan.audio.config import AudioRecipe
from multigan.audio.data.cache import Progress
from multigan.audio.data.decode import header, resampled_length, slicer
from multigan.audio.data.medium import Source
from multigan.audio.data.positions import no_sound
from multigan.audio.data.slices import Slices, hop_of, slice_counts, slices_in
from multigan.data.access import UnreadableError, insist
from multigan.data.cache import workers
from multigan.data.reader import Report
from multigan.errors import UserError

_CHUNK = 64
"""Headers that a thread reads in a row."""
_NEAR = 0.1
"""Seconds by which the header of a whole mp3 file may be wrong: encoders pad it."""


@dataclass(frozen=True)
class Headers:
    """What the headers of all files say. report: the files that cannot be read. short: those that end before their
    header says, of which the slices before that end are taken."""

    slices: Slices
    seconds: float
    report: Report
    short: Report


def headers_of(source: Source, recipe: AudioRecipe, progress: Progress | None = None) -> Headers:
    """Ask every file for its length. Raises UserError where that would mean to read everything, or none can be read."""
    data = recipe.data
    if source.blocks is not None:
        raise UserError(
            f"data.slices: how many slices the rows of {source.place} make is not known before all are read, so that "
            "streaming takes one of each row in a pass: set data.slices to random or first."
        )
    asking = _Asking(source, recipe)
    pool = ThreadPoolExecutor(workers(), thread_name_prefix="headers")
    try:
        for done, _ in enumerate(pool.map(asking.some, range(0, len(source), _CHUNK))):
            if progress is not None:
                progress(done * _CHUNK, len(source))
    finally:
        pool.shutdown(cancel_futures=True)
    if asking.report.count == len(source):
        raise no_sound(source, asking.report.skipped)
    slices = slices_in(asking.counts, asking.length, data)
    return Headers(slices, float(asking.frames.sum()) / asking.rate, asking.report, asking.short)


class _Asking:
    """Frames and slices of each file, found by any thread."""

    def __init__(self, source: Source, recipe: AudioRecipe) -> None:
        self.source, self.data = source, recipe.data
        assert recipe.data.rate is not None
        assert recipe.data.length is not None
        self.rate, self.length = recipe.data.rate, recipe.data.length
        self.hop = hop_of(self.length, recipe.data.overlap)
        self._slice = slicer(recipe.data)
        self.frames, self.counts = np.zeros(len(source), np.int64), np.zeros(len(source), np.int64)
        self.report, self.short = Report(len(source)), Report(len(source))

    def some(self, start: int) -> None:
        for index in range(start, min(start + _CHUNK, len(self.source))):
            try:
                self.frames[index], self.counts[index] = self._ask(index)
            except UnreadableError as error:
                self.report.add(index, self.source.name(index), str(error))

    def _ask(self, index: int) -> tuple[int, int]:
        """How many frames and slices the file has. Raises UnreadableError where it has no frames."""
        found = insist(partial(header, partial(self.source.open, index)), self.source.name(index), self.source.place)
        frames = resampled_length(found.frames, found.rate, self.rate)
        if not frames:
            raise UnreadableError("it holds no samples")
        count = int(slice_counts(np.array([frames]), self.length, self.data)[0])
        if found.checked or not count or (reason := self._damage(index, count - 1)) is None:
            return frames, count
        return self._shortened(index, frames, count - 1, reason)

    def _shortened(self, index: int, frames: int, bad: int, reason: str) -> tuple[int, int]:
        """The frames and slices before the file's real end, which is looked for by halving. bad: a slice that cannot be
        read, and the reason. Raises UnreadableError where none can be read."""
        good = 0
        while good < bad:
            middle = (good + bad) // 2
            damage = self._damage(index, middle)
            if damage is None:
                good = middle + 1
            else:
                bad, reason = middle, damage
        if not good:
            raise UnreadableError(reason)
        end = min(frames, (good - 1) * self.hop + self.length)
        if frames - end > _NEAR * self.rate:
            told, real = frames / self.rate, end / self.rate
            said = f"nothing can be read after {real:,.1f} of its {told:,.1f} seconds"
            self.short.add(index, self.source.name(index), said)
        return end, good

    def _damage(self, index: int, number: int) -> str | None:
        """Why the file's slice of this number cannot be read; None where it can."""
        work = partial(self._slice, partial(self.source.open, index), begin=lambda _: number * self.hop)
        try:
            insist(work, self.source.name(index), self.source.place)
        except UnreadableError as error:
            return str(error)
        return None
