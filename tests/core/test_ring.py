"""Eight Gaussians in a ring: each loss finds all of them, with the penalties that it is used with."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from toys import Table

from multigan.adversarial import losses, regularizers, schedules
from multigan.adversarial.ema import Ema
from multigan.adversarial.game import Game
from multigan.adversarial.objectives import Adversarial, Discriminator
from multigan.adversarial.optimizer import Updater
from multigan.adversarial.phases import Phase
from multigan.adversarial.regularizers import Penalty
from multigan.adversarial.trainer import Trainer

CONSTANT = schedules.constant
ANGLES = torch.arange(8) * (math.pi / 4)
CENTRES = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)
SPREAD = 0.2
BATCH, TURNS = 128, 800

R1 = Penalty("r1", "real", regularizers.half_square, CONSTANT(0.03))
R2 = Penalty("r2", "fake", regularizers.half_square, CONSTANT(0.03))
GRADIENT = Penalty("gradient_penalty", "between", regularizers.unit_distance, CONSTANT(0.3))


class Judge(nn.Sequential):
    def forward(self, samples: Tensor) -> Tensor:
        return super().forward(samples)[:, 0]


def layers(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, outputs)]


def ring() -> Table:
    generator = torch.Generator().manual_seed(0)
    mode = torch.randint(8, (BATCH * 128,), generator=generator)
    return Table(CENTRES[mode] + SPREAD * torch.randn(len(mode), 2, generator=generator))


def near(samples: Tensor) -> tuple[float, list[float]]:
    """The share of samples within 2.5 standard deviations of a mode, and each mode's share of those."""
    distance, mode = torch.cdist(samples, CENTRES).min(1)
    close = distance < 2.5 * SPREAD
    return float(close.float().mean()), (torch.bincount(mode[close], minlength=8) / close.sum()).tolist()


@pytest.mark.parametrize(
    ("loss", "penalties", "steps"),
    [
        (losses.NonSaturating(), [R1], 1),
        (losses.LeastSquares(), [R1], 1),
        (losses.Hinge(), [R1], 1),
        (losses.Wasserstein(), [GRADIENT], 2),
        (losses.Relativistic(), [R1, R2], 1),
    ],
    ids=["non_saturating", "least_squares", "hinge", "wasserstein", "relativistic"],
)
def test_the_generator_finds_all_modes(loss: losses.Loss, penalties: list[Penalty], steps: int) -> None:
    torch.manual_seed(0)
    game = Game(nn.Sequential(*layers(4, 2)), Judge(*layers(2, 1)), 4)
    against, play = (
        Updater(name, network, CONSTANT(5e-3), (CONSTANT(0.0), CONSTANT(0.99)))
        for name, network in game.networks.items()
    )
    phases = [
        Phase("discriminator", "discriminator", Discriminator(loss, penalties), play, steps=steps),
        Phase("generator", "generator", Adversarial(loss), against, reuse=True),
    ]
    trainer = Trainer(game, phases, ring(), Ema(game.generator, CONSTANT(20 * BATCH), 0.05), batch=BATCH)
    for _ in range(TURNS):
        trainer.turn()
    latent = torch.randn(4000, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        samples = trainer.ema.module(latent)
    share, modes = near(samples)
    assert min(modes) > 0.06, modes
    # The same samples turned by any angle lie as near to the circle, and know nothing of the modes.
    turned = torch.rand(4000, generator=torch.Generator().manual_seed(2)) * 2 * math.pi
    cos, sin = turned.cos(), turned.sin()
    blind, _ = near(
        torch.stack([samples[:, 0] * cos - samples[:, 1] * sin, samples[:, 0] * sin + samples[:, 1] * cos], 1)
    )
    assert share > blind + 0.05, (share, blind)  # five times what chance moves 4,000 samples by
    assert near(ring().samples)[0] == pytest.approx(0.956, abs=0.01)
