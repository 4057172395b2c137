"""What the pages make: the command line's samples as files, each request once, mistakes in a sentence."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import hostile_onnx
import numpy as np
import pytest
import soundfile
from PIL import Image

from multigan.demo import cards
from multigan.demo.asked import IN_TURN, Drawn, asked, unknown
from multigan.demo.compare import compare
from multigan.demo.keeping import Kept, added, known, read, strip
from multigan.demo.making import MOST, Studio, Walk, in_turn, most_of
from multigan.demo.places import Place
from multigan.demo.shelf import Shelf
from multigan.errors import UserError
from multigan.making import Options, maker_of
from multigan.pictures import to_uint8


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_pictures_are_those_of_the_command_line(shelf: Shelf, studio: Studio, tmp_path: Path) -> None:
    served = shelf.get("tiny")
    made = studio.samples(served, 5, Options(seed=7, start=2, label="dog,cat"))
    maker_of(served.generator, Options(seed=7, start=2, label="dog,cat", out=tmp_path)).make(5)
    for item in made.items:
        assert np.array_equal(pixels(made.path(str(item.file))), pixels(tmp_path / str(item.file)))
    assert [item.place for item in made.items] == ["7#2", "7#3", "7#4", "7#5", "7#6"]
    assert made.archive is not None
    with zipfile.ZipFile(made.path(made.archive)) as archive:
        assert sorted(archive.namelist()) == sorted(str(item.file) for item in made.items)


def test_sounds_are_those_of_the_command_line(shelf: Shelf, studio: Studio) -> None:
    served = shelf.get("hits")
    made = studio.samples(served, 4, Options(seed=3, number="41:59", truncation=0.5))
    wanted = served.generator.sample(4, seed=3, truncation=0.5, number=[41, 47, 53, 59])
    for item, sound in zip(made.items, wanted, strict=True):
        found, rate = soundfile.read(made.path(str(item.file)), dtype="float32")
        assert rate == 8000
        assert np.abs(found - sound[0]).max() < 1e-4
        assert pixels(made.path(str(item.view))).shape == (96, 128, 3)
        assert max(high for _, high in item.peaks) == 100 or min(low for low, _ in item.peaks) == -100
    assert [item.told for item in made.items] == [41, 47, 53, 59]


def test_texts_are_those_of_the_command_line(shelf: Shelf, studio: Studio) -> None:
    served = shelf.get("names")
    options = Options(seed=5, prompt="M_r", gap="_", temperature=0.7, top_k=20, top_p=0.9, length=8)
    made = studio.samples(served, 9, options)
    wanted = served.generator.texts(9, 5, "M_r", gap="_", temperature=0.7, top_k=20, top_p=0.9, length=8)
    assert [item.text for item in made.items] == wanted
    assert made.path(str(made.joined)).read_text(encoding="utf-8").splitlines() == wanted


def test_a_request_is_made_once_and_another_model_is_another(shelf: Shelf, studio: Studio) -> None:
    first = studio.samples(shelf.get("tiny"), 2, Options(seed=1))
    again = studio.samples(shelf.get("tiny"), 2, Options(seed=1))
    assert first == again
    others = [
        studio.samples(shelf.get("tiny"), 2, Options(seed=2)),
        studio.samples(shelf.get("tiny"), 3, Options(seed=1)),
        studio.samples(shelf.get("hits"), 2, Options(seed=1)),
        studio.samples(shelf.get("tiny"), 2, Options(seed=1, truncation=0.3)),
    ]
    assert len({first.folder, *(each.folder for each in others)}) == 5


def test_variations_ways_and_walks_begin_where_they_say(shelf: Shelf, studio: Studio) -> None:
    served, place = shelf.get("tiny"), Place(7, 3)
    wanted = to_uint8(served.generator.sample(1, seed=7, start=3, label="bird"))[0]
    varied = studio.variations(served, place, 0.4, 4, "bird")
    assert np.array_equal(pixels(varied.path(str(varied.items[0].file))), wanted)
    assert [item.place for item in varied.items] == ["7#3", "7#3~1@0.40", "7#3~2@0.40", "7#3~3@0.40"]
    still = studio.walk(served, Walk(place, Place(8), steps=(0.0, 0.0), label="bird"))
    assert np.abs(pixels(still.path(str(still.items[0].file))).astype(int) - wanted).max() <= 1
    film = studio.way(served, [place, Place(8)], 6, "bird")
    with Image.open(film.path(str(film.joined))) as animation:
        assert getattr(animation, "n_frames") == 12  # noqa: B009 - seven there, five back
    sound = studio.way(shelf.get("hits"), [Place(1), Place(2)], 3, None, 45.0)
    assert soundfile.info(sound.path(str(sound.joined))).frames == 4 * 400


@pytest.mark.parametrize(
    ("model", "n", "options", "words"),
    [
        ("tiny", 10**9, {}, "n 1000000000 is out of range: here 1 to 64 pictures"),
        ("tiny", 0, {}, "out of range"),
        ("tiny", 1, {"label": "dgo"}, "Did you mean 'dog'"),
        ("tiny", 1, {"label": "3"}, "there is no class 3"),
        ("tiny", 1, {"prompt": "x"}, "prompt is for texts"),
        ("tiny", 1, {"truncation": 99.0}, "truncation 99 is out of range"),
        ("tiny", 1, {"seed": 2**64}, "seed"),
        ("hits", 1, {"number": "61"}, "pitch"),
        ("names", 1, {"length": 10**6}, "length 1000000 is out of range"),
        ("names", 1, {"prompt": "M" * 99}, "the prompt has 99 symbols"),
        ("names", 1, {"temperature": -1.0}, "temperature"),
    ],
)
def test_a_mistake_is_a_sentence(
    model: str, n: int, options: dict[str, Any], words: str, shelf: Shelf, studio: Studio
) -> None:
    with pytest.raises(UserError, match=words):
        studio.samples(shelf.get(model), n, Options(**options))
    assert len(studio.cache) == 0


def test_a_place_has_the_class_and_the_number_that_its_sample_has(shelf: Shelf, studio: Studio) -> None:
    """Which a visitor sees in the gallery, where they take turns."""
    for model in ("tiny", "hits"):
        served = shelf.get(model)
        for item in studio.samples(served, 7, Options(seed=7, start=1)).items:
            assert in_turn(served, item.number) == (item.label, item.told)
    assert in_turn(shelf.get("names"), 3) == (None, None)


def test_a_kept_number_is_the_one_that_the_model_was_told(shelf: Shelf, studio: Studio) -> None:
    made = studio.samples(shelf.get("hits"), 1, Options(number="47.1234567"))
    (item,) = made.items
    assert item.told is not None
    assert np.float32(item.told) == np.float32(47.1234567)
    shown = re.search('data-told="([^"]*)"', cards.shown(made))
    assert shown
    assert float(shown[1]) == item.told


def test_variations_of_variations_have_names_that_a_disk_takes(shelf: Shelf, studio: Studio) -> None:
    place = Place(2**64 - 1, 10**15)
    for number in range(7):
        place = place.varied(10**8 + number, 0.35)
    for served in (shelf.get("tiny"), shelf.get("hits")):
        made = studio.variations(served, place, 0.3, 4)
        assert len({item.file for item in made.items}) == 4
        studio.way(served, [place.varied(1, 0.5), place.varied(2, 0.5)], 2)


@pytest.mark.parametrize("model", ["tiny", "hits", "names"])
def test_a_full_disk_is_said(model: str, shelf: Shelf, studio: Studio) -> None:
    """A limit on a file's size stands for the disk's end."""
    resource = pytest.importorskip("resource")
    served, before = shelf.get(model), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, before[1]))
    try:
        with pytest.raises(UserError, match=r"the result cannot be kept: .*Free some room"):
            studio.samples(served, 2, Options())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(studio.samples(served, 2, Options()).items) == 2


def test_of_large_samples_fewer_are_made_at_once(tmp_path: Path, studio: Studio) -> None:
    """A file of a kilobyte could fill the memory: 64 of its pictures took six gigabytes."""
    path = hostile_onnx.large(tmp_path / "large.onnx", side=1600)
    shelf = Shelf(lambda: [path], device="cpu")
    served = shelf.get("large")
    assert Drawn.of(served).most == most_of(served) == 4
    with pytest.raises(UserError, match="n 5 is out of range: here 1 to 4 pictures"):
        studio.samples(served, 5, Options())
    with pytest.raises(UserError, match="n 5 is out of range"):
        studio.variations(served, Place(1), 0.5, 5)
    with pytest.raises(UserError, match="steps 4 is out of range: here 1 to 3 steps"):
        studio.way(served, [Place(1), Place(2)], 4)
    assert most_of(Shelf(lambda: [hostile_onnx.large(path, 64)], device="cpu").get("large")) == MOST["image"]


# --- controls ---------------------------------------------------------------------------------------------------------


def test_each_model_has_its_controls(shelf: Shelf) -> None:
    tiny, hits, names = (Drawn.of(shelf.get(name)) for name in ("tiny", "hits", "names"))
    assert (tiny.labels, tiny.low, tiny.widest > 1, tiny.longest) == (["cat", "dog", "bird"], None, True, 0)
    assert (hits.low, hits.high, hits.middle, hits.column, hits.widest) == (40, 60, 50, "pitch", 1)
    assert (names.labels, names.widest, names.length, names.symbols) == ([], 0, 11, 54)
    assert all(each.most == MOST[each.modality] for each in (tiny, hits, names))


def test_what_changes_nothing_is_not_asked_for(shelf: Shelf) -> None:
    values = {"n": 4, "seed": 7.0, "start": 0, "label": IN_TURN, "truncation": 2.5}
    assert asked(Drawn.of(shelf.get("tiny")), values) == (4, Options(seed=7))
    told = {**values, "label": "dog", "truncation": 0.5}
    assert asked(Drawn.of(shelf.get("tiny")), told) == (4, Options(seed=7, label="dog", truncation=0.5))
    values = {"n": 4, "seed": 7, "start": 1, "label": None, "truncation": 1, "number": 45.5, "in_turn": False}
    assert asked(Drawn.of(shelf.get("hits")), values) == (4, Options(seed=7, start=1, number="45.5"))


@pytest.mark.parametrize("value", [None, "", 1.5, -1, float("nan"), 2.0**53, True, "7"])
def test_an_empty_or_wrong_seed_is_said(value: Any, shelf: Shelf) -> None:
    with pytest.raises(UserError, match="seed"):
        asked(Drawn.of(shelf.get("tiny")), {"n": 1, "start": 0, "seed": value, "truncation": 1})


def test_unknown_symbols_of_a_prompt_are_named(shelf: Shelf) -> None:
    served = shelf.get("names")
    assert unknown(served, Options(prompt="Ma_", gap="_")) == ""
    assert "'\u4e2d'" in unknown(served, Options(prompt="Ma_\u4e2d", gap="_"))


# --- kept samples -----------------------------------------------------------------------------------------------------


def test_what_is_kept_is_shown_and_goes_when_it_is_too_much(shelf: Shelf, studio: Studio) -> None:
    kept: list[dict[str, Any]] = []
    for seed in range(30):
        kept = added(kept, Kept.clicked("hits", {"place": str(seed), "label": "kick", "told": "55"}, None))
    kept = added(kept, Kept.clicked("hits", {"place": "29", "label": "kick", "told": "55"}, None))
    assert len(kept) == 24
    assert kept[-1]["place"] == "29#0"
    assert known(kept, "hits", "29#0") == Kept("hits", "29#0", "kick", 55.0)
    assert strip(kept, shelf, studio).count("data-drop") == 24
    assert read(kept) == kept


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "x",
        [None, 3, {}],
        [{"model": "tiny", "place": "<img>"}],
        [{"place": "7"}],
        [{"model": "tiny", "place": "7", "truncation": 10**400}],
    ],
)
def test_what_a_browser_says_it_kept_is_not_trusted(raw: Any) -> None:
    assert read(raw) == []


def test_words_of_files_and_visitors_are_never_markup(shelf: Shelf, studio: Studio) -> None:
    made = studio.samples(shelf.get("hits"), 2, Options(label="<b>snare</b>"))
    assert "<b>snare" not in cards.shown(made)
    assert "&lt;b&gt;snare" in cards.shown(made)
    text = Kept.clicked("names", {"place": "7", "text": "<script>\u202e"}, None)
    assert "<script" not in strip(added([], text), shelf, studio)
    assert "<i>" not in cards.said("<i>")


def test_models_are_compared_on_the_same_seeds(shelf: Shelf) -> None:
    tiny, hits = shelf.get("tiny"), shelf.get("hits")
    same = {row[0]: row[1:] for row in compare([tiny, tiny], 3, Options(seed=1))}
    assert same["Difference"][1] == "none"
    assert "ms" in same["Time for 1"][0]
    assert same["Size of the file"][0].endswith(" kB")  # and not 0.00 MB
    other = compare([tiny, hits], 2, Options())
    assert other[-1][-1] == "another kind of samples"
