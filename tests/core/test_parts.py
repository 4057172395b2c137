"""Work in parts: accumulated ones, and the draws that make them equal to the whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import Critic, Generator, furthest, game, phases, table, trainer, weights

from multigan.adversarial import regularizers, schedules
from multigan.adversarial.batch import Batch, Draws
from multigan.adversarial.game import Arithmetic, Game, Now
from multigan.adversarial.regularizers import Penalty
from multigan.adversarial.trainer import Trainer
from multigan.gan import ControlledAugmentation
from multigan.image.augment import Augmentation
from multigan.image.config import ImageAugment

CPU = torch.device("cpu")


def penalties() -> list[Penalty]:
    return [
        Penalty("r1", "real", regularizers.half_square, schedules.constant(0.5), 2),
        Penalty("r2", "fake", regularizers.half_square, schedules.constant(0.3)),
        Penalty("gradient_penalty", "between", regularizers.unit_distance, schedules.constant(0.4)),
    ]


def pictures(parts: int, probability: float | str) -> Trainer:
    """A training on 3 x 16 x 16 with every penalty and augmentation, in so many parts."""
    torch.manual_seed(4)
    chosen = ImageAugment(kinds=["translation", "cutout", "color", "flip"], probability=probability)
    augmentation = ControlledAugmentation(Augmentation(chosen.kinds), chosen, 1000, CPU)
    if augmentation.adaptive is not None:
        augmentation.adaptive.samples = 100.0
    networks = Generator(3, 16, 16).double(), Critic(3, 16, 16).double()
    played = Game(*networks, 3, augmentation=augmentation, arithmetic=Arithmetic(torch.float64, channels_last=True))
    return trainer(played, phases(played, penalties=penalties(), steps=2), table(3, 16, 16), accumulate=parts)


@pytest.mark.parametrize("probability", [0.7, "adaptive"])
@pytest.mark.parametrize("parts", [2, 6])
def test_accumulated_parts_are_the_big_batch(parts: int, probability: float | str) -> None:
    whole, split = pictures(1, probability), pictures(parts, probability)
    for _ in range(5):
        whole.turn()
        split.turn()
    for name in ("generator", "discriminator"):
        assert furthest(weights(whole.game.networks[name]), weights(split.game.networks[name])) < 1e-9
    assert furthest(list(whole.ema.module.parameters()), list(split.ema.module.parameters())) < 1e-9
    ours, theirs = whole.read(), split.read()
    assert ours.keys() == theirs.keys()
    assert all(ours[name] == pytest.approx(theirs[name], rel=1e-5) for name in ours)
    state, other = whole.tensors(), split.tensors()
    if probability == "adaptive":
        assert float(state["augmentation.probability"]) > 0
        assert torch.equal(state["augmentation.probability"], other["augmentation.probability"])


@pytest.mark.parametrize("parts", [2, 4])
def test_layers_with_noise_of_their_own_draw_as_the_whole_does(parts: int) -> None:
    trained = []
    for count in (1, parts):
        played = game(2, noisy=True)
        training = trainer(played, phases(played, penalties=penalties(), steps=2), table(2), accumulate=count)
        for _ in range(3):
            training.turn()
        trained.append([*weights(played.generator), *weights(played.discriminator)])
    assert furthest(*trained) < 1e-12


def test_every_use_of_a_noisy_layer_draws_anew() -> None:
    played = game(2, noisy=True)
    played.begin(Now(Draws(0, 0, 12, 0, 12), phase="discriminator"))
    batch = Batch(torch.zeros(12, 2, dtype=torch.float64))
    judged = [played.judge(batch.sample, batch, kind) for kind in ("real", "fake", "real")]
    assert not torch.equal(judged[0], judged[1])
    assert torch.equal(judged[0], judged[2])


def test_with_batch_normalisation_parts_are_not_the_big_batch() -> None:
    """Which is why a recipe that has it says so."""
    trained = []
    for parts in (1, 3):
        played = game(2, batch_norm=True)
        training = trainer(played, phases(played), table(2), accumulate=parts)
        training.turn()
        trained.append(weights(played.generator))
    assert furthest(*trained) > 1e-6


@given(
    seed=st.integers(0, 2**63 - 1),
    step=st.integers(0, 10**9),
    cut=st.integers(0, 12),
    name=st.sampled_from(["latent", "x/y"]),
)
def test_a_part_draws_its_slice_of_the_whole(seed: int, step: int, cut: int, name: str) -> None:
    for draw in ("normal", "uniform"):
        whole = getattr(Draws(seed, step, 12, 0, 12), draw)(name, 3)
        parts = [getattr(Draws(seed, step, 12, *ends), draw)(name, 3) for ends in ((0, cut), (cut, 12))]
        assert torch.equal(torch.cat(parts), whole)


def test_draws_differ_between_seeds_steps_and_names() -> None:
    drawn = [
        Draws(seed, step, 8, 0, 8).normal(name, 2)
        for seed in (0, 1)
        for step in (0, 1)
        for name in ("latent", "between")
    ]
    assert all(not torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


def test_latents_have_the_distribution_that_the_recipe_names() -> None:
    for distribution in ("normal", "uniform"):
        played = game(2, distribution=distribution)
        played.begin(Now(Draws(0, 0, 20_000, 0, 20_000)))
        latent = played.noise()
        assert latent.shape == (20_000, 3)
        variance = 1.0 if distribution == "normal" else 1 / 3
        assert float(latent.mean()) == pytest.approx(0, abs=0.02)
        assert float(latent.var()) == pytest.approx(variance, rel=0.02)
        if distribution == "uniform":
            assert -1 <= float(latent.min()) < -0.99
            assert 0.99 < float(latent.max()) <= 1


def test_a_part_of_a_batch_takes_its_conditions_along() -> None:
    batch = Batch(torch.arange(6.0), {"label": torch.arange(6)})
    part = batch.part(2, 5)
    assert (len(part), part.sample.tolist(), part.conditions["label"].tolist()) == (3, [2, 3, 4], [2, 3, 4])
