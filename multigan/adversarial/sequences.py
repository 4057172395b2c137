"""Objectives of generators of discrete sequences: maximum likelihood and the policy gradient.

Their generators have `likelihood(sample, **conditions)`: the log-probability of each element of sequences `[B, T]`
after those before it, with gradient, and which elements belong to the sequence, bool `[B, T]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from multigan.adversarial.batch import Batch
from multigan.adversarial.game import Game
from multigan.adversarial.objectives import Figures, Objective
from multigan.adversarial.schedules import Schedule

Reward = Callable[[Game, Batch, Tensor], Tensor]
"""From sequences `[B, T]` that the generator made for a batch to the reward of each of their elements `[B, T]`."""


def likelihood_of(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """The log-probabilities `[B, T]` that a network gives to a batch's sequences, and which belong to them."""
    told: Any = network
    logs, mask = told.likelihood(batch.sample, **batch.conditions)
    return logs, mask


class MaximumLikelihood:
    """The mean over real sequences of their negative log-likelihood, under the game's network of that name.

    The figure is the mean over their elements.
    """

    def __init__(self, name: str = "generator"):
        self.name = name

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, Figures]:
        game.draw(self.name, game.now.phase)
        logs, mask = likelihood_of(game.networks[self.name], batch)
        total = -logs.sum()
        return total / len(batch), {f"nll {self.name}": total.detach() / mask.sum()}


class PolicyGradient:
    """REINFORCE (Williams, 1992): the mean over sequences of -sum_t (reward_t - baseline_t) log p(element_t).

    baseline: the mean of each position's rewards over the batch is taken off them. normalize: what is left is divided
    by its standard deviation. entropy: a weight by which -log p is added to the rewards, whose gradient is that of the
    entropy.
    """

    def __init__(
        self, reward: Reward, baseline: bool = False, normalize: bool = False, entropy: Schedule | None = None
    ):
        self.reward, self.baseline, self.normalize, self.entropy = reward, baseline, normalize, entropy

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, Figures]:
        made = game.fakes(batch)
        rewards = self.reward(game, batch, made)
        logs, mask = likelihood_of(game.generator, Batch(made, batch.conditions))
        figures = {"reward": (rewards * mask).sum() / mask.sum(), "nll of own": -logs.detach().sum() / mask.sum()}
        loss = -(self.advantages(game, rewards, logs.detach(), mask) * logs).sum() / len(made)
        return loss, figures | {"generator": loss.detach()}

    @torch.no_grad()
    def advantages(self, game: Game, rewards: Tensor, logs: Tensor, mask: Tensor) -> Tensor:
        """What each log-probability's gradient is weighted with; 0 behind the sequences' ends."""
        if self.entropy is not None:
            rewards = rewards - self.entropy(game.now.samples) * logs
        counts = mask.sum(dim=0).clamp_min(1)
        if self.baseline:
            rewards = rewards - (rewards * mask).sum(dim=0) / counts
        if self.normalize:
            within = rewards[mask]
            rewards = rewards / (within.std(correction=0) + 1e-8)
        return rewards * mask


class Sum:
    """An objective and `weight` times another of the same network."""

    def __init__(self, first: Objective, second: Objective, weight: Schedule):
        self.first, self.second, self.weight = first, second, weight

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, Figures]:
        loss, figures = self.first(game, batch)
        weight = self.weight(game.now.samples)
        if not weight:
            return loss, figures
        added, others = self.second(game, batch)
        return loss + weight * added, figures | others


class Begun:
    """An objective whose network, at the phase's first step, becomes a copy of another."""

    def __init__(self, objective: Objective, name: str, source: str = "generator"):
        self.objective, self.name, self.source = objective, name, source

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, Figures]:
        if game.now.step == 0:
            follow(game.networks[self.name], game.networks[self.source], 0.0)
        return self.objective(game, batch)


@torch.no_grad()
def follow(network: nn.Module, leader: nn.Module, keep: float) -> None:
    """Move the weights to `keep` of what they are and the rest of the leader's."""
    torch._foreach_lerp_(list(network.parameters()), list(leader.parameters()), 1 - keep)
