"""Who updates, with which objective, how often, from when to when."""

from __future__ import annotations

from dataclasses import dataclass

from multigan.adversarial.objectives import Objective
from multigan.adversarial.optimizer import Updater


@dataclass(frozen=True)
class Phase:
    """In each turn, `steps` optimizer steps of the network `trains`, while the samples seen are in [start, stop).

    reuse: the phase's first step works on the batch and the latents of the step before it (the generator answers to
    what the discriminator has just seen); its other steps, and every step of another phase, draw new ones.
    every: it takes part in each so-manieth turn alone.
    """

    name: str
    trains: str
    objective: Objective
    updater: Updater
    steps: int = 1
    start: int = 0
    stop: int | None = None
    reuse: bool = False
    every: int = 1

    def active(self, samples: int, turn: int = 0) -> bool:
        """Whether the phase takes part in turn number `turn`, which begins when `samples` samples have been seen."""
        return self.within(samples) and (turn + 1) % self.every == 0

    def within(self, samples: int) -> bool:
        """Whether it has started and has not stopped."""
        return self.start <= samples and (self.stop is None or samples < self.stop)
