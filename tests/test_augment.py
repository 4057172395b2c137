"""Differentiable augmentation: what each kind does, with what probability, to which derivative."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multigan.adversarial.batch import Draws
from multigan.gan import Adaptive
from multigan.image.augment import Augmentation, Kind

KINDS: tuple[Kind, ...] = get_args(Kind)


def draws(size: int, start: int = 0, stop: int | None = None, step: int = 0) -> Draws:
    return Draws(5, step, size, start, size if stop is None else stop)


def pictures(batch: int, channels: int = 3, height: int = 16, width: int = 24) -> torch.Tensor:
    return torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(2)) * 2 - 1


def touched(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    return (before != after).flatten(1).any(1)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("probability", [0.0, torch.tensor(0.0)], ids=["number", "tensor"])
def test_probability_zero_is_the_identity(channels: int, probability: float | torch.Tensor) -> None:
    images = pictures(4, channels)
    assert torch.equal(Augmentation(KINDS)(images, probability, draws(4), "real"), images)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("probability", [0.25, torch.tensor(0.8)], ids=["number", "tensor"])
def test_the_share_that_is_changed(kind: Kind, probability: float | torch.Tensor) -> None:
    images = pictures(4000, 1, 8, 8)
    share = touched(images, Augmentation([kind])(images, probability, draws(4000), "real")).double().mean().item()
    # a translation by nothing and a cutout over the corner's edge are rare identities: 1 in 9
    still = 1 / 9 if kind == "translation" else 0.0
    assert share == pytest.approx(float(probability) * (1 - still), abs=0.03)


def test_kinds_are_chosen_independently() -> None:
    images = torch.full((4000, 1, 16, 16), 0.25)
    images[..., 0] = 0.75  # so that a flip shows
    flipped = touched(images, Augmentation(["flip"])(images, 0.5, draws(4000), "real")).double()
    colored = touched(images, Augmentation(["color"])(images, 0.5, draws(4000), "real")).double()
    assert abs(float(((flipped - flipped.mean()) * (colored - colored.mean())).mean())) < 0.02


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 12),
    st.data(),
    st.sampled_from([1, 3, 4]),
    st.sampled_from([(8, 8), (16, 24), (64, 40)]),
    st.floats(0.1, 1),
)
def test_a_part_equals_the_whole(
    size: int, data: st.DataObject, channels: int, shape: tuple[int, int], probability: float
) -> None:
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    images, augmentation = pictures(size, channels, *shape), Augmentation(KINDS)
    whole = augmentation(images, probability, draws(size), "real")
    part = augmentation(images[start:stop], probability, draws(size, start, stop), "real")
    torch.testing.assert_close(part, whole[start:stop], rtol=1e-6, atol=1e-6)


def test_streams_and_steps_differ() -> None:
    images, augmentation = pictures(8), Augmentation(KINDS)
    real = augmentation(images, 1.0, draws(8), "real")
    assert not torch.equal(real, augmentation(images, 1.0, draws(8), "fake"))
    assert not torch.equal(real, augmentation(images, 1.0, draws(8, step=1), "real"))
    assert torch.equal(real, augmentation(images, 1.0, draws(8), "real"))


# --- each kind against numpy ------------------------------------------------------------------------------------------


def test_flip() -> None:
    images = pictures(6)
    after = Augmentation(["flip"])(images, 1.0, draws(6), "real")
    np.testing.assert_array_equal(after.numpy(), images.numpy()[..., ::-1])


def test_translation() -> None:
    images = pictures(200, 2, 16, 24)
    after = Augmentation(["translation"])(images, 1.0, draws(200), "real").numpy()
    seen = set()
    for before, found in zip(images.numpy(), after, strict=True):
        fits = []
        for down in range(-2, 3):
            for right in range(-3, 4):
                moved = np.zeros_like(before)
                rows, columns = slice(max(down, 0), 16 + min(down, 0)), slice(max(right, 0), 24 + min(right, 0))
                source = before[:, max(-down, 0) : 16 + min(-down, 0), max(-right, 0) : 24 + min(-right, 0)]
                moved[:, rows, columns] = source
                if np.array_equal(moved, found):
                    fits.append((down, right))
        assert len(fits) == 1
        seen.add(fits[0])
    assert {down for down, _ in seen} == set(range(-2, 3))
    assert {right for _, right in seen} == set(range(-3, 4))


def test_cutout() -> None:
    images = pictures(300, 3, 16, 24)
    after = Augmentation(["cutout"])(images, 1.0, draws(300), "real")
    hole = (after == 0).all(1).numpy()
    kept = ~hole[:, None].repeat(3, 1)
    np.testing.assert_array_equal(after.numpy()[kept], images.numpy()[kept])
    heights, widths = hole.any(2).sum(1), hole.any(1).sum(1)
    np.testing.assert_array_equal(hole.sum((1, 2)), heights * widths)  # a full rectangle
    # half of each side, or what is left of it at the edge: at least a quarter
    assert (heights.min(), heights.max(), widths.min(), widths.max()) == (4, 8, 6, 12)
    centres = hole.any(2).argmax(1) + np.where(hole[:, 0].any(1), heights - 4, 4)
    assert set(centres) == set(range(17))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_color(channels: int) -> None:
    images = pictures(64, channels).double()
    after = Augmentation(["color"])(images, 1.0, draws(64), "real").numpy()
    applied = draws(64).uniform("real/color", 4).double().numpy()
    x = images.numpy()[:, :3]
    brightness, saturation, contrast = (applied[:, index, None, None, None] for index in (1, 2, 3))
    x = x + (brightness - 0.5)
    if channels > 1:
        grey = x.mean(1, keepdims=True)
        x = (x - grey) * (2 * saturation) + grey
    mean = x.mean((1, 2, 3), keepdims=True)
    x = (x - mean) * (contrast + 0.5) + mean
    np.testing.assert_allclose(after[:, :3], x, atol=1e-6)
    np.testing.assert_array_equal(after[:, 3:], images.numpy()[:, 3:])  # alpha
    grey_level = after[:, :3].mean((1, 2, 3)) - images.numpy()[:, :3].mean((1, 2, 3))
    assert np.abs(grey_level).max() <= 0.5 + 1e-6


def test_geometry_never_adds_energy() -> None:
    images = pictures(64)
    after = Augmentation(["translation", "cutout", "flip"])(images, 1.0, draws(64), "real")
    assert (after.square().sum((1, 2, 3)) <= images.square().sum((1, 2, 3)) * (1 + 1e-6)).all()
    assert after.abs().max() <= images.abs().max()


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 4])
def test_differentiates_twice(channels: int) -> None:
    images = pictures(2, channels, 8, 8).double().requires_grad_()
    augmentation = Augmentation(KINDS)

    def cube(values: torch.Tensor) -> torch.Tensor:
        """Not linear, so that the second derivative is not zero."""
        return augmentation(values**3, 0.9, draws(2), "real")

    assert torch.autograd.gradcheck(cube, (images,))
    assert torch.autograd.gradgradcheck(cube, (images,))


def test_keeps_type_and_takes_channels_last() -> None:
    images = pictures(4)
    augmentation = Augmentation(KINDS)
    plain = augmentation(images, 1.0, draws(4), "real")
    last = augmentation(images.contiguous(memory_format=torch.channels_last), 1.0, draws(4), "real")
    torch.testing.assert_close(last, plain, rtol=1e-6, atol=1e-6)
    assert augmentation(images.bfloat16(), 1.0, draws(4), "real").dtype == torch.bfloat16


# --- the adaptive probability -----------------------------------------------------------------------------------------


def test_adaptive_goes_towards_its_target() -> None:
    adaptive = Adaptive(target=0.6, samples=1000)
    sure, unsure = torch.tensor(1.0), torch.tensor(0.2)
    for _ in range(10):
        adaptive.move(sure, 50)
    assert adaptive.probability.item() == pytest.approx(10 * 50 / 1000, abs=1e-6)
    for _ in range(4):
        adaptive.move(unsure, 50)
    assert adaptive.probability.item() == pytest.approx(6 * 50 / 1000, abs=1e-6)
    for _ in range(10):
        adaptive.move(unsure, 50)
    assert adaptive.probability.item() == 0
    for _ in range(30):
        adaptive.move(sure, 50)
    assert adaptive.probability.item() == 1
    adaptive.move(torch.tensor(float("nan")), 50)
    assert adaptive.probability.item() == 1
