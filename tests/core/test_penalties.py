"""R1, R2 and the gradient penalty against closed forms on linear and quadratic critics, and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from toys import Critic, Generator, Linear, Quadratic, game

from multigan.adversarial import losses, regularizers, schedules
from multigan.adversarial.batch import Batch, Draws
from multigan.adversarial.game import Arithmetic, Game, Now
from multigan.adversarial.objectives import Discriminator
from multigan.adversarial.regularizers import Penalty

SHAPES = [(3,), (3, 4), (2, 3, 4), (2, 2, 3, 2)]
"""Samples of rank 2 to 5 with the batch: vectors, sound or text, pictures, video."""

each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{len(shape) + 1}-D")


def penalty(kind: str, weight: float = 1.0, every: int = 1) -> Penalty:
    point, term = {
        "r1": ("real", regularizers.half_square),
        "r2": ("fake", regularizers.half_square),
        "gp": ("between", regularizers.unit_distance),
    }[kind]
    return Penalty(kind, point, term, schedules.constant(weight), every)


def of(critic: nn.Module, shape: tuple[int, ...], **settings: object) -> tuple[Game, Batch]:
    """A game with that critic in its first step, and a batch of four."""
    torch.manual_seed(1)
    played = Game(Generator(*shape).double(), critic, 3, arithmetic=Arithmetic(torch.float64), **settings)
    played.train_only("discriminator")
    played.begin(Now(Draws(7, 0, 4, 0, 4)))
    return played, Batch(torch.randn(4, *shape, dtype=torch.float64))


def value(played: Game, batch: Batch, *penalties: Penalty) -> Tensor:
    """What the penalties add to the discriminator's loss."""
    with_them, _ = Discriminator(losses.Wasserstein(), penalties)(played, batch)
    without, _ = Discriminator(losses.Wasserstein())(played, batch)
    return with_them - without


@each_shape
@pytest.mark.parametrize("kind", ["r1", "r2"])
def test_a_linear_critic_pays_half_its_squared_weight_wherever_it_is_asked(shape: tuple[int, ...], kind: str) -> None:
    critic = Linear(torch.randn(shape, dtype=torch.float64))
    paid = value(*of(critic, shape), penalty(kind, weight=3.0))
    assert paid.item() == pytest.approx(float(3 * critic.weight.detach().square().sum() / 2), rel=1e-12)
    (gradient,) = torch.autograd.grad(paid, [critic.weight])
    torch.testing.assert_close(gradient, 3 * critic.weight.detach(), rtol=1e-12, atol=1e-12)


@each_shape
def test_a_linear_critic_pays_its_distance_from_slope_one(shape: tuple[int, ...]) -> None:
    critic = Linear(torch.randn(shape, dtype=torch.float64))
    paid = value(*of(critic, shape), penalty("gp", weight=10.0))
    norm = critic.weight.detach().square().sum().sqrt()
    assert paid.item() == pytest.approx(float(10 * (norm - 1) ** 2), rel=1e-9)
    (gradient,) = torch.autograd.grad(paid, [critic.weight])
    torch.testing.assert_close(gradient, 20 * (norm - 1) * critic.weight.detach() / norm, rtol=1e-9, atol=1e-9)


@each_shape
def test_a_quadratic_critic_pays_at_the_real_the_generated_and_the_points_between(shape: tuple[int, ...]) -> None:
    played, batch = of(Quadratic(1.7), shape)
    real, fake = batch.sample, played.fakes(batch)
    share = played.now.draws.uniform("between", *[1] * len(shape)).double()
    middle = share * real + (1 - share) * fake
    square = lambda samples: samples.flatten(1).square().sum(1)  # noqa: E731
    assert value(played, batch, penalty("r1")).item() == pytest.approx(
        float(1.7**2 * square(real).mean() / 2), rel=1e-12
    )
    assert value(played, batch, penalty("r2")).item() == pytest.approx(
        float(1.7**2 * square(fake).mean() / 2), rel=1e-12
    )
    expected = ((1.7 * square(middle).sqrt() - 1) ** 2).mean()
    assert value(played, batch, penalty("gp")).item() == pytest.approx(float(expected), rel=1e-9)
    assert len(share.unique()) == 4
    assert bool(((share >= 0) & (share < 1)).all())


@each_shape
def test_gradients_with_respect_to_the_weights_are_those_of_finite_differences(shape: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    critic = Critic(*shape, hidden=4).double()
    played, batch = of(critic, shape)
    all_three = [penalty("r1", 0.7), penalty("r2", 1.3), penalty("gp", 2.0)]
    whole = lambda: Discriminator(losses.NonSaturating(), all_three)(played, batch)[0]  # noqa: E731
    parameters = list(critic.parameters())
    gradients = torch.autograd.grad(whole(), parameters)
    step = 1e-5
    for _ in range(3):
        along = [torch.randn_like(each) for each in parameters]
        ends = []
        for sign in (1, -2, 1):  # forth, back past the start, and home again
            with torch.no_grad():
                for each, direction in zip(parameters, along, strict=True):
                    each.add_(direction, alpha=sign * step)
            ends.append(whole().item())
        slope = sum(float((g * d).sum()) for g, d in zip(gradients, along, strict=True))
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_a_slope_of_zero_has_a_finite_gradient_penalty_and_gradient() -> None:
    critic = Linear(torch.zeros(3, dtype=torch.float64))
    paid = value(*of(critic, (3,)), penalty("gp"))
    assert paid.item() == pytest.approx(1, abs=1e-7)
    assert torch.isfinite(torch.autograd.grad(paid, [critic.weight])[0]).all()


def test_penalties_of_weight_nothing_add_nothing() -> None:
    played = game(2)
    played.train_only("discriminator")
    played.begin(Now(Draws(7, 0, 4, 0, 4)))
    batch = Batch(torch.randn(4, 2, dtype=torch.float64))
    parameters = list(played.discriminator.parameters())
    bare = torch.autograd.grad(Discriminator(losses.Hinge())(played, batch)[0], parameters)
    zero = [penalty(kind, 0.0) for kind in ("r1", "r2", "gp")]
    loss, figures = Discriminator(losses.Hinge(), zero)(played, batch)
    assert [float(figures[kind]) for kind in ("r1", "r2", "gp")] == [0, 0, 0]
    for ours, theirs in zip(torch.autograd.grad(loss, parameters), bare, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("every", [1, 4, 5])
def test_lazy_penalties_weigh_as_much_as_eager_ones_over_many_steps(every: int) -> None:
    critic = Linear(torch.randn(3, dtype=torch.float64))
    played, batch = of(critic, (3,))
    lazy, paid = penalty("r1", 0.8, every), []
    for step in range(20):
        played.now.step = step
        paid.append(value(played, batch, lazy).item())
    eager = 0.8 * float(critic.weight.detach().square().sum()) / 2
    assert [each != 0 for each in paid] == [step % every == 0 for step in range(20)]
    assert sum(paid) / 20 == pytest.approx(eager, rel=1e-9)


def test_the_log_shows_a_lazy_penalty_as_the_eager_one() -> None:
    played, batch = of(Linear(torch.ones(3, dtype=torch.float64)), (3,))
    figures = [Discriminator(losses.Hinge(), [penalty("r1", 2.0, n)])(played, batch)[1]["r1"] for n in (1, 8)]
    assert [float(each) for each in figures] == pytest.approx([3.0, 3.0])


def test_a_scheduled_weight_is_the_one_of_the_moment() -> None:
    critic = Linear(torch.ones(3, dtype=torch.float64))
    played, batch = of(critic, (3,))
    gamma = schedules.between(2.0, 0.5, 1000)
    falling = Penalty("r1", "real", regularizers.half_square, gamma)
    for samples in (0, 500, 1000, 5000):
        played.now.samples = samples
        assert value(played, batch, falling).item() == pytest.approx(gamma(samples) * 1.5, rel=1e-12)


class Stretch:
    """An augmentation that doubles what it sees."""

    def __call__(self, samples: Tensor, now: Now, stream: str) -> Tensor:
        return 2 * samples

    def observe(self, surety: Tensor, count: int) -> None:
        return

    def tensors(self) -> dict[str, Tensor]:
        return {}


@pytest.mark.parametrize(("place", "steeper"), [("before", 4), ("after", 1)])
@pytest.mark.parametrize("kind", ["r1", "r2"])
def test_the_gradient_is_taken_before_or_after_the_augmentation(place: str, steeper: int, kind: str) -> None:
    critic = Linear(torch.randn(3, dtype=torch.float64))
    played, batch = of(critic, (3,), augmentation=Stretch(), penalize=place)
    expected = steeper * float(critic.weight.detach().square().sum()) / 2
    assert value(played, batch, penalty(kind)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("place", "steeper"), [("before", 36), ("after", 1)])
def test_the_gradient_is_taken_before_or_after_the_view(place: str, steeper: int) -> None:
    """The view comes after the augmentation: both together are 6 times as steep."""
    critic = Linear(torch.randn(3, dtype=torch.float64))
    played, batch = of(critic, (3,), augmentation=Stretch(), penalize=place, view=lambda samples: 3 * samples)
    expected = steeper * float(critic.weight.detach().square().sum()) / 2
    assert value(played, batch, penalty("r1")).item() == pytest.approx(expected, rel=1e-12)


def test_the_loss_scale_of_half_precision_cancels() -> None:
    inputs = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    logits = inputs.pow(3).sum(1)
    (plain,) = regularizers.input_gradients([logits], [inputs])
    (scaled,) = regularizers.input_gradients([logits], [inputs], torch.tensor(1024.0))
    torch.testing.assert_close(plain, (3 * inputs**2).detach(), check_layout=False)
    assert torch.equal(plain, scaled)
    assert scaled.requires_grad
