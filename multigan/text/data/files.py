"""Texts of files in UTF-8: lines, paragraphs or whole files, read line by line. No torch."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from multigan.data.folder import SPLITS
from multigan.data.medium import Medium
from multigan.errors import UserError
from multigan.text.config import TextData

SUFFIXES = frozenset(b".txt .text .smi .smiles .abc".split())
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".tar")
NAMES = (
    *("text", "texts", "sentence", "caption", "content", "name", "smiles", "abc", "abc notation", "abc_notation"),
    *("tune", "melody", "document", "body", "paragraph", "line", "review", "comment", "description", "summary"),
    *("title", "headline", "quote", "poem", "lyrics", "story", "message", "question"),
)
"""Columns that hold texts, the likeliest first."""


def _path(place: str | bytes | BinaryIO) -> Path:
    if isinstance(place, str | bytes):
        return Path(os.fsdecode(place))
    raise TypeError("a text in a table is a cell of its own, not a file")


def _cell(value: Any) -> Path:
    raise TypeError("texts of a table are taken as they are")


TEXTS: Medium[Any] = Medium(
    one="text",
    many="texts",
    suffixes=SUFFIXES,
    examples=".txt",
    feature="Value",
    names=NAMES,
    key="text_column",
    open=_path,
    array=_cell,
    kinds=("string",),
)
"""What opening gives is the file's path: a file may hold many texts."""


def lines(path: Path) -> Iterator[str]:
    """The lines of a file with their ends, without a byte-order mark. Raises UserError, which names the line, where it
    is not text in UTF-8."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                wide = number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
                encoding = "utf-16" if wide else "latin1"
                what = f"byte 0x{raw[error.start]:02X}"
                raise _not_text(path, f"line {number} of {path} is not UTF-8 ({what})", encoding) from error
            if "\0" in line:
                raise _not_text(path, f"line {number} of {path} holds a null character, as no text does", "utf-16")
            yield line


def texts(path: Path, unit: str) -> Iterator[str]:
    """The texts of a file, without white space at their ends; those that are empty are left out. unit: of
    `TextData`."""
    if unit == "line":
        yield from filter(None, map(str.rstrip, _split(path)))
        return
    part: list[str] = []
    for line in _split(path):
        if unit == "paragraph" and not line.strip():
            yield from _joined(part)
            part = []
        else:
            part.append(line)
    yield from _joined(part)


def of_split(names: list[str], data: TextData, place: str) -> tuple[list[str], list[str]]:
    """Of files that are named after splits the one that `data.split` names, else all; and sentences.

    Raises UserError where there is none of that name.
    """
    stems = [Path(name).stem.lower() for name in names]
    if len(names) < 2 or not set(stems) <= SPLITS:
        return names, []
    found = [name for name, stem in zip(names, stems, strict=True) if stem == data.split.lower()]
    if not found:
        raise UserError(f"{place} has {', '.join(sorted(names))} and no file for data.split: {data.split}.")
    return found, [f"{', '.join(found)} is taken, of {', '.join(sorted(names))} (data.split)."]


def _split(path: Path) -> Iterator[str]:
    """Lines without their ends, which may be those of Unix, Windows or old Macs."""
    for line in lines(path):
        line = line.removesuffix("\n").removesuffix("\r")
        if "\r" in line:
            yield from line.split("\r")
        else:
            yield line


def _joined(part: list[str]) -> Iterator[str]:
    text = "\n".join(part).strip("\n").rstrip()
    if text:
        yield text


def _not_text(path: Path, what: str, encoding: str) -> UserError:
    return UserError(
        f"{what}: save it as UTF-8, such as with iconv -f {encoding} -t utf-8 {path.name} > utf8-{path.name}, or "
        "choose another --data."
    )
