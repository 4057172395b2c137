"""The picture of generated samples beside the real ones that are nearest to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from multigan.metrics.comparison import Novelty

Pictures = NDArray[Any]
_GAP, _TEXT = 6, 14


def neighbours_picture(
    generated: Pictures, found: Novelty, real: Callable[[NDArray[np.int64]], Pictures], rows: int = 8
) -> Image.Image:
    """Generated pictures, each followed by its nearest real ones with their distances (1 = usual among real pictures).

    On the left the first `rows` samples; on the right those that are nearest to a real picture, where memorising would
    show. real: gives the real pictures `[n, C, H, W]` of the indices in `found`.
    """
    rows = min(rows, len(generated))
    blocks = [
        ("first samples, then the nearest real ones", np.arange(rows)),
        ("samples nearest to a real one", np.argsort(found.distances[:, 0], kind="stable")[:rows]),
    ]
    side = max(generated.shape[2:])
    scale = max(1, -(-64 // side))
    height, width = generated.shape[2] * scale, generated.shape[3] * scale
    columns = 1 + found.indices.shape[1]
    block_width = columns * (width + _GAP) + 3 * _GAP
    canvas = Image.new(
        "RGB", (len(blocks) * block_width + _GAP, rows * (height + _TEXT + _GAP) + _TEXT + 2 * _GAP), "white"
    )
    draw = ImageDraw.Draw(canvas)
    for number, (title, samples) in enumerate(blocks):
        left = _GAP + number * block_width
        draw.text((left, 2), title, fill="black")
        for row, sample in enumerate(samples):
            top = _TEXT + _GAP + row * (height + _TEXT + _GAP)
            tiles = [generated[sample], *real(found.indices[sample])]
            captions = ["generated", *(f"{distance:.2f}" for distance in found.distances[sample])]
            for column, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
                corner = (left + column * (width + _GAP) + (2 * _GAP if column else 0), top)
                canvas.paste(_tile(tile).resize((width, height), Image.Resampling.NEAREST), corner)
                draw.text((corner[0], top + height + 1), caption, fill="black")
    return canvas


def _tile(picture: Pictures) -> Image.Image:
    """uint8 `[C, H, W]` as an RGB picture, alpha laid on white."""
    if len(picture) == 1:
        return Image.fromarray(picture[0]).convert("RGB")
    pixels = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    if len(picture) == 4:
        pixels = Image.alpha_composite(Image.new("RGBA", pixels.size, "white"), pixels)
    return pixels.convert("RGB")
