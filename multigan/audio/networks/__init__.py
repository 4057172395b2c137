"""The audio networks, built from a resolved recipe.

`generator(latent, label=None, number=None) -> [B, C, T]` in [-1, 1], `discriminator(seen, label=None, number=None) ->
logits [B]`; a network without classes takes no notice of a label, nor one without numbers of a number. What is seen
are the sounds, and by a discriminator of kind stft what its `view` makes of them. Those of kind specgan make and judge
spectrograms.
"""

from __future__ import annotations

from torch import nn

from multigan.audio.config import AnyNetwork, SpecGan, Spectral, WaveGan
from multigan.audio.networks.shapes import Shape
from multigan.audio.networks.specgan import SpecGanDiscriminator, SpecGanGenerator
from multigan.audio.networks.spectral import SpectralDiscriminator, SpectralGenerator
from multigan.audio.networks.wavegan import WaveGanDiscriminator, WaveGanGenerator

__all__ = ["Shape", "build_discriminator", "build_generator"]


def build_generator(settings: AnyNetwork, shape: Shape) -> nn.Module:
    """The generator, freshly initialised."""
    match settings:
        case WaveGan():
            return WaveGanGenerator(settings, shape)
        case Spectral():
            return SpectralGenerator(settings, shape)
        case SpecGan():
            return SpecGanGenerator(settings, shape)


def build_discriminator(settings: AnyNetwork, shape: Shape) -> nn.Module:
    """The discriminator, freshly initialised."""
    match settings:
        case WaveGan():
            return WaveGanDiscriminator(settings, shape)
        case Spectral():
            return SpectralDiscriminator(settings, shape)
        case SpecGan():
            return SpecGanDiscriminator(settings, shape)
