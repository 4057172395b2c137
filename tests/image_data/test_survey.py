"""What a survey says of the data, and what it suggests."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_files import gradient, write_flat
from PIL import Image

from multigan.image.config import ImageData
from multigan.image.data import inspect
from multigan.image.data.survey import nearest_side, suggest_size


def test_the_embedded_digits():
    seen = inspect(None, ImageData())
    assert (seen.count, seen.size, seen.channels, seen.conditional) == (5000, (32, 32), 1, True)
    assert seen.counts == [500] * 10


def test_colour_photographs_in_folders(tmp_path):
    for name, count in (("cat", 25), ("dog", 40)):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.fromarray(gradient(96, 64)).save(tmp_path / name / f"{number}.png")
    seen = inspect(tmp_path, ImageData())
    assert (seen.count, seen.classes, seen.counts) == (65, ["cat", "dog"], [25, 40])
    assert (seen.size, seen.channels, seen.conditional) == ((64, 96), 3, True)
    assert seen.sizes == {(64, 96): 65}
    assert seen.modes == {"RGB": 65}


def test_grey_stored_as_colour_is_grey(tmp_path):
    for number in range(5):
        Image.fromarray(gradient(20, 20)).convert("L").convert("RGB").save(tmp_path / f"{number}.jpg")
    seen = inspect(tmp_path, ImageData())
    assert seen.channels == 1
    assert "stored in colour" in " ".join(seen.reasons)


def test_used_transparency_wants_four_channels_and_unused_does_not(tmp_path):
    sprite = Image.fromarray(gradient(32, 32)).convert("RGBA")
    opaque, clear = tmp_path / "opaque", tmp_path / "clear"
    for folder in (opaque, clear):
        folder.mkdir()
        for number in range(4):
            sprite.save(folder / f"{number}.png")
        sprite.paste((0, 0, 0, 0), (0, 0, 16, 16))
    assert inspect(opaque, ImageData()).channels == 3
    assert inspect(clear, ImageData()).channels == 4


def test_a_picture_on_its_side_counts_upright(tmp_path):
    tags = Image.Exif()
    tags[0x0112] = 6
    for number in range(3):
        Image.fromarray(gradient(96, 64)).save(tmp_path / f"{number}.jpg", exif=tags)
    assert inspect(tmp_path, ImageData()).size == (96, 64)


def test_damaged_files_are_counted(tmp_path):
    write_flat(tmp_path, 5)
    (tmp_path / "000.png").write_bytes(b"damaged")
    seen = inspect(tmp_path, ImageData())
    assert (seen.count, seen.sampled, seen.unreadable) == (5, 5, 1)


@pytest.mark.parametrize(
    ("names", "count", "why"),
    [(["cat", "dog"], 3, "only 3"), (["00000", "01000"], 30, "shards"), ([], 3, "No classes")],
)
def test_when_conditioning_makes_no_sense(tmp_path, names, count, why):
    for name in names or ["."]:
        write_flat(tmp_path / name, count)
    seen = inspect(tmp_path, ImageData())
    assert not seen.conditional
    assert why in seen.reasons[-1]


@given(st.lists(st.tuples(st.integers(1, 6000), st.integers(1, 6000)), min_size=1, max_size=30))
def test_a_suggested_size_can_always_be_made(shapes):
    size, why = suggest_size(Counter(shapes))
    assert ImageData(size=size).size == size
    assert why.endswith(".")


@pytest.mark.parametrize(
    ("shapes", "size"),
    [
        ([(28, 28)] * 9, (32, 32)),
        ([(3000, 4000)] * 9, (192, 256)),
        ([(100, 50), (50, 100)] * 9, (48, 48)),
        ([(8, 8)], (16, 16)),
        ([(720, 1280)] * 5 + [(719, 1280)], (144, 256)),
    ],
)
def test_suggested_sizes(shapes, size):
    # 50 lies between 48 and 56, nearer to 48; 720 of 1280 is 144 of 256
    assert suggest_size(Counter(shapes))[0] == size


@given(st.floats(1, 5000))
def test_the_nearest_side_is_nearest(side):
    allowed = np.arange(16, 257, 8)
    assert abs(nearest_side(side) - side) == pytest.approx(np.abs(allowed - side).min())


def test_a_survey_imports_no_torch():
    program = (
        "import sys\nfrom multigan.image.data import inspect\nfrom multigan.image.config import ImageData\n"
        "inspect(None, ImageData())\nassert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
