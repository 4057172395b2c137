"""What is chosen for sounds where it is left open, and what follows from what is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sound_files import sine, write

from multigan import heads
from multigan import recipe as recipes
from multigan.audio.choosing import settle
from multigan.audio.config import AudioRecipe, Spectral
from multigan.starting import recipe_for


def hits(folder: Path, rate: int, seconds: float, count: int = 10, channels: int = 1) -> Path:
    for index in range(count):
        write(folder / f"{index}.wav", np.stack([sine(200 + index, seconds, rate)] * channels, 1), rate)
    return folder


def found(data: Path, *changes: str, gpu: bool = False, like: recipes.Recipe | None = None) -> tuple[AudioRecipe, str]:
    chosen, sentences = recipe_for("audio", None, str(data), changes, gpu=gpu, like=like)
    assert isinstance(chosen, AudioRecipe)
    return chosen, "\n".join(sentences)


def shape(recipe: AudioRecipe) -> tuple[int | None, int | None, int | None, int]:
    assert isinstance(recipe.generator, Spectral)
    return recipe.data.rate, recipe.data.length, recipe.data.channels, recipe.generator.transform.window


def test_a_rate_that_is_asked_for_keeps_the_hits_whole(tmp_path: Path) -> None:
    data = hits(tmp_path, 44_100, 0.9)
    recipe, said = found(data)
    assert shape(recipe) == (16_000, 16_384, 1, 256)
    assert "--set data.rate=44100 asks for it" in said
    recipe, said = found(data, "data.rate=44100")
    assert shape(recipe) == (44_100, 65_536, 1, 512)
    assert said.splitlines()[:2] == [
        "44,100 Hz, as data.rate asks.",
        "65,536 samples, 1.5 seconds: 100% of the files looked at fit in whole.",
    ]


def test_a_length_and_channels_that_are_asked_for(tmp_path: Path) -> None:
    data = hits(tmp_path, 44_100, 0.9, channels=2)
    recipe, said = found(data, "data.rate=44100", "data.length=32768", "data.channels=1")
    assert shape(recipe) == (44_100, 32_768, 1, 512)
    assert "32,768 samples, as data.length asks, 0.74 seconds: 0% of the files looked at fit in whole." in said
    assert "1 channel, as data.channels asks." in said
    assert "--set" not in said
    assert shape(found(data, "data.length=1024")[0]) == (16_000, 1024, 2, 128)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_short_hits_at_any_rate_give_a_recipe_that_makes_networks(rate: int, tmp_path: Path) -> None:
    recipe, said = found(hits(tmp_path, rate, 0.05), gpu=True)
    assert recipe.data.rate == rate
    assert recipe.data.length is not None
    assert recipe.data.length >= 0.05 * rate
    assert f"{recipe.data.length:,} samples" in said
    settled, _ = settle(recipe)
    heads.head(settled).networks()


@pytest.mark.parametrize(("rate", "wanted", "word"), [(100, 1000, "least"), (384_000, 192_000, "most")])
def test_files_of_a_rate_that_no_recipe_has_make_a_recipe_that_can_be_read_again(
    rate: int, wanted: int, word: str, tmp_path: Path
) -> None:
    data = hits(tmp_path, rate, 400 / rate)
    settled, why = settle(recipes.load("wavegan", [f"data.source={data}"]), gpu=True)  # type: ignore[arg-type]
    assert settled.data.rate == wanted
    assert why[0] == f"{wanted:,} Hz: the {word} that can be asked for, where all files have {rate:,}."
    assert AudioRecipe.model_validate(settled.model_dump()) == settled
    assert found(data, gpu=True)[0].data.rate == wanted


def test_the_sentence_on_a_settled_length_names_the_length(tmp_path: Path) -> None:
    data = hits(tmp_path, 16_000, 0.2)
    changes = [f"data.source={data}", "data.length=null", "generator.strides=[5,5,5]", "discriminator.strides=[4,4,4]"]
    settled, why = settle(recipes.load("wavegan", changes))  # type: ignore[arg-type]
    assert settled.data.length == 8000
    assert any(sentence.startswith("8,000 samples, 0.5 seconds") for sentence in why)


@pytest.mark.parametrize(("changes", "said"), [([], False), (["augment.penalize=before"], True), (
    ["augment.penalize=after"], False)])  # fmt: skip
def test_where_the_penalties_of_a_spectral_discriminator_are_taken_is_written_and_said(
    changes: list[str], said: bool
) -> None:
    recipe = recipes.load("drums", changes)
    settled, why = settle(recipe)  # type: ignore[arg-type]
    assert settled.augment is not None
    assert settled.augment.penalize == "after"
    assert any("augment.penalize: after and not before" in sentence for sentence in why) == said
    assert settle(settled) == (settled, [])
    assert heads.head(settled).game(*heads.head(settled).networks(), None, torch.device("cpu"), {}).penalize == "after"  # type: ignore[arg-type]


def test_penalties_on_waveforms_stay_where_they_are_asked_for() -> None:
    augment = "augment={kinds: [gain], penalize: before}"
    settled, why = settle(recipes.load("wavegan", [augment, "data.rate=16000", "data.channels=1"]))  # type: ignore[arg-type]
    assert settled.augment is not None
    assert (settled.augment.penalize, why) == ("before", [])
