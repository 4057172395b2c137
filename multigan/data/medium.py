"""What a modality's samples are stored as, and the words for them. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Medium(Generic[T]):
    """How the files and the cells of one modality become `T`, a sample that is opened and not decoded yet.

    one, many: what a sample is called. suffixes: of its files, in lower case with their dots. examples: some of them,
    for a sentence. feature: the class that `datasets` has for it. names: likely names of its column. key: the field of
    the recipe's data that names that column. kinds: what the column may hold (`multigan.data.columns.kind`), the best
    first.
    open: opens a file's path, or a file in memory. array: makes `T` from a cell that holds the values themselves.
    Both may raise anything where the content is damaged.
    """

    one: str
    many: str
    suffixes: frozenset[bytes]
    examples: str
    feature: str
    names: tuple[str, ...]
    key: str
    open: Callable[[str | bytes | BinaryIO], T]
    array: Callable[[Any], T]
    kinds: tuple[str, ...] = ("media", "bytes", "array")
