"""Decoded pictures of a source by number, damaged ones replaced and listed. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

from multigan.errors import UserError
from multigan.image.data.decode import Fit, Pixels, UnreadableError, decode
from multigan.image.data.sources import Source

_LISTED = 100
_PATIENCE = 10_000


@dataclass
class Report:
    """The files that could not be read so far. skipped: the first of them, name and reason; count: all of them."""

    total: int
    count: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, name: str, reason: str) -> None:
        with self._lock:
            self.count += 1
            if len(self.skipped) < _LISTED:
                self.skipped.append((name, reason))

    def __str__(self) -> str:
        """A sentence, then the names, one a line; empty where nothing was skipped."""
        if not self.count:
            return ""
        lines = [f"{self.count:,} of {self.total:,} files cannot be read; the next good one stands in for each:"]
        lines += [f"  {name}: {reason}" for name, reason in sorted(self.skipped)]
        if self.count > len(self.skipped):
            lines.append(f"  and {self.count - len(self.skipped):,} more")
        return "\n".join(lines)


class Reader:
    """Pictures `[C, H, W]` of one shape. A damaged one is replaced by the next good one of its class (of all, without
    classes), so that numbers keep their meaning and labels stay true."""

    def __init__(self, source: Source, size: tuple[int, int], channels: int, fit: Fit) -> None:
        self.source, self.size, self.channels, self.fit = source, size, channels, fit
        self.report = Report(len(source))
        self._bad: set[int] = set()

    def attempt(self, index: int) -> Pixels | None:
        """The picture, or None where it cannot be read, which the report then lists (once)."""
        if index in self._bad:
            return None
        try:
            return decode(lambda: self.source.open(index), self.size, self.channels, self.fit)
        except UnreadableError as error:
            with self.report._lock:
                known = index in self._bad
                self._bad.add(index)
            if not known:
                self.report.add(self.source.name(index), str(error))
            return None

    def read(self, index: int) -> Pixels:
        """The picture or its replacement. Raises UserError where none of its class can be read."""
        for tried, candidate in enumerate(self._candidates(index)):
            pixels = self.attempt(candidate)
            if pixels is not None:
                return pixels
            if tried >= _PATIENCE:
                break
        raise self.hopeless(index)

    def hopeless(self, index: int) -> UserError:
        """The sentence for a class, or a source, without a single good picture."""
        name, reason = self.report.skipped[0]
        labels, classes = self.source.labels, self.source.classes
        whose = f" of the class {classes[int(labels[index])]!r}" if labels is not None and classes else ""
        return UserError(
            f"none of the pictures{whose} in {self.source.place} can be read ({name}: {reason}): choose another --data."
        )

    def _candidates(self, index: int) -> Iterator[int]:
        """The index, then those after it, round the end, that have its class."""
        count, labels = len(self.source), self.source.labels
        for step in range(count):
            candidate = (index + step) % count
            if labels is None or labels[candidate] == labels[index]:
                yield candidate
