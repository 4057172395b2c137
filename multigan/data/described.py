"""Which files of a folder its metadata describes, and as what. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.data import metadata
from multigan.data.medium import Medium
from multigan.data.numbers import Numbers
from multigan.errors import UserError


@dataclass
class Described:
    """keep: bool `[files]`, those that have all that was asked for. classes, labels: of those, the categories that
    occur and int32 numbers into them, or None. numbers: theirs, float32, or None. notes: what was left out, sentences.
    """

    keep: NDArray[np.bool_]
    classes: list[str] | None = None
    labels: NDArray[np.int32] | None = None
    numbers: Numbers | None = None
    notes: list[str] = field(default_factory=list)


def describe(
    file: Path, label: str | None, number: str | None, count: int, name: Callable[[int], str], medium: Medium[Any]
) -> Described:
    """What the metadata in `file` says of `count` files. label, number: its columns of categories and of numbers.
    name: gives a file's path from the folder of the metadata.

    Raises UserError as `metadata.read` does, and where no file is described or two rows contradict each other.
    """
    table = metadata.read(file, label, number)
    keys = np.fromiter((metadata.key(name(index)) for index in range(count)), np.int64, count)
    rows = metadata.rows_of(table, keys, name)
    found = Described(rows >= 0, notes=_notes(table, rows, medium.many))
    if table.labels is not None:
        _only(found, table.labels[rows] >= 0, f"{medium.many} without a {label} in {table.where}")
    if table.numbers is not None:
        _only(found, ~np.isnan(table.numbers[rows]), f"{medium.many} without a {number} in {table.where}")
    if not found.keep.any():
        raise UserError(
            f"{file} describes none of the {count:,} {medium.many} of its folder: write their paths, such as "
            f"{name(0)}, into its column {metadata.FILE}."
        )
    if table.labels is not None:
        found.classes, found.labels = occurring(table.classes, table.labels[rows[found.keep]])
    if table.numbers is not None:
        found.numbers = table.numbers[rows[found.keep]].astype(np.float32)
    return found


def occurring(classes: list[str], labels: NDArray[np.int32]) -> tuple[list[str], NDArray[np.int32]]:
    """Those of the classes that occur, and the labels renumbered."""
    present = np.unique(labels)
    return [classes[number] for number in present], np.searchsorted(present, labels).astype(np.int32)


def _only(found: Described, there: NDArray[np.bool_], others: str) -> None:
    """Keep those that have a value; the others are counted in a note."""
    if empty := int((found.keep & ~there).sum()):
        found.notes.append(f"{empty:,} {others} are left out.")
    found.keep &= there


def _notes(table: metadata.Table, rows: NDArray[np.int64], many: str) -> list[str]:
    """How many files have no row, and how many rows no file of their own."""
    notes = []
    if alone := int((rows < 0).sum()):
        notes.append(f"{alone:,} {many} without a row in {table.where} are left out.")
    named = np.isin(table.keys, table.keys[rows[rows >= 0]])
    if unused := int((~named).sum()):
        notes.append(f"{unused:,} rows of {table.where} name none of the {many}: they are passed over.")
    if (twice := int(named.sum() - (rows >= 0).sum())) > 0:
        notes.append(f"{twice:,} rows of {table.where} say again what another says.")
    return notes
