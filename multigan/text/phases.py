"""The phases of a text generator: likelihood, the discriminator alone, the game with a baseline beside it."""

from __future__ import annotations

from torch import Tensor

from multigan import assemble
from multigan.adversarial import schedules
from multigan.adversarial.batch import Batch
from multigan.adversarial.game import Game
from multigan.adversarial.objectives import Adversarial, Discriminator, Figures, Objective
from multigan.adversarial.phases import Phase
from multigan.adversarial.sequences import Begun, MaximumLikelihood, PolicyGradient, Sum
from multigan.settings import Optimizer, Schedule
from multigan.text.config import Dense, Gumbel, LikelihoodOnly, Policy, Rollouts, TextObjective, TextRecipe
from multigan.text.networks import Judge
from multigan.text.networks import Policy as Generator
from multigan.text.rewards import DenseReward, RolloutReward

BASELINE = "baseline"


def phases(recipe: TextRecipe, game: Game) -> list[Phase]:
    """Who updates when.

    likelihood: until `likelihood.samples`. discriminator: from then on. generator: from `game_starts` on, after every
    `training.discriminator_steps` steps of the discriminator. baseline: from then on, by likelihood, on the texts that
    the discriminator is shown; it begins as the generator is then.
    """
    chosen, total = recipe.likelihood, recipe.training.samples
    if isinstance(recipe.objective, LikelihoodOnly):
        updater = assemble.updater("likelihood", game.generator, chosen.optimizer, total)
        return [Phase("likelihood", "generator", MaximumLikelihood(), updater)]
    found = []
    if chosen.samples:
        updater = assemble.updater("likelihood", game.generator, chosen.optimizer, chosen.samples)
        found.append(Phase("likelihood", "generator", MaximumLikelihood(), updater, stop=chosen.samples))
    # Symbols as numbers and symbols as vectors do not go through the discriminator together.
    gumbel = isinstance(recipe.objective, Gumbel)
    against: Objective = _Penalized(Discriminator(assemble.loss(recipe.loss), together=not gumbel))
    objective = _objective(recipe, recipe.objective)
    begins = recipe.game_starts
    if isinstance(recipe.objective, Gumbel):
        end = recipe.objective.inverse_temperature
        against, objective = (_Annealed(each, begins, total, end) for each in (against, objective))
    objective = Sum(objective, MaximumLikelihood(), assemble.schedule(chosen.weight, total))
    judge = assemble.updater("discriminator", game.discriminator, recipe.discriminator_optimizer, total)
    player = assemble.updater("generator", game.generator, recipe.generator_optimizer, total)
    if BASELINE in game.companions:
        network = game.companions[BASELINE]
        updater = assemble.updater(BASELINE, network, _baseline_optimizer(recipe), total)
        # Before the generator's first step in the game, so that it begins as what that step begins from.
        found.append(Phase(BASELINE, BASELINE, Begun(MaximumLikelihood(BASELINE), BASELINE), updater, start=begins))
    found += [
        Phase("discriminator", "discriminator", against, judge, start=chosen.samples, reuse=True),
        Phase(
            "generator",
            "generator",
            objective,
            player,
            start=begins,
            reuse=True,
            every=recipe.training.discriminator_steps,
        ),
    ]
    return found


def _objective(recipe: TextRecipe, chosen: TextObjective) -> Objective:
    """What the generator's step in the game minimises."""
    if isinstance(chosen, Gumbel):
        return Adversarial(assemble.loss(recipe.loss))
    assert isinstance(chosen, Policy)
    entropy = assemble.schedule(chosen.entropy, recipe.training.samples)
    if isinstance(chosen, Rollouts):
        reward: RolloutReward | DenseReward = RolloutReward(chosen.rollouts, chosen.lag)
    else:
        assert isinstance(chosen, Dense)
        reward = DenseReward(chosen.discount)
    return PolicyGradient(reward, chosen.baseline == "mean", chosen.normalize, entropy)


def _baseline_optimizer(recipe: TextRecipe) -> Optimizer:
    """Likelihood's, its learning rate annealed to a tenth over the training where none is given."""
    optimizer = recipe.likelihood.optimizer
    rate = recipe.likelihood.baseline_lr
    if rate is None:
        begun = optimizer.lr.start if isinstance(optimizer.lr, Schedule) else optimizer.lr
        rate = Schedule(start=begun, end=begun / 10)
    return optimizer.model_copy(update={"lr": rate})


class _Penalized:
    """The discriminator's objective and its own penalty on its weights."""

    def __init__(self, objective: Objective):
        self.objective = objective

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, Figures]:
        loss, figures = self.objective(game, batch)
        judge = game.discriminator
        assert isinstance(judge, Judge)
        return (loss + judge.penalty(), figures) if judge.decay else (loss, figures)


class _Annealed:
    """An objective under the Gumbel-softmax's inverse temperature of the moment: from 1 when the game begins to `end`
    when it ends, exponentially (Nie et al., 2019)."""

    def __init__(self, objective: Objective, begins: int, total: int, end: float):
        self.objective, self.end = objective, end
        self.share = schedules.between(0.0, 1.0, total - begins, "linear")
        self.begins = begins

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, Figures]:
        generator = game.generator
        assert isinstance(generator, Generator)
        generator.inverse_temperature = self.end ** self.share(max(0, game.now.samples - self.begins))
        return self.objective(game, batch)
