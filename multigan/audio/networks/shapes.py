"""What an audio network makes or judges."""

from __future__ import annotations

from dataclasses import dataclass

from multigan.settings import NumberRange


@dataclass(frozen=True)
class Shape:
    """length: samples. classes: 0 for an unconditional network. latent: the noise's size. class_scale: the standard
    deviation of the generator's class embedding at the start. number: the range of the number that is told, or None."""

    length: int
    channels: int
    classes: int
    latent: int
    class_scale: float = 0.05
    number: NumberRange | None = None
