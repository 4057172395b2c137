"""Which column of a table holds the pictures and which the labels, and what a cell means. No torch."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multigan.errors import UserError, nearest
from multigan.image.config import ImageData

IMAGE_NAMES = ("image", "img", "jpeg", "jpg", "png", "webp", "picture", "photo", "pixels", "bytes")
LABEL_NAMES = ("label", "labels", "class", "category", "fine_label", "target", "y", "cls")
SPLIT = "split"
Features = Mapping[str, Any]


def kind(feature: Any) -> str:
    """What a feature of `datasets` is for us: image, bytes, array, classes, integer, string or other."""
    name = type(feature).__name__
    if name == "Image":
        return "image"
    if name == "ClassLabel":
        return "classes"
    if isinstance(feature, Mapping):
        return "image" if "bytes" in feature else "other"
    if name in ("Array2D", "Array3D", "List", "LargeList", "Sequence", "list"):
        return "array"
    dtype = str(getattr(feature, "dtype", ""))
    if "binary" in dtype:
        return "bytes"
    if dtype.startswith(("int", "uint", "bool")):
        return "integer"
    return "string" if "string" in dtype else "other"


def image_column(features: Features, data: ImageData, place: str) -> str:
    """The column that `data.image_column` names, or the likeliest. Raises UserError where there is none."""
    if data.image_column is not None:
        return _named(features, data.image_column, "image_column", place)
    kinds = {name: kind(feature) for name, feature in features.items()}
    for wanted in ("image", "bytes"):
        found = [name for name in kinds if kinds[name] == wanted]
        if found:
            return min(found, key=lambda name: _rank(name, IMAGE_NAMES))
    arrays = [name for name in kinds if kinds[name] == "array" and name.lower() in IMAGE_NAMES]
    if arrays:
        return arrays[0]
    raise UserError(
        f"{place} has no column of pictures (its columns: {', '.join(features)}): name it in data.image_column."
    )


def label_column(features: Features, data: ImageData, place: str) -> str | None:
    """The column that `data.label_column` names, or a likely one, or None."""
    if data.label_column is not None:
        column = _named(features, data.label_column, "label_column", place)
        if kind(features[column]) not in ("classes", "integer", "string"):
            raise UserError(
                f"data.label_column: {column} of {place} holds {features[column]}, which are no classes: name a "
                "column of integers or strings."
            )
        return column
    classes = [name for name in features if kind(features[name]) == "classes" and name != SPLIT]
    plain = [name for name in features if kind(features[name]) in ("integer", "string") and name.lower() in LABEL_NAMES]
    found = classes or plain
    return min(found, key=lambda name: _rank(name, LABEL_NAMES)) if found else None


def picture(value: Any, below: Sequence[Path] = ()) -> Image.Image:
    """A cell as a picture: encoded bytes, a struct with `bytes` or `path`, a path, or an array of pixels.

    below: folders, of which a path must lie under one. Without any, as for tables of the hub, no path is opened: what
    a stranger wrote into a table must not choose among the files of this machine. Raises ValueError for such a path.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return Image.open(io.BytesIO(value))
    if isinstance(value, str):
        return Image.open(_file(value, below))
    if value is None:
        raise ValueError("the cell is empty")
    pixels = np.asarray(value)
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.size and (pixels.min() < 0 or pixels.max() > 255):
        raise ValueError("an array with values outside 0 to 255")
    return Image.fromarray(np.ascontiguousarray(np.squeeze(pixels, -1) if pixels.shape[-1] == 1 else pixels, np.uint8))


def numbered(column: Any, feature: Any) -> tuple[list[str], NDArray[np.int32]]:
    """An arrow column of labels as the names of those that occur, sorted, and int32 numbers into them; -1: no label."""
    encoded = column.combine_chunks().dictionary_encode()
    if hasattr(encoded, "combine_chunks"):
        encoded = encoded.combine_chunks()
    values = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    is_classes = kind(feature) == "classes"
    present = sorted(at for at, value in enumerate(values) if not (is_classes and value < 0))
    present.sort(key=lambda at: values[at])
    numbers = np.full(len(values) + 1, -1, dtype=np.int32)  # the last place serves the code -1
    numbers[present] = np.arange(len(present))
    names = [feature.names[values[at]] if is_classes else str(values[at]) for at in present]
    return names, numbers[codes]


def _file(path: str, below: Sequence[Path]) -> Path:
    if not below:
        raise ValueError(f"the cell holds no picture but the path {path}, and only a local table may name files")
    for folder in (each.resolve() for each in below):
        file = (folder / path).resolve()
        if file.is_relative_to(folder):
            if file.exists() and not file.is_file():
                raise ValueError(f"the cell names {path}, which is no file")
            return file
    raise ValueError(f"the cell names {path}, which does not lie below {below[0]}")


def _named(features: Features, column: str, key: str, place: str) -> str:
    if column not in features:
        raise UserError(
            f"data.{key}: {place} has no column {column!r} (it has {', '.join(features)}).{nearest(column, features)}"
        )
    return column


def _rank(name: str, names: tuple[str, ...]) -> int:
    return names.index(name.lower()) if name.lower() in names else len(names)
