"""Where pictures come from: one interface over folders, tables and the embedded digits. No torch."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multigan import embedded
from multigan.errors import UserError, nearest
from multigan.image.config import ImageData
from multigan.image.data import tables
from multigan.image.data.folder import Folder
from multigan.image.data.order import Blocks

Labels = NDArray[np.int32]

DIGITS = "the embedded digits"
_TABLES = (".parquet", ".arrow")
_HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(:[\w.-]+)?$")


class Source(Protocol):
    """Numbered pictures. place: what the user called it. classes: their names, or None where the data has none.
    labels: int32 `[len]`, numbers into `classes`. notes: sentences on how the data was understood. blocks: the runs of
    pictures that are read together, or None where each is read on its own."""

    place: str
    classes: list[str] | None
    labels: Labels | None
    notes: list[str]
    blocks: Blocks | None

    def __len__(self) -> int: ...

    def open(self, index: int) -> Image.Image:
        """The picture, not decoded yet where the format allows. May raise anything where the file is damaged."""
        ...

    def name(self, index: int) -> str:
        """What the user calls that picture: a path within the folder, or a row."""
        ...

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """A hint that these pictures will be asked for later."""
        ...


class Digits:
    """The embedded digits, 28x28, with two black pixels around them: 32x32."""

    place = DIGITS
    blocks: Blocks | None = None

    def __init__(self) -> None:
        images, labels = embedded.digits()
        self._images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
        self.labels: Labels | None = labels.astype(np.int32)
        self.classes: list[str] | None = [str(digit) for digit in range(10)]
        self.notes: list[str] = []

    def __len__(self) -> int:
        return len(self._images)

    def open(self, index: int) -> Image.Image:
        return Image.fromarray(self._images[index])

    def name(self, index: int) -> str:
        return f"digit {index}"

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """They are in memory."""


class Selected:
    """Some pictures of a source, with its classes renumbered."""

    def __init__(self, source: Source, rows: NDArray[np.int64], classes: list[str], labels: Labels) -> None:
        self._source, self._rows = source, rows
        self.place, self.notes = source.place, source.notes
        self.classes: list[str] | None = classes
        self.labels: Labels | None = labels
        self.blocks: Blocks | None = None
        if source.blocks is not None:
            self.blocks = Blocks(np.searchsorted(rows, source.blocks.bounds), source.blocks.window)

    def __len__(self) -> int:
        return len(self._rows)

    def open(self, index: int) -> Image.Image:
        return self._source.open(int(self._rows[index]))

    def name(self, index: int) -> str:
        return self._source.name(int(self._rows[index]))

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        self._source.prefetch(self._rows[indices])


def open_source(data: ImageData, place: str | Path | None = None) -> Source:
    """Open `place`, or what `data.source` names; the embedded digits where both are absent.

    Where `data.classes` is given, its order numbers the classes, and pictures of other classes are left out.
    Raises UserError where the place is missing, unreadable or holds no pictures, or lacks a named column or class.
    """
    source = _open(data, data.source if place is None else str(place))
    if len(source) == 0:
        raise UserError(f"{source.place} holds no pictures: choose another --data.")
    if data.classes is not None and source.classes is not None and data.classes != source.classes:
        return _select(source, data.classes)
    return source


def _open(data: ImageData, place: str | None) -> Source:
    if place is None:
        return Digits()
    path = Path(place).expanduser()
    if path.is_file() and path.suffix.lower() in _TABLES:
        return tables.open_file(place, path, data)
    if path.is_file():
        raise UserError(
            f"{place} is a single file: --data takes a folder of pictures, a .parquet or .arrow file, or a hub name."
        )
    if path.is_dir():
        return tables.open_folder(place, path, data) if _has_tables(path) else Folder(path, data.split)
    if _HUB_NAME.match(place) and not Path(place.split("/")[0]).exists():
        return tables.open_hub(place, data)
    raise UserError(
        f"there is no folder or file {place}: check the path (a data set of the Hugging Face hub is named owner/name)."
    )


def _has_tables(path: Path) -> bool:
    """Whether parquet or arrow files lie in the folder, or in its `data` as in repositories of the hub."""
    if (path / "dataset_dict.json").is_file():
        return True
    for folder in (path, path / "data"):
        if folder.is_dir():
            with os.scandir(folder) as entries:
                if any(entry.name.lower().endswith(_TABLES) and entry.name[0] not in "._" for entry in entries):
                    return True
    return False


def _select(source: Source, classes: list[str]) -> Source:
    """The pictures of the named classes, numbered in the order of `classes`."""
    assert source.classes is not None
    assert source.labels is not None
    numbers = np.full(len(source.classes), -1, dtype=np.int32)
    for number, name in enumerate(classes):
        if name not in source.classes:
            raise UserError(
                f"data.classes names {name!r}, which {source.place} does not have.{nearest(name, source.classes)}"
            )
        numbers[source.classes.index(name)] = number
    labels = numbers[source.labels]
    rows = np.flatnonzero(labels >= 0)
    left = len(source) - len(rows)
    if left:
        source.notes.append(f"{left:,} pictures of classes that data.classes does not name are left out.")
    if len(rows) == 0:
        raise UserError(f"{source.place} has no picture of the classes {', '.join(classes)}: change data.classes.")
    return Selected(source, rows, classes, labels[rows])
