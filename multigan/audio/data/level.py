"""How long and how loud a sound is, and what is odd about it, block by block. numpy alone."""

from __future__ import annotations

import numpy as np

from multigan.audio.data.medium import Frames

CLIPPED = 1.0 - 2.0**-15
"""At this level a sample of 16 bits is at the end of its range."""
OFFSET = 0.01
"""A mean beyond this is a constant voltage (DC) and no sound."""
BEYOND = 2.0
"""What passes full scale by so much is no overshoot of a decoder or a resampler, but of another scale."""
QUIET, _RUN = 0.001, 256
"""A run of so many frames below this level (-60 dB) is silence."""


class Level:
    """The length and level of one sound, block by block. quiet: frames that are silence."""

    def __init__(self) -> None:
        self.frames, self.peak, self.quiet, self._flat, self._sum = 0, 0.0, 0, False, 0.0

    def see(self, block: Frames) -> None:
        level = np.abs(block).max(axis=1)
        self.frames += len(block)
        self.peak = max(self.peak, float(level.max()))
        self._sum += float(block.mean(dtype=np.float64)) * len(block)
        runs = np.arange(0, len(level), _RUN)
        self.quiet += int(np.diff(runs, append=len(level))[np.maximum.reduceat(level, runs) < QUIET].sum())
        high = level >= CLIPPED
        self._flat |= bool((high[2:] & high[1:-1] & high[:-2]).any()) if len(high) > 2 else False

    @property
    def beyond(self) -> bool:
        """Whether it is of another scale than [-1, 1]."""
        return self.peak > BEYOND

    @property
    def clipped(self) -> bool:
        """Whether it stays at the end of the range."""
        return self._flat and not self.beyond

    @property
    def mean(self) -> float:
        return self._sum / max(1, self.frames)
