"""What a turn does, feature by feature: each one's predicted effect, and its absence where it is switched off."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from toys import furthest, game, phases, same, table, trainer, updater, weights

from multigan.adversarial import losses, regularizers, schedules
from multigan.adversarial.batch import Batch
from multigan.adversarial.ema import Ema, decay
from multigan.adversarial.regularizers import Penalty
from multigan.adversarial.trainer import Trainer

CONSTANT = schedules.constant


def r1(weight: float = 0.5, every: int = 1) -> Penalty:
    return Penalty("r1", "real", regularizers.half_square, CONSTANT(weight), every)


# --- who gets gradients, and how often the generator runs -------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_network_gets_no_gradient_in_the_other_ones_step(accumulate: int) -> None:
    played = game(2)
    walked = phases(played, penalties=[r1()], steps=2)
    others = {"discriminator": played.generator, "generator": played.discriminator}
    for phase in walked:
        other = others[phase.name]
        phase.updater.watch = lambda other=other: [each.grad for each in other.parameters()]  # type: ignore[attr-defined]
    training = trainer(played, walked, table(2), accumulate=accumulate)
    for _ in range(3):
        training.turn()
    for phase in walked:
        notes = phase.updater.notes  # type: ignore[attr-defined]
        assert len(notes) == 3 * phase.steps
        assert all(gradient is None for note in notes for gradient in note)
        assert all(before > 0 for before, _ in phase.updater.norms)  # type: ignore[attr-defined]


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_generator_runs_once_a_discriminator_step_and_only_the_last_has_a_graph(steps: int) -> None:
    played = game(2)
    training = trainer(played, phases(played, steps=steps), table(2))
    training.turn()
    assert played.generator.graphs == [False] * (steps - 1) + [True]


def test_accumulated_parts_are_generated_again_for_the_generator_to_save_memory() -> None:
    played = game(2)
    trainer(played, phases(played), table(2), accumulate=2).turn()
    assert played.generator.graphs == [False, False, True, True]


def test_a_generator_that_does_not_reuse_draws_a_batch_and_samples_of_its_own() -> None:
    played = game(2)
    walked = phases(played)
    walked[1] = dataclasses.replace(walked[1], reuse=False)
    stream = table(2)
    training = trainer(played, walked, stream)
    training.turn()
    assert played.generator.graphs == [False, True]
    assert stream.asked == [(0, 12), (12, 12)]
    assert training.samples == 24


@pytest.mark.parametrize("noisy", [False, True])
def test_sharing_the_samples_changes_no_number(noisy: bool) -> None:
    """The shared samples are those that the generator would make again for the same batch, its own noise included."""
    shared, apart = game(2, noisy=noisy), game(2, noisy=noisy)
    one = trainer(shared, phases(shared), table(2))
    two = trainer(apart, phases(apart), table(2))
    train_only = apart.train_only
    apart.train_only = lambda name, share_fakes=False: train_only(name)  # type: ignore[method-assign]
    for _ in range(4):
        one.turn()
        two.turn()
    assert len(apart.generator.graphs) == 2 * len(shared.generator.graphs)
    assert furthest(weights(shared.generator), weights(apart.generator)) < 1e-14
    assert furthest(weights(shared.discriminator), weights(apart.discriminator)) < 1e-14


def test_every_discriminator_step_sees_new_samples_and_the_generator_the_last_ones() -> None:
    played, stream = game(2), table(2)
    training = trainer(played, phases(played, steps=3), stream)
    training.turn()
    training.turn()
    assert stream.asked == [(12 * step, 12) for step in range(6)]
    assert (training.samples, training.batches, training.turns) == (72, 6, 2)
    assert training.steps == {"discriminator": 6, "generator": 2}


def test_data_that_fails_in_a_later_draw_of_a_turn_leaves_everything_as_it_was() -> None:
    played, stream = game(2), table(2)
    training = trainer(played, phases(played, steps=3), stream)
    training.turn()
    before, take = weights(played.discriminator), stream.take

    def failing(start: int, count: int) -> Batch:
        if start >= 48:
            raise OSError("the disk has gone")
        return take(start, count)

    stream.take = failing  # type: ignore[method-assign]
    with pytest.raises(OSError, match="gone"):
        training.turn()
    assert (training.samples, training.batches, training.mid_turn) == (36, 3, False)
    assert furthest(weights(played.discriminator), before) == 0
    stream.take = take  # type: ignore[method-assign]
    whole = trainer(again := game(2), phases(again, steps=3), table(2))
    training.turn()
    whole.turn()
    whole.turn()
    assert furthest(weights(played.generator), weights(again.generator)) == 0


def test_names_that_would_mix_up_what_is_saved_are_refused() -> None:
    played = game(2)
    first, second = phases(played)
    with pytest.raises(ValueError, match="two phases have one name"):
        trainer(played, [first, dataclasses.replace(second, name="discriminator")], table(2))
    with pytest.raises(ValueError, match="two updaters have one name"):
        trainer(
            played, [first, dataclasses.replace(second, updater=updater("discriminator", played.generator))], table(2)
        )
    shared = dataclasses.replace(first, name="again")  # the same updater in two phases is one optimizer
    trainer(played, [first, shared, second], table(2))


def test_moments_that_are_missing_are_not_passed_over() -> None:
    played = game(2)
    training = trainer(played, phases(played), table(2))
    training.turn()
    tensors = {name: value for name, value in training.tensors().items() if not name.startswith("optimizer.generator")}
    other = game(2)
    with pytest.raises(KeyError, match=r"optimizer\.generator"):
        trainer(other, phases(other), table(2)).restore(tensors, training.numbers())


# --- phases -----------------------------------------------------------------------------------------------------------


def test_a_phase_takes_part_from_its_start_and_until_its_stop() -> None:
    played = game(2)
    walked = phases(played)
    walked[0] = dataclasses.replace(walked[0], stop=36)
    walked[1] = dataclasses.replace(walked[1], start=24)
    training = trainer(played, walked, table(2))
    moved = []
    for _ in range(5):
        before = weights(played.discriminator), weights(played.generator)
        training.turn()
        after = weights(played.discriminator), weights(played.generator)
        moved.append(tuple(not same(*each) for each in zip(before, after, strict=True)))
    # Turns begin after 0, 12, 24, 36 and 48 samples.
    assert moved == [(True, False), (True, False), (True, True), (False, True), (False, True)]


def test_a_turn_without_any_phase_is_refused() -> None:
    played = game(2)
    walked = [dataclasses.replace(phase, stop=12) for phase in phases(played)]
    training = trainer(played, walked, table(2))
    training.turn()
    with pytest.raises(ValueError, match="no phase is active after 12 samples"):
        training.turn()


@pytest.mark.parametrize(("batch", "parts"), [(12, 5), (7, 2)])
def test_a_batch_that_cannot_be_split_evenly_is_refused(batch: int, parts: int) -> None:
    played = game(2)
    with pytest.raises(ValueError, match=f"a batch of {batch} cannot be split evenly"):
        trainer(played, phases(played), table(2), batch=batch, accumulate=parts)


# --- clipping ---------------------------------------------------------------------------------------------------------


def test_clipping_bounds_the_norm_of_all_gradients_together() -> None:
    free = game(2)
    trainer(free, walked := phases(free), table(2)).turn()
    (norm, unclipped) = walked[0].updater.norms[0]  # type: ignore[attr-defined]
    assert norm == unclipped
    bound = norm / 3
    clipped = game(2)
    training = trainer(clipped, walked := phases(clipped, clip=bound), table(2))
    for _ in range(4):
        training.turn()
    before, after = walked[0].updater.norms[0]  # type: ignore[attr-defined]
    assert before == norm
    assert after == pytest.approx(bound, rel=1e-4)
    assert all(after == pytest.approx(min(before, bound), rel=1e-4) for before, after in walked[0].updater.norms)  # type: ignore[attr-defined]


def test_a_bound_that_is_never_reached_changes_nothing() -> None:
    games = [game(2), game(2)]
    for played, clip in zip(games, (None, 1e6), strict=True):
        training = trainer(played, phases(played, clip=clip), table(2))
        for _ in range(3):
            training.turn()
    assert same(weights(games[0].generator), weights(games[1].generator))


# --- the moving average -----------------------------------------------------------------------------------------------


def test_the_average_follows_its_formula_over_a_run() -> None:
    played = game(2)
    half_life = schedules.between(50.0, 200.0, 100, "linear")
    ema = Ema(played.generator, half_life, warmup=0.5)
    training = trainer(played, phases(played, steps=2), table(2), ema=ema)
    expected, seen = weights(played.generator), 0
    for _ in range(8):
        training.turn()
        seen += 24
        beta = 0.5 ** (24 / min(50 + 150 * min(seen / 100, 1), 0.5 * seen))
        expected = [beta * old + (1 - beta) * new for old, new in zip(expected, weights(played.generator), strict=True)]
    assert furthest(list(ema.module.parameters()), expected) < 1e-12
    assert not ema.module.training
    assert not any(each.requires_grad for each in ema.module.parameters())


def test_a_half_life_of_nothing_gives_the_weights_themselves() -> None:
    played = game(2, batch_norm=True)
    ema = Ema(played.generator, CONSTANT(0.0), warmup=0.05)
    training = trainer(played, phases(played), table(2), ema=ema)
    for _ in range(3):
        training.turn()
    ours, theirs = ema.module.state_dict(), played.generator.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@given(batch=st.integers(1, 4096), half_life=st.floats(16, 1e9), seen=st.integers(1, 10**9))
def test_after_a_half_life_half_is_left(batch: int, half_life: float, seen: int) -> None:
    left = decay(batch, half_life, seen, warmup=0.0)
    assert left ** (half_life / batch) == pytest.approx(0.5, rel=1e-6)
    assert decay(batch, half_life, seen, warmup=0.05) <= left


# --- schedules --------------------------------------------------------------------------------------------------------


@given(
    start=st.floats(-1e3, 1e3), end=st.floats(-1e3, 1e3), samples=st.integers(1, 10**9), seen=st.integers(0, 2 * 10**9)
)
def test_a_schedule_is_exact_at_both_ends_and_never_leaves_them(
    start: float, end: float, samples: int, seen: int
) -> None:
    for shape in ("cosine", "linear"):
        value = schedules.between(start, end, samples, shape)  # type: ignore[arg-type]
        assert value(0) == pytest.approx(start, rel=1e-12, abs=1e-12)
        assert value(samples) == value(samples + seen) == end
        assert min(start, end) - 1e-9 <= value(seen) <= max(start, end) + 1e-9
        middle = value(samples // 2 * 2 // 2) if samples % 2 == 0 else None
        assert middle is None or middle == pytest.approx((start + end) / 2, abs=1e-9)


def test_a_cosine_starts_and_ends_flat_and_a_line_does_not() -> None:
    cosine, line = (schedules.between(1.0, 0.0, 100, shape) for shape in ("cosine", "linear"))  # type: ignore[arg-type]
    assert cosine(25) == pytest.approx((1 + 2**-0.5) / 2)
    assert line(25) == pytest.approx(0.75)


def test_the_optimizer_uses_its_schedules_of_the_moment() -> None:
    played = game(2)
    lr, first, second = (schedules.between(*ends, 60) for ends in ((0.02, 0.002), (0.5, 0.9), (0.9, 0.99)))
    walked = phases(played, schedule=lr, betas=(first, second))
    training = trainer(played, walked, table(2))
    for _ in range(7):
        training.turn()
    for phase in walked:
        used = phase.updater.used  # type: ignore[attr-defined]
        assert [each["samples"] for each in used] == [0, 12, 24, 36, 48, 60, 72]
        assert [each["lr"] for each in used] == [lr(12 * turn) for turn in range(7)]
        assert [each["betas"] for each in used] == [(first(12 * turn), second(12 * turn)) for turn in range(7)]
    assert used[-1]["lr"] == 0.002


def test_one_step_is_adams_formula() -> None:
    network = torch.nn.Linear(2, 1).double()
    before = weights(network)
    ours = updater("it", network, schedule=CONSTANT(0.1), betas=(CONSTANT(0), CONSTANT(0.99)), eps=1e-3)
    network(torch.ones(3, 2).double()).sum().backward()
    gradients = [each.grad.clone() for each in network.parameters()]  # type: ignore[union-attr]
    from multigan.adversarial.optimizer import LossScale

    assert float(ours.step(0, torch.zeros(()), LossScale(torch.device("cpu"), False))) == 0
    expected = [w - 0.1 * g / (g.abs() + 1e-3) for w, g in zip(before, gradients, strict=True)]
    assert furthest(weights(network), expected) < 1e-12


def test_weight_decay_shrinks_weights_apart_from_the_gradient() -> None:
    games = [game(2), game(2)]
    for played, decay_ in zip(games, (0.0, 0.1), strict=True):
        trainer(played, phases(played, weight_decay=decay_), table(2)).turn()
    start = weights(game(2).discriminator)
    expected = [w - 1e-2 * 0.1 * s for w, s in zip(weights(games[0].discriminator), start, strict=True)]
    assert furthest(weights(games[1].discriminator), expected) < 1e-12


# --- augmentation -----------------------------------------------------------------------------------------------------


class Noted:
    """An augmentation that changes nothing and notes whom it saw."""

    def __init__(self) -> None:
        self.streams: list[str] = []
        self.sureties: list[tuple[float, int]] = []

    def __call__(self, samples: torch.Tensor, now: Any, stream: str) -> torch.Tensor:
        self.streams.append(stream)
        return samples

    def observe(self, surety: torch.Tensor, count: int) -> None:
        self.sureties.append((float(surety), count))

    def tensors(self) -> dict[str, torch.Tensor]:
        return {}


def test_real_and_generated_samples_are_augmented_each_under_a_name_of_its_own() -> None:
    noted = Noted()
    played = game(2, augmentation=noted)
    penalties = [r1(), Penalty("gp", "between", regularizers.unit_distance, CONSTANT(1.0))]
    trainer(played, phases(played, penalties=penalties), table(2)).turn()
    assert noted.streams == [
        "discriminator/real", "discriminator/fake", "discriminator/between", "generator/fake", "generator/real",
    ]  # fmt: skip


@pytest.mark.parametrize("loss", [losses.Hinge(), losses.Relativistic()], ids=["hinge", "relativistic"])
def test_an_adaptive_augmentation_sees_the_surety_of_the_whole_batch_once_a_step(loss: losses.Loss) -> None:
    seen = []
    for parts in (1, 4):
        noted = Noted()
        played = game(2, augmentation=noted)
        stream = table(2)
        training = trainer(played, phases(played, loss=loss), stream, accumulate=parts)
        with torch.no_grad():
            training.game.begin(now := _first(training))
            batch = stream.take(0, 12)
            real, fake = (played.discriminator(each) for each in (batch.sample, played.generator(played.noise())))
        del now
        training.turn()
        training.turn()
        logits = real - fake if loss.generator_sees_real else real
        assert noted.sureties[0] == (pytest.approx(float(logits.sign().mean())), 12)
        seen.append(noted.sureties)
    assert len(seen[0]) == 2
    assert seen[0] == [(pytest.approx(value), count) for value, count in seen[1]]


def _first(training: Trainer) -> Any:
    from multigan.adversarial.batch import Draws
    from multigan.adversarial.game import Now

    return Now(Draws(training.seed, 0, training.batch, 0, training.batch))


# --- nothing waits ----------------------------------------------------------------------------------------------------


class NoReading(TorchDispatchMode):
    """Fails on every operation whose result the CPU has to wait for where the tensors are on a GPU."""

    READING = frozenset(
        {"_local_scalar_dense", "equal", "nonzero", "masked_select", "is_nonzero", "unique", "_unique2", "item"}
    )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in self.READING:
            raise AssertionError(f"{func} reads from the device")
        return func(*args, **(kwargs or {}))


def _refuse(name: str) -> Callable[..., Any]:
    def refused(*arguments: Any, **settings: Any) -> Any:
        raise AssertionError(f"Tensor.{name} reads from the device")

    return refused


def test_a_turn_reads_nothing_from_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU a turn ends with `settle`, which reads; everything before it is the same as on a GPU."""
    played = game(2, batch_norm=True, augmentation=Noted())
    played.augmentation.observe = lambda surety, count: None  # type: ignore[union-attr, method-assign]
    penalties = [r1(every=2), Penalty("gp", "between", regularizers.unit_distance, CONSTANT(1.0))]
    walked = phases(played, penalties=penalties, steps=2, clip=1.0)
    for phase in walked:  # the watching kind reads
        phase.updater.__class__ = phase.updater.__class__.__base__  # type: ignore[assignment]
    training = trainer(played, walked, table(2), accumulate=2)
    training.turn()
    settle = training.settle
    monkeypatch.setattr(training, "settle", lambda: None)
    for name in ("item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__"):
        monkeypatch.setattr(torch.Tensor, name, _refuse(name))
    with NoReading():
        training.turn()
        training.turn()
        with pytest.raises(AssertionError, match="reads from the device"):
            settle()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_turn_on_a_gpu_synchronises_nowhere() -> None:
    device = torch.device("cuda")
    played = game(2, batch_norm=True, device=device)
    for network in played.networks.values():
        network.to(device)
    walked = phases(played, penalties=[r1()])
    for phase in walked:
        phase.updater.__class__ = phase.updater.__class__.__base__  # type: ignore[assignment]
    stream = table(2)
    stream.samples = stream.samples.to(device)
    training = trainer(played, walked, stream)
    training.turn()
    torch.cuda.set_sync_debug_mode("error")
    try:
        training.turn()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert training.read()["skipped"] == 0
