"""Two-dimensional networks with a Fourier transform between them and the waveform."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from multigan.audio.config import Spectral
from multigan.audio.networks.shapes import Shape
from multigan.audio.transform import InverseStft, Stft, full_scale, within
from multigan.networks import shapes
from multigan.networks.build import build_discriminator, build_generator

QUIETEST, LOUDEST = -80.0, 0.0
"""Decibels of a magnitude against that of a full-scale sine, which the networks see as -1 and 1."""


class SpectralGenerator(nn.Module):
    """A two-dimensional generator of log-magnitude and direction of each bin, then the inverse transform.

    For each channel of sound the network makes three planes in [-1, 1]: the magnitude in decibels, from QUIETEST to
    LOUDEST, and the phase as the direction of a vector, which has no seam.
    """

    def __init__(self, settings: Spectral, shape: Shape):
        super().__init__()
        window, hop = settings.transform.window, settings.transform.hop
        frames = shape.length // hop
        size, channels = (window // 2, frames), 3 * shape.channels
        planes = shapes.Shape(size, channels, shape.classes, shape.latent, shape.class_scale, shape.number)
        self.network = build_generator(settings.network, planes)
        self.inverse = InverseStft(window, hop, frames)
        self.full = full_scale(window)

    def forward(self, latent: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """latent `[B, Z]`, label int64 and number `[B]` if conditional -> sounds `[B, C, T]` in [-1, 1].

        A sound that passes full scale is scaled down as a whole: cut off, it would be heard as distorted.
        """
        planes = self.network(latent, label, number)
        with torch.autocast(planes.device.type, enabled=False):
            level, x, y = (planes if planes.dtype == torch.float64 else planes.float()).chunk(3, 1)
            decibels = (level + 1) * ((LOUDEST - QUIETEST) / 2) + QUIETEST
            magnitude = self.full * torch.exp(decibels * (math.log(10) / 20))
            # The floor keeps the division's derivative finite where the vector vanishes.
            along = magnitude * torch.rsqrt(x * x + y * y + 1e-4)
            sounds: Tensor = self.inverse(along * x, along * y)
            return within(sounds)


class SpectralDiscriminator(nn.Module):
    """A two-dimensional discriminator of the log-magnitude of the transform, from -1 to 1.

    It takes what `view` makes of sounds. Penalties are taken there: the slope of a logarithm at a quiet sample is so
    steep that a penalty at the waveform would say of the quiet parts alone that the logit may not depend on them.
    """

    def __init__(self, settings: Spectral, shape: Shape):
        super().__init__()
        window, hop = settings.transform.window, settings.transform.hop
        size = (window // 2, shape.length // hop)
        planes = shapes.Shape(size, shape.channels, shape.classes, shape.latent, number=shape.number)
        self.transform = Stft(window, hop)
        self.network = build_discriminator(settings.network, planes)
        self.floor = (full_scale(window) * 10 ** (QUIETEST / 20)) ** 2
        self.full = full_scale(window)

    def view(self, sounds: Tensor) -> Tensor:
        """sounds `[B, C, T]` -> planes `[B, C, window / 2, frames]`."""
        with torch.autocast(sounds.device.type, enabled=False):
            real, imaginary = self.transform(sounds if sounds.dtype == torch.float64 else sounds.float())
            power = real * real + imaginary * imaginary + self.floor
            decibels = (10 / math.log(10)) * torch.log(power / self.full**2)
            planes: Tensor = (decibels - QUIETEST) * (2 / (LOUDEST - QUIETEST)) - 1
        return planes

    def forward(self, planes: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """planes as `view` makes them, label int64 and number `[B]` if conditional -> logits `[B]`."""
        logits: Tensor = self.network(planes, label, number)
        return logits
