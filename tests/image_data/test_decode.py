"""Every kind of file that a folder really holds becomes the right pixels, or a reason why not."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zlib
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import encoded, gradient
from PIL import Image, features

from multigan.data.access import UnreadableError
from multigan.image.data.decode import decode, eight_bits, upright_size
from multigan.image.data.medium import open_picture


def read(content: bytes, size=(16, 16), channels=3, fit="crop") -> np.ndarray:
    return decode(partial(open_picture, io.BytesIO(content)), size, channels, fit)


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "JPEG", *(["AVIF"] if features.check("avif") else [])])
def test_orientation_tag_is_obeyed(orientation, form):
    stored = np.kron(np.array([[20, 90, 160], [230, 60, 120]], np.uint8), np.ones((8, 8), np.uint8))
    tags = Image.Exif()
    tags[0x0112] = orientation
    options = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }.get(form, {})
    content = encoded(Image.fromarray(stored).convert("RGB"), form, exif=tags, **options)
    upright = UPRIGHT[orientation](stored)
    with open_picture(io.BytesIO(content)) as image:
        assert upright_size(image) == upright.shape
    pixels = read(content, size=upright.shape)
    assert np.abs(pixels[1].astype(int) - upright).max() <= (3 if form in ("JPEG", "AVIF") else 0)


def test_damaged_tags_do_not_lose_the_picture():
    content = encoded(Image.new("RGB", (16, 16), (10, 200, 30)), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff\xff")
    assert read(content)[:, 3, 3].tolist() == [10, 200, 30]


def test_sixteen_bits_are_scaled_and_not_clipped():
    deep = np.linspace(0, 65535, 16 * 16).reshape(16, 16).astype(np.uint16)
    expected = np.rint(deep / 257).astype(np.uint8)
    for content in (
        encoded(Image.fromarray(deep)),
        encoded(Image.fromarray(deep), "TIFF"),
        b"P5 16 16 65535\n" + deep.astype(">u2").tobytes(),
    ):
        np.testing.assert_array_equal(read(content, channels=1)[0], expected)
        np.testing.assert_array_equal(read(content, channels=3), np.stack([expected] * 3))


def test_a_dark_sixteen_bit_picture_stays_dark():
    content = encoded(Image.fromarray(np.full((16, 16), 200, np.uint16)))
    assert read(content, channels=1).max() == 1


def test_floats_are_scaled_from_one_or_from_their_greatest():
    unit = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    expected = np.arange(256).reshape(16, 16)
    for values in (unit, unit * 1000):
        pixels = read(encoded(Image.fromarray(values), "TIFF"), channels=1)[0]
        np.testing.assert_array_equal(pixels, expected)


def test_a_large_sixteen_bit_picture_takes_little_more_than_its_pixels():
    side = 3000
    image = Image.fromarray(np.arange(side * side, dtype=np.uint32).reshape(side, side).astype(np.uint16))
    image.load()
    tracemalloc.start()
    grey = np.asarray(eight_bits(image))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * side * side
    wanted = np.rint(np.asarray(image).astype(np.float64) * (255 / 65535))
    assert np.array_equal(grey, wanted)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_laid_on_white_or_kept(mode):
    picture = Image.new("RGBA", (16, 16), (200, 200, 200, 255))
    picture.paste((40, 40, 40, 0), (0, 0, 8, 16))
    content = encoded(picture.convert(mode) if mode != "P" else picture.quantize(4))
    flattened = read(content, channels=3)
    assert flattened[:, 0, 2].tolist() == [255, 255, 255]
    assert flattened[:, 0, 12].tolist() == [200, 200, 200]
    assert read(content, channels=1)[0, 0, [2, 12]].tolist() == [255, 200]
    kept = read(content, channels=4)
    assert kept[3, 0, [2, 12]].tolist() == [0, 255]


def test_half_transparent_is_mixed_by_the_formula():
    content = encoded(Image.new("RGBA", (16, 16), (100, 0, 50, 64)))
    expected = [255 - (255 - value) * 64 / 255 for value in (100, 0, 50)]
    np.testing.assert_allclose(read(content)[:, 5, 5], expected, atol=1)


def test_a_transparent_colour_counts_as_alpha():
    picture = Image.new("RGB", (16, 16), (9, 9, 9))
    picture.paste((200, 10, 10), (8, 0, 16, 16))
    content = encoded(picture, transparency=(9, 9, 9))
    assert read(content)[:, 0, 2].tolist() == [255, 255, 255]
    assert read(content, channels=4)[3, 0, [2, 12]].tolist() == [0, 255]


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_becomes_its_colours(form):
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert read(encoded(picture, form))[:, 4, 4].tolist() == pytest.approx([255, 0, 0], abs=4)


def test_colour_becomes_grey_and_grey_becomes_colour():
    assert read(encoded(Image.new("RGB", (16, 16), (255, 0, 0))), channels=1)[0, 0, 0] == pytest.approx(76, abs=1)
    assert read(encoded(Image.new("L", (16, 16), 77)), channels=4)[:, 0, 0].tolist() == [77, 77, 77, 255]
    assert set(np.unique(read(encoded(Image.new("1", (16, 16), 1)), channels=3))) == {255}


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_taken(form):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    options = {"lossless": True} if form == "WEBP" else {}
    content = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    with open_picture(io.BytesIO(content)) as image:
        assert image.n_frames == 3
    assert read(content)[:, 8, 8].tolist() == [250, 0, 0]


def test_crop_takes_the_middle():
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:32] = gradient(16, 16)
    np.testing.assert_array_equal(read(encoded(Image.fromarray(wide))).transpose(1, 2, 0), gradient(16, 16))
    tall = wide.transpose(1, 0, 2)
    pixels = read(encoded(Image.fromarray(tall))).transpose(1, 2, 0)
    np.testing.assert_array_equal(pixels, gradient(16, 16).transpose(1, 0, 2))


def test_crop_covers_a_size_that_is_not_square():
    pixels = read(encoded(Image.fromarray(gradient(120, 120))), size=(96, 64)).astype(int)
    assert pixels.shape == (3, 96, 64)
    assert pixels[1, [0, -1], 32].tolist() == pytest.approx([0, 255], abs=3)  # the whole height
    assert pixels[0, 48, [0, -1]].tolist() == pytest.approx([255 / 6, 255 * 5 / 6], abs=4)  # two thirds of the width


def test_pad_fills_with_the_mean_of_the_edge():
    picture = Image.new("RGB", (32, 16), (100, 60, 20))
    picture.paste((0, 0, 0), (4, 4, 28, 12))  # the middle must not count
    pixels = read(encoded(picture), size=(32, 32), fit="pad")
    assert pixels[:, 0, 0].tolist() == [100, 60, 20]
    assert pixels[:, 31, 31].tolist() == [100, 60, 20]
    np.testing.assert_array_equal(pixels[:, 8:24].transpose(1, 2, 0), np.asarray(picture))


def test_stretch_shows_all_of_it():
    pixels = read(encoded(Image.fromarray(gradient(200, 50))), size=(16, 32), fit="stretch").astype(int)
    expected = np.asarray(Image.fromarray(gradient(200, 50)).resize((32, 16), Image.Resampling.BOX)).astype(int)
    assert np.abs(pixels.transpose(1, 2, 0) - expected).max() <= 3


def test_a_large_jpeg_is_the_same_picture_although_it_is_drafted():
    big = Image.fromarray(gradient(1600, 1200))
    drafted, whole = (
        read(encoded(big, form, **options), size=(48, 64)).astype(int)
        for form, options in (("JPEG", {"quality": 95}), ("PNG", {}))
    )
    assert np.abs(drafted - whole).max() <= 4


def test_fine_stripes_average_instead_of_aliasing():
    stripes = np.zeros((256, 256), np.uint8)
    stripes[:, ::2] = 255
    pixels = read(encoded(Image.fromarray(stripes)), channels=1)[0].astype(int)
    assert np.abs(pixels - 127.5)[:, 1:-1].max() <= 4  # at the ends half of the filter lies outside
    assert np.abs(pixels - 127.5).max() < 32


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that claims to be enormous."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot identify"),
        (b"this is text", "cannot identify"),
        (encoded(Image.fromarray(gradient(64, 64)), "JPEG")[:900], "truncated"),
        (encoded(Image.fromarray(gradient(64, 64)))[:300], "truncated"),
        (bomb(40_000), "too many pixels"),
        (bomb(11_000), "too many pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n", "cannot identify"),
    ],
)
def test_what_cannot_be_read_says_why_in_a_line(content, reason):
    with pytest.raises(UnreadableError) as raised:
        read(content)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("side", "too_many"), [(10_950, False), (10_960, True), (13_000, True)])
def test_too_many_pixels_are_refused_before_they_are_decoded(side, too_many):
    """Between the stated limit and pillow's own, which only warns at first; warnings raise nothing for a user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnreadableError) as raised:
            read(bomb(side))
    assert (f"too many pixels to be a picture meant for training ({side:,}x{side:,}" in str(raised.value)) == too_many


def test_a_missing_file_is_unreadable(tmp_path):
    with pytest.raises(UnreadableError, match="gone"):
        decode(partial(open_picture, tmp_path / "gone.png"), (16, 16), 3, "crop")


FORMATS = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "WEBP": ["RGB", "RGBA"],
    "GIF": ["1", "L", "P", "RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"],
    "PPM": ["1", "L", "RGB", "I;16"],
    "TGA": ["L", "P", "RGB", "RGBA"],
}


@st.composite
def files(draw) -> tuple[bytes, np.ndarray, str, str]:
    """A picture file of any format, mode and size, with what it was made from."""
    form = draw(st.sampled_from(sorted(FORMATS)))
    mode = draw(st.sampled_from(FORMATS[form]))
    width, height = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    if mode == "I;16":
        image = Image.fromarray(generator.integers(0, 65536, (height, width), dtype=np.uint16))
    elif mode == "F":
        image = Image.fromarray(generator.random((height, width), dtype=np.float32))
    else:
        image = Image.fromarray(generator.integers(0, 256, (height, width, 4), dtype=np.uint8), "RGBA").convert(mode)
    return encoded(image, form), np.asarray(image), form, mode


SIZES = st.sampled_from([(16, 16), (32, 16), (24, 40)])


@settings(max_examples=80)
@given(files(), SIZES, st.sampled_from([1, 3, 4]), st.sampled_from(["crop", "pad", "stretch"]))
def test_any_picture_becomes_pixels_of_the_wanted_shape(file, size, channels, fit):
    pixels = read(file[0], size, channels, fit)
    assert pixels.shape == (channels, *size)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    if channels == 4 and file[3] in ("1", "L", "RGB", "CMYK", "I;16", "F"):
        assert pixels[3].min() == 255  # opaque everywhere, the padding too


@settings(max_examples=40)
@given(files(), st.sampled_from(["crop", "pad", "stretch"]))
def test_a_lossless_picture_of_the_wanted_size_is_not_touched(file, fit):
    content, values, form, mode = file
    height, width = values.shape[:2]
    if mode in ("L", "RGB") and form in ("PNG", "BMP", "TIFF", "PPM", "TGA"):
        pixels = read(content, (height, width), 1 if mode == "L" else 3, fit)
        np.testing.assert_array_equal(np.squeeze(pixels.transpose(1, 2, 0)), np.squeeze(values))


@settings(max_examples=80)
@given(files(), st.data())
def test_damage_gives_pixels_or_a_reason_and_nothing_else(file, data):
    content = bytearray(file[0])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    with suppress(UnreadableError):
        assert read(bytes(content)).shape == (3, 16, 16)
