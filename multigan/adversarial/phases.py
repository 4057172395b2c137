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
    """

    name: str
    trains: str
    objective: Objective
    updater: Updater
    steps: int = 1
    start: int = 0
    stop: int | None = None
    reuse: bool = False

    def active(self, samples: int) -> bool:
        """Whether the phase takes part in a turn that begins when `samples` samples have been seen."""
        return self.start <= samples and (self.stop is None or samples < self.stop)
