"""The losses against their formulas, computed without torch, and their gradients against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from multigan.adversarial import losses
from multigan.adversarial.monitor import diversity

LOSSES = [
    losses.NonSaturating(),
    losses.LeastSquares(),
    losses.Hinge(),
    losses.Wasserstein(),
    losses.Relativistic(),
]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def discriminator_formula(loss: losses.Loss, r: float, f: float) -> float:
    match loss:
        case losses.NonSaturating():
            return -math.log(sigmoid(r)) - math.log(1 - sigmoid(f))
        case losses.LeastSquares():
            return ((r - 1) ** 2 + f**2) / 2
        case losses.Hinge():
            return max(0.0, 1 - r) + max(0.0, 1 + f)
        case losses.Wasserstein():
            return f - r
        case _:
            return -math.log(sigmoid(r - f))


def generator_formula(loss: losses.Loss, f: float, r: float) -> float:
    match loss:
        case losses.NonSaturating():
            return -math.log(sigmoid(f))
        case losses.LeastSquares():
            return (f - 1) ** 2 / 2
        case losses.Hinge() | losses.Wasserstein():
            return -f
        case _:
            return -math.log(sigmoid(f - r))


pairs = st.lists(st.tuples(st.floats(-15, 15), st.floats(-15, 15)), min_size=1, max_size=9)
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)


@each_loss
@given(pairs=pairs)
def test_both_players_minimise_the_mean_of_the_formula(loss: losses.Loss, pairs: list[tuple[float, float]]) -> None:
    real, fake = torch.tensor(pairs, dtype=torch.float64).unbind(1)
    expected = sum(discriminator_formula(loss, r, f) for r, f in pairs) / len(pairs)
    assert float(loss.discriminator(real, fake)) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    expected = sum(generator_formula(loss, f, r) for r, f in pairs) / len(pairs)
    assert float(loss.generator(fake, real)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@each_loss
def test_gradients_are_those_of_finite_differences(loss: losses.Loss) -> None:
    # No logit lies at a corner of the hinge.
    real = torch.tensor([-2.3, 0.4, 1.7, 0.9], dtype=torch.float64, requires_grad=True)
    fake = torch.tensor([-1.6, 0.2, -0.7, 2.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss.discriminator, (real, fake))
    assert torch.autograd.gradcheck(lambda f: loss.generator(f, real.detach()), (fake,))


@each_loss
def test_logits_that_a_runaway_discriminator_gives_do_not_overflow(loss: losses.Loss) -> None:
    for size in (1e3, -1e3):
        real, fake = torch.full((3,), size), torch.full((3,), -size)
        assert torch.isfinite(loss.discriminator(real, fake))
        assert torch.isfinite(loss.generator(fake, real))


@each_loss
def test_only_the_relativistic_generator_depends_on_the_real_samples(loss: losses.Loss) -> None:
    fake, real = torch.randn(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    if loss.generator_sees_real:
        assert loss.generator(fake, real) != loss.generator(fake, real + 1)
        with pytest.raises(ValueError, match="real ones"):
            loss.generator(fake)
    else:
        assert loss.generator(fake) == loss.generator(fake, real)


def test_the_relativistic_loss_sees_differences_of_logits_alone() -> None:
    loss, real, fake = losses.Relativistic(), torch.randn(7).double(), torch.randn(7).double()
    assert float(loss.discriminator(real + 9, fake + 9)) == pytest.approx(
        float(loss.discriminator(real, fake)), rel=1e-12
    )


def test_confidence_is_the_share_of_pairs_in_the_right_order() -> None:
    assert float(losses.confidence(torch.tensor([1.0, 2.0, 3.0, 0.0]), torch.tensor([0.0, 3.0, 2.0, 0.0]))) == 0.625
    assert float(losses.confidence(torch.zeros(2, 3), torch.zeros(2, 3))) == 0.5


def test_diversity_is_the_mean_variance_within_the_classes() -> None:
    samples = torch.tensor([[0.0, 0.0], [2.0, 4.0], [10.0, 10.0], [10.0, 10.0], [99.0, 99.0]])
    labels = torch.tensor([0, 0, 1, 1, 2])
    # Class 0 has variances 2 and 8, class 1 none; class 2 has one sample and does not count.
    assert diversity(samples, labels) == pytest.approx((5 + 0) / 2)
    assert diversity(samples) == pytest.approx(float(samples.var(0).mean()))
    assert math.isnan(diversity(samples[:1]))
