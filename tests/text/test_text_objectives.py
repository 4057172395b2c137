"""Maximum likelihood, the policy gradient and its rewards, against what they are by definition."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from multigan.adversarial import schedules
from multigan.adversarial.batch import Batch, Draws
from multigan.adversarial.ema import Ema
from multigan.adversarial.game import Arithmetic, Game, Now
from multigan.adversarial.optimizer import Updater
from multigan.adversarial.phases import Phase
from multigan.adversarial.sequences import Begun, MaximumLikelihood, PolicyGradient, Sum
from multigan.adversarial.trainer import Trainer
from multigan.text.config import Cnn, Lstm, Recurrent
from multigan.text.networks import Judge, Policy, Shape, build_discriminator, build_generator
from multigan.text.networks.policy import alive
from multigan.text.rewards import LAGGED, DenseReward, RolloutReward

FP64 = Arithmetic(torch.float64)


def networks(
    vocabulary: int = 3, length: int = 3, ends: bool = True, judge: Cnn | Recurrent | None = None
) -> tuple[Policy, Judge]:
    torch.manual_seed(0)
    shape = Shape(vocabulary, length, ends)
    generator = build_generator(Lstm(kind="lstm", embedding=4, hidden=5), shape).double()
    with torch.no_grad():
        generator.output.weight.mul_(3)
    chosen = judge or Cnn(kind="cnn", embedding=4, widths=[1, 2], filters=[5, 5], dropout=0.0)
    return generator, build_discriminator(chosen, shape).double()


def game_of(generator: Policy, judge: Judge, size: int, **companions: Policy) -> Game:
    game = Game(
        generator, judge, latent=generator.length, distribution="uniform", arithmetic=FP64, companions=companions
    )
    game.begin(Now(Draws(7, 0, size, 0, size), phase="generator"))
    game.train_only("generator")
    return game


def texts_of(vocabulary: int, length: int, ends: bool) -> Tensor:
    """All that a generator can make."""
    rows = itertools.product(range(vocabulary), repeat=length)
    kept = [row for row in rows if not ends or all(b == 0 for a, b in itertools.pairwise(row) if a == 0)]
    return torch.tensor(kept)


def gradient(loss: Tensor, network: Policy) -> Tensor:
    return torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(network.parameters()))])


# --- likelihood -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [True, False])
def test_the_likelihoods_of_all_texts_add_up_to_one(ends: bool) -> None:
    generator, _ = networks(ends=ends)
    logs, mask = generator.likelihood(texts_of(3, 3, ends))
    assert torch.allclose(logs.sum(1).exp().sum(), torch.ones((), dtype=torch.float64))
    assert torch.equal(mask, alive(texts_of(3, 3, ends), ends))


def test_maximum_likelihood_finds_the_shares_of_the_texts() -> None:
    generator, judge = networks()
    texts = torch.tensor([[1, 2, 0]] * 3 + [[2, 0, 0]] * 2 + [[0, 0, 0]])
    game = game_of(generator, judge, len(texts))
    updater = Updater("g", generator, schedules.constant(0.05), (schedules.constant(0.9), schedules.constant(0.99)))
    objective = MaximumLikelihood()
    for _ in range(400):
        loss, figures = objective(game, Batch(texts))
        loss.backward()
        updater.adam.step()
        updater.clear()
    shares = generator.likelihood(torch.unique(texts, dim=0))[0].sum(1).exp()
    assert torch.allclose(shares, torch.tensor([1 / 6, 3 / 6, 2 / 6], dtype=torch.float64), atol=0.01)
    elements = float(alive(texts, True).sum())
    assert float(figures["nll generator"]) == pytest.approx(float(loss.detach()) * len(texts) / elements)


# --- the policy gradient --------------------------------------------------------------------------------------------


def worth(texts: Tensor) -> Tensor:
    """Any function of whole texts."""
    return torch.sin(texts.double() @ torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64) * 1.7)


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("entropy", [0.0, 0.3])
def test_the_policy_gradient_is_that_of_the_expected_reward(ends: bool, entropy: float) -> None:
    generator, judge = networks(ends=ends)
    texts = texts_of(3, 3, ends)
    logs, _ = generator.likelihood(texts)
    chances = logs.sum(1).exp()
    surprise = (chances * logs.sum(1)).sum()
    expected = gradient(-((chances * worth(texts)).sum() - entropy * surprise), generator)

    # In expectation over the texts, each rewarded with what it is worth as a whole.
    weight = schedules.constant(entropy) if entropy else None
    found = torch.zeros_like(expected)
    for row, chance in zip(texts, chances.detach(), strict=True):
        objective = PolicyGradient(lambda game, batch, made: worth(made)[:, None].expand(made.shape))
        game = game_of(generator, judge, 1)
        game._fakes = row[None]
        if weight is not None:  # each symbol answers for the surprise of all the text
            total = float(generator.likelihood(row[None])[0].detach().sum())
            objective = PolicyGradient(
                lambda game, batch, made, total=total: (worth(made)[:, None] - entropy * total).expand(made.shape)
            )
        loss, _ = objective(game, Batch(row[None]))
        found += chance * gradient(loss, generator)
    assert torch.allclose(found, expected, atol=1e-10)


def test_the_entropys_reward_is_each_symbols_own_surprise() -> None:
    generator, judge = networks()
    plain = PolicyGradient(lambda game, batch, made: torch.zeros(made.shape, dtype=torch.float64))
    bonus = PolicyGradient(plain.reward, entropy=schedules.constant(0.5))
    game = game_of(generator, judge, 16)
    assert not gradient(plain(game, Batch(torch.empty(16, 0)))[0], generator).any()
    logs, mask = generator.likelihood(game.fakes(Batch(torch.empty(16, 0))))
    by_hand = -(-0.5 * logs.detach() * logs * mask).sum() / 16
    found = gradient(bonus(game, Batch(torch.empty(16, 0)))[0], generator)
    assert torch.allclose(found, gradient(by_hand, generator))


def test_a_baseline_is_the_batchs_mean_of_each_position_and_normalisation_makes_the_spread_one() -> None:
    generator, judge = networks()
    game = game_of(generator, judge, 64)
    rewards = torch.rand(64, 3, dtype=torch.float64)
    mask = alive(game.fakes(Batch(torch.empty(64, 0))), True)
    logs = torch.zeros(64, 3, dtype=torch.float64)
    found = PolicyGradient(lambda *_: rewards, baseline=True, normalize=True).advantages(game, rewards, logs, mask)
    for column in range(3):
        assert float(found[:, column][mask[:, column]].mean()) == pytest.approx(0.0, abs=1e-12)
    assert float(found[mask].std(correction=0)) == pytest.approx(1.0, abs=1e-6)
    assert not found[~mask].any()


# --- rewards --------------------------------------------------------------------------------------------------------


class Counting(Judge):
    """Its probability is the share of the symbol 1, which is what a test can foresee."""

    def verdicts(self, sample: Tensor, label: Tensor | None = None) -> Tensor:
        return torch.logit((sample == 1).double().mean(1), eps=1e-12)


def counting(ends: bool, length: int) -> Counting:
    return Counting(3, 2, ends, 0, 2, 0.0, 0.0).double()


def test_rewards_stay_with_their_texts() -> None:
    generator, _ = networks(length=5, ends=False)
    game = game_of(generator, counting(False, 5), 8, **{LAGGED: copy.deepcopy(generator)})
    made = torch.zeros(8, 5, dtype=torch.long)
    made[3] = 1  # one alone is full of what is rewarded
    rewards = RolloutReward(50, 0.0)(game, Batch(torch.empty(8, 0)), made)
    assert torch.allclose(rewards[:, -1].double(), (made == 1).double().mean(1))
    assert int(rewards[:, -2].argmax()) == int(rewards[:, -3].argmax()) == 3
    # The others differ by their rollouts alone, and the more is settled the less.
    others = torch.cat((rewards[:3], rewards[4:]))
    assert float(others[:, -2].max()) < 0.2 + 1e-9


def test_a_rollouts_reward_is_the_expected_verdict_on_its_completions() -> None:
    generator, _ = networks(length=3, ends=True)
    game = game_of(generator, counting(True, 3), 2, **{LAGGED: copy.deepcopy(generator)})
    made = torch.tensor([[2, 1, 0], [1, 0, 0]])
    rewards = RolloutReward(20_000, 0.0)(game, Batch(torch.empty(2, 0)), made)
    texts = texts_of(3, 3, True)
    chances = generator.likelihood(texts)[0].sum(1).exp().detach()
    shares = (texts == 1).double().mean(1)
    for row, begun in ((0, 1), (0, 2), (1, 1)):
        fits = (texts[:, :begun] == made[row, :begun]).all(1)
        expected = float((chances * shares)[fits].sum() / chances[fits].sum())
        assert float(rewards[row, begun - 1]) == pytest.approx(expected, abs=0.01)
    # What has ended is worth what it is worth.
    assert rewards[1, 1:].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert float(rewards[0, 2]) == pytest.approx(1 / 3)


def test_the_copy_that_completes_comes_after_the_generator() -> None:
    generator, judge = networks()
    lagged = copy.deepcopy(generator)
    game = game_of(generator, judge, 4, **{LAGGED: lagged})
    reward, batch, made = RolloutReward(1, 0.8), Batch(torch.empty(4, 0)), torch.zeros(4, 3, dtype=torch.long)
    with torch.no_grad():
        generator.output.bias.fill_(1.0)
        reward(game, batch, made)  # the first step: a copy
        assert (lagged.output.bias == 1.0).all()
        generator.output.bias.fill_(2.0)
        reward(game, batch, made)  # another part of the same step
        assert (lagged.output.bias == 1.0).all()
        game.begin(Now(Draws(7, 1, 4, 0, 4), step=1, phase="generator"))
        reward(game, batch, made)
    assert torch.allclose(lagged.output.bias, torch.full((3,), 1.2, dtype=torch.float64))


def test_dense_rewards_are_the_discounted_sums_of_what_follows() -> None:
    judge = build_discriminator(Recurrent(kind="recurrent", embedding=4, hidden=5), Shape(3, 4, True)).double()
    generator, _ = networks(length=4)
    game = game_of(generator, judge, 2)
    made = torch.tensor([[1, 2, 0, 0], [2, 2, 1, 1]])
    found = DenseReward(0.5)(game, Batch(torch.empty(2, 0)), made)
    each = (2 * torch.sigmoid(judge.verdicts(made)) - 1) * alive(made, True)
    for row in range(2):
        for at in range(4):
            expected = sum(0.5 ** (later - at) * float(each[row, later]) for later in range(at, 4))
            assert float(found[row, at]) == pytest.approx(expected, abs=1e-6)


# --- in a training --------------------------------------------------------------------------------------------------


class Rows:
    """A stream that goes round a table."""

    def __init__(self, rows: Tensor):
        self.rows = rows

    def take(self, start: int, count: int) -> Batch:
        return Batch(self.rows[torch.arange(start, start + count) % len(self.rows)])

    def close(self) -> None:
        return


def updater(name: str, network: torch.nn.Module, lr: float) -> Updater:
    return Updater(name, network, schedules.constant(lr), (schedules.constant(0.9), schedules.constant(0.99)))


def valid(texts: Tensor) -> Tensor:
    """The toy grammar: each symbol but the first is the one before it, or that plus one modulo 4."""
    step = (texts[:, 1:] - texts[:, :-1]) % 4
    return ((step == 0) | (step == 1)).all(1)


def played(reward: Callable[[Game, Batch, Tensor], Tensor], lr: float) -> float:
    """The share of valid texts after a hundred steps by the policy gradient."""
    generator, judge = networks(vocabulary=4, length=6, ends=False)
    game = Game(generator, judge, latent=6, distribution="uniform", arithmetic=FP64)
    objective = PolicyGradient(reward, baseline=True, normalize=True)
    phase = Phase("generator", "generator", objective, updater("generator", generator, lr))
    ema = Ema(generator, schedules.constant(0.0), 0.0)
    trainer = Trainer(game, [phase], Rows(torch.zeros(64, 6, dtype=torch.long)), ema, batch=64, seed=1)
    for _ in range(100):
        trainer.turn()
    uniform = torch.rand(2000, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return float(valid(generator.sample(uniform)).double().mean())


def test_policy_steps_raise_what_is_rewarded_and_a_control_does_not() -> None:
    def grammar(game: Game, batch: Batch, made: Tensor) -> Tensor:
        return valid(made).double()[:, None].expand(made.shape)

    def neighbours(game: Game, batch: Batch, made: Tensor) -> Tensor:
        """Each text has the next one's reward: the mistake that a port of SeqGAN makes."""
        return valid(made).double().roll(1)[:, None].expand(made.shape)

    begun, learned, control = played(grammar, 0.0), played(grammar, 0.02), played(neighbours, 0.02)
    assert begun < 0.1
    assert learned > 0.7
    assert control < 0.3


def test_a_phase_takes_part_in_each_so_manieth_turn_and_a_companion_begins_as_the_generator() -> None:
    generator, judge = networks()
    copied = copy.deepcopy(generator)
    game = Game(generator, judge, latent=3, distribution="uniform", arithmetic=FP64, companions={"baseline": copied})
    rows = Rows(torch.tensor([[1, 2, 0], [2, 0, 0]]))
    phases = [
        Phase("first", "generator", MaximumLikelihood(), updater("first", generator, 0.01), stop=8),
        Phase("likelihood", "generator", MaximumLikelihood(), updater("likelihood", generator, 0.01), start=8, every=3),
        Phase(
            "baseline",
            "baseline",
            Begun(MaximumLikelihood("baseline"), "baseline"),
            updater("baseline", copied, 0.0),
            start=8,
        ),
    ]
    trainer = Trainer(game, phases, rows, Ema(generator, schedules.constant(0.0), 0.0), batch=2)
    for _ in range(4):
        trainer.turn()
    at_the_start = copy.deepcopy(generator.state_dict())
    for _ in range(6):
        trainer.turn()
    assert trainer.steps == {"first": 4, "likelihood": 2, "baseline": 6}
    for name, value in copied.state_dict().items():
        assert torch.equal(value, at_the_start[name])
    assert not torch.equal(generator.output.bias, at_the_start["output.bias"])


def test_a_sum_adds_likelihood_to_the_game() -> None:
    generator, judge = networks()
    reward = PolicyGradient(lambda game, batch, made: worth(made)[:, None].expand(made.shape))
    batch = Batch(torch.tensor([[1, 2, 0], [2, 0, 0]]))
    game = game_of(generator, judge, 2)
    parts = [gradient(each(game, batch)[0], generator) for each in (reward, MaximumLikelihood())]
    both = gradient(Sum(reward, MaximumLikelihood(), schedules.constant(0.4))(game, batch)[0], generator)
    assert torch.allclose(both, parts[0] + 0.4 * parts[1])


def test_dropout_is_likelihoods_alone() -> None:
    shape, chosen = Shape(3, 3, True), Lstm(kind="lstm", embedding=4, hidden=5, dropout=0.5)
    torch.manual_seed(0)
    generator, (_, judge) = build_generator(chosen, shape).double(), networks()
    game, batch = game_of(generator, judge, 8), Batch(torch.randint(3, (8, 3)))
    plain, _ = generator.likelihood(batch.sample)
    played = PolicyGradient(lambda game, batch, made: worth(made)[:, None].expand(made.shape))
    found = gradient(played(game, batch)[0], generator)
    logs, mask = generator.likelihood(game.fakes(batch))
    by_hand = -(worth(game.fakes(batch))[:, None] * mask * logs).sum() / 8
    assert torch.allclose(found, gradient(by_hand, generator))
    loss, _ = MaximumLikelihood()(game, batch)
    assert not torch.isclose(loss, -plain.sum() / 8)
    # What is measured between two steps, of another number of texts, has none.
    assert torch.allclose(generator.likelihood(batch.sample[:5])[0], plain[:5])
