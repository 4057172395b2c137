"""The data that multigan carries, so that every shipped recipe runs as it is. No torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

_SIDE = 28
_PER_CLASS = 500


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """5,000 MNIST digits, 500 of each class, in the order of their classes: uint8 `[5000, 28, 28]`, int64 `[5000]`.

    White strokes (255) on black (0). Source and licence: digits.txt beside the picture (LeCun, Cortes and Burges).
    """
    from PIL import Image

    with files(__name__).joinpath("digits.png").open("rb") as file, Image.open(file) as picture:
        sheet = np.asarray(picture)
    rows, columns = sheet.shape[0] // _SIDE, sheet.shape[1] // _SIDE
    tiles = sheet.reshape(rows, _SIDE, columns, _SIDE).transpose(0, 2, 1, 3)
    images = np.ascontiguousarray(tiles).reshape(-1, _SIDE, _SIDE)
    return images, np.arange(len(images), dtype=np.int64) // _PER_CLASS


@dataclass(frozen=True)
class Drum:
    """One percussive sound: float32 `[T]` at 16 kHz in [-1, 1]."""

    name: str
    kind: str
    samples: NDArray[np.float32]


DRUM_RATE = 16_000


def drums() -> list[Drum]:
    """91 percussive one-shots in the order of their kinds: kick, snare, tom, cymbal, tabla, blip.

    All are CC0; their authors and sources: drums.json and drums.txt beside the file.
    """
    import soundfile

    about = json.loads(files(__name__).joinpath("drums.json").read_text(encoding="utf-8"))
    with files(__name__).joinpath("drums.flac").open("rb") as file:
        samples, _ = soundfile.read(file, dtype="float32")
    ends = np.cumsum([each["frames"] for each in about])
    parts = np.split(samples, ends[:-1])
    return [Drum(each["name"], each["kind"], part) for each, part in zip(about, parts, strict=True)]


def first_names() -> tuple[list[str], list[str]]:
    """5,494 names and of each its kind, `female` or `male`, each kind in the order of its names' frequency.

    5,163 are different: 331 are of both kinds. Public domain (US census, 1990); see names.txt beside the file.
    """
    rows = files(__name__).joinpath("names.csv").read_text(encoding="utf-8").splitlines()[1:]
    names, kinds = zip(*(row.split(",") for row in rows), strict=True)
    return list(names), list(kinds)
