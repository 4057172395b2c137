"""Parquet and arrow files and data sets of the Hugging Face hub, through `datasets`. No torch."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
from numpy.typing import NDArray

from multigan.data import columns
from multigan.data.access import clause, version
from multigan.data.medium import Medium, T
from multigan.data.numbers import LARGEST, Numbers, refused
from multigan.data.order import Blocks
from multigan.errors import UserError
from multigan.extras import need
from multigan.files import digest
from multigan.settings import Data

Column = Callable[[str], Any]


class Rows(ABC, Generic[T]):
    """Which rows of a table are samples to train on, and their labels: what every kind of table has in common.

    column: gives an arrow column by its name. rows: int64, ascending, or None for all.
    """

    blocks: Blocks | None = None

    def __init__(
        self,
        place: str,
        count: int,
        features: columns.Features,
        column: Column,
        data: Data,
        medium: Medium[T],
    ) -> None:
        self.medium = medium
        self.place = place
        self.notes: list[str] = []
        self.content = columns.content_column(features, data, place, medium)
        self._count, self.features, self._column = count, features, column
        self.rows: NDArray[np.int64] | None = None
        self.classes: list[str] | None = None
        self.labels: NDArray[np.int32] | None = None
        self.numbers: Numbers | None = None
        if columns.SPLIT in features and columns.kind(features[columns.SPLIT]) in ("string", "classes"):
            self._take_split(data.split)
        values = self._numbered(columns.number_column(features, data, place))
        label = columns.label_column(features, data, place)
        if label is not None:
            self._take_labels(label)
        if values is not None:
            self.numbers = values if self.rows is None else values[self.rows]

    def __len__(self) -> int:
        return self._count if self.rows is None else len(self.rows)

    @abstractmethod
    def open(self, index: int) -> T:
        """The sample, not decoded yet."""

    @abstractmethod
    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """A hint that these samples will be asked for later."""

    def identity(self) -> str:
        """By the number of rows and their labels: the cells would all have to be read."""
        rows = b"" if self.rows is None else self.rows.tobytes()
        labels = b"" if self.labels is None else self.labels.tobytes()
        numbers = () if self.numbers is None else (self.numbers.tobytes(),)
        return digest(str(self._count).encode(), rows, labels, *map(str.encode, self.classes or []), *numbers)

    def selection(self) -> str:
        """By the number of rows, which of them are taken, and of which column."""
        rows = b"" if self.rows is None else self.rows.tobytes()
        return digest(str(self._count).encode(), self.content.encode(), rows)

    def versions(self) -> bytes:
        """Nothing: a table whose cells are not at hand."""
        return b""

    def row(self, index: int) -> int:
        return index if self.rows is None else int(self.rows[index])

    def name(self, index: int) -> str:
        return f"row {self.row(index)}"

    def _take_split(self, split: str) -> None:
        names, numbers = columns.numbered(self._column(columns.SPLIT), self.features[columns.SPLIT])
        if split not in names:
            raise UserError(
                f"data.split: the column {columns.SPLIT!r} of {self.place} has {', '.join(names)} and no {split!r}."
            )
        self._keep(numbers == names.index(split))
        self.notes.append(f"The {len(self):,} rows of the split {split} are taken, of {self._count:,} (data.split).")

    def _numbered(self, column: str | None) -> Numbers | None:
        """The numbers of all rows; those without one are left out. Raises UserError for one that cannot be learned."""
        if column is None:
            return None
        cells = self._column(column)
        values = cells.cast("double", safe=False).combine_chunks().to_numpy(zero_copy_only=False)
        there = cells.is_valid().combine_chunks().to_numpy(zero_copy_only=False)
        chosen = there if self.rows is None else there & np.isin(np.arange(self._count), self.rows)
        broken = np.flatnonzero(chosen & ~(np.abs(values) <= LARGEST))
        if len(broken):
            row = int(broken[0])
            raise refused(str(values[row]), column, f"row {row} of {self.place}")
        if left := len(self) - int(chosen.sum()):
            self.notes.append(f"{left:,} rows without a number in {column} are left out.")
        self._keep(chosen)
        if len(self) == 0:
            raise UserError(f"data.number_column: {column} of {self.place} is empty: name another column.")
        return np.where(chosen, values, 0).astype(np.float32)

    def _take_labels(self, column: str) -> None:
        names, numbers = columns.numbered(self._column(column), self.features[column])
        if self.rows is not None:
            numbers = numbers[self.rows]
        present = np.unique(numbers[numbers >= 0])
        if len(present) == 0:
            self.notes.append(f"The column {column} holds no labels.")
            return
        if (numbers < 0).any():
            self.notes.append(f"{int((numbers < 0).sum()):,} rows without a label in {column} are left out.")
            keep = np.zeros(self._count, dtype=bool)
            keep[(np.arange(self._count) if self.rows is None else self.rows)[numbers >= 0]] = True
            self._keep(keep)
            numbers = numbers[numbers >= 0]
        self.classes = [names[number] for number in present]
        self.labels = np.searchsorted(present, numbers).astype(np.int32)

    def _keep(self, mask: NDArray[np.bool_]) -> None:
        self.rows = None if mask.all() else np.flatnonzero(mask)


class Table(Rows[T]):
    """A data set of `datasets`, memory-mapped from the disk. below: as in `columns.content`."""

    def __init__(self, place: str, dataset: Any, data: Data, medium: Medium[T], below: Sequence[Path] = ()) -> None:
        self._below = below
        self._fingerprint = str(dataset._fingerprint)
        super().__init__(place, len(dataset), dataset.features, dataset.data.column, data, medium)
        # the arrow column itself: a row through `datasets` costs more than decoding a small picture
        self._cells = dataset.data.column(self.content)

    def open(self, index: int) -> T:
        return columns.content(self._cells[self.row(index)].as_py(), self.medium, self._below)

    def values(self) -> list[Any]:
        """The cells of all samples, as they are."""
        cells: list[Any] = self._cells.to_pylist()
        return cells if self.rows is None else [cells[row] for row in self.rows.tolist()]

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """Each row is read on its own."""

    def versions(self) -> bytes:
        """The fingerprint by which `datasets` itself knows a table's content, and what the files are that its cells
        name."""
        made, named = array("q"), columns.paths(self._cells) if self._below else {}
        for row in range(self._count) if self.rows is None else self.rows.tolist():
            if row in named:
                with suppress(ValueError):
                    made.extend((row, *version(columns.file_of(named[row], self.medium, self._below))))
        return self._fingerprint.encode() + made.tobytes()


def open_file(place: str, path: Path, data: Data, medium: Medium[T]) -> Rows[T]:
    """One parquet or arrow file; `data.split` chooses rows by its column `split`. Raises UserError where it cannot."""
    files = {"train": [str(path)]}
    found = _open(place, data, medium, "train", [path.parent], path=path.suffix.lower()[1:], data_files=files)
    if data.split != "train" and columns.SPLIT not in found.features:
        raise UserError(f"{place} has no column {columns.SPLIT!r}, so data.split={data.split} cannot be chosen in it.")
    return found


def open_folder(place: str, path: Path, data: Data, medium: Medium[T]) -> Rows[T]:
    """A folder of parquet or arrow files, named after their splits or not, or what `save_to_disk` wrote."""
    for saved in (path, path / data.split):
        if (saved / "state.json").is_file():
            with explaining(place):
                return Table(place, need("datasets", "train").load_from_disk(str(saved)), data, medium, [path])
    return _open(place, data, medium, data.split, [path], path=str(path))


def open_hub(place: str, data: Data, medium: Medium[T]) -> Rows[T]:
    """A data set of the hub, `owner/name` or `owner/name:configuration`."""
    name, _, configuration = place.partition(":")
    _reach(place)
    return _open(place, data, medium, data.split, [], path=name, name=configuration or None)


def _downloaded(place: str) -> list[Path]:
    """Where the hub's client puts the files of a data set, and what it unpacks."""
    cache = need("huggingface_hub.constants", "train").HF_HUB_CACHE
    name = place.partition(":")[0].replace("/", "--")
    return [Path(cache) / f"datasets--{name}", Path(need("datasets.config", "train").EXTRACTED_DATASETS_PATH)]


def _open(place: str, data: Data, medium: Medium[T], split: str, below: Sequence[Path], **arguments: Any) -> Rows[T]:
    datasets = need("datasets", "train")
    with explaining(place):
        if not data.streaming:
            dataset = datasets.load_dataset(split=split, **arguments)
            if not below and dataset.info.builder_name in ("imagefolder", "audiofolder"):
                below = _downloaded(place)  # single files: it is `datasets` that says where it has put them
            return Table(place, dataset, data, medium, below)
        from multigan.data import shards

        builder = datasets.load_dataset_builder(**arguments)
        return shards.Shards(place, shards.files_of(place, builder, split), builder.info.features, data, medium, below)


def _reach(place: str) -> None:
    """Raise UserError at once where the hub cannot be reached: its client would first try again for half a minute."""
    constants = need("huggingface_hub.constants", "train")
    if constants.is_offline_mode() or getproxies():
        return
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), timeout=10).close()
    except OSError as error:
        raise UserError(
            f"there is no folder or file {place}, and the hub, which may have a data set of that name, cannot be "
            f"reached ({constants.ENDPOINT}: {error.strerror or error}): check the path or the network, or set "
            "HF_HUB_OFFLINE=1 to use what was downloaded before."
        ) from error


@contextmanager
def explaining(place: str) -> Iterator[None]:
    """Turn whatever `datasets` and the hub's client raise into one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise UserError(f"{place} cannot be loaded: {clause(cause)}") from error
