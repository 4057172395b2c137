"""Arrays to pictures that a person opens: grids, strips, animations. numpy and pillow only."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from multigan.errors import UserError, printable
from multigan.files import replacing

FORMATS = ("png", "webp")
WEBP_SIDE, GIF_SIDE = 16383, 65535
Bytes = NDArray[np.uint8]
_MARGIN, _TEXT = 4, 12


def quantize(samples: NDArray[Any]) -> Bytes:
    """Values in [-1, 1] as 0..255, rounded to the nearest; values beyond the range are clipped. Any shape."""
    return np.rint(np.clip(samples, -1.0, 1.0) * 127.5 + 127.5).astype(np.uint8)


def to_uint8(samples: NDArray[Any]) -> Bytes:
    """`[..., C, H, W]` in [-1, 1] to `[..., H, W, C]` in 0..255; see `quantize`."""
    return np.moveaxis(quantize(samples), -3, -1)


def to_image(pixels: Bytes) -> Image.Image:
    """One picture from `[H, W, C]`: grey, colour or colour with transparency for 1, 3 or 4 channels."""
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    return Image.fromarray(np.ascontiguousarray(pixels))


def enlarge(pixels: Bytes, smallest: int = 64) -> Bytes:
    """Repeat the pixels of `[..., H, W, C]` so that the longer side has at least about `smallest`."""
    times = max(1, smallest // max(pixels.shape[-3:-1]))
    return pixels.repeat(times, axis=-3).repeat(times, axis=-2)


def grid(pixels: Bytes, columns: int | None = None, rows: Sequence[str] | None = None, gap: int = 2) -> Image.Image:
    """Pictures `[n, H, W, C]` side by side, row after row, on white.

    columns: about the square root of n by default. rows: a word to write before each row.
    """
    count, height, width, channels = pixels.shape
    columns = columns or max(1, round(float(np.sqrt(count * height / width))))
    lines = -(-count // columns)
    sheet = np.full((lines * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, np.uint8)
    for index, picture in enumerate(pixels):
        top, left = (
            gap + place * (side + gap) for place, side in zip(divmod(index, columns), (height, width), strict=True)
        )
        sheet[top : top + height, left : left + width] = picture
    image = to_image(sheet)
    return image if not rows else _with_margin(image, rows, height + gap, gap)


def by_class(pixels: Bytes, classes: int) -> tuple[Bytes, int]:
    """Pictures whose class is their index mod `classes`, put in the order of rows by class: pixels and columns.

    Every class takes the same number of rows, of 8 columns or about the square root of all; what is missing is white.
    """
    each = -(-len(pixels) // classes)
    lines = -(-each // max(8, round(len(pixels) ** 0.5)))
    columns = -(-each // lines)
    blank = np.full((lines * columns * classes - len(pixels), *pixels.shape[1:]), 255, np.uint8)
    full = np.concatenate([pixels, blank]).reshape(lines * columns, classes, *pixels.shape[1:])
    return full.swapaxes(0, 1).reshape(-1, *pixels.shape[1:]), columns


def class_grid(pixels: Bytes, names: Sequence[str], first: int = 0) -> Image.Image:
    """Pictures whose class is (`first` + their index) mod the classes, enlarged, a named row or more for each class."""
    rows, columns = by_class(enlarge(pixels), len(names))
    more = len(rows) // columns // len(names) - 1
    first %= len(names)
    words = [word for name in [*names[first:], *names[:first]] for word in [name, *[""] * more]]
    return grid(rows, columns, words)


def save_image(image: Image.Image, path: Path) -> None:
    """Write a PNG or lossless WebP, whole or not at all. Raises UserError where the folder cannot be written, or the
    picture is larger than WebP can hold."""
    if path.suffix == ".webp" and max(image.size) > WEBP_SIDE:
        raise UserError(
            f"{path.name} would be {image.width}x{image.height}, and WebP holds {WEBP_SIDE} at most: use --format png."
        )
    with replacing(path) as temporary:
        if path.suffix == ".webp":
            image.save(temporary, lossless=True)
        else:
            image.save(temporary)


def save_gif(frames: Bytes, path: Path, seconds: float) -> None:
    """Write frames `[n, H, W, C]` as an endless GIF that takes `seconds`, whole or not at all. Raises UserError where
    the folder cannot be written, or they are larger than GIF can hold."""
    height, width = frames.shape[1:3]
    if max(height, width) > GIF_SIDE:
        raise UserError(f"{path.name} would be {width}x{height}, and GIF holds {GIF_SIDE} at most.")
    images = [to_image(each) for each in frames]
    duration = max(20, round(1000 * seconds / len(images)))
    with replacing(path) as temporary:
        images[0].save(temporary, save_all=True, append_images=images[1:], duration=duration, loop=0)


def check_format(name: str) -> str:
    """`png` or `webp`. Raises UserError for another."""
    if name not in FORMATS:
        raise UserError(f"format {name!r} is unknown: choose {' or '.join(FORMATS)}.")
    return name


def drawable(text: str) -> str:
    """A text in letters that pillow's own font has: accents are left out, and what is no Latin letter is a `?`."""
    parts = unicodedata.normalize("NFKD", printable(text))
    return "".join(each if each.isascii() else "?" for each in parts if not unicodedata.combining(each))


def _with_margin(image: Image.Image, rows: Sequence[str], pitch: int, gap: int) -> Image.Image:
    """The picture with words to its left, one for each `pitch` pixels."""
    font = ImageFont.load_default(_TEXT)
    words = [drawable(row if len(row) <= 24 else row[:22] + "...") for row in rows]
    margin = _MARGIN * 2 + max(round(font.getlength(word)) for word in words)
    white: Any = {"L": 255}.get(image.mode, (255,) * len(image.getbands()))
    black: Any = {"L": 0, "RGBA": (0, 0, 0, 255)}.get(image.mode, (0, 0, 0))
    sheet = Image.new(image.mode, (image.width + margin, image.height), white)
    sheet.paste(image, (margin, 0))
    draw = ImageDraw.Draw(sheet)
    for index, word in enumerate(words):
        draw.text((_MARGIN, gap + index * pitch + (pitch - gap) / 2), word, fill=black, font=font, anchor="lm")
    return sheet
