"""Places in the latent space: what is written, and where it leads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multigan import noise
from multigan.contract import Input
from multigan.demo.places import DEEPEST, Place, latents, walked
from multigan.demo.shelf import Shelf
from multigan.errors import UserError

STEPS = st.lists(st.tuples(st.integers(0, 999), st.integers(0, 100).map(lambda each: each / 100)), max_size=DEEPEST)
NORMAL = Input("latent", "latent", "float32", ["batch", 32], "normal")
UNIFORM = Input("latent", "latent", "float32", ["batch", 32], "uniform")


@given(st.integers(0, noise.SEEDS - 1), st.integers(0, 10**6), STEPS)
def test_a_place_reads_as_it_is_written(seed: int, index: int, steps: list[tuple[int, float]]) -> None:
    place = Place(seed, index, tuple(steps))
    assert Place.parse(f"  {place} ") == place
    assert all(letter.isalnum() or letter in ".-" for letter in place.stem)


def test_a_strength_has_two_places_also_where_more_are_typed() -> None:
    """What is made is kept under the place's words: two strengths with the same words would be one picture."""
    assert Place.parse("7#3~1@0.3349") == Place(7, 3, ((1, 0.33),)) == Place.parse("7#3~1@0.33")


@pytest.mark.parametrize("text", ["", "x", "-1", "7#", "7#3~2", "7~1@1.5", "9" * 20, "7" + "~1@0.1" * 9, "7\n8"])
def test_what_is_no_place_is_said(text: str) -> None:
    with pytest.raises(UserError, match=r"no seed|out of range"):
        Place.parse(text)


def test_a_place_is_the_sample_of_the_command_line(shelf: Shelf) -> None:
    generator = shelf.get("tiny").generator
    at = latents(generator, [Place(7, 3)], None)
    assert np.allclose(generator.of_latents(at, "dog"), generator.sample(1, seed=7, start=3, label="dog"), atol=1e-6)
    with pytest.raises(UserError, match="no latent"):
        latents(shelf.get("names").generator, [Place(7)], None)


def test_variations_leave_their_place_slowly(shelf: Shelf) -> None:
    generator = shelf.get("tiny").generator
    start = latents(generator, [Place(7, 3)], None)[0]
    apart = [
        np.linalg.norm(latents(generator, [Place(7, 3).varied(1, strength)], None)[0] - start)
        for strength in (0.0, 0.1, 0.5, 1.0)
    ]
    assert apart[0] < 1e-6
    assert apart == sorted(apart)
    one, other = latents(generator, [Place(7, 3).varied(1, 0.5), Place(7, 3).varied(2, 0.5)], None)
    assert np.linalg.norm(one - other) > 0.1


@given(st.integers(0, 1000), st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_a_walk_stays_where_latents_live(seed: int, steps: list[float]) -> None:
    start = noise.latents(NORMAL, seed, 0, 1)[0]
    assert np.linalg.norm(walked(NORMAL, start, 5, steps)) == pytest.approx(np.linalg.norm(start), rel=1e-4)
    assert np.allclose(walked(NORMAL, start, 5, [0.0] * 4), start, atol=1e-5)
    start = noise.latents(UNIFORM, seed, 0, 1)[0]
    assert np.abs(walked(UNIFORM, start, 5, steps)).max() <= 1
