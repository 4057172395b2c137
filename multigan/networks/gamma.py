"""The gamma of R1 and R2 for a size, and what `gamma: auto` becomes. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from multigan.settings import R1, R2, Regularizer, Schedule

AT_32 = 0.2
END = 10
"""What is chosen anneals to this part of itself."""


def gamma(height: int, width: int) -> float:
    """0.2 (H W / 32^2)^1.5: R1's and R2's gamma for the size of a picture, or of a spectrogram, to two digits.

    Measured at 32 x 32 (digits) and 128 x 64 (log spectra of drums); the power is the one through R3GAN's published
    gammas for faces at 64 and 256 pixels, 2 and 150 (Huang et al., 2024), which this rule puts at 1.6 and 100.
    """
    return float(f"{AT_32 * (height * width / 32**2) ** 1.5:.2g}")


def is_open(regularizers: Sequence[Regularizer]) -> bool:
    """Whether a gamma is `auto`."""
    return any(_open(each) for each in regularizers)


def settled(regularizers: Sequence[Regularizer], value: float) -> list[Regularizer]:
    """The regularizers with `value`, annealed, in every place of `auto`."""
    schedule = Schedule(start=value, end=value / END)
    return [each.model_copy(update={"gamma": schedule}) if _open(each) else each for each in regularizers]


def _open(each: Regularizer) -> bool:
    return isinstance(each, R1 | R2) and each.gamma == "auto"
