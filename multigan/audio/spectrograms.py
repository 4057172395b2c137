"""Standardised log-magnitude spectrograms, on which SpecGAN plays its game, and the sounds that they stand for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from multigan.adversarial.batch import Batch, Stream
from multigan.audio.config import SpecGan
from multigan.audio.griffin_lim import GriffinLim
from multigan.audio.transform import full_scale, within

PART = 64
"""Sounds that are measured or made at a time."""
LEAST_DEVIATION = 1e-3
"""Of a bin that never changes."""


class Spectrograms(nn.Module):
    """Sounds `[B, C, T]` -> spectrograms `[B, C, bins, frames]` in [-1, 1]; `sounds` goes back.

    The logarithm of magnitude and floor, less the bin's mean over the data, in units of `sigmas` standard deviations,
    clipped. The statistics are each channel's own, and lie in the checkpoint with the generator that has learned by
    them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, settings: SpecGan, channels: int, length: int):
        super().__init__()
        window, hop = settings.transform.window, settings.transform.hop
        self.shape = (channels, window // 2, length // hop)
        self.sigmas = settings.sigmas
        self.floor = full_scale(window) * 10 ** (settings.floor / 20)
        self.griffin_lim = GriffinLim(window, hop, self.shape[2], settings.griffin_lim)
        self.register_buffer("mean", torch.zeros(channels, window // 2, 1))
        self.register_buffer("deviation", torch.ones(channels, window // 2, 1))

    @torch.no_grad()
    def measure(self, sounds: Tensor) -> None:
        """Take the statistics of sounds `[N, C, T]`."""
        total, squares = (torch.zeros_like(self.mean[..., 0], dtype=torch.float64) for _ in range(2))
        for part in sounds.split(PART):
            levels = self._transformed(part.to(self.mean.device)).double()
            total += levels.sum((0, 3))
            squares += levels.square().sum((0, 3))
        count = len(sounds) * self.shape[2]
        mean = total / count
        deviation = (squares / count - mean.square()).clamp_min(0).sqrt()
        self.mean.copy_(mean[..., None])
        self.deviation.copy_(deviation.clamp_min(LEAST_DEVIATION)[..., None])

    @torch.no_grad()
    def forward(self, sounds: Tensor) -> Tensor:
        levels = self._transformed(sounds)
        return ((levels - self.mean) / (self.sigmas * self.deviation)).clamp(-1.0, 1.0)

    def levels(self, planes: Tensor) -> Tensor:
        """The logarithms of magnitude and floor that spectrograms stand for."""
        return planes * (self.sigmas * self.deviation) + self.mean

    def sounds(self, planes: Tensor, phase: Tensor) -> Tensor:
        """The sounds `[B, C, T]` in [-1, 1] of spectrograms; phase: where Griffin and Lim's algorithm begins, in half
        turns, shaped as they are.

        A sound that passes full scale, as phases that were found and not heard may make it, is scaled down as a whole.
        """
        with torch.autocast(planes.device.type, enabled=False):
            planes = planes if planes.dtype == torch.float64 else planes.float()
            magnitude = torch.relu(torch.exp(self.levels(planes)) - self.floor)
            sounds: Tensor = self.griffin_lim(magnitude, phase)
            return within(sounds)

    def _transformed(self, sounds: Tensor) -> Tensor:
        """The logarithm of magnitude and floor."""
        real, imaginary = self.griffin_lim.transform(sounds)
        # Not torch.hypot, which does not export: a discriminator's graph begins here.
        return torch.log(torch.sqrt(real * real + imaginary * imaginary) + self.floor)


class SpectrogramStream:
    """A stream of sounds as one of spectrograms, standardised with the statistics that `spectrograms` has by then."""

    def __init__(self, stream: Stream, spectrograms: Spectrograms):
        self.stream, self.spectrograms = stream, spectrograms

    def take(self, start: int, count: int) -> Batch:
        batch = self.stream.take(start, count)
        return Batch(self.spectrograms(batch.sample), batch.conditions)

    def close(self) -> None:
        self.stream.close()
