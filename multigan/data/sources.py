"""Where samples come from: one interface over folders, tables, the hub and what multigan carries. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from multigan.data import tables
from multigan.data.access import clause
from multigan.data.folder import Folder
from multigan.data.medium import Medium
from multigan.data.numbers import Numbers
from multigan.data.order import Blocks
from multigan.errors import AbsentColumnError, UserError, nearest
from multigan.files import digest
from multigan.settings import Data

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Labels = NDArray[np.int32]
_NAMED = 5
"""Classes that a sentence names."""

TABLES = (".parquet", ".arrow")
_HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(:[\w.-]+)?$")


class Source(Protocol[T_co]):
    """Numbered samples of one medium.

    place: what the user called it. classes: their names, or None where there are none. labels: int32 `[len]`, numbers
    into `classes`. numbers: float32 `[len]`, or None where no column of them was asked for. notes: sentences on how the
    data was understood. blocks: the runs of samples that are read together, or None where each is read on its own.
    """

    place: str
    classes: list[str] | None
    labels: Labels | None
    numbers: Numbers | None
    notes: list[str]
    blocks: Blocks | None

    @property
    def medium(self) -> Medium[Any]: ...

    def __len__(self) -> int: ...

    def open(self, index: int) -> T_co:
        """The sample, not decoded yet where the format allows. May raise anything where the file is damaged."""
        ...

    def name(self, index: int) -> str:
        """What the user calls that sample: a path within the folder, or a row."""
        ...

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """A hint that these samples will be asked for later."""
        ...

    def identity(self) -> str:
        """A digest of what the samples are called and how they are numbered: another one means other data."""
        ...

    def selection(self) -> str:
        """A digest of which samples are taken, and in what order, whatever their classes and numbers."""
        ...

    def versions(self) -> bytes:
        """What changes when the content of a sample does, as far as that can be told without reading it."""
        ...


class Selected(Generic[T]):
    """Some samples of a source, in ascending order, with its classes renumbered."""

    def __init__(
        self, source: Source[T], rows: NDArray[np.int64], classes: list[str] | None, labels: Labels | None
    ) -> None:
        self._source, self._rows = source, rows
        self.place, self.notes, self.medium = source.place, source.notes, source.medium
        self.classes: list[str] | None = classes
        self.labels: Labels | None = labels
        self.numbers = None if source.numbers is None else source.numbers[rows]
        self.blocks: Blocks | None = None
        if source.blocks is not None:
            self.blocks = Blocks(np.searchsorted(rows, source.blocks.bounds), source.blocks.window)

    def __len__(self) -> int:
        return len(self._rows)

    def open(self, index: int) -> T:
        return self._source.open(int(self._rows[index]))

    def name(self, index: int) -> str:
        return self._source.name(int(self._rows[index]))

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        self._source.prefetch(self._rows[indices])

    def identity(self) -> str:
        return digest(self._source.identity().encode(), self._rows.tobytes(), *map(str.encode, self.classes or []))

    def selection(self) -> str:
        return digest(self._source.selection().encode(), self._rows.tobytes())

    def versions(self) -> bytes:
        return self._source.versions()


Opener = Callable[[Data, Medium[T], str], Source[T]]
"""`(data, medium, place)`: the source at a place."""


def open_source(
    data: Data,
    medium: Medium[T],
    embedded: Callable[[], Source[T]],
    place: str | Path | None = None,
    opener: Opener[T] | None = None,
) -> Source[T]:
    """Open `place`, or what `data.source` names; what multigan carries where both are absent. opener: of a medium that
    has kinds of files of its own.

    Where `data.classes` is given, its order numbers the classes, and samples of other classes are left out.
    Raises UserError where the place is missing, unreadable or holds no samples, or lacks a named column or class.
    """
    place = data.source if place is None else str(place)
    source = embedded() if place is None else _open_place(data, medium, place, opener or open_kind)
    for key in ("label_column", "number_column"):
        if place is None and getattr(data, key) is not None:
            raise AbsentColumnError(
                key, f"data.{key}: {source.place} have no columns: name data of your own, or leave it away."
            )
    if len(source) == 0:
        raise UserError(f"{source.place} holds no {medium.many}: choose another --data.")
    if data.classes is not None and source.classes is not None and data.classes != source.classes:
        source = _select(source, data.classes)
    _note_single(source)
    return source


def _note_single(source: Source[T]) -> None:
    """Say which classes have one sample alone."""
    if source.classes is None or source.labels is None or len(source.classes) < 2:
        return
    single = np.flatnonzero(np.bincount(source.labels, minlength=len(source.classes)) == 1)
    if len(single):
        names = ", ".join(source.classes[number] for number in single[:_NAMED])
        more = f" and {len(single) - _NAMED} more" if len(single) > _NAMED else ""
        source.notes.append(
            f"Classes with one {source.medium.one} alone, which a generator can only learn by heart: {names}{more}."
        )


def _open_place(data: Data, medium: Medium[T], place: str, opener: Opener[T]) -> Source[T]:
    """What `opener` opens, with a sentence for a path that the system refuses: no rights, no such user, a
    name too long."""
    try:
        return opener(data, medium, place)
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or clause(error)
        raise UserError(f"{place[:200]} cannot be read: {reason}. Choose another --data.") from error


def open_kind(data: Data, medium: Medium[T], place: str) -> Source[T]:
    """A table, a folder of tables or of files, or a data set of the hub, whichever the place is."""
    path = Path(place).expanduser()
    if path.is_file() and path.suffix.lower() in TABLES:
        return tables.open_file(place, path, data, medium)
    if path.is_file():
        raise UserError(
            f"{place} is a single file: --data takes a folder of {medium.many}, a .parquet or .arrow file, "
            "or a hub name."
        )
    if path.is_dir():
        if has_tables(path):
            return tables.open_folder(place, path, data, medium)
        return Folder(path, medium, data.split, data.label_column, data.number_column)
    if _HUB_NAME.match(place) and not Path(place.split("/")[0]).exists():
        return tables.open_hub(place, data, medium)
    raise UserError(
        f"there is no folder or file {place}: check the path (a data set of the Hugging Face hub is named owner/name)."
    )


def has_tables(path: Path) -> bool:
    """Whether parquet or arrow files lie in the folder, or in its `data` as in repositories of the hub."""
    if (path / "dataset_dict.json").is_file():
        return True
    for folder in (path, path / "data"):
        if folder.is_dir():
            with os.scandir(folder) as entries:
                if any(entry.name.lower().endswith(TABLES) and entry.name[0] not in "._" for entry in entries):
                    return True
    return False


def _select(source: Source[T], classes: list[str]) -> Source[T]:
    """The samples of the named classes, numbered in the order of `classes`."""
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
        source.notes.append(f"{left:,} {source.medium.many} of classes that data.classes does not name are left out.")
    if len(rows) == 0:
        raise UserError(
            f"{source.place} has no {source.medium.one} of the classes {', '.join(classes)}: change data.classes."
        )
    return Selected(source, rows, classes, labels[rows])
