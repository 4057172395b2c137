"""The two sides of the training benchmarks: multigan's Trainer, and the loop that a careful person writes by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from multigan import assemble, heads
from multigan.adversarial.batch import Batch
from multigan.adversarial.game import Arithmetic
from multigan.adversarial.trainer import Trainer
from multigan.settings import GanRecipe
from multigan.training.device import DTYPES

LOG_EVERY = 50
"""Turns between two readings of the losses, on both sides."""


class InMemory:
    """Random samples in [-1, 1] of a resolved recipe's shape as a stream, so that no side pays for data."""

    def __init__(self, recipe: GanRecipe, batches: int = 8):
        shape = [int(each) for each in heads.contract(recipe, 0).output.shape[1:]]
        self.batch = recipe.training.batch
        draw = torch.Generator().manual_seed(1)
        self.samples = torch.rand(batches * self.batch, *shape, generator=draw) * 2 - 1
        self.conditions = {}
        if recipe.conditional:
            classes = len(recipe.data.classes or [])
            self.conditions["label"] = torch.randint(classes, (batches * self.batch,), generator=draw)

    def take(self, start: int, count: int) -> Batch:
        start %= len(self.samples)
        return Batch(self.samples, self.conditions).part(start, start + count)

    def close(self) -> None:
        pass


def arithmetic(precision: str, channels_last: bool = True) -> Arithmetic:
    """fp32, bf16 or fp64 as a recipe's `training.precision` means it."""
    wide = torch.float64 if precision == "fp64" else torch.float32
    return Arithmetic(wide, DTYPES[precision] if precision == "bf16" else None, channels_last)


def networks(recipe: GanRecipe, how: Arithmetic) -> tuple[nn.Module, nn.Module]:
    """The recipe's networks, the same at every call."""
    torch.manual_seed(0)
    pair = heads.head(recipe).networks()
    for network in pair:
        network.to(dtype=how.dtype, memory_format=torch.channels_last if how.channels_last else torch.contiguous_format)
    return pair


def trainer(recipe: GanRecipe, how: Arithmetic, compiled: bool = False) -> Trainer:
    """multigan's Trainer of a resolved recipe, on random samples."""
    generator, discriminator = networks(recipe, how)
    fast: dict[str, Any] = {}
    if compiled:
        fast = {"generator": torch.compile(generator), "discriminator": torch.compile(discriminator)}
    head = heads.head(recipe)
    game = head.game(generator, discriminator, how, torch.device("cpu"), fast)
    average = assemble.ema(generator, recipe.ema, recipe.training.samples)
    return Trainer(game, head.phases(game), InMemory(recipe), average, batch=recipe.training.batch)


def played(ours: Trainer) -> Callable[[], None]:
    """A turn of the Trainer, with a reading of its figures now and then, as in a run."""

    def turn() -> None:
        ours.turn()
        if ours.steps["generator"] % LOG_EVERY == 0:
            ours.read()

    return turn


@dataclass
class Rules:
    """What differs between the games: the two losses, and gamma of R1 and R2 in every n-th step (0: none).

    discriminator(real, fake) and generator(fake, real) see logits; `paired`: the generator's needs the real ones.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    paired: bool
    gamma: float = 0.0
    every: int = 1


class ByHand:
    """A hand-written loop, without a line more than its maths wants: generated samples are made once a turn, weights
    get gradients only in their own step, fused Adam, a moving average of the generator, no reading back between logs.
    """

    def __init__(self, recipe: GanRecipe, rules: Rules, how: Arithmetic, noise: Callable[[int], Tensor] | None = None):
        self.rules, self.how, self.noise = rules, how, noise
        self.batch, self.latent = recipe.training.batch, recipe.latent.size
        self.generator, self.discriminator = networks(recipe, how)
        self.average = networks(recipe, how)[0].eval().requires_grad_(False)
        self.half_life, self.warmup = recipe.ema.half_life, recipe.ema.warmup
        self.adam = {}
        for name, network, chosen in (
            ("generator", self.generator, recipe.generator_optimizer),
            ("discriminator", self.discriminator, recipe.discriminator_optimizer),
        ):
            betas = tuple(float(each) for each in chosen.betas)
            self.adam[name] = torch.optim.Adam(network.parameters(), chosen.lr, betas, chosen.eps, fused=True)
        self.stream = InMemory(recipe)
        self.turns = 0
        self.sums = torch.zeros(2)

    def autocast(self) -> torch.autocast:
        return torch.autocast("cpu", self.how.autocast, enabled=self.how.autocast is not None, cache_enabled=False)

    def turn(self) -> None:
        taken = self.stream.take(self.turns * self.batch, self.batch)
        real, labels = self.how.place(taken.sample), taken.conditions
        latent = torch.randn(self.batch, self.latent) if self.noise is None else self.noise(self.turns)
        with self.autocast():
            fake = self.how.place(self.generator(latent.to(self.how.dtype), **labels))
        d_loss = self._discriminator_step(real, fake.detach(), labels)
        g_loss = self._generator_step(real, fake, labels)
        self._average()
        self.turns += 1
        self.sums += torch.stack([d_loss, g_loss]).float()
        if self.turns % LOG_EVERY == 0:
            self.sums.tolist()

    def _judge(self, pictures: Tensor, labels: dict[str, Tensor]) -> Tensor:
        with self.autocast():
            logits = self.discriminator(pictures, **labels)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _discriminator_step(self, real: Tensor, fake: Tensor, labels: dict[str, Tensor]) -> Tensor:
        due = self.rules.gamma > 0 and self.turns % self.rules.every == 0
        if due:
            real, fake = real.detach().requires_grad_(), fake.requires_grad_()
        on_real, on_fake = self._judge(real, labels), self._judge(fake, labels)
        loss = objective = self.rules.discriminator(on_real, on_fake)
        if due:
            weight = self.rules.gamma * self.rules.every
            for slope in torch.autograd.grad(on_real.sum() + on_fake.sum(), [real, fake], create_graph=True):
                objective = objective + weight * (slope.flatten(1).square().sum(1) / 2).mean()
        objective.backward()
        self.adam["discriminator"].step()
        self.adam["discriminator"].zero_grad()
        return loss.detach()

    def _generator_step(self, real: Tensor, fake: Tensor, labels: dict[str, Tensor]) -> Tensor:
        self.discriminator.requires_grad_(False)
        on_fake, on_real = self._judge(fake, labels), torch.empty(0)
        if self.rules.paired:
            with torch.no_grad():
                on_real = self._judge(real, labels)
        loss = self.rules.generator(on_fake, on_real)
        loss.backward()
        self.discriminator.requires_grad_(True)
        self.adam["generator"].step()
        self.adam["generator"].zero_grad()
        return loss.detach()

    @torch.no_grad()
    def _average(self) -> None:
        seen = (self.turns + 1) * self.batch
        beta = 0.5 ** (self.batch / min(self.half_life, self.warmup * seen))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - beta)
        for into, source in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            into.copy_(source)
