"""How files become slices of one length. numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multigan.audio.config import AudioData
from multigan.data.order import draws, key
from multigan.errors import UserError

MOST = 2**28
"""Slices: their places and their order then take some 10 GB of memory."""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Slices:
    """Slice i begins at frame `starts[i]` of file `files[i]`; what lies beyond the file's end is silence."""

    files: Indices
    starts: Indices

    def __len__(self) -> int:
        return len(self.files)


def hop_of(length: int, overlap: float) -> int:
    """Frames from the start of one slice to the next: at least 1."""
    return max(1, round(length * (1 - overlap)))


def crops(seed: int, numbers: Indices, frames: Indices, length: int) -> Indices:
    """Where a random slice of files with so many frames begins. numbers: of the draws, one for each file and pass."""
    room = np.maximum(frames - length, 0) + 1
    return (draws(key(seed, "crop"), numbers) % room.astype(np.uint64)).astype(np.int64)


def slices_of(frames: Indices, length: int, data: AudioData) -> Slices:
    """The slices of files with so many frames each; `slices: first` and `random` have one of each file, at its start.

    A file shorter than a slice, and the rest behind the last whole slice, make one more where `data.pad` fills them
    with silence. Empty files make none.
    """
    return slices_in(slice_counts(frames, length, data), length, data)


def slice_counts(frames: Indices, length: int, data: AudioData) -> Indices:
    """How many slices `slices_of` makes of each file."""
    if data.slices == "all":
        hop = hop_of(length, data.overlap)
        whole = np.maximum(frames - length, -1) // hop + 1
        counts = np.where(frames >= length, whole, 0)
        if data.pad:
            covered = np.where(counts > 0, (counts - 1) * hop + length, 0)
            counts = counts + (covered < frames)
        return counts
    return ((frames > 0) & (data.pad | (frames >= length))).astype(np.int64)


def slices_in(counts: Indices, length: int, data: AudioData) -> Slices:
    """The first so many slices of each file. Raises UserError where they are more than memory holds."""
    if (total := float(counts.sum(dtype=np.float64))) > MOST:
        raise UserError(
            f"data.slices: the sounds make {total:,.0f} slices of {length:,} samples, and {MOST:,} are the most: raise "
            "data.length, lower data.overlap, or set data.slices to random."
        )
    hop = hop_of(length, data.overlap)
    files = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(files)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Slices(files, within * hop)
