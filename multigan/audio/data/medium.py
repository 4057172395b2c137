"""Sounds as `multigan.data` knows them: opened by soundfile, or held in memory. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from multigan import embedded
from multigan.audio.config import AudioData
from multigan.data import sources
from multigan.data.medium import Medium
from multigan.data.numbers import Numbers
from multigan.data.order import Blocks

SUFFIXES = frozenset(b".wav .wave .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64".split())
DRUMS = "the embedded drums"
MOST_CHANNELS, SLOWEST, FASTEST = 64, 50, 768_000
"""Beyond them a file is damaged, or no recording that is meant for training."""
BLOCK = 2**16
"""Frames that are decoded at once."""

_RESERVOIR = 16 * 1152
"""Frames before a place in an mp3 file whose bits that place may be made of."""
_LAST_PAGE = 2**18
"""Frames that the last page of an ogg file holds at most (255 packets of 1024): libsndfile finds no place within it."""

_UNKNOWN = 2**48
"""So many frames, eleven years at 768,000 Hz, are what libsndfile says of a file whose length is not known."""
_UNCHECKED = ("FLAC", "MP3")
"""Formats whose header is believed by libsndfile, however large the file is."""

Frames = NDArray[np.float32]
Part = Callable[[int, int | None], Iterator[Frames]]
"""`(start, count)`: the frames from `start` on, some at a time; absent a count to the end."""


class Sound:
    """An opened sound. rate: samples a second. channels. frames: what its header says of its length, None where it says
    nothing, as that of a flac from a pipe does. part: reads it. checked: whether it was compared with the file's size.
    """

    def __init__(self, rate: int, channels: int, frames: int | None, part: Part, checked: bool = True) -> None:
        if not SLOWEST <= rate <= FASTEST:
            raise ValueError(f"a rate of {rate} samples a second is none that a recording has")
        if not 1 <= channels <= MOST_CHANNELS:
            raise ValueError(f"{channels} channels, where {MOST_CHANNELS} are the most that are read")
        self.rate, self.channels, self.frames, self.checked = rate, channels, frames, checked
        self._part = part

    def blocks(self, start: int = 0, count: int | None = None) -> Iterator[Frames]:
        """The frames from `start` on, `count` of them or all: float32 `[n, channels]`, some at a time; once."""
        for block in self._part(start, count):
            if not np.isfinite(block).all():
                raise ValueError("it holds samples that are not numbers")
            if len(block):
                yield block

    @classmethod
    def open(cls, place: str | bytes | BinaryIO) -> Sound:
        """A file by its path or from memory."""
        if isinstance(place, str | bytes):
            with open(place, "rb") as content:  # libsndfile does not tell why a file cannot be opened, and this does
                if not content.read(1):
                    raise ValueError("the file is empty")
        file = _File(place)
        frames = file.frames if file.frames < _UNKNOWN else None
        return cls(file.samplerate, file.channels, frames, partial(_read, file), file.format not in _UNCHECKED)

    @classmethod
    def from_array(cls, value: Any) -> Sound:
        """A cell `{"array": [T] or [T, C] or [C, T], "sampling_rate": ...}`, as `datasets` decodes sounds."""
        if not isinstance(value, Mapping) or "array" not in value or "sampling_rate" not in value:
            raise ValueError("the cell holds no sound with its sampling_rate")
        samples = np.asarray(value["array"], dtype=np.float32)
        if samples.ndim not in (1, 2):
            raise ValueError(f"an array of {samples.ndim} axes is no sound")
        samples = samples[:, None] if samples.ndim == 1 else samples
        if 0 < samples.shape[0] < samples.shape[1]:
            samples = samples.T
        return cls(int(value["sampling_rate"]), samples.shape[1], len(samples), held(samples))


class _File(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from one place on. soundfile seeks after every read of a file that can, to where it is; and
    behind a seek libsndfile decodes an mp3 wrong, whose bits may lie in the frames before."""

    def seekable(self) -> bool:
        return False


def held(samples: Frames) -> Part:
    """The reading of a sound that is in memory: `[T, channels]`."""
    return lambda start, count: iter([samples[start : None if count is None else start + count]])


def _read(file: soundfile.SoundFile, start: int, count: int | None) -> Iterator[Frames]:
    """The file's blocks; it is closed at their end. What lies before `start` is passed over, and hardly decoded."""
    with file:
        skip = 0
        if start:
            skip = start - file.seek(_sure(file, start))
        while count is None or count > 0:
            block = file.read(BLOCK if count is None else min(BLOCK, skip + count), dtype="float32", always_2d=True)
            if not len(block):
                return
            skip, block = max(0, skip - len(block)), block[skip:]
            yield block
            count = None if count is None else count - len(block)


def _sure(file: soundfile.SoundFile, start: int) -> int:
    """The last frame at or before `start` from which decoding gives at `start` what decoding the whole file gives."""
    if file.format == "MP3":
        return max(0, start - _RESERVOIR)
    if file.format == "OGG":
        return max(0, min(start, file.frames - _LAST_PAGE))
    return min(start, int(file.frames))


SOUNDS: Medium[Sound] = Medium(
    one="sound",
    many="sounds",
    suffixes=SUFFIXES,
    examples=".wav, .flac, .ogg, .mp3, .aiff",
    feature="Audio",
    names=("audio", "sound", "wav", "flac", "mp3", "ogg", "speech", "recording", "bytes"),
    key="audio_column",
    open=Sound.open,
    array=Sound.from_array,
)


class Drums:
    """The embedded drums."""

    place = DRUMS
    medium = SOUNDS
    blocks: Blocks | None = None

    def __init__(self) -> None:
        self._drums = embedded.drums()
        kinds = list(dict.fromkeys(drum.kind for drum in self._drums))
        self.classes: list[str] | None = kinds
        self.labels: sources.Labels | None = np.array([kinds.index(drum.kind) for drum in self._drums], np.int32)
        self.numbers: Numbers | None = None
        self.notes: list[str] = []

    def __len__(self) -> int:
        return len(self._drums)

    def open(self, index: int) -> Sound:
        samples = self._drums[index].samples[:, None]
        return Sound(embedded.DRUM_RATE, 1, len(samples), held(samples))

    def name(self, index: int) -> str:
        return self._drums[index].name

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """They are in memory."""

    def identity(self) -> str:
        return DRUMS

    def selection(self) -> str:
        return DRUMS

    def versions(self) -> bytes:
        return b""


Source = sources.Source[Sound]


def open_source(data: AudioData, place: str | Path | None = None) -> Source:
    """Open `place`, or what `data.source` names; the embedded drums where both are absent: see `multigan.data`."""
    return sources.open_source(data, SOUNDS, Drums, place)
