"""All sounds of a source decoded and resampled once, one after another in a file that is mapped into memory. No torch.

The cache's name is a digest of what the source is (the names, sizes and times of its files, or a table's fingerprint)
and of the settings that decide what is in it: other data or other settings make another cache, and other labels or
numbers of the same files do not. It is written under a temporary name and renamed; `folder()` says where.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from multigan.audio.config import AudioData
from multigan.audio.data.decode import frames_of
from multigan.audio.data.level import OFFSET, Level
from multigan.audio.data.medium import Frames, Source
from multigan.data.access import UnreadableError, clause, insist
from multigan.data.reader import Report
from multigan.errors import UserError
from multigan.files import digest

Progress = Callable[[int, int], None]
VERSION = 3
"""Raised when what is decoded changes."""
FRAMES, INDEX = "frames.f32", "index.npz"
TORN = (OSError, EOFError, ValueError, KeyError, TypeError, ArithmeticError, BadZipFile, zlib.error)
"""What reading an index raises that a bad disk has torn, whatever is left of it."""
_PART = 2**18
"""Frames that are looked at at once after they have been written."""


@dataclass(frozen=True)
class Heard:
    """What was found in the files, in numbers of files. silent: without any sound. clipped: with 3 samples or more in a
    row at the end of the range. offset: whose mean lies beyond OFFSET. beyond: whose peak lies beyond BEYOND. loudest:
    the highest peak. quiet: the share of all frames that is silence, before any is trimmed."""

    silent: int = 0
    clipped: int = 0
    offset: int = 0
    beyond: int = 0
    loudest: float = 0.0
    quiet: float = 0.0


@dataclass(frozen=True)
class Sounds:
    """frames: float32 `[total, channels]`, mapped from the disk. File i is `frames[starts[i] : starts[i] + counts[i]]`;
    one that could not be read has none."""

    frames: NDArray[np.float32]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    heard: Heard
    skipped: list[tuple[str, str]]
    place: Path
    held: TemporaryDirectory[str] | None = None
    """The folder of a cache that is not kept."""


def folder() -> Path:
    """`$XDG_CACHE_HOME/multigan/sounds`, or below `~/.cache`."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "multigan" / "sounds"


def open_sounds(source: Source, data: AudioData, progress: Progress | None = None) -> Sounds:
    """The source's sounds, from their cache if it is there, else into it.

    progress: called with (files done, files). Raises UserError where the disk is full, cannot be written or does not
    give back what was written, or the files cannot be had for a reason that is not theirs.
    """
    if data.cache == "none":
        held = TemporaryDirectory(prefix="multigan-sounds-")
        place = Path(held.name) / "sounds"
        _build(place, source, data, progress)
        return _load(place, len(source), held)
    place = folder() / _name(source, data)
    try:
        return _load(place, len(source))
    except TORN:
        _remove(place)  # torn by a bad disk, or not there
    _build(place, source, data, progress)
    try:
        return _load(place, len(source))
    except TORN as error:
        raise UserError(
            f"the decoded sounds in {place} cannot be read back ({clause(error)}): remove that folder, or set "
            "XDG_CACHE_HOME to one on another disk."
        ) from error


def _remove(place: Path) -> None:
    """As far as it can be done: a folder, or whatever else has its name."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            place.unlink()


def _name(source: Source, data: AudioData) -> str:
    settings = [VERSION, data.rate, data.channels, data.normalize, data.trim]
    return digest(source.selection().encode(), source.versions(), json.dumps(settings).encode())


def _load(place: Path, files: int, held: TemporaryDirectory[str] | None = None) -> Sounds:
    """Map a cache. Raises one of TORN where it is not whole."""
    with (place / INDEX).open("rb") as file, np.load(file, allow_pickle=False) as index:
        starts, counts, channels = index["starts"], index["counts"], int(index["channels"])
        said = json.loads(str(index["said"]))
    size = (place / FRAMES).stat().st_size
    total, rest = divmod(size, 4 * channels)
    if len(starts) != files or rest or (len(starts) and int((starts + counts).max()) > total):
        raise ValueError("the cache is not whole")
    frames = np.zeros((0, channels), np.float32)
    if total:
        frames = np.memmap(place / FRAMES, np.float32, "r", shape=(total, channels))
    skipped = [(str(name), str(reason)) for name, reason in said["skipped"]]
    return Sounds(frames, starts, counts, Heard(**said["heard"]), skipped, place, held)


def _build(place: Path, source: Source, data: AudioData, progress: Progress | None) -> None:
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
    try:
        draft.mkdir(parents=True)
        with (draft / FRAMES).open("w+b") as file:
            builder = _Builder(file, source, data)
            for index in range(len(source)):
                if progress is not None and index % 16 == 0:
                    progress(index, len(source))
                builder.add(index)
            file.flush()
            os.fsync(file.fileno())
        if progress is not None:
            progress(len(source), len(source))
        said = {"heard": asdict(builder.heard()), "skipped": builder.report.skipped}
        arrays: dict[str, Any] = {
            "starts": builder.starts,
            "counts": builder.counts,
            "channels": np.array(data.channels),
        }
        np.savez(draft / INDEX, **arrays, said=np.array(json.dumps(said)))
        _put(draft, place)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"cannot write the decoded sounds into {place.parent}: {reason}. Free some room, or set XDG_CACHE_HOME to "
            "a folder on a larger disk."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _put(draft: Path, place: Path) -> None:
    """Give the cache its name; another process may have been quicker with the same."""
    try:
        os.replace(draft, place)
    except OSError:
        if not (place / INDEX).exists():
            raise


class _Builder:
    """Writes one file after another."""

    def __init__(self, file: IO[bytes], source: Source, data: AudioData) -> None:
        if data.rate is None or data.channels is None:
            raise ValueError("data.rate and data.channels must be resolved before the sounds are decoded")
        self.file, self.source, self.data = file, source, data
        self.rate, self.channels = data.rate, data.channels
        self.starts = np.zeros(len(source), np.int64)
        self.counts = np.zeros(len(source), np.int64)
        self.counted = {"silent": 0, "clipped": 0, "offset": 0, "beyond": 0}
        self.loudest, self.quiet = 0.0, 0
        self.report = Report(len(source))
        self.total = 0

    def add(self, index: int) -> None:
        """Decode a file behind those before it; a damaged one leaves nothing."""
        name = self.source.name(index)
        try:
            level = insist(partial(self._write, index), name, self.source.place)
        except UnreadableError as error:
            self._back()
            self.report.add(index, name, str(error))
            return
        self.starts[index], self.counts[index] = self.total, level.frames
        self.total += level.frames
        self._count(level)
        if level.peak > 0 and self.data.trim is not None:
            self._trim(index, level.peak * 10 ** (self.data.trim / 20))
        if level.peak > 0 and self.data.normalize == "peak":
            self._scale(index, 1 / level.peak)

    def heard(self) -> Heard:
        """What was found in the files so far."""
        return Heard(**self.counted, loudest=self.loudest, quiet=self.quiet / max(1, self.total))

    def _count(self, level: Level) -> None:
        self.counted["silent"] += level.peak == 0
        self.counted["clipped"] += level.clipped
        self.counted["offset"] += abs(level.mean) > OFFSET
        self.counted["beyond"] += level.beyond
        self.loudest = max(self.loudest, level.peak)
        self.quiet += level.quiet

    def _back(self) -> None:
        self.file.seek(self.total * 4 * self.channels)
        self.file.truncate()

    def _write(self, index: int) -> Level:
        self._back()
        level = Level()
        for block in frames_of(partial(self.source.open, index), self.rate, self.channels):
            level.see(block)
            self.file.write(np.ascontiguousarray(block, np.float32).data)
        return level

    def _read(self, start: int, stop: int) -> Frames:
        self.file.seek(start * 4 * self.channels)
        content = self.file.read((stop - start) * 4 * self.channels)
        return np.frombuffer(content, np.float32).reshape(-1, self.channels).copy()

    def _parts(self, index: int) -> list[tuple[int, int]]:
        start, stop = int(self.starts[index]), int(self.starts[index] + self.counts[index])
        return [(at, min(at + _PART, stop)) for at in range(start, stop, _PART)]

    def _trim(self, index: int, threshold: float) -> None:
        """Leave out what is no louder at either end. The frames stay in the file; the index passes over them."""
        parts = self._parts(index)
        first = next((start + int(found[0]) for start, found in self._loud(parts, threshold)), None)
        last = next((start + int(found[-1]) for start, found in self._loud(parts[::-1], threshold)), None)
        if first is not None and last is not None:
            self.starts[index], self.counts[index] = first, last - first + 1

    def _loud(self, parts: list[tuple[int, int]], threshold: float) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """The start of each part that is louder anywhere, and where in it."""
        for start, stop in parts:
            found = np.flatnonzero(np.abs(self._read(start, stop)).max(axis=1) > threshold)
            if len(found):
                yield start, found

    def _scale(self, index: int, factor: float) -> None:
        for start, stop in self._parts(index):
            part = self._read(start, stop) * np.float32(factor)
            self.file.seek(start * 4 * self.channels)
            self.file.write(part.data)
        self.file.seek(self.total * 4 * self.channels)
