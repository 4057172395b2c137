"""Arrays as pictures: bytes, grids, animations, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from multigan.pictures import by_class, class_grid, drawable, enlarge, quantize, save_gif, save_image
from multigan.runtime import grid, load, to_image, to_uint8


def test_bytes_are_the_nearest_of_256_levels() -> None:
    assert quantize(np.array([-2, -1, 0.999, 1, 2, 3 / 127.5 - 1])).tolist() == [0, 0, 255, 255, 255, 3]
    levels = np.arange(256)
    samples = (levels / 127.5 - 1).astype(np.float32).reshape(1, 1, 16, 16)
    assert np.array_equal(to_uint8(samples)[0, ..., 0], levels.reshape(16, 16))
    assert to_uint8(np.array([[[-9.0, 9.0]]], np.float32)).ravel().tolist() == [0, 255]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_pictures_are_written_without_loss(tmp_path: Path, channels: int, mode: str, suffix: str) -> None:
    said = tiny_onnx.contract(channels, conditional=False)
    generator = load(tiny_onnx.write(tmp_path / "plain.onnx", said), device="cpu", threads=1)
    pixels = to_uint8(generator.sample(1, 3))[0]
    image = generator.images(1, 3)[0]
    assert image.mode == mode
    save_image(image, tmp_path / f"a.{suffix}")
    with Image.open(tmp_path / f"a.{suffix}") as read:
        back = np.asarray(read.convert(mode)).reshape(pixels.shape)
    opaque = pixels[..., -1:] > 0 if mode == "RGBA" else np.ones_like(pixels[..., :1], bool)
    assert np.array_equal(back * opaque, pixels * opaque)


def test_grid_puts_each_picture_in_its_place() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (7, 4, 6, 3), dtype=np.uint8)
    sheet = np.asarray(grid(pixels, columns=3, gap=2))
    assert sheet.shape == (3 * 6 + 2, 3 * 8 + 2, 3)
    covered = np.zeros(sheet.shape[:2], bool)
    for index, picture in enumerate(pixels):
        top, left = 2 + 6 * (index // 3), 2 + 8 * (index % 3)
        assert np.array_equal(sheet[top : top + 4, left : left + 6], picture)
        covered[top : top + 4, left : left + 6] = True
    assert np.all(sheet[~covered] == 255)
    labelled = np.asarray(grid(pixels, columns=3, rows=["cat", "", "a name so long that it must be cut somewhere"]))
    assert labelled.shape[0] == sheet.shape[0]
    assert np.array_equal(labelled[:, -sheet.shape[1] :], sheet)
    assert labelled[:6, : -sheet.shape[1]].min() < 128


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 200), st.integers(1, 20))
def test_rows_by_class_hold_their_class_in_order(n: int, classes: int) -> None:
    pixels = np.arange(n, dtype=np.int64).reshape(n, 1, 1, 1).astype(np.uint8)
    rows, columns = by_class(pixels, classes)
    lines = len(rows) // columns // classes
    assert len(rows) == lines * columns * classes
    for number, row in enumerate(rows.reshape(classes, lines * columns)):
        members = np.arange(number, n, classes)
        assert row[: len(members)].tolist() == members.tolist()
        assert np.all(row[len(members) :] == 255)


def test_enlarging_repeats_pixels() -> None:
    pixels = np.arange(2 * 16 * 8 * 1, dtype=np.uint8).reshape(2, 16, 8, 1)
    large = enlarge(pixels, 64)
    assert large.shape == (2, 64, 32, 1)
    assert np.array_equal(large[:, ::4, ::4], pixels)
    assert np.array_equal(large[:, 3::4, 3::4], pixels)
    assert enlarge(large, 64) is not None
    assert enlarge(large, 64).shape == large.shape


def test_gif_holds_every_frame(tmp_path: Path) -> None:
    frames = np.zeros((5, 8, 8, 1), np.uint8) + np.arange(5, dtype=np.uint8)[:, None, None, None] * 50
    save_gif(frames, tmp_path / "a.gif", seconds=1.0)
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 5
        assert film.info["loop"] == 0
        for index in range(5):
            film.seek(index)
            assert film.info["duration"] == 200
            assert np.all(np.asarray(film.convert("L")) == index * 50)


def test_to_image_keeps_grey_grey() -> None:
    assert to_image(np.zeros((2, 3, 1), np.uint8)).mode == "L"


@pytest.mark.parametrize(
    ("name", "drawn"), [("Kräne", "Krane"), ("élève", "eleve"), ("ß", "?"), ("鼓 2", "? 2"), ("kick", "kick")]
)
def test_names_of_rows_are_drawn_in_letters_that_the_font_has(name: str, drawn: str) -> None:
    assert drawable(name) == drawn
    pixels = np.zeros((2, 8, 8, 1), np.uint8)
    assert np.array_equal(np.asarray(class_grid(pixels, [name, "a"])), np.asarray(class_grid(pixels, [drawn, "a"])))
