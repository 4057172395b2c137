"""From a recipe's settings to the objects of the core: the one place where the two meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from multigan import settings
from multigan.adversarial import losses, regularizers, schedules
from multigan.adversarial.ema import Ema
from multigan.adversarial.game import Game
from multigan.adversarial.objectives import Adversarial, Discriminator
from multigan.adversarial.optimizer import Updater
from multigan.adversarial.phases import Phase

LOSSES: dict[type[settings.Settings], Callable[[], losses.Loss]] = {
    settings.NonSaturating: losses.NonSaturating,
    settings.LeastSquares: losses.LeastSquares,
    settings.Hinge: losses.Hinge,
    settings.Wasserstein: losses.Wasserstein,
    settings.Relativistic: losses.Relativistic,
}


def schedule(value: float | settings.Schedule, total: int) -> schedules.Schedule:
    """A number, or a schedule that ends with the training's `total` samples unless it says when."""
    if isinstance(value, settings.Schedule):
        return schedules.between(value.start, value.end, value.samples or total, value.shape)
    return schedules.constant(float(value))


def loss(chosen: settings.Loss) -> losses.Loss:
    """The loss of a recipe."""
    return LOSSES[type(chosen)]()


def penalty(chosen: settings.Regularizer, total: int) -> regularizers.Penalty:
    """A regularizer of a recipe."""
    if isinstance(chosen, settings.GradientPenalty):
        weight = schedule(chosen.weight, total)
        return regularizers.Penalty(chosen.kind, "between", regularizers.unit_distance, weight, chosen.every)
    point: regularizers.Point = "real" if isinstance(chosen, settings.R1) else "fake"
    if chosen.gamma == "auto":
        raise ValueError("gamma is still auto: the recipe is not resolved")
    gamma = schedule(chosen.gamma, total)
    return regularizers.Penalty(chosen.kind, point, regularizers.half_square, gamma, chosen.every)


def updater(name: str, network: nn.Module, chosen: settings.Optimizer, total: int) -> Updater:
    """The optimizer of a network."""
    first, second = chosen.betas
    return Updater(
        name,
        network,
        lr=schedule(chosen.lr, total),
        betas=(schedule(first, total), schedule(second, total)),
        eps=chosen.eps,
        weight_decay=chosen.weight_decay,
        clip=chosen.clip,
    )


def ema(network: nn.Module, chosen: settings.Ema, total: int) -> Ema:
    """The moving average of the generator."""
    return Ema(network, schedule(chosen.half_life, total), chosen.warmup)


def adversarial_phases(
    game: Game,
    chosen: settings.Loss,
    penalties: Sequence[settings.Regularizer],
    generator: settings.Optimizer,
    discriminator: settings.Optimizer,
    training: settings.Training,
) -> list[Phase]:
    """Discriminator steps with the penalties, then a generator step on the last of their batches."""
    total = training.samples
    against = Discriminator(loss(chosen), [penalty(each, total) for each in penalties])
    return [
        Phase(
            "discriminator",
            "discriminator",
            against,
            updater("discriminator", game.discriminator, discriminator, total),
            steps=training.discriminator_steps,
        ),
        Phase(
            "generator",
            "generator",
            Adversarial(loss(chosen)),
            updater("generator", game.generator, generator, total),
            reuse=True,
        ),
    ]
