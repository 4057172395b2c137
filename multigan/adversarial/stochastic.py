"""Layers with randomness of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from multigan.adversarial.batch import Draws


class Stochastic(nn.Module, ABC):
    """A layer that is random in training. The game has it draw before each use of its network, from the step's draws
    and nothing else: so that parts of a batch, other processes and a resumed training see what the whole would have."""

    @abstractmethod
    def draw(self, draws: Draws, stream: str) -> None:
        """Take what the next use needs from `draws`, under names that begin with `stream`."""
