"""What is chosen where the user leaves it open: gamma, and a whole recipe from the data."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from multigan import recipe as recipes
from multigan.errors import UserError
from multigan.image.choosing import choose, settle_gamma
from multigan.image.data import Survey
from multigan.networks.gamma import gamma
from multigan.settings import Schedule
from multigan.starting import recipe_for


def survey(
    count: int = 500, size: tuple[int, int] = (32, 32), channels: int = 3, classes: list[str] | None = None
) -> Survey:
    counts = [count // len(classes)] * len(classes) if classes else None
    sizes, modes = Counter({size: count}), Counter({"RGB": count})
    return Survey("pets/", count, classes, counts, sizes, modes, 100, 0, size, channels, bool(classes))


def folder(path: Path, classes: tuple[str, ...], each: int) -> Path:
    rng = np.random.default_rng(0)
    for name in classes:
        (path / name).mkdir(parents=True)
        for index in range(each):
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(path / name / f"{index}.png")
    return path


def test_gamma_is_the_measured_one_at_32_and_grows_with_the_power_three_halves_of_the_area() -> None:
    assert gamma(32, 32) == 0.2
    assert gamma(64, 64) == 1.6
    assert gamma(256, 256) == 100
    assert gamma(64, 96) == gamma(96, 64)


def test_only_a_gamma_left_open_is_settled() -> None:
    recipe = recipes.load("quickstart", ["regularizers.0.gamma=auto", "regularizers.1.gamma=0.7", "data.size=[64,64]"])
    settled, why = settle_gamma(recipe)
    assert [each.gamma for each in settled.regularizers] == [Schedule(start=1.6, end=1.6 / 10), 0.7]
    assert "gamma 1.6 to 0.16" in why[0]
    assert settle_gamma(settled) == (settled, [])


def test_a_gamma_that_is_given_for_another_size_is_scaled_once() -> None:
    changes = ["regularizers.0={kind: r1, gamma: 0.5, gamma_at: 32}", "regularizers.1.gamma=0.7"]
    recipe = recipes.load("r3gan", [*changes, "regularizers.1.gamma_at=64", "data.size=[64, 32]"])
    settled, why = settle_gamma(recipe)
    found = [each.gamma for each in settled.regularizers]
    assert found == pytest.approx([0.5 * gamma(64, 32) / gamma(32, 32), 0.7 * gamma(64, 32) / gamma(64, 64)], rel=0.02)
    assert [sentence.split(":")[0] for sentence in why] == ["r1's gamma times 2.83", "r2's gamma times 0.354"]
    assert settle_gamma(settled) == (settled, [])
    scaled, _ = settle_gamma(recipes.load("r3gan", ["data.size=[64,64]"]))
    assert [each.gamma for each in scaled.regularizers] == [Schedule(start=8.0, end=4.0)] * 2


@given(
    count=st.integers(8, 10**7),
    side=st.tuples(st.sampled_from(range(16, 257, 8)), st.sampled_from(range(16, 257, 8))),
    channels=st.sampled_from([1, 3, 4]),
    classes=st.none() | st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=5, unique=True),
    gpu=st.booleans(),
    data=st.none() | st.text(min_size=1, max_size=80),
)
def test_whatever_the_data_the_chosen_recipe_is_valid(
    count: int, side: tuple[int, int], channels: int, classes: list[str] | None, gpu: bool, data: str | None
) -> None:
    mapping, sentences = choose(survey(count, side, channels, classes), data, gpu)
    recipe = recipes.parse(mapping)
    assert recipe.data.channels == channels
    assert recipe.conditional == bool(classes)
    assert recipe.training.batch <= count
    assert (recipe.augment is not None) == (count < 10_000)
    assert gpu or max(recipe.data.size or ()) <= 64
    assert all(sentence.endswith((".", ":")) for sentence in sentences)


def test_a_handful_of_pictures_is_refused_in_a_sentence() -> None:
    with pytest.raises(UserError, match="pets/ holds 5 pictures"):
        choose(survey(5), "pets", gpu=False)


def test_a_folder_alone_gives_a_recipe_with_its_classes_and_overrides_win(tmp_path: Path) -> None:
    data = folder(tmp_path / "my pets", ("cat", "dog"), 24)
    recipe, sentences = recipe_for("image", None, str(data), ["generator.width=16"], None, gpu=False)
    assert recipe.name == "my-pets"
    assert recipe.conditional
    assert recipe.data.classes == ["cat", "dog"]
    assert recipe.data.size == (40, 40)
    assert recipe.generator.width == 16
    assert recipe.training.batch <= 48
    assert any("classes" in sentence for sentence in sentences)


def test_data_replaces_a_named_recipes_source_whatever_its_name_looks_like_in_yaml(tmp_path: Path) -> None:
    recipe, _ = recipe_for("image", "quickstart", "no: 1e3", [], None, gpu=False)
    assert recipe.data.source == "no: 1e3"
