"""The moving average of a network's weights, with a half-life in samples."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from multigan.adversarial.schedules import Schedule


def decay(batch: int, half_life: float, seen: int, warmup: float) -> float:
    """0.5 ** (batch / half-life); the half-life is at most `warmup` of the samples seen (Karras et al., 2020), if > 0.

    A half-life of 0 keeps nothing of the past.
    """
    if warmup > 0:
        half_life = min(half_life, warmup * seen)
    return 0.5 ** (batch / half_life) if half_life > 0 else 0.0


class Ema:
    """`module` is a copy of the network whose parameters are averaged and whose buffers are copied."""

    def __init__(self, network: nn.Module, half_life: Schedule, warmup: float):
        self.module = copy.deepcopy(network).eval().requires_grad_(False)
        self.half_life = half_life
        self.warmup = warmup
        self._into: list[Tensor] = list(self.module.parameters())
        self._from: list[Tensor] = list(network.parameters())
        self._buffers = list(zip(self.module.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, batch: int, seen: int) -> None:
        """Move towards the network after a step of `batch` samples, when `seen` samples have been shown in all."""
        beta = decay(batch, self.half_life(seen), seen, self.warmup)
        torch._foreach_lerp_(self._into, self._from, 1 - beta)
        self.follow()

    @torch.no_grad()
    def follow(self) -> None:
        """Copy the network's buffers."""
        for into, source in self._buffers:
            into.copy_(source)
