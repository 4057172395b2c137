"""What a generator's symbols are rewarded with."""

from __future__ import annotations

import torch
from torch import Tensor

from multigan.adversarial.batch import Batch
from multigan.adversarial.game import Game
from multigan.adversarial.sequences import follow
from multigan.text.networks.judges import Judge
from multigan.text.networks.policy import Policy, State, alive

LAGGED = "rollout"
"""The companion of the game that completes texts: a copy of the generator that comes after it."""


class RolloutReward:
    """SeqGAN's action value (Yu et al., 2017): of the first t symbols, the discriminator's mean probability of
    `rollouts` texts that begin with them and that a lagged copy of the generator has completed; of a whole text, its
    own.

    lag: the share of itself that the copy keeps at each generator step; it begins as the generator.
    """

    def __init__(self, rollouts: int, lag: float):
        self.rollouts, self.lag = rollouts, lag
        self._step = -1

    def __call__(self, game: Game, batch: Batch, made: Tensor) -> Tensor:
        lagged, judge = game.networks[LAGGED], game.discriminator
        assert isinstance(lagged, Policy)
        assert isinstance(judge, Judge)
        if self._step != game.now.step:  # once a step, however many parts it has
            follow(lagged, game.generator, self.lag if game.now.step else 0.0)
            self._step = game.now.step
        label = batch.conditions.get("label")
        whole = judge.grade(made, label)
        if whole.dim() == 2:
            mask = alive(made, lagged.ends)
            whole = (whole * mask).sum(dim=1) / mask.sum(dim=1)
        if made.shape[1] == 1:
            return whole[:, None]
        length = made.shape[1]
        uniform = game.now.draws.uniform("rollouts", length - 1, self.rollouts, length).to(made.device, lagged.dtype)
        completed = complete(lagged, made, uniform.permute(1, 0, 2, 3), label)
        with game.arithmetic.context(game.device):
            graded = judge.grade_completions(made, completed, label)
        rewards = torch.cat((graded.T, whole[:, None]), dim=1)
        if lagged.ends:  # a text that has ended cannot be completed otherwise: its end is worth what it is worth
            rewards = torch.where(made == 0, whole[:, None], rewards)
        return rewards


@torch.no_grad()
def complete(policy: Policy, texts: Tensor, uniform: Tensor, label: Tensor | None = None) -> Tensor:
    """Texts `[T - 1, B, R, T]` whose group g begins with the first g + 1 symbols of `texts` `[B, T]`.

    uniform `[T - 1, B, R, T]`: the values that symbols are drawn by; the column t of a group decides symbol t. Each
    beginning is read once, and each step draws the symbols of all groups that have begun, together.
    """
    groups, count, times, length = uniform.shape
    states = policy.trace(texts, label)
    rows = count * times
    made = texts[None, :, None].expand(groups, count, times, length).reshape(-1, length).clone()
    columns = uniform.reshape(-1, length)
    held: State = ()
    for step in range(1, length):
        # The group that begins with `step` symbols joins those before it.
        joined = [part.repeat_interleave(times, dim=0) for part in states[step]]
        held = tuple(torch.cat(pair) for pair in zip(held, joined, strict=True)) if held else tuple(joined)
        features, held = policy.step(made[: step * rows, step - 1], held)
        chosen = policy.choose(features, columns[: step * rows, step])
        if policy.ends:
            chosen = chosen * (made[: step * rows, step - 1] != 0)
        made[: step * rows, step] = chosen
    return made.view(groups, count, times, length)


class DenseReward:
    """ScratchGAN's return (de Masson d'Autume et al., 2019): the sum over what follows of discount^s (2 D_s - 1)."""

    def __init__(self, discount: float):
        self.discount = discount

    def __call__(self, game: Game, batch: Batch, made: Tensor) -> Tensor:
        judge = game.discriminator
        assert isinstance(judge, Judge)
        with game.arithmetic.context(game.device):
            graded = judge.grade(made, batch.conditions.get("label"))
        rewards = (2 * graded - 1) * alive(made, judge.ends)
        later = torch.zeros_like(rewards[:, 0])
        returns = []
        for reward in reversed(rewards.unbind(1)):
            later = reward + self.discount * later
            returns.append(later)
        return torch.stack(returns[::-1], dim=1)
