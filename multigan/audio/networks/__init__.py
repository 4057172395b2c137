"""The audio networks, built from a resolved recipe.

`generator(latent, label=None) -> [B, C, T]` in [-1, 1], `discriminator(sounds, label=None) -> logits [B]`; an
unconditional network takes no notice of a label.
"""

from __future__ import annotations

from torch import nn

from multigan.audio.config import Spectral, WaveGan
from multigan.audio.networks.shapes import Shape
from multigan.audio.networks.spectral import SpectralDiscriminator, SpectralGenerator
from multigan.audio.networks.wavegan import WaveGanDiscriminator, WaveGanGenerator

__all__ = ["Shape", "build_discriminator", "build_generator"]


def build_generator(settings: WaveGan | Spectral, shape: Shape) -> nn.Module:
    """The generator, freshly initialised."""
    return WaveGanGenerator(settings, shape) if isinstance(settings, WaveGan) else SpectralGenerator(settings, shape)


def build_discriminator(settings: WaveGan | Spectral, shape: Shape) -> nn.Module:
    """The discriminator, freshly initialised."""
    if isinstance(settings, WaveGan):
        return WaveGanDiscriminator(settings, shape)
    return SpectralDiscriminator(settings, shape)
