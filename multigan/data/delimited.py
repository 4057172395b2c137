"""Rows of .csv, .tsv and .jsonl files, and what their cells mean. No torch.

Whatever is broken is a UserError that names the line.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from multigan.errors import UserError

_WHOLE = re.compile(r"[+-]?\d{1,18}")
_HALF = re.compile("[\ud800-\udfff]")
LONGEST_CELL = 2**31 - 1
"""Characters; Python's own limit is 131,072."""


class FractionError(ValueError):
    """Numbers with fractions where categories are expected. The message is one of them."""


def header(lines: Iterator[str], path: Path, mend: str) -> tuple[Any, list[str]]:
    """A reader of the rows, and the names of the columns. lines: of the file, with their ends. mend: what to do where
    there are none. A .tsv file has tabs; spreadsheets of some countries write ; for the comma."""
    csv.field_size_limit(LONGEST_CELL)
    first = next(lines, "")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    try:
        found = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise UserError(f"the header of {path} is broken ({error}): mend its quotes and commas.") from error
    if not any(found):
        raise UserError(f"{path} is empty: {mend}.")
    return reader, found


def rows(reader: Any, columns: Sequence[str], path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its last line. reader, columns: as `header` gives them."""
    try:
        for row in filter(None, reader):
            if len(row) < len(columns) or any(row[len(columns) :]):
                raise UserError(
                    f"line {reader.line_num} of {path} has {len(row)} values where its header has {len(columns)}: put "
                    "a text with a comma in it between quotes."
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"line {reader.line_num} of {path} is broken ({error}): mend its quotes and commas.") from error


def mapping(text: str, line: int, path: Path) -> dict[str, Any]:
    """The object in a line of a .jsonl file."""
    try:
        found = json.loads(text)
        half = _HALF.search(json.dumps(found, ensure_ascii=False)) if "\\u" in text else None
    except (ValueError, RecursionError) as error:
        raise UserError(f"line {line} of {path} is no JSON ({error}): mend it.") from error
    if not isinstance(found, dict):
        raise UserError(f"line {line} of {path} is no JSON object: write {{...}} with a name for each value.")
    if half:
        raise UserError(
            f"line {line} of {path} has half a character, {half[0]!a}: write it whole, as the two halves of a pair or "
            "as itself."
        )
    return found


def cell(value: Any, column: str, line: int, path: Path) -> str | None:
    """A JSON value as a csv would have it."""
    if isinstance(value, str | int | float):
        return str(value).strip() or None
    if value is not None:
        raise UserError(f"line {line} of {path} has no text or number as {column}: mend it.")
    return None


def categories(texts: list[str]) -> tuple[list[str], list[int]]:
    """Texts as categories in their order, whole numbers by their value, and each text's number among them.

    Raises FractionError for numbers with fractions.
    """
    texts = _whole(texts)
    plain = sorted(set(texts), key=lambda text: (int(text), text) if _WHOLE.fullmatch(text) else (0, text))
    if not all(map(_WHOLE.fullmatch, texts)):
        plain = sorted(set(texts))
    place = {text: at for at, text in enumerate(plain)}
    return plain, [place[text] for text in texts]


def _whole(texts: list[str]) -> list[str]:
    """The texts, but `3` for `3.0` where all are whole numbers, as a table that lacks one is written."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        return texts
    if all(map(_WHOLE.fullmatch, texts)) or not all(map(math.isfinite, values)):
        return texts
    fraction = next((text for text, value in zip(texts, values, strict=True) if not value.is_integer()), None)
    if fraction is not None:
        raise FractionError(fraction)
    return [str(int(value)) for value in values]
