"""Decoded samples of a source by number, damaged ones replaced and listed. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from multigan.data.access import UnreadableError, insist
from multigan.data.sources import Source
from multigan.errors import UserError

T = TypeVar("T")
Array = NDArray[Any]

_LISTED = 100
_PATIENCE = 10_000


@dataclass
class Report:
    """The files that could not be read so far, told by any thread at any time. total: files that there are, or
    whatever else `what` says. instead: what is given instead. skipped: the first that could not be read, name and
    reason."""

    total: int
    what: str = "files"
    instead: str = "the next good one"
    skipped: list[tuple[str, str]] = field(default_factory=list)
    _bad: set[int] = field(default_factory=set, repr=False)
    _told: int = field(default=0, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def count(self) -> int:
        """How many could not be read."""
        return len(self._bad)

    def __contains__(self, index: int) -> bool:
        return index in self._bad

    def add(self, index: int, name: str, reason: str) -> None:
        """List a file by its number; one that is listed already is not counted twice."""
        with self._lock:
            if index not in self._bad and len(self.skipped) < _LISTED:
                self.skipped.append((name, reason))
            self._bad.add(index)

    def __str__(self) -> str:
        """A sentence, then the names, one a line; empty where nothing was skipped."""
        with self._lock:
            return self._text(0, "")

    def news(self) -> str:
        """What was added since `news` was last asked, as `str` has it; empty where nothing was."""
        with self._lock:
            text = self._text(self._told, " more" if self._told else "")
            self._told = self.count
            return text

    def _text(self, start: int, more: str) -> str:
        count, listed = self.count - start, sorted(self.skipped[start:])
        if not count:
            return ""
        lines = [f"{count:,}{more} of {self.total:,} {self.what} cannot be read; {self.instead} stands in for each:"]
        lines += [f"  {name}: {reason}" for name, reason in listed]
        if count > len(listed):
            lines.append(f"  and {count - len(listed):,} others")
        return "\n".join(lines)


class Reader(Generic[T]):
    """Samples of one shape and type. A damaged one is replaced by the next good one of its class (of all, without
    classes), so that numbers keep their meaning and labels stay true; where a number is told of each, by the good one
    of its class whose number is nearest.

    decode: gives the decoded sample of an opener. Raises UnreadableError or UnavailableError.
    """

    lasting = True
    """Whether what could not be read once cannot be read in another pass over the data either."""

    def __init__(
        self,
        source: Source[T],
        decode: Callable[[Callable[[], T]], Array],
        shape: tuple[int, ...],
        dtype: DTypeLike,
    ) -> None:
        self.source, self._decode, self.shape, self.dtype = source, decode, shape, np.dtype(dtype)
        self.report = Report(len(source))

    @property
    def bytes(self) -> int:
        """Of one decoded sample."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def attempt(self, index: int, turn: int = 0) -> Array | None:
        """The sample, or None where it is damaged, which the report then lists (once).

        turn: the pass over the data that it is for. Raises UserError where it cannot be had for another reason, also
        after a while.
        """
        if self.lasting and index in self.report:
            return None
        work = partial(self.decoded, index, turn)
        try:
            return insist(work, self.source.name(index), self.source.place)
        except UnreadableError as error:
            self.report.add(index, self.source.name(index), str(error))
            return None

    def decoded(self, index: int, turn: int) -> Array:
        """The sample. turn: the pass over the data that it is for, in which another part of it may be wanted."""
        return self._decode(partial(self.source.open, index))

    def read(self, index: int, turn: int = 0) -> Array:
        """The sample or its replacement. Raises UserError where none of its class can be read, or as `attempt`."""
        tried = 0
        for candidate in self._candidates(index):
            if self.lasting and candidate in self.report:
                continue
            sample = self.attempt(candidate, turn)
            if sample is not None:
                return sample
            tried += 1
            if tried > _PATIENCE:
                break
        raise self.hopeless(index)

    def hopeless(self, index: int) -> UserError:
        """The sentence for a class, or a source, without a single good sample."""
        name, reason = min(self.report.skipped)
        labels, classes = self.source.labels, self.source.classes
        whose = f" of the class {classes[int(labels[index])]!r}" if labels is not None and classes else ""
        return UserError(
            f"none of the {self.source.medium.many}{whose} in {self.source.place} can be read "
            f"({name}: {reason}): choose another --data."
        )

    def _candidates(self, index: int) -> Iterator[int]:
        """The index, then those after it, round the end, that have its class, or by their number's distance."""
        count, labels, numbers = len(self.source), self.source.labels, self.source.numbers
        yield index
        steps: Iterable[int] = range(1, count)
        if numbers is not None:
            apart = np.abs(np.roll(numbers, -index) - numbers[index])
            steps = (np.argsort(apart[1:], kind="stable") + 1).tolist()
        for step in steps:
            candidate = (index + step) % count
            if labels is None or labels[candidate] == labels[index]:
                yield candidate
