"""Penalties on the gradient of the discriminator's logit with respect to its input, for tensors of any rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from multigan.adversarial.schedules import Schedule

Point = Literal["real", "fake", "between"]


def half_square(gradient: Tensor) -> Tensor:
    """|g|^2 / 2 per sample, `[B]`: R1 at real and R2 at generated samples (Mescheder et al., 2018)."""
    return gradient.flatten(1).square().sum(1) / 2


def unit_distance(gradient: Tensor) -> Tensor:
    """(|g| - 1)^2 per sample, `[B]`: WGAN-GP (Gulrajani et al., 2017).

    The norm's own gradient at zero is undefined: a tiny constant under the root keeps it finite.
    """
    norm = (gradient.flatten(1).square().sum(1) + 1e-16).sqrt()
    return (norm - 1).square()


@dataclass(frozen=True)
class Penalty:
    """`weight` times the batch mean of `term` of the gradient at `point`; in every `every`-th step, `every` times so.

    The weight that is in force over many steps does not depend on `every` (lazy regularization, Karras et al., 2020).
    """

    name: str
    point: Point
    term: Callable[[Tensor], Tensor]
    weight: Schedule
    every: int = 1

    def due(self, step: int) -> bool:
        """Whether the discriminator's step number `step`, from 0, has it."""
        return step % self.every == 0

    def __call__(self, gradient: Tensor, samples: int) -> Tensor:
        """The penalty of the gradient `[B, ...]`, a scalar."""
        return self.weight(samples) * self.every * self.term(gradient).mean()


def input_gradients(logits: Sequence[Tensor], inputs: Sequence[Tensor], scale: Tensor | float = 1.0) -> list[Tensor]:
    """The gradient of each sample's logit with respect to that sample, differentiable again.

    One backward pass serves all pairs. scale: multiplies the logits and divides the result, so that half precision
    does not lose small gradients.
    """
    total = torch.stack([each.sum() for each in logits]).sum() * scale
    return [each / scale for each in torch.autograd.grad(total, list(inputs), create_graph=True)]
