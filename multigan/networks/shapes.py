"""How the sizes and widths of two-dimensional networks follow from what they make."""

from __future__ import annotations

import math
from dataclasses import dataclass

from multigan.settings import NumberRange

SMALLEST_BASE = 4


@dataclass(frozen=True)
class Shape:
    """What a network makes or judges.

    size: height and width. classes: 0 for an unconditional network. latent: the noise's size. class_scale: the standard
    deviation of the generator's class embedding at the start. number: the range of the number that is told, or None.
    """

    size: tuple[int, int]
    channels: int
    classes: int
    latent: int
    class_scale: float = 0.05
    number: NumberRange | None = None

    @property
    def doublings(self) -> int:
        """Times that the base is doubled: the most for which both sides divide and no side of the base is under 4."""
        return min(_twos(self.size), int(math.log2(min(self.size) / SMALLEST_BASE)))

    @property
    def base(self) -> tuple[int, int]:
        """Height and width of the coarsest stage: (4, 4) for 32x32, (4, 6) for 64x96, (6, 10) for 24x40."""
        return self.size[0] >> self.doublings, self.size[1] >> self.doublings


def doubling_widths(width: int, stages: int, most: int = 8) -> list[int]:
    """Channels of each stage, the coarsest first: `width` at the finest, twice as many a stage coarser, at most
    `most * width`."""
    return [width * min(2**stage, most) for stage in reversed(range(stages))]


def _twos(size: tuple[int, int]) -> int:
    """How often 2 divides both sides."""
    common = math.gcd(*size)
    return (common & -common).bit_length() - 1
