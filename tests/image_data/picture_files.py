"""Small helpers of the tests of pictures: recipes with given data, and files to read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from multigan.image.config import ImageRecipe
from multigan.image.data import open_stream
from multigan.image.data.stream import ImageStream

CPU = torch.device("cpu")


def recipe(conditional: bool = False, seed: int = 3, **data) -> ImageRecipe:
    network = {"kind": "dcgan", "width": 8}
    return ImageRecipe.model_validate(
        {
            "modality": "image",
            "name": "test",
            "seed": seed,
            "conditional": conditional,
            "data": {"size": [16, 16], "channels": 3, **data},
            "generator": network,
            "discriminator": network,
            "loss": {"kind": "relativistic"},
            "training": {"samples": 1000, "batch": 8},
        }
    )


def stream(source: Path | str | None, batch: int = 4, **settings) -> ImageStream:
    return open_stream(recipe(source=None if source is None else str(source), **settings), CPU, batch)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def flat(value: int | tuple[int, ...], size: tuple[int, int] = (16, 16)) -> Image.Image:
    """A picture of one colour; its value tells later which one it was."""
    return Image.new("L" if isinstance(value, int) else "RGB", size, value)


def write_flat(folder: Path, count: int, start: int = 0) -> None:
    """`count` grey pictures of the values start, start + 1, ..., in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        flat(start + number).save(folder / f"{number:03d}.png")


def values(pixels: torch.Tensor) -> list[int]:
    """The value of each of the flat pictures, from uint8 or from [-1, 1]."""
    corner = pixels[:, 0, 0, 0]
    return [round(float(each)) for each in (corner if pixels.dtype == torch.uint8 else (corner + 1) * 127.5)]


def gradient(width: int, height: int) -> np.ndarray:
    """Smooth uint8 `[height, width, 3]`: red grows to the right, green downwards, blue is their mean."""
    right = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    down = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return np.rint(np.stack([right, down, (right + down) / 2], axis=-1)).astype(np.uint8)
