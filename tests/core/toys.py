"""Small games whose every number can be computed another way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from multigan.adversarial import losses, schedules
from multigan.adversarial.batch import Batch, Draws
from multigan.adversarial.ema import Ema
from multigan.adversarial.game import Arithmetic, Game
from multigan.adversarial.objectives import Adversarial, Discriminator
from multigan.adversarial.optimizer import LossScale, Updater
from multigan.adversarial.phases import Phase
from multigan.adversarial.regularizers import Penalty
from multigan.adversarial.stochastic import Stochastic
from multigan.adversarial.trainer import Trainer

LATENT = 3
FP64 = Arithmetic(torch.float64)


class Table:
    """A stream that walks a table of samples again and again. `asked`: the ranges taken so far."""

    def __init__(self, samples: Tensor, **conditions: Tensor):
        self.samples, self.conditions = samples, conditions
        self.asked: list[tuple[int, int]] = []

    def take(self, start: int, count: int) -> Batch:
        self.asked.append((start, count))
        rows = torch.arange(start, start + count) % len(self.samples)
        return Batch(self.samples[rows], {name: value[rows] for name, value in self.conditions.items()})

    def close(self) -> None:
        return


def table(*shape: int, count: int = 240, seed: int = 5) -> Table:
    return Table(torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


class Generator(nn.Module):
    """latent -> `[B, *shape]`. `graphs`: of every forward pass in training, whether it built a graph."""

    def __init__(self, *shape: int, hidden: int = 8, batch_norm: bool = False, noisy: bool = False):
        super().__init__()
        middle = nn.BatchNorm1d(hidden) if batch_norm else Noise() if noisy else nn.Identity()
        self.body = nn.Sequential(
            nn.Linear(LATENT, hidden), middle, nn.LeakyReLU(0.2), nn.Linear(hidden, math.prod(shape))
        )
        self.shape = shape
        self.graphs: list[bool] = []

    def forward(self, latent: Tensor) -> Tensor:
        self.graphs.append(torch.is_grad_enabled())
        return self.body(latent).view(-1, *self.shape)


class Noise(Stochastic):
    """Adds a number of its own to each sample's features in training."""

    def draw(self, draws: Draws, stream: str) -> None:
        self.noise = draws.normal(stream, 1)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.noise.to(features) if self.training else features


class Critic(nn.Module):
    """`[B, *shape]` -> logits `[B]`, smooth enough for finite differences of penalties."""

    def __init__(self, *shape: int, hidden: int = 8, batch_norm: bool = False, noisy: bool = False):
        super().__init__()
        middle = nn.BatchNorm1d(hidden) if batch_norm else Noise() if noisy else nn.Identity()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(math.prod(shape), hidden), middle, nn.Tanh(), nn.Linear(hidden, 1)
        )

    def forward(self, samples: Tensor) -> Tensor:
        return self.body(samples)[:, 0]


class Linear(nn.Module):
    """<w, x>: its gradient with respect to x is w everywhere."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, samples: Tensor) -> Tensor:
        return (samples * self.weight).flatten(1).sum(1)


class Quadratic(nn.Module):
    """a |x|^2 / 2: its gradient with respect to x is a x."""

    def __init__(self, a: float):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))

    def forward(self, samples: Tensor) -> Tensor:
        return self.a * samples.flatten(1).square().sum(1) / 2


class Watched(Updater):
    """Notes, in every step, what the step is about to use and what it leaves. `watch`: called before each step."""

    def __init__(self, *arguments: Any, watch: Callable[[], Any] = lambda: None, **settings: Any):
        super().__init__(*arguments, **settings)
        self.watch = watch
        self.notes: list[Any] = []
        self.norms: list[tuple[float, float]] = []
        self.used: list[dict[str, Any]] = []

    def step(self, samples: int, loss: Tensor, scale: LossScale) -> Tensor:
        self.notes.append(self.watch())
        before = float(nn.utils.get_total_norm(self.gradients()))
        bad = super().step(samples, loss, scale)
        self.norms.append((before, float(nn.utils.get_total_norm(self.gradients()))))
        group = self.adam.param_groups[0]
        self.used.append({"samples": samples, "lr": group["lr"], "betas": group["betas"]})
        return bad


def updater(name: str, network: nn.Module, lr: float = 1e-2, **settings: Any) -> Watched:
    betas = settings.pop("betas", (schedules.constant(0.5), schedules.constant(0.9)))
    return Watched(name, network, settings.pop("schedule", schedules.constant(lr)), betas, **settings)


def phases(
    game: Game,
    loss: losses.Loss | None = None,
    penalties: Sequence[Penalty] = (),
    steps: int = 1,
    **settings: Any,
) -> list[Phase]:
    """Discriminator, then generator on the last of its batches; Adam's settings are both networks'."""
    loss = loss or losses.Relativistic()
    return [
        Phase(
            "discriminator",
            "discriminator",
            Discriminator(loss, penalties),
            updater("discriminator", game.discriminator, **settings),
            steps=steps,
        ),
        Phase(
            "generator", "generator", Adversarial(loss), updater("generator", game.generator, **settings), reuse=True
        ),
    ]


def game(*shape: int, seed: int = 0, batch_norm: bool = False, noisy: bool = False, **settings: Any) -> Game:
    """A game of float64 networks on samples of that shape."""
    torch.manual_seed(seed)
    kind = {"batch_norm": batch_norm, "noisy": noisy}
    networks = Generator(*shape, **kind).double(), Critic(*shape, **kind).double()
    return Game(*networks, LATENT, arithmetic=FP64, **settings)


def trainer(played: Game, walked: Sequence[Phase], stream: Table, batch: int = 12, **settings: Any) -> Trainer:
    averaged = settings.pop("ema", None) or Ema(played.generator, schedules.constant(100), 0.0)
    return Trainer(played, walked, stream, averaged, batch=batch, seed=3, **settings)


def weights(network: nn.Module) -> list[Tensor]:
    return [each.detach().clone() for each in network.parameters()]


def furthest(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The largest difference of any element."""
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))


def same(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> bool:
    """Whether all are equal to the bit."""
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
