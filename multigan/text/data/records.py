"""Texts and their labels in .csv, .tsv and .jsonl files. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from multigan.data.columns import LABEL_NAMES, SPLIT, named, rank, unspoken
from multigan.data.delimited import cell, header, mapping, rows
from multigan.errors import AbsentColumnError, UserError
from multigan.text.config import TextData
from multigan.text.data.files import NAMES, lines

_LOOKED_AT = 100
"""Rows of which the columns are known."""
_MEND = "write a header with a column of texts and a row for each text, or choose another --data"

Row = tuple[int, Mapping[str, Any]]
"""A line's number, and its cells by their columns."""


@dataclass
class Records:
    """texts, and of each its label, None where it has none; labels is None where there is no such column. column,
    label: which were read."""

    column: str
    label: str | None
    texts: list[str] = field(default_factory=list)
    labels: list[str | None] | None = None
    empty: int = 0
    """Rows without a text."""
    others: int = 0
    """Rows of other splits."""
    splits: set[str] = field(default_factory=set)

    def sentences(self, split: str) -> list[str]:
        """Which column was read, and what was left out."""
        said = [f"Column {self.column} holds the texts (data.text_column)."]
        taken = len(self.texts) + self.empty
        if self.others:
            said.append(f"The {taken:,} rows of the split {split} are taken, of {taken + self.others:,} (data.split).")
        if self.empty:
            said.append(f"{self.empty:,} rows without a text in {self.column} are left out.")
        return said


def read(paths: Sequence[Path], data: TextData) -> Records:
    """The texts of files that have the same columns. Raises UserError where one is broken, or lacks a column."""
    found: Records | None = None
    for path in paths:
        there, found_rows, looked_at = _opened(path)
        if found is None:
            found = _chosen(there, looked_at, data, str(path))
        named(there, found.column, "text_column", str(path))
        if found.label is not None:
            named(there, found.label, "label_column", str(path))
        _take(found, found_rows, data.split if SPLIT in there else None, path)
    assert found is not None
    return found


def _take(found: Records, given: Iterator[Row], split: str | None, path: Path) -> None:
    kept: dict[str | None, str | None] = {}
    for line, row in given:
        if split is not None:
            own = cell(row.get(SPLIT), SPLIT, line, path)
            found.splits.add(own or "")
            if own != split:
                found.others += 1
                continue
        text = row.get(found.column)
        if text is not None and not isinstance(text, str):
            text = cell(text, found.column, line, path)
        text = (text or "").rstrip()
        if not text:
            found.empty += 1
            continue
        found.texts.append(text)
        if found.labels is not None and found.label is not None:
            label = cell(row.get(found.label), found.label, line, path)
            found.labels.append(kept.setdefault(label, label))


def _chosen(there: list[str], looked_at: list[Row], data: TextData, place: str) -> Records:
    """Which columns hold texts and labels: the named ones, or the likeliest."""
    label = data.label_column
    if label is None:
        likely = [name for name in there if name.lower() in LABEL_NAMES]
        label = min(likely, key=lambda name: rank(name, LABEL_NAMES), default=None)
    content = data.text_column
    if content is None:
        able = [name for name in unspoken(there, data) if _holds_texts(name, [row.get(name) for _, row in looked_at])]
        if not able:
            raise UserError(
                f"{place} has no column of texts (its columns: {', '.join(there)}): name it in data.text_column."
            )
        content = min(able, key=lambda name: rank(name, NAMES))
    if label == content and data.label_column is None:
        label = None
    return Records(content, label, labels=None if label is None else [])


def _holds_texts(name: str, cells: list[Any]) -> bool:
    """Whether a column may be meant: some of its cells are text and no number, or its name says so and none is more."""
    if any(map(_is_text, cells)):
        return True
    return name.lower() in NAMES and all(each is None or isinstance(each, str | int | float) for each in cells)


def _is_text(value: Any) -> bool:
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _opened(path: Path) -> tuple[list[str], Iterator[Row], list[Row]]:
    """The columns of a file, its rows, and the first of them."""
    given = _json_rows(path) if path.suffix.lower() in (".jsonl", ".ndjson") else None
    if given is None:
        reader, there = header(lines(path), path, _MEND)
        if twice := next((name for name in there if there.count(name) > 1), None):
            raise UserError(f"{path} has {there.count(twice)} columns {twice!r}: keep one of them.")
        given = ((line, dict(zip(there, row, strict=False))) for line, row in rows(reader, there, path))
    else:
        there = []
    looked_at = list(islice(given, _LOOKED_AT))
    if not there:
        there = list(dict.fromkeys(name for _, row in looked_at for name in row))
        if not there:
            raise UserError(f'{path} is empty: write a line such as {{"text": "..."}} for each text.')
    return there, chain(looked_at, given), looked_at


def _json_rows(path: Path) -> Iterator[Row]:
    for line, text in enumerate(lines(path), start=1):
        if text.strip():
            yield line, mapping(text, line, path)


def absent(key: str, place: str) -> AbsentColumnError:
    """The sentence for a column that is named of what has none."""
    return AbsentColumnError(key, f"data.{key}: {place} has no columns: leave it away, or name a table as --data.")
