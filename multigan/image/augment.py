"""Differentiable augmentation of what the discriminator sees (DiffAugment).

Everything is indexing and arithmetic, so that penalties can differentiate through it twice. The random values come from
`Draws`, so that a part of a batch is augmented as it is within the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from multigan.adversarial.batch import Draws

Kind = Literal["translation", "cutout", "color", "flip"]

LARGEST_SHIFT = 1 / 8


class Augmentation:
    """`(images [B, C, H, W], probability, draws, stream) -> images`, each kind for each sample with the probability.

    translation: by up to an eighth of each side, zero coming in. cutout: a rectangle of half of each side set to zero,
    its centre anywhere, so that it may hang over the edge. color: brightness by -0.5 to 0.5, saturation times 0 to 2
    (not for one channel), contrast times 0.5 to 1.5; alpha is left as it is. flip: left for right. They come in the
    order color, flip, translation, cutout (Zhao et al., 2020, but for flip).

    probability: a number, or a 0-d tensor on the images' device, which is never read back. At 0 the images come back
    unchanged to the bit.
    """

    def __init__(self, kinds: Sequence[Kind]):
        self.kinds = frozenset(kinds)

    def __call__(self, images: Tensor, probability: float | Tensor, draws: Draws, stream: str) -> Tensor:
        if not self.kinds or (isinstance(probability, float | int) and probability <= 0):
            return images
        drawn = _Drawn(images, probability, draws, stream)
        if "color" in self.kinds:
            images = _color(images, drawn)
        if self.kinds & {"translation", "cutout", "flip"}:
            images = _geometry(images, drawn, self.kinds)
        return images


class _Drawn:
    """The random values of one call, on the images' device."""

    def __init__(self, images: Tensor, probability: float | Tensor, draws: Draws, stream: str):
        self.device, self.probability, self.draws, self.stream = images.device, probability, draws, stream

    def take(self, kind: Kind, count: int) -> tuple[Tensor, ...]:
        """For one kind: whether it applies, bool `[B]`, and `count` uniform values `[B]`."""
        values = self.draws.uniform(f"{self.stream}/{kind}", count + 1).to(self.device, non_blocking=True)
        applied, *rest = values.unbind(1)
        return applied < self.probability, *rest


def _color(images: Tensor, drawn: _Drawn) -> Tensor:
    """Brightness b, saturation s and contrast k in one affine step:
    k s x - k (s - 1) grey(x) + b - (k - 1) mean(x), written as a change of x so that it vanishes exactly."""
    alpha = images[:, 3:]
    pixels = images[:, :3] if alpha.size(1) else images
    applied, brightness, saturation, contrast = drawn.take("color", 3)
    more = (saturation * 2 - 1) * applied if pixels.size(1) > 1 else torch.zeros_like(saturation)
    steeper = (contrast - 0.5) * applied
    brighter = (brightness - 0.5) * applied
    brighter, more, steeper = (each.to(images.dtype)[:, None, None, None] for each in (brighter, more, steeper))
    grey = pixels.mean(1, keepdim=True)
    mean = grey.mean((2, 3), keepdim=True)
    desaturate = (1 + steeper) * more
    offset = (brighter - steeper * mean) - desaturate * grey
    pixels = pixels + torch.addcmul(offset, pixels, steeper + desaturate)
    return torch.cat((pixels, alpha), 1) if alpha.size(1) else pixels


def _geometry(images: Tensor, drawn: _Drawn, kinds: frozenset[str]) -> Tensor:
    """Flip and translation as one gather, zeros and cutout as one mask."""
    batch, channels, height, width = images.shape
    rows = torch.arange(height, device=images.device).expand(batch, -1)
    columns = torch.arange(width, device=images.device).expand(batch, -1)
    keep: Tensor | None = None
    if "cutout" in kinds:
        applied, down, right = drawn.take("cutout", 2)
        hole = _within(rows, down, height) & applied[:, None]
        keep = ~(hole[:, :, None] & _within(columns, right, width)[:, None, :])
    if "translation" in kinds:
        applied, down, right = drawn.take("translation", 2)
        rows, columns = rows - _shift(down, height, applied), columns - _shift(right, width, applied)
        inside = _inside(rows, height)[:, :, None] & _inside(columns, width)[:, None, :]
        keep = inside if keep is None else keep & inside
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    if "flip" in kinds:
        (applied,) = drawn.take("flip", 0)
        columns = torch.where(applied[:, None], width - 1 - columns, columns)
    if kinds & {"translation", "flip"}:
        index = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)[:, None].expand(-1, channels, -1)
        images = images.flatten(2).gather(2, index).view(batch, channels, height, width)
    return images if keep is None else images * keep[:, None].to(images.dtype)


def _shift(uniform: Tensor, side: int, applied: Tensor) -> Tensor:
    """A whole number of pixels `[B, 1]`, from -side/8 to side/8, where it applies."""
    most = int(side * LARGEST_SHIFT)
    return (((uniform * (2 * most + 1)).long() - most) * applied)[:, None]


def _within(positions: Tensor, uniform: Tensor, side: int) -> Tensor:
    """Which positions lie in the hole of half the side, its centre being one of 0 .. side."""
    first = ((uniform * (side + 1)).long() - side // 4)[:, None]
    return (positions >= first) & (positions < first + side // 2)


def _inside(positions: Tensor, side: int) -> Tensor:
    return (positions >= 0) & (positions < side)
