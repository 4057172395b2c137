"""A sound of any rate, depth and number of channels to frames of one rate and one number of channels, block by block.

Nothing holds a whole file: ten hours of sound take as little memory as a second. Resampling is libsoxr's (through
`soxr`), which works on a stream and so gives the same frames whatever the blocks are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import soundfile

from multigan.audio.config import AudioData
from multigan.audio.data.medium import Frames, Sound
from multigan.data.access import UnavailableError, UnreadableError, clause, may_pass
from multigan.errors import UserError
from multigan.extras import need

QUALITY = "HQ"
"""Of libsoxr: 20 bits, a pass band of 91% of the lower rate's half."""
_MARGIN = 1024
"""Frames at the lower rate on either side of a part: what lies beyond them does not change its resampled frames."""


def frames_of(opener: Callable[[], Sound], rate: int, channels: int) -> Iterator[Frames]:
    """The frames of one sound, float32 `[n, channels]`, some at a time.

    Raises UnreadableError where the file is damaged, absent, empty or no sound, and UnavailableError where the disk,
    the network or the memory fails, which says nothing of the file.
    """
    with reading():
        sound = opener()
        blocks = (mixed(block, channels) for block in sound.blocks())
        found = 0
        for block in blocks if sound.rate == rate else resampled(blocks, sound.rate, rate, channels):
            found += len(block)
            yield block
        if not found:
            raise UnreadableError("it holds no samples")


@dataclass(frozen=True)
class Header:
    """Of a sound: samples a second, channels, and its length. checked: whether the length is more than a claim."""

    rate: int
    channels: int
    frames: int
    checked: bool


def header(opener: Callable[[], Sound]) -> Header:
    """What a sound's header says; where it says no length, all frames are counted. Raises as `frames_of`."""
    with reading():
        sound = opener()
        frames, checked = sound.frames, sound.checked
        if frames is None:
            frames, checked = sum(len(block) for block in sound.blocks()), True
        return Header(sound.rate, sound.channels, frames, checked)


def slice_of(
    opener: Callable[[], Sound],
    rate: int,
    channels: int,
    length: int,
    pad: bool,
    begin: Callable[[int | None], int] = lambda total: 0,
) -> Frames:
    """One slice of a sound, float32 `[channels, length]`, of which only what is near it is read.

    begin: gives the slice's first frame, of so many frames in all, or of a number that is not known (None). A slice is
    to 1e-6 what lies there when the whole sound is resampled. Beyond the end there is silence, or without `pad` the
    sound is too short. Raises as `frames_of`.
    """
    with reading():
        sound = opener()
        start = begin(None if sound.frames is None else resampled_length(sound.frames, sound.rate, rate))
        made = np.zeros((length, channels), np.float32)
        filled = 0
        for block in _part(sound, rate, channels, start, length):
            made[filled : filled + len(block)] = block
            filled += len(block)
        if not filled:
            raise UnreadableError("its end comes before its header says" if start else "it holds no samples")
        if filled < length and not pad:
            raise UnreadableError(f"shorter than a slice of {length:,} samples, and data.pad is false")
        return np.ascontiguousarray(made.T)


def slicer(data: AudioData) -> partial[Frames]:
    """`slice_of` for slices as `data`, which is resolved, has them."""
    if data.rate is None or data.channels is None or data.length is None:
        raise ValueError("data.length, data.rate and data.channels must be resolved before slices are read")
    return partial(slice_of, rate=data.rate, channels=data.channels, length=data.length, pad=data.pad)


def resampled_length(frames: int, before: int, after: int) -> int:
    """How many frames a sound has at another rate, at least: one more may follow from rounding."""
    return frames * after // before


def _part(sound: Sound, rate: int, channels: int, start: int, length: int) -> Iterator[Frames]:
    """`length` frames at `rate` from frame `start` on, some at a time; fewer where the sound ends."""
    if sound.rate == rate:
        yield from (mixed(block, channels) for block in sound.blocks(start, length))
        return
    common = math.gcd(sound.rate, rate)
    period = rate // common  # so many frames at the new rate take a whole number of the old one's
    margin = -(-_MARGIN * rate // min(sound.rate, rate))
    first = max(0, start - margin) // period * period
    skip = start - first
    count = -(-(skip + length + margin) * sound.rate // rate)
    blocks = (mixed(block, channels) for block in sound.blocks(first // period * (sound.rate // common), count))
    for block in resampled(blocks, sound.rate, rate, channels):
        kept = block[skip : skip + length]
        skip -= min(skip, len(block))
        length -= len(kept)
        if len(kept):
            yield kept
        if not length:
            return


@contextmanager
def reading() -> Iterator[None]:
    """Turn whatever a damaged file makes soundfile raise into UnreadableError, and the system's into
    UnavailableError."""
    try:
        yield
    except (UserError, UnreadableError, UnavailableError, GeneratorExit):
        raise
    except FileNotFoundError as error:
        raise UnreadableError("the file is gone") from error
    except soundfile.LibsndfileError as error:
        # libsndfile's message for what the system refuses is "System error"; errno is lost, so it may pass.
        refused = error.code == 2
        reason = " ".join(error.error_string.split()).rstrip(".")  # without the path, which soundfile has as bytes
        raise (UnavailableError if refused else UnreadableError)(reason) from error
    except Exception as error:
        raise (UnavailableError if may_pass(error) else UnreadableError)(clause(error)) from error


def mixed(block: Frames, channels: int) -> Frames:
    """`[n, any]` to `[n, channels]`: the mean for one channel; the first two, or the only one twice, for two."""
    if channels == 1:
        return block if block.shape[1] == 1 else block.mean(axis=1, keepdims=True, dtype=np.float32)
    return block[:, :2] if block.shape[1] >= 2 else block.repeat(2, axis=1)


def resampled(blocks: Iterator[Frames], before: int, after: int, channels: int) -> Iterator[Frames]:
    """Blocks at the rate `before` as blocks at the rate `after`."""
    stream = need("soxr", "train").ResampleStream(before, after, channels, dtype="float32", quality=QUALITY)
    for block in blocks:
        made = stream.resample_chunk(np.ascontiguousarray(block))
        if len(made):
            yield made.reshape(-1, channels)
    rest = stream.resample_chunk(np.empty((0, channels), np.float32), last=True)
    if len(rest):
        yield rest.reshape(-1, channels)
