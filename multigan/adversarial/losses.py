"""Adversarial losses. They see logits `[B]` (any shape) alone, so they serve pictures, sound and text alike."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus


class Loss(ABC):
    """What the discriminator and the generator minimise, as means over a batch of logits."""

    generator_sees_real = False
    """Whether the generator's loss depends on the real samples' logits."""

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss, a scalar."""

    @abstractmethod
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """The generator's loss, a scalar. `real` is given where `generator_sees_real`."""


class NonSaturating(Loss):
    """Goodfellow et al., 2014: -log sigmoid(D(x)) - log(1 - sigmoid(D(G(z)))); generator: -log sigmoid(D(G(z)))."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return softplus(-fake).mean()


class LeastSquares(Loss):
    """LSGAN, Mao et al., 2017, with targets 1 for real and 0 for generated: half the squared distances."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return 0.5 * (fake - 1).square().mean()


class Hinge(Loss):
    """Lim and Ye, 2017: max(0, 1 - D(x)) + max(0, 1 + D(G(z))); generator: -D(G(z))."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()


class Wasserstein(Loss):
    """Arjovsky et al., 2017: D(G(z)) - D(x); generator: -D(G(z)). Meaningful for a Lipschitz critic only."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()


class Relativistic(Loss):
    """RpGAN, Jolicoeur-Martineau, 2018: softplus(-(D(x) - D(G(z)))) over pairs; generator: with the roles swapped."""

    generator_sees_real = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake - real).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        if real is None:
            raise ValueError("the relativistic loss compares generated samples with real ones")
        return softplus(real - fake).mean()


def confidence(real: Tensor, fake: Tensor) -> Tensor:
    """The share of (real, fake) pairs that the discriminator orders rightly, ties as half: 0.5 when it cannot tell them
    apart."""
    return ((real > fake).to(torch.float32) + (real >= fake).to(torch.float32)).mean() / 2
