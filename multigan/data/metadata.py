"""`metadata.csv` or `metadata.jsonl` in a folder, as the folder builders of `datasets` define it. No torch.

A column `file_name` holds the files' paths from there, the other columns what is said of each. Only the columns that
are wanted are kept, and of the paths only hashes: a million rows take some 20 MB.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.data.delimited import FractionError, categories, cell, header, mapping, rows
from multigan.data.numbers import parsed
from multigan.errors import AbsentColumnError, UserError, nearest

NAMES = ("metadata.csv", "metadata.jsonl")
FILE = "file_name"

_DRIVE = re.compile(r"[A-Za-z]:/")
_MEND = f"give it a header with {FILE} and a row for each file, or remove it"

Record = tuple[int, str, list[str | None]]
"""A line's number, the path that it names, and the texts in the wanted columns; None where one is empty."""


@dataclass(frozen=True)
class Table:
    """What a file of metadata says, row by row.

    keys: int64 `[rows]`, `key` of the path that each names. lines: int64 `[rows]`, where it stands. classes: the
    categories in their order. labels: int32 `[rows]`, numbers into `classes`, -1 where a row has none; numbers: float64
    `[rows]`, NaN where a row has none; either is None where no such column was wanted.
    """

    where: str
    keys: NDArray[np.int64]
    lines: NDArray[np.int64]
    classes: list[str]
    labels: NDArray[np.int32] | None
    numbers: NDArray[np.float64] | None


def find(*folders: Path) -> Path | None:
    """The metadata of the first of the folders that has any."""
    return next((folder / name for folder in folders for name in NAMES if (folder / name).is_file()), None)


def columns(path: Path) -> list[str]:
    """The columns beside `file_name`; nothing where they cannot be read."""
    try:
        with _opened(path) as file:
            found = header(file, path, _MEND)[1] if path.suffix == ".csv" else list(mapping(file.readline(), 1, path))
    except UserError:
        return []
    return [column for column in found if column != FILE] if FILE in found else []


def key(path: str) -> int:
    """A path's hash in this process, whichever slashes it has and however its accents are composed."""
    path = path.replace("\\", "/")
    return hash(path if path.isascii() else unicodedata.normalize("NFC", path))


def read(path: Path, label: str | None = None, number: str | None = None) -> Table:
    """Read the column `label` of categories and the column `number` of numbers. Raises UserError, which names the line,
    where the file is broken, lacks a column, has no number as one, or names a file outside of its folder."""
    where = str(path)
    asked = [(label, "label_column"), (number, "number_column")]
    keys, lines, codes, values = array("q"), array("q"), array("i"), array("d")
    known: dict[str | None, int] = {None: -1}
    for line, name, texts in _records(path, [(column, of) for column, of in asked if column is not None]):
        keys.append(key(_inside(name, line, where)))
        lines.append(line)
        if label is not None:
            codes.append(known.setdefault(texts[0], len(known) - 1))
        if number is not None:
            text = texts[-1]
            values.append(np.nan if text is None else parsed(text, number, f"line {line} of {where}"))
    if not keys:
        raise UserError(f"{where} has a header and no rows: give each file a row, or remove it.")
    classes, labels = _classes(
        [text for text in known if text is not None], np.frombuffer(codes, np.int32), label, where
    )
    return Table(
        where,
        np.frombuffer(keys, np.int64),
        np.frombuffer(lines, np.int64),
        classes,
        None if label is None else labels,
        None if number is None else np.frombuffer(values, np.float64),
    )


def rows_of(table: Table, keys: NDArray[np.int64], name: Callable[[int], str]) -> NDArray[np.int64]:
    """The row of each file, -1 where none names it. keys: of the files' paths. name: gives a file's path.

    Raises UserError where two rows say different things of one file.
    """
    order = np.argsort(table.keys, kind="stable")
    ordered = table.keys[order]
    first = np.searchsorted(ordered, keys)
    after = np.searchsorted(ordered, keys, side="right")
    for file in np.flatnonzero(after - first > 1).tolist():
        rows = order[first[file] : after[file]]
        _agree(table, rows, name(file))
    return np.where(after > first, order[np.minimum(first, len(order) - 1)], -1)


def _agree(table: Table, rows: NDArray[np.int64], name: str) -> None:
    """Raise UserError where rows of one file say different things of it."""
    said: list[list[str]] = []
    if table.labels is not None:
        said.append([repr(table.classes[each]) if each >= 0 else "nothing" for each in table.labels[rows].tolist()])
    if table.numbers is not None:
        said.append(["nothing" if np.isnan(each) else f"{each:.17g}" for each in table.numbers[rows].tolist()])
    for words in said:
        other = next((at for at, word in enumerate(words) if word != words[0]), None)
        if other is not None:
            raise UserError(
                f"{table.where} says {words[0]} of {name} in line {table.lines[rows[0]]} and {words[other]} in line "
                f"{table.lines[rows[other]]}: keep one of the two."
            )


# --- the values -------------------------------------------------------------------------------------------------------


def _classes(
    texts: list[str], codes: NDArray[np.int32], column: str | None, where: str
) -> tuple[list[str], NDArray[np.int32]]:
    """Categories in their order, and each row's number among them. Raises UserError for numbers with fractions."""
    try:
        plain, places = categories(texts)
    except FractionError as error:
        raise UserError(
            f"data.label_column: {column} of {where} holds numbers such as {error}, which are no classes: "
            "data.number_column takes them."
        ) from error
    return plain, np.array([*places, -1], np.int32)[codes]  # the last serves the code -1


def _inside(name: str, line: int, where: str) -> str:
    """A path as it is written with / and without detours. Raises UserError where it leads out of the folder."""
    path = name.replace("\\", "/")
    if any(part in ("", ".", "..") for part in path.split("/")):
        path = posixpath.normpath(path) if path else path
    if path.startswith(("/", "../")) or path == ".." or _DRIVE.match(path):
        raise UserError(
            f"line {line} of {where} names {name[:120]}, which lies outside of its folder: write {FILE} as a path from "
            "the folder that holds it."
        )
    return path


# --- the files --------------------------------------------------------------------------------------------------------


def _records(path: Path, wanted: Sequence[tuple[str, str]]) -> Iterator[Record]:
    """The rows of a file. wanted: columns, each with the key of the recipe that names it."""
    with _opened(path) as file:
        yield from (_csv_rows if path.suffix == ".csv" else _json_rows)(file, path, wanted)


def _csv_rows(file: Any, path: Path, wanted: Sequence[tuple[str, str]]) -> Iterator[Record]:
    reader, there = header(file, path, _MEND)
    for column, asked in [(FILE, FILE), *wanted]:
        if column not in there:
            raise _absent(column, asked, there, path)
        if there.count(column) > 1:
            raise UserError(f"{path} has {there.count(column)} columns {column}: keep one of them.")
    name, *places = [there.index(column) for column in (FILE, *(column for column, _ in wanted))]
    for line, row in rows(reader, there, path):
        yield line, row[name], [row[place].strip() or None for place in places]


def _json_rows(file: Any, path: Path, wanted: Sequence[tuple[str, str]]) -> Iterator[Record]:
    seen: set[str] = set()
    line = 0
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        found = mapping(text, line, path)
        seen.update(found)
        if not isinstance(found.get(FILE), str):
            raise UserError(f"line {line} of {path} has no {FILE}: write one with the path of the file.")
        yield line, found[FILE], [cell(found.get(column), column, line, path) for column, _ in wanted]
    for column, asked in wanted:
        if line and column not in seen:
            raise _absent(column, asked, sorted(seen), path)


def _absent(column: str, asked: str, there: list[str], path: Path) -> UserError:
    whose = f"{path} has no column {column!r} (it has {', '.join(there)})"
    if asked == FILE:
        return UserError(f"{whose}: its rows need the paths of their files.{nearest(column, there)}")
    near = nearest(column, [each for each in there if each != FILE])
    return AbsentColumnError(asked, f"data.{asked}: {whose}.{near}")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file as text. What goes wrong while it is read becomes a sentence."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: save it as one (in a spreadsheet, CSV UTF-8).") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
