"""Pictures as `multigan.data` knows them, and the embedded digits. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multigan import embedded
from multigan.data import sources
from multigan.data.medium import Medium
from multigan.data.numbers import Numbers
from multigan.data.order import Blocks
from multigan.image.config import ImageData

SUFFIXES = frozenset(
    b".jpg .jpeg .jpe .jfif .png .apng .webp .gif .bmp .dib .tif .tiff .avif .jp2 .j2k .ppm .pgm .pbm .pnm .tga".split()
)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA")
"""Pillow's names for them. Whatever a file is called, its content is opened as one of these or not at all: among the
others are parsers that hardly anybody has looked at, and one that starts another program (EPS)."""
DIGITS = "the embedded digits"


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this pillow has."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_picture(place: str | bytes | BinaryIO) -> Image.Image:
    """A picture by its path or from memory, not decoded yet. Raises OSError where its content is of another format."""
    return Image.open(place, formats=_formats())


def from_array(value: Any) -> Image.Image:
    """A picture from a cell with its pixels, 0 to 255: `[H, W]`, `[H, W, C]` or `[C, H, W]`."""
    if isinstance(value, Mapping):
        raise ValueError("the cell holds no picture")
    pixels = np.asarray(value)
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.size and (pixels.min() < 0 or pixels.max() > 255):
        raise ValueError("an array with values outside 0 to 255")
    return Image.fromarray(np.ascontiguousarray(np.squeeze(pixels, -1) if pixels.shape[-1] == 1 else pixels, np.uint8))


PICTURES: Medium[Image.Image] = Medium(
    one="picture",
    many="pictures",
    suffixes=SUFFIXES,
    examples=".jpg, .png, .webp, .gif, .bmp, .tif",
    feature="Image",
    names=("image", "img", "jpeg", "jpg", "png", "webp", "picture", "photo", "pixels", "bytes"),
    key="image_column",
    open=open_picture,
    array=from_array,
)


class Digits:
    """The embedded digits, 28x28, with two black pixels around them: 32x32."""

    place = DIGITS
    medium = PICTURES
    blocks: Blocks | None = None

    def __init__(self) -> None:
        images, labels = embedded.digits()
        self._images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
        self.labels: sources.Labels | None = labels.astype(np.int32)
        self.classes: list[str] | None = [str(digit) for digit in range(10)]
        self.numbers: Numbers | None = None
        self.notes: list[str] = []

    def __len__(self) -> int:
        return len(self._images)

    def open(self, index: int) -> Image.Image:
        return Image.fromarray(self._images[index])

    def name(self, index: int) -> str:
        return f"digit {index}"

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """They are in memory."""

    def identity(self) -> str:
        return DIGITS

    def selection(self) -> str:
        return DIGITS

    def versions(self) -> bytes:
        return b""


Source = sources.Source[Image.Image]


def open_source(data: ImageData, place: str | Path | None = None) -> Source:
    """Open `place`, or what `data.source` names; the embedded digits where both are absent: see `multigan.data`."""
    return sources.open_source(data, PICTURES, Digits, place)
