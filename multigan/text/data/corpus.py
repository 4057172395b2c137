"""The texts that a recipe's data names, all in memory, with their classes. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from multigan import embedded
from multigan.data import columns
from multigan.data.delimited import FractionError, categories
from multigan.data.described import occurring
from multigan.data.folder import Folder
from multigan.data.medium import Medium
from multigan.data.numbers import Numbers
from multigan.data.order import Blocks
from multigan.data.sources import TABLES as ARROW
from multigan.data.sources import has_tables, open_kind, open_source
from multigan.data.tables import Table
from multigan.errors import AbsentColumnError, UserError
from multigan.files import digest
from multigan.settings import Data
from multigan.text.config import TextData
from multigan.text.data import files, records
from multigan.text.data.files import TEXTS

Labels = NDArray[np.int32]
FIRST_NAMES = "the embedded first names"
_NAMED = 5
_CHUNK = 2**14


@dataclass
class Corpus:
    """texts: in their order. labels: int32 `[len]`, numbers into `classes`; both None where there are no classes.
    notes: sentences on how the data was understood. It is a source as `multigan.data.sources` has them."""

    place: str
    texts: list[str]
    labels: Labels | None = None
    classes: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    numbers: Numbers | None = None
    blocks: Blocks | None = None
    medium: Medium[Any] = TEXTS

    def __len__(self) -> int:
        return len(self.texts)

    def open(self, index: int) -> str:
        return self.texts[index]

    def name(self, index: int) -> str:
        return f"text {index}"

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """All texts are in memory."""

    def identity(self) -> str:
        """A digest of the texts, their labels and the classes."""
        lengths = np.fromiter(map(len, self.texts), np.int64, len(self.texts))
        starts = range(0, len(self.texts), _CHUNK)
        parts = (digest("".join(self.texts[at : at + _CHUNK]).encode()).encode() for at in starts)
        labels = b"" if self.labels is None else self.labels.tobytes()
        return digest(lengths.tobytes(), labels, *map(str.encode, self.classes or []), *parts)

    def selection(self) -> str:
        return self.identity()

    def versions(self) -> bytes:
        return self.identity().encode()


def read_corpus(data: TextData) -> Corpus:
    """Read the texts that `data` names; what multigan carries where it names none.

    Where `data.classes` is given, its order numbers the classes and other texts are left out. Raises UserError where
    the place is missing, cannot be read, is no text in UTF-8, lacks a named column or class, or holds fewer than two
    different texts.
    """
    if data.source is None and data.text_column is not None:
        raise AbsentColumnError(
            "text_column", f"data.text_column: {FIRST_NAMES} have no columns: name data of your own, or leave it away."
        )
    source = open_source(data, TEXTS, _first_names, opener=_open)
    if not isinstance(source, Corpus):
        kept = [source.open(index) for index in range(len(source))]
        source = Corpus(source.place, kept, source.labels, source.classes, source.notes)
    if data.lowercase:
        source.texts = [text.lower() for text in source.texts]
    _check_different(source, data)
    return source


def _check_different(corpus: Corpus, data: TextData) -> None:
    """Say how many texts are there twice. Raises UserError where all are the same."""
    different = len(set(corpus.texts))
    if different < 2:
        times = f", {len(corpus):,} times" if len(corpus) > 1 else ""
        mend = "write each on a line of its own" if data.unit == "line" else "set data.unit=line to take each line"
        raise UserError(
            f"{corpus.place} holds one text alone{times}, where a generator learns from many: {mend}, or choose "
            "another --data."
        )
    if different < len(corpus):
        twice = len(corpus) - different
        corpus.notes.append(f"{twice:,} of {len(corpus):,} texts repeat another; they are kept, and so count more.")


def _first_names() -> Corpus:
    names, kinds = embedded.first_names()
    classes = sorted(set(kinds))
    labels = np.array([classes.index(kind) for kind in kinds], np.int32)
    return Corpus(FIRST_NAMES, names, labels, classes)


# --- the kinds of places ----------------------------------------------------------------------------------------------


def _open(data: Data, medium: Medium[Any], place: str) -> Corpus:
    """The corpus at a place, whichever kind it is."""
    data = cast(TextData, data)
    path = Path(place).expanduser()
    suffix = path.suffix.lower()
    if path.is_file() and suffix not in ARROW:
        if suffix in files.PACKED:
            raise UserError(f"{place} is packed: unpack it first, or choose another --data.")
        if suffix == ".json":
            raise UserError(f"{place}: write one JSON object on each line, as .jsonl, or choose another --data.")
        return _of_records(place, [path], data) if suffix in files.TABLES else _of_file(place, path, data)
    if path.is_dir() and not has_tables(path):
        found = sorted(each for each in path.iterdir() if _is_records(each))
        if found and any(each.suffix.lower().encode() in files.SUFFIXES for each in path.iterdir()):
            raise UserError(f"{place} holds both {found[0].name} and .txt files: name one of the two kinds as --data.")
        if found:
            names, notes = files.of_split([each.name for each in found], data, place)
            return _of_records(place, [path / name for name in names], data, notes)
    opened = open_kind(data, medium, place)
    return _of_table(opened) if isinstance(opened, Table) else _of_folder(cast(Folder[Path], opened), data)


def _is_records(path: Path) -> bool:
    """Whether it is a table to read, and not the metadata of other files."""
    return path.suffix.lower() in files.TABLES and path.stem != "metadata" and path.name[0] != "." and path.is_file()


def _nothing(place: str) -> UserError:
    return UserError(f"{place} holds no text: write one on each line, or choose another --data.")


def _of_file(place: str, path: Path, data: TextData) -> Corpus:
    for key in ("text_column", "label_column"):
        if getattr(data, key) is not None:
            raise records.absent(key, place)
    found = list(files.texts(path, data.unit))
    if not found:
        raise _nothing(place)
    return Corpus(place, found)


def _of_records(place: str, paths: Sequence[Path], data: TextData, notes: Sequence[str] = ()) -> Corpus:
    found = records.read(paths, data)
    if not found.texts:
        if found.others and not found.empty:
            there = ", ".join(sorted(found.splits))
            raise UserError(f"data.split: the column {columns.SPLIT!r} of {place} has {there} and no {data.split!r}.")
        raise _nothing(place)
    corpus = Corpus(place, found.texts, notes=[*notes, *found.sentences(data.split)])
    if found.label is not None and found.labels is not None:
        _take_labels(corpus, found.labels, found.label, data)
    return corpus


def _take_labels(corpus: Corpus, labels: list[str | None], column: str, data: TextData) -> None:
    """Make labels the classes; texts without one are left out. Raises UserError where they are none, and asked for."""
    there = [label for label in labels if label is not None]
    try:
        classes, numbers = categories(there)
    except FractionError as error:
        if data.label_column is None:
            return
        raise UserError(
            f"data.label_column: {column} of {corpus.place} holds numbers such as {error}, which are no classes: name "
            "a column of categories."
        ) from error
    if not there:
        corpus.notes.append(f"The column {column} holds no labels.")
        return
    if len(there) < len(labels):
        corpus.texts = [text for text, label in zip(corpus.texts, labels, strict=True) if label is not None]
        corpus.notes.append(f"{len(labels) - len(there):,} rows without a label in {column} are left out.")
    corpus.classes, corpus.labels = classes, np.array(numbers, np.int32)


def _of_table(table: Table[Any]) -> Corpus:
    """The texts of a table of `datasets`."""
    feature = table.features[table.content]
    if columns.kind(feature) != "string":
        raise UserError(
            f"data.text_column: {table.content} of {table.place} holds {feature}, which are no texts: name a column "
            "of texts."
        )
    cells = [(value or "").rstrip() for value in table.values()]
    notes = [*table.notes, f"Column {table.content} holds the texts (data.text_column)."]
    if not any(cells):
        raise _nothing(table.place)
    keep = np.array([bool(text) for text in cells])
    if not keep.all():
        notes.append(f"{int((~keep).sum()):,} rows without a text in {table.content} are left out.")
    corpus = Corpus(table.place, list(filter(None, cells)), notes=notes)
    if table.classes is not None and table.labels is not None:
        corpus.classes, corpus.labels = occurring(table.classes, table.labels[keep])
    return corpus


def _of_folder(folder: Folder[Path], data: TextData) -> Corpus:
    """The texts of files; classes are the folders, or the files where they lie side by side and hold many texts."""
    if data.text_column is not None:
        raise records.absent("text_column", folder.place)
    names = [folder.name(index) for index in range(len(folder))]
    classes, of_file, notes = folder.classes, folder.labels, list(folder.notes)
    taken = set(names)
    if data.unit != "file" and classes is None and len({Path(name).parent for name in names}) == 1:
        chosen, said = files.of_split(names, data, folder.place)
        taken, notes = set(chosen), [*notes, *said]
        if len(taken) > 1:
            stems = [Path(name).stem for name in names]
            classes = sorted(set(stems))
            of_file = np.array([classes.index(stem) for stem in stems], np.int32)
            notes.append(f"Each file is a class: {_listed(classes)}.")
    texts: list[str] = []
    labels: list[int] = []
    for index, (name, path) in enumerate(zip(names, map(folder.open, range(len(folder))), strict=True)):
        before = len(texts)
        if name in taken:
            texts.extend(_readable(path, data))
        if of_file is not None:
            labels.extend([int(of_file[index])] * (len(texts) - before))
    if not texts:
        raise _nothing(folder.place)
    corpus = Corpus(folder.place, texts, notes=notes)
    if classes is not None and of_file is not None:
        corpus.classes, corpus.labels = occurring(classes, np.array(labels, np.int32))
    return corpus


def _readable(path: Path, data: TextData) -> Iterator[str]:
    """The texts of one file of many. Raises UserError, which names the file, where the system refuses it."""
    try:
        yield from files.texts(path, data.unit)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}. Take it out of its folder.") from error


def _listed(classes: list[str]) -> str:
    more = f" and {len(classes) - _NAMED} more" if len(classes) > _NAMED else ""
    return ", ".join(classes[:_NAMED]) + more
