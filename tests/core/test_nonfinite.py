"""Steps whose loss or gradient is not finite: skipped, counted, survived; and fp16's loss scale."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from toys import game, phases, same, table, trainer, weights

from multigan.adversarial.batch import Batch
from multigan.adversarial.game import Game
from multigan.adversarial.monitor import Meter, NotFinite, Skips, Statistics
from multigan.adversarial.objectives import Objective
from multigan.adversarial.optimizer import LossScale
from multigan.adversarial.trainer import Trainer

CPU = torch.device("cpu")


class Spoilt:
    """An objective that is multiplied by a factor in chosen steps. backward: the factor spoils the gradient alone."""

    def __init__(self, objective: Objective, bad: dict[int, float], backward: bool = False):
        self.objective, self.bad, self.backward = objective, bad, backward

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, figures = self.objective(game, batch)
        factor = self.bad.get(game.now.step, 1.0)
        if factor != 1.0 and self.backward:
            loss.register_hook(lambda gradient: gradient * factor)
        elif factor != 1.0:
            loss = loss * factor
        return loss, figures


def spoilt(phase: int, bad: dict[int, float], backward: bool = False, **settings: Any) -> Trainer:
    """A training of which one phase's objective is spoilt in the given steps."""
    played = game(2)
    walked = phases(played)
    object.__setattr__(walked[phase], "objective", Spoilt(walked[phase].objective, bad, backward))
    return trainer(played, walked, table(2), **settings)


def everything(training: Trainer, phase: int) -> list[Tensor]:
    """Weights and moments of the network that a phase trains."""
    adam = training.phases[phase].updater.adam
    moments = [value.clone() for entry in adam.state.values() for value in entry.values()]
    return [*weights(training.game.networks[training.phases[phase].trains]), *moments]


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
@pytest.mark.parametrize("backward", [False, True], ids=["loss", "gradient"])
@pytest.mark.parametrize("phase", [0, 1], ids=["discriminator", "generator"])
def test_a_bad_step_leaves_weights_and_moments_as_they_were(phase: int, factor: float, backward: bool) -> None:
    training = spoilt(phase, {2: factor}, backward)
    training.turn()
    training.turn()
    before, other = everything(training, phase), everything(training, 1 - phase)
    training.turn()
    assert same(everything(training, phase), before)
    assert not same(everything(training, 1 - phase), other)
    assert training.read()["skipped"] == 1
    training.turn()
    assert not same(everything(training, phase), before)
    assert all(bool(torch.isfinite(each).all()) for each in everything(training, phase))
    assert training.read()["skipped"] == 1


def test_a_bad_step_is_skipped_by_itself_in_the_first_turn_too() -> None:
    training = spoilt(0, {0: float("nan")})
    before = weights(training.game.discriminator)
    training.turn()
    assert same(weights(training.game.discriminator), before)
    training.turn()
    assert not same(weights(training.game.discriminator), before)


def test_clipping_does_not_let_a_bad_gradient_through() -> None:
    played = game(2)
    walked = phases(played, clip=1.0)
    object.__setattr__(walked[0], "objective", Spoilt(walked[0].objective, {0: float("inf")}, backward=True))
    training = trainer(played, walked, table(2))
    before = weights(played.discriminator)
    training.turn()
    assert same(weights(played.discriminator), before)


@pytest.mark.parametrize("phase", [0, 1], ids=["discriminator", "generator"])
def test_so_many_in_a_row_of_one_phase_stop_the_training_although_the_other_does_well(phase: int) -> None:
    training = spoilt(phase, dict.fromkeys(range(3, 99), float("nan")), nonfinite_limit=4)
    for _ in range(6):
        training.turn()
    with pytest.raises(NotFinite, match="in 4 steps in a row"):
        training.turn()
    assert all(bool(torch.isfinite(each).all()) for network in (0, 1) for each in everything(training, network))


def test_bad_steps_with_good_ones_in_between_do_not_stop_it() -> None:
    training = spoilt(0, dict.fromkeys([0, 1, 2, 4, 5, 6, 8], float("nan")), nonfinite_limit=4)
    for _ in range(10):
        training.turn()
    assert training.read()["skipped"] == 7


def test_a_resumed_training_remembers_the_row() -> None:
    bad = dict.fromkeys(range(2, 99), float("nan"))
    first = spoilt(0, bad, nonfinite_limit=4)
    for _ in range(4):
        first.turn()
    second = spoilt(0, bad, nonfinite_limit=4)
    for name, network in second.game.networks.items():
        network.load_state_dict(first.game.networks[name].state_dict())
    second.restore({name: value.clone() for name, value in first.tensors().items()}, first.numbers())
    second.turn()
    with pytest.raises(NotFinite):
        second.turn()
    assert second.skipped == 4


def test_a_batch_that_is_not_finite_does_not_stay_in_running_statistics() -> None:
    played = game(2, batch_norm=True)
    stream = table(2, count=12 * 8)
    stream.samples[12 * 3 + 5, 1] = float("nan")  # in the fourth batch
    training = trainer(played, phases(played), stream)
    for _ in range(3):
        training.turn()
    good = {name: value.clone() for name, value in played.discriminator.state_dict().items()}
    training.turn()
    after = played.discriminator.state_dict()
    for name in ("body.2.running_mean", "body.2.running_var"):
        # The real samples spoilt every channel; what the generated ones had left before is mended along with it.
        assert torch.equal(after[name], good[name])
    for _ in range(3):
        training.turn()
    states = [each.state_dict() for each in (*played.networks.values(), training.ema.module)]
    assert all(bool(torch.isfinite(value).all()) for state in states for value in state.values())
    assert not torch.equal(played.discriminator.state_dict()["body.2.running_mean"], good["body.2.running_mean"])


def test_only_the_elements_that_are_not_finite_are_mended() -> None:
    norm = torch.nn.BatchNorm1d(3)
    kept = Statistics([norm])
    norm.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))  # type: ignore[union-attr]
    kept.keep()
    norm.running_mean.copy_(torch.tensor([4.0, float("nan"), float("-inf")]))  # type: ignore[union-attr]
    kept.mend()
    assert norm.running_mean.tolist() == [4.0, 2.0, 3.0]  # type: ignore[union-attr]


def test_the_mean_of_a_figure_says_that_a_step_was_bad_and_the_next_reading_is_clean() -> None:
    meter = Meter()
    for value in (1.0, float("nan")):
        meter.add("loss", torch.tensor(value))
    assert math.isnan(meter.read()["loss"])
    meter.add("loss", torch.tensor(3.0, dtype=torch.float64))
    meter.add("loss", torch.tensor(4.0))
    assert meter.read() == {"loss": 3.5}
    assert meter.read() == {}


@given(st.lists(st.tuples(st.sampled_from(["d", "g"]), st.booleans()), max_size=60))
def test_skips_are_counted_as_plain_python_counts_them(steps: list[tuple[str, bool]]) -> None:
    skips = Skips(CPU, 3, ["d", "g"])
    rows, total, longest = {"d": 0, "g": 0}, 0, 0
    for phase, bad in steps:
        skips.add(phase, torch.tensor(float(bad)))
        rows[phase] = rows[phase] + 1 if bad else 0
        total, longest = total + bad, max(longest, rows[phase])
    assert skips.read() == (total, longest)
    assert skips.read() == (total, 0)
    if longest >= 3:
        with pytest.raises(NotFinite, match=f"in {longest} steps"):
            skips.check(longest)
    else:
        skips.check(longest)


@given(steps=st.lists(st.booleans(), max_size=80), patience=st.integers(1, 6), power=st.integers(0, 24))
def test_the_loss_scale_halves_doubles_and_stays_in_its_range(steps: list[bool], patience: int, power: int) -> None:
    scale = LossScale(CPU, True, 2.0**power, patience)
    value, good = 2.0**power, 0
    for bad in steps:
        scale.update(torch.tensor(float(bad)))
        good = 0 if bad else good + 1
        if bad:
            value = max(value / 2, 1.0)
        elif good == patience:
            value, good = min(value * 2, 2.0**24), 0
        assert (float(scale.value), float(scale.good)) == (value, good)


def test_a_loss_scale_that_is_switched_off_stays_one() -> None:
    scale = LossScale(CPU, False)
    scale.update(torch.tensor(1.0))
    assert float(scale.value) == 1.0


def test_the_loss_scale_changes_no_number_of_the_step() -> None:
    """Powers of two are exact: a scaled training is the plain one until something overflows."""
    games = [game(2), game(2)]
    plain, scaled = (trainer(played, phases(played), table(2)) for played in games)
    scaled.scales = {phase.name: LossScale(CPU, True) for phase in scaled.phases}
    for _ in range(3):
        plain.turn()
        scaled.turn()
    assert same(weights(games[0].discriminator), weights(games[1].discriminator))
    assert same(weights(games[0].generator), weights(games[1].generator))
