"""Differentiable augmentation of waveforms: what the discriminator sees of real and generated sounds.

Everything is indexing and arithmetic, so that penalties can differentiate through it twice. The random values come from
`Draws`, so that a part of a batch is augmented as it is within the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from multigan.adversarial.batch import Draws

Kind = Literal["gain", "polarity", "shift", "noise", "filter"]

GAIN = 6.0
"""Decibels up or down."""
LARGEST_SHIFT = 1 / 16
"""Of the length, earlier or later."""
NOISE = (-80.0, -40.0)
"""Decibels of full scale, between which the noise's level is drawn."""
TILT = 0.5
"""The largest weight of the neighbouring sample: a slope of up to 9.5 dB over the spectrum, either way."""


class Augmentation:
    """`(sounds [B, C, T], probability, draws, stream) -> sounds`, each kind for each sample with the probability.

    gain: by -6 to 6 dB. polarity: upside down. shift: by up to a sixteenth of the length, silence coming in. noise:
    white, at -80 to -40 dB. filter: x[t] + a x[t - 1] with a in [-0.5, 0.5], the mean level of a white sound kept. They
    come in this order.

    probability: a number, or a 0-d tensor on the sounds' device, which is never read back. At 0 the sounds come back
    unchanged to the bit.
    """

    def __init__(self, kinds: Sequence[Kind]):
        self.kinds = frozenset(kinds)

    def __call__(self, sounds: Tensor, probability: float | Tensor, draws: Draws, stream: str) -> Tensor:
        if not self.kinds or (isinstance(probability, float | int) and probability <= 0):
            return sounds

        def drawn(kind: Kind, count: int) -> list[Tensor]:
            """Whether the kind applies, bool `[B, 1, 1]`, and `count` uniform values of that shape."""
            values = draws.uniform(f"{stream}/{kind}", count + 1).to(sounds.device, non_blocking=True)
            applied, *rest = values[:, :, None, None].unbind(1)
            return [applied < probability, *rest]

        if "gain" in self.kinds:
            applied, level = drawn("gain", 1)
            sounds = sounds * torch.where(applied, 10 ** ((2 * level - 1) * GAIN / 20), 1.0).to(sounds.dtype)
        if "polarity" in self.kinds:
            (applied,) = drawn("polarity", 0)
            sounds = torch.where(applied, -sounds, sounds)
        if "shift" in self.kinds:
            sounds = _shifted(sounds, *drawn("shift", 1))
        if "noise" in self.kinds:
            applied, level = drawn("noise", 1)
            amount = 10 ** ((NOISE[0] + (NOISE[1] - NOISE[0]) * level) / 20) * applied
            white = draws.normal(f"{stream}/white", *sounds.shape[1:]).to(sounds.device, non_blocking=True)
            sounds = sounds + (white * amount).to(sounds.dtype)
        if "filter" in self.kinds:
            applied, slope = drawn("filter", 1)
            weight = ((2 * slope - 1) * TILT * applied).to(sounds.dtype)
            sounds = (sounds + weight * F.pad(sounds, (1, 0))[..., :-1]) * torch.rsqrt(1 + weight * weight)
        return sounds


def _shifted(sounds: Tensor, applied: Tensor, uniform: Tensor) -> Tensor:
    """Each sample earlier or later by a whole number of places, where it applies."""
    length = sounds.size(-1)
    most = int(length * LARGEST_SHIFT)
    shift = ((uniform * (2 * most + 1)).long() - most) * applied
    place = torch.arange(length, device=sounds.device) - shift
    inside = (place >= 0) & (place < length)
    moved = sounds.gather(-1, place.clamp(0, length - 1).expand_as(sounds))
    return moved * inside.to(sounds.dtype)
