"""The short-time Fourier transform and its inverse as convolutions with a fixed basis: plain operations in any graph.

A periodic Hann window; window / hop of at least 2, so that the squared windows sum to more than 0 everywhere inside.
The bin of half the rate is left out, so that there are window / 2 bins.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def full_scale(window: int) -> float:
    """The magnitude of a sine of amplitude 1 in the bin of its frequency: a quarter of the window, Hann's mean being
    a half."""
    return window / 4


def within(sounds: Tensor) -> Tensor:
    """Sounds `[B, C, T]`, each that passes full scale scaled down as a whole to [-1, 1]."""
    return sounds / sounds.abs().amax((1, 2), keepdim=True).clamp_min(1.0)


def bases(window: int) -> Tensor:
    """cos and -sin of each bin, windowed: `[window, 1, window]`, the first half the real parts (Hann, periodic)."""
    place = torch.arange(window, dtype=torch.float64)
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi * place / window)
    # k * n modulo the window, in whole numbers, so that no angle is large.
    turns = (torch.arange(window // 2)[:, None] * torch.arange(window)[None]) % window
    angle = 2 * math.pi * turns.double() / window
    return torch.cat((torch.cos(angle) * hann, -torch.sin(angle) * hann))[:, None].float()


class Stft(nn.Module):
    """`[B, C, T]` -> real and imaginary part `[B, C, window / 2, T / hop]`, T a multiple of the hop.

    Frame t is centred at (t + 1/2) hop; beyond the ends there is silence.
    """

    basis: Tensor

    def __init__(self, window: int, hop: int):
        super().__init__()
        self.window, self.hop = window, hop
        self.register_buffer("basis", bases(window), persistent=False)

    def forward(self, sounds: Tensor) -> tuple[Tensor, Tensor]:
        batch, channels, _ = sounds.shape
        before = (self.window - self.hop) // 2
        padded = F.pad(sounds, (before, self.window - self.hop - before)).flatten(0, 1)[:, None]
        parts = F.conv1d(padded, self.basis.to(padded.dtype), stride=self.hop)
        parts = parts.view(batch, channels, 2, self.window // 2, -1)
        return parts[:, :, 0], parts[:, :, 1]


class InverseStft(nn.Module):
    """Real and imaginary part `[B, C, window / 2, frames]` -> `[B, C, frames * hop]`: `Stft`'s inverse on its image.

    Weighted overlap-add: each frame is windowed again, and the sum divided by the sum of the squared windows (Griffin
    and Lim, 1984).
    """

    basis: Tensor
    weight: Tensor

    def __init__(self, window: int, hop: int, frames: int):
        super().__init__()
        self.window, self.hop, self.frames = window, hop, frames
        scale = torch.full((window // 2, 1, 1), 2.0 / window)
        scale[0] = 1.0 / window
        self.register_buffer("basis", bases(window) * torch.cat((scale, scale)), persistent=False)
        place = torch.arange(window, dtype=torch.float64)
        hann = (0.5 - 0.5 * torch.cos(2 * math.pi * place / window)) ** 2
        total = F.conv_transpose1d(torch.ones(1, 1, frames, dtype=torch.float64), hann[None, None], stride=hop)
        self.register_buffer("weight", self._inside(1.0 / total.clamp_min(1e-3)).float(), persistent=False)

    def forward(self, real: Tensor, imaginary: Tensor) -> Tensor:
        batch, channels = real.shape[:2]
        parts = torch.cat((real, imaginary), 2).flatten(0, 1)
        summed = F.conv_transpose1d(parts, self.basis.to(parts.dtype), stride=self.hop)
        sounds = self._inside(summed) * self.weight.to(parts.dtype)
        return sounds.view(batch, channels, -1)

    def _inside(self, summed: Tensor) -> Tensor:
        """Without what lies beyond the ends."""
        before = (self.window - self.hop) // 2
        return summed[..., before : before + self.frames * self.hop]
