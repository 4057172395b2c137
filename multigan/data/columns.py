"""Which column of a table holds the samples and which the labels, and what a cell means. No torch."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.data.medium import Medium, T
from multigan.errors import AbsentColumnError, UserError, nearest
from multigan.settings import Data

LABEL_NAMES = ("label", "labels", "class", "category", "fine_label", "target", "y", "cls")
SPLIT = "split"
Features = Mapping[str, Any]


def kind(feature: Any) -> str:
    """What a feature of `datasets` is for us: media, bytes, array, classes, integer, string or other."""
    name = type(feature).__name__
    if name in ("Image", "Audio"):
        return "media"
    if name == "ClassLabel":
        return "classes"
    if isinstance(feature, Mapping):
        return "media" if "bytes" in feature or "array" in feature else "other"
    if name in ("Array2D", "Array3D", "List", "LargeList", "Sequence", "list"):
        return "array"
    dtype = str(getattr(feature, "dtype", ""))
    if "binary" in dtype:
        return "bytes"
    if dtype.startswith(("int", "uint", "bool")):
        return "integer"
    return "string" if "string" in dtype else "other"


def content_column(features: Features, data: Data, place: str, medium: Medium[Any]) -> str:
    """The column that the recipe names (`data.image_column`, say), or the likeliest. Raises UserError where there is
    none."""
    asked = getattr(data, medium.key)
    if asked is not None:
        return named(features, asked, medium.key, place)
    kinds = {name: kind(feature) for name, feature in features.items() if not _foreign(feature, medium)}
    for wanted in medium.kinds:
        found = [name for name in kinds if kinds[name] == wanted]
        if wanted == "array":
            found = [name for name in found if name.lower() in medium.names]
        elif wanted == "string":
            found = unspoken(found, data)
        if found:
            return min(found, key=lambda name: rank(name, medium.names))
    raise UserError(
        f"{place} has no column of {medium.many} (its columns: {', '.join(features)}): name it in data.{medium.key}."
    )


def unspoken(names: Sequence[str], data: Data) -> list[str]:
    """Those of a table's columns that tell neither classes nor splits."""
    return [name for name in names if name not in (SPLIT, data.label_column) and name.lower() not in LABEL_NAMES]


def label_column(features: Features, data: Data, place: str) -> str | None:
    """The column that `data.label_column` names, or a likely one, or None."""
    if data.label_column is not None:
        column = named(features, data.label_column, "label_column", place)
        if kind(features[column]) not in ("classes", "integer", "string"):
            raise UserError(
                f"data.label_column: {column} of {place} holds {features[column]}, which are no classes: name a "
                "column of integers or strings."
            )
        return column
    classes = [name for name in features if kind(features[name]) == "classes" and name != SPLIT]
    plain = [name for name in features if kind(features[name]) in ("integer", "string") and name.lower() in LABEL_NAMES]
    found = classes or plain
    return min(found, key=lambda name: rank(name, LABEL_NAMES)) if found else None


def number_column(features: Features, data: Data, place: str) -> str | None:
    """The column that `data.number_column` names, or None. Raises UserError where it holds no numbers."""
    if data.number_column is None:
        return None
    column = named(features, data.number_column, "number_column", place)
    if not str(getattr(features[column], "dtype", "")).startswith(("int", "uint", "float", "decimal")):
        raise UserError(f"data.number_column: {column} of {place} holds {features[column]}: name a column of numbers.")
    return column


def content(value: Any, medium: Medium[T], below: Sequence[Path] = ()) -> T:
    """A cell as a sample: encoded bytes, a struct with `bytes` or `path`, a path, or an array of values.

    below: folders, of which a path must lie under one. Without any, as for tables of the hub, no path is opened: what
    a stranger wrote into a table must not choose among the files of this machine. Raises ValueError for such a path.
    """
    if isinstance(value, Mapping) and ("bytes" in value or "path" in value):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return medium.open(io.BytesIO(value))
    if isinstance(value, str):
        return medium.open(str(file_of(value, medium, below)))
    if value is None:
        raise ValueError("the cell is empty")
    return medium.array(value)


def paths(cells: Any) -> dict[int, str]:
    """The paths in an arrow column of samples, by row: of the cells that hold nothing else."""
    if str(cells.type).startswith("struct"):
        parts = dict(zip((field.name for field in cells.type), cells.flatten(), strict=True))
        encoded = parts.get("bytes")
        if "path" not in parts or (encoded is not None and not encoded.null_count):
            return {}
        named = parts["path"].to_pylist()
        held = [False] * len(named) if encoded is None else encoded.is_valid().to_pylist()
        return {row: path for row, path in enumerate(named) if path and not held[row]}
    return {row: path for row, path in enumerate(cells.to_pylist()) if path} if "string" in str(cells.type) else {}


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


def file_of(path: str, medium: Medium[Any], below: Sequence[Path]) -> Path:
    """The file that a cell's path names. Raises ValueError for one that it must not name."""
    if not below:
        raise ValueError(f"the cell holds no {medium.one} but the path {path}, and only a local table may name files")
    for folder in (each.resolve() for each in below):
        file = (folder / path).resolve()
        if file.is_relative_to(folder):
            if file.exists() and not file.is_file():
                raise ValueError(f"the cell names {path}, which is no file")
            return file
    raise ValueError(f"the cell names {path}, which does not lie below {below[0]}")


def _foreign(feature: Any, medium: Medium[Any]) -> bool:
    """Whether `datasets` says that the column is of another medium."""
    return type(feature).__name__ in {"Image", "Audio"} - {medium.feature}


def named(features: Collection[str], column: str, key: str, place: str) -> str:
    """The column, which `data.KEY` names. Raises AbsentColumnError where it is not there."""
    if column not in features:
        raise AbsentColumnError(
            key,
            f"data.{key}: {place} has no column {column!r} (it has {', '.join(features)}).{nearest(column, features)}",
        )
    return column


def rank(name: str, names: tuple[str, ...]) -> int:
    """A name's place among likely ones; all others come behind them."""
    return names.index(name.lower()) if name.lower() in names else len(names)
