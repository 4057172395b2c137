"""A picture file of any kind to pixels `[C, H, W]` of the wanted shape, with pillow alone.

Orientation tags are obeyed, palettes and CMYK converted (colour profiles are not read), 16-bit grey is scaled to 8
bits, transparency is laid on white unless 4 channels are wanted, and of an animation the first frame is taken.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from multigan.data.access import UnavailableError, UnreadableError, clause, may_pass
from multigan.errors import UserError

Fit = Literal["crop", "pad", "stretch"]
Pixels = NDArray[np.uint8]
Opener = Callable[[], Image.Image]

MOST_PIXELS = 120_000_000
"""A larger picture is not decoded: in RGB it takes 360 MB, and each thread decodes one."""
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture of each EXIF orientation upright."""
_STRIPE = 2**20
"""Pixels of more than 8 bits that are converted at once."""
_GAP = 3.0
"""Large pictures are first halved cheaply down to this many times the wanted size (pillow's `reducing_gap`)."""
# Pillow warns of pictures of half that size, on a terminal that shows a progress bar; the limit here is stated.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(opener: Opener, size: tuple[int, int], channels: int, fit: Fit) -> Pixels:
    """Open and decode one picture: uint8 `[channels, *size]`, size being height and width.

    Raises UnreadableError where the file is damaged, truncated, absent, no picture, or too large to be one, and
    UnavailableError where the disk, the network or the memory fails, which says nothing of the file.
    """
    with opened(opener) as image:
        _draft(image, size)
        return shape(normalize(image, channels), size, fit)


@contextmanager
def opened(opener: Opener) -> Iterator[Image.Image]:
    """The picture, not decoded yet, and of a size that can be; raises as `decode`, also for what is done with it."""
    with reading(), opener() as image:
        if image.width * image.height > MOST_PIXELS:
            raise UnreadableError(
                f"too many pixels to be a picture meant for training ({image.width:,}x{image.height:,}, and "
                f"{MOST_PIXELS:,} are the most that is decoded)"
            )
        yield image


@contextmanager
def reading() -> Iterator[None]:
    """Turn whatever a damaged file makes pillow raise into UnreadableError, and the system's into UnavailableError."""
    try:
        yield
    except (UserError, UnreadableError, UnavailableError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableError(f"too many pixels to be a picture meant for training ({clause(error)})") from error
    except FileNotFoundError as error:
        raise UnreadableError("the file is gone") from error
    # A damaged file raises whatever pillow's parser of its format stumbles on: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise (UnavailableError if may_pass(error) else UnreadableError)(clause(error)) from error


def normalize(image: Image.Image, channels: int) -> Image.Image:
    """The picture upright, in 8 bits and in the mode of that many channels: L, RGB or RGBA."""
    image = eight_bits(_upright(image))
    if _transparent(image):
        image = image.convert("RGBA")
        if channels < 4:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode == "P":
        image = image.convert("RGB")
    mode = MODES[channels]
    return image if image.mode == mode else image.convert(mode)


def eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point grey scaled to 8 bits; every other mode as it is.

    16-bit values (modes I;16 and I) are divided by 257. Values beyond 16 bits, and floats beyond [0, 1], which have no
    stated range, are scaled by the picture's own greatest value.
    """
    if not (image.mode.startswith("I") or image.mode == "F"):
        return image
    values = np.asarray(image)
    full = 1.0 if image.mode == "F" else 65535.0
    greatest = max((float(part.max(initial=0.0)) for _, part in _stripes(values)), default=0.0)
    scale = 255.0 / (full if greatest <= full else greatest)
    grey = np.empty(values.shape, dtype=np.uint8)
    for rows, part in _stripes(values):
        grey[rows] = np.rint(np.clip(part * scale, 0, 255))
    return Image.fromarray(grey)


def _stripes(values: NDArray[Any]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """A picture's rows in parts, as finite numbers: of the whole these would take eight bytes a pixel."""
    rows = max(1, _STRIPE // max(1, values.shape[1]))
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        yield part, np.nan_to_num(values[part].astype(np.float64), posinf=0.0, neginf=0.0)


def shape(image: Image.Image, size: tuple[int, int], fit: Fit) -> Pixels:
    """Scale and crop, pad or stretch an L, RGB or RGBA picture to `size` (height, width): uint8 `[C, *size]`."""
    height, width = size
    if fit == "crop":
        image = _resize(image, (width, height), _middle(image.size, width / height))
    elif fit == "stretch":
        image = _resize(image, (width, height))
    else:
        image = _pad(image, width, height)
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def _resize(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """Lanczos: it weighs by the scale when it makes smaller, so nothing is skipped over."""
    whole = (0.0, 0.0, float(image.width), float(image.height))
    if image.size == size and box in (None, whole):
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box=box or whole, reducing_gap=_GAP)


def _middle(size: tuple[int, int], aspect: float) -> tuple[float, float, float, float]:
    """The largest box of that width to height in the middle of a picture of `size` (width, height)."""
    width, height = size
    wide, high = min(float(width), height * aspect), min(float(height), width / aspect)
    left, top = (width - wide) / 2, (height - high) / 2
    return left, top, left + wide, top + high


def _pad(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scale to fit inside and fill the rest with the mean of the scaled picture's edge."""
    scale = min(width / image.width, height / image.height)
    inner = (min(max(round(image.width * scale), 1), width), min(max(round(image.height * scale), 1), height))
    image = _resize(image, inner)
    if image.size == (width, height):
        return image
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    color = np.rint(edge.mean(axis=0)).astype(int).tolist()
    canvas = Image.new(image.mode, (width, height), tuple(color) if isinstance(color, list) else color)
    canvas.paste(image, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _draft(image: Image.Image, size: tuple[int, int]) -> None:
    """Let a JPEG be decoded at a half, a quarter or an eighth where that is still twice the wanted size."""
    if image.format in ("JPEG", "MPO"):
        side = 2 * max(size)  # the larger side for both: the picture may lie on its side
        image.draft(None, (side, side))


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 where there is none or the tags are damaged."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - damaged tags say nothing of the pixels
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) as shown, without decoding; pillow gives a TIFF's so already."""
    turned = orientation(image) >= 5 and image.format != "TIFF"
    return (image.width, image.height) if turned else (image.height, image.width)


def _upright(image: Image.Image) -> Image.Image:
    image.load()  # pillow turns some formats (TIFF) itself when it loads them, and drops the tag then
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def _transparent(image: Image.Image) -> bool:
    return image.has_transparency_data and not image.mode.startswith("I")
