"""Phases for magnitudes, by Griffin and Lim's algorithm (1984): plain operations that any graph can hold."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from multigan.audio.transform import InverseStft, Stft

SOFTNESS = 0.1
"""A bin whose magnitude is under this share of the wanted one is not brought all the way up to it: its direction is
mostly rounding, which two libraries do not share, and each iteration would carry it on ten times as large and more."""
LEAST = 1e-8
"""Silence is no division by zero. A bound and no addend, since exporters leave out what is added and so small."""


class GriffinLim(nn.Module):
    """Magnitude and first phase `[B, C, bins, frames]` -> sounds `[B, C, frames * hop]`.

    Each iteration makes the sound, transforms it, and keeps the directions that it finds under the magnitudes that are
    wanted. The phase is counted in half turns: -1 and 1 are the same.
    """

    def __init__(self, window: int, hop: int, frames: int, iterations: int):
        super().__init__()
        self.iterations = iterations
        self.transform = Stft(window, hop)
        self.inverse = InverseStft(window, hop, frames)

    def forward(self, magnitude: Tensor, phase: Tensor) -> Tensor:
        angle = math.pi * phase
        sounds: Tensor = self.inverse(magnitude * torch.cos(angle), magnitude * torch.sin(angle))
        soft = (SOFTNESS * magnitude).clamp_min(LEAST).square()
        for _ in range(self.iterations):
            real, imaginary = self.transform(sounds)
            scale = magnitude * torch.rsqrt(real * real + imaginary * imaginary + soft)
            sounds = self.inverse(scale * real, scale * imaginary)
        return sounds

    def extra_repr(self) -> str:
        return f"iterations={self.iterations}"
