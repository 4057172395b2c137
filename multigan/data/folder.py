"""A folder of samples, listed with `os.scandir` and kept compactly: a million files take some 40 MB. No torch."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from multigan.data import metadata
from multigan.data.access import version
from multigan.data.described import describe, occurring
from multigan.data.medium import Medium, T
from multigan.data.order import Blocks
from multigan.errors import AbsentColumnError, UserError
from multigan.files import digest

SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"})
_IGNORED = frozenset({b"__MACOSX", b"@eaDir", b"$RECYCLE.BIN"})


class Listing:
    """The samples under a folder, known by their suffixes: names in one blob, each with its directory's number.

    directories: paths relative to the root, as parts. of: int32 `[len]`, each file's directory. Hidden files and
    directories are left out; a directory reached twice through links is read once.
    """

    def __init__(self, root: Path, suffixes: frozenset[bytes]) -> None:
        self._suffixes = suffixes
        self.root = os.fsencode(root)
        self.directories: list[tuple[bytes, ...]] = []
        self.unreadable: list[str] = []
        self.others = 0
        """Files of other kinds, by their suffix, and pipes, sockets, devices and broken links of any name."""
        self._blob = bytearray()
        self._ends = array("q", [0])
        self._of = array("i")
        self._walk()
        self.of: NDArray[np.int32] = np.frombuffer(self._of, dtype=np.int32)

    def __len__(self) -> int:
        return len(self._of)

    def path(self, index: int) -> bytes:
        """The file's path relative to the root."""
        name = bytes(self._blob[self._ends[index] : self._ends[index + 1]])
        return os.path.join(*self.directories[self._of[index]], name)

    def names(self) -> bytes:
        """All paths relative to the root, in their order, as one sequence of bytes."""
        folders = b"\n".join(b"/".join(parts) for parts in self.directories)
        return b"\0".join((folders, bytes(self._of), bytes(self._ends), bytes(self._blob)))

    def _walk(self) -> None:
        seen = {os.path.realpath(self.root)}
        waiting: list[tuple[tuple[bytes, ...], bytes]] = [((), next(iter(seen)))]
        while waiting:
            parts, real = waiting.pop()
            try:
                folders = self._read(parts, real)
            except OSError as error:
                if not parts:
                    raise UserError(f"{os.fsdecode(self.root)} cannot be read: {error.strerror}.") from error
                self.unreadable.append(os.fsdecode(os.path.join(*parts)))
                continue
            fresh = [each for each in folders if each[1] not in seen]
            seen.update(real for _, real in fresh)
            waiting.extend(reversed(fresh))

    def _read(self, parts: tuple[bytes, ...], real: bytes) -> list[tuple[tuple[bytes, ...], bytes]]:
        """Add one directory's samples in the order of their names; give its folders, as parts and real paths."""
        files: list[bytes] = []
        folders: list[tuple[tuple[bytes, ...], bytes]] = []
        with os.scandir(os.path.join(self.root, *parts)) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(b".") or name in _IGNORED:
                    continue
                if _is(entry.is_dir):
                    target = os.path.join(real, name)
                    folders.append(((*parts, name), os.path.realpath(target) if entry.is_symlink() else target))
                elif os.path.splitext(name)[1].lower() in self._suffixes and _is(entry.is_file):
                    files.append(name)
                else:
                    self.others += 1
        if files:
            self._add(parts, sorted(files))
        return sorted(folders)

    def _add(self, parts: tuple[bytes, ...], files: list[bytes]) -> None:
        number = len(self.directories)
        self.directories.append(parts)
        for name in files:
            self._blob += name
            self._ends.append(len(self._blob))
            self._of.append(number)


class Folder(Generic[T]):
    """Samples under a folder. Folders directly below it are the classes, whatever lies deeper; where it has a folder
    for each split (train, test), the one that `split` names is taken; an only folder is entered.

    label_column, number_column: of the folder's metadata (`multigan.data.metadata`), hold the classes instead, and
    the numbers; samples without them are left out.
    """

    blocks: Blocks | None = None

    def __init__(
        self,
        root: Path,
        medium: Medium[T],
        split: str = "train",
        label_column: str | None = None,
        number_column: str | None = None,
    ) -> None:
        self.medium = medium
        self.place = str(root)
        self.notes: list[str] = []
        self._listing = Listing(root, medium.suffixes)
        if len(self._listing) == 0:
            raise UserError(self._nothing())
        if self._listing.unreadable:
            names = ", ".join(self._listing.unreadable[:5])
            self.notes.append(f"{len(self._listing.unreadable)} folders cannot be read and are left out: {names}.")
        depth, wanted = self._start(split)
        chosen = [parts[:depth] == wanted for parts in self._listing.directories]
        self._rows = None if all(chosen) else np.flatnonzero(np.array(chosen)[self._listing.of]).astype(np.int32)
        self.classes, self.labels = (None, None) if label_column else self._classes(depth, chosen)
        self._told = b""
        """What the metadata says of the samples: it is part of what they are."""
        self.numbers: NDArray[np.float32] | None = None
        self._describe(root, os.path.join(b"", *wanted), label_column, number_column)

    def __len__(self) -> int:
        return len(self._listing) if self._rows is None else len(self._rows)

    def open(self, index: int) -> T:
        return self.medium.open(os.path.join(self._listing.root, self._path(index)))

    def name(self, index: int) -> str:
        return _text(self._path(index))

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        """Each file is read on its own."""

    def identity(self) -> str:
        rows = b"" if self._rows is None else self._rows.tobytes()
        told = (self._told,) if self._told else ()
        return digest(self._listing.names(), rows, *map(str.encode, self.classes or []), *told)

    def selection(self) -> str:
        return digest(self._listing.names(), b"" if self._rows is None else self._rows.tobytes())

    def versions(self) -> bytes:
        """Each file's size and time of change; nothing of one that is gone or may not be read."""
        made = array("q")
        for index in range(len(self)):
            made.extend((index, *version(os.path.join(self._listing.root, self._path(index)))))
        return made.tobytes()

    def _path(self, index: int) -> bytes:
        return self._listing.path(index if self._rows is None else int(self._rows[index]))

    def _nothing(self) -> str:
        if self._listing.others:
            return (
                f"{self.place} holds {self._listing.others:,} files but no {self.medium.many} "
                f"({self.medium.examples} and the like): choose another --data."
            )
        return f"{self.place} is empty: put {self.medium.many} into it or choose another --data."

    def _start(self, split: str) -> tuple[int, tuple[bytes, ...]]:
        """The folder below which the classes lie: how deep, and its parts."""
        prefix: tuple[bytes, ...] = ()
        while True:
            below = [each for each in self._listing.directories if each[: len(prefix)] == prefix]
            children = sorted({each[len(prefix)] for each in below if len(each) > len(prefix)})
            if prefix in below or not children:
                return len(prefix), prefix
            names = [os.fsdecode(child) for child in children]
            if len(children) > 1 and all(name.lower() in SPLITS for name in names):
                if split not in names:
                    raise UserError(
                        f"{self.place} has folders for the splits {', '.join(names)} and none for data.split: {split}."
                    )
                self.notes.append(f"The folder {split} is taken, of {', '.join(names)} (data.split).")
                prefix = (*prefix, os.fsencode(split))
            elif len(children) == 1:
                prefix = (*prefix, children[0])
            else:
                return len(prefix), prefix

    def _classes(self, depth: int, chosen: list[bool]) -> tuple[list[str] | None, NDArray[np.int32] | None]:
        """The folders at that depth, and each file's number among them; none where files lie beside them."""
        listing = self._listing
        directories = [parts if use else None for parts, use in zip(listing.directories, chosen, strict=True)]
        if any(parts is not None and len(parts) == depth for parts in directories):
            deeper = [parts for parts in directories if parts is not None and len(parts) > depth]
            if deeper:
                self.notes.append(
                    f"{self.medium.many.capitalize()} lie beside the folders too, "
                    "so the folders are not taken as classes."
                )
            return None, None
        names = sorted({parts[depth] for parts in directories if parts is not None})
        number = {name: at for at, name in enumerate(names)}
        of_directory = np.array([-1 if parts is None else number[parts[depth]] for parts in directories], np.int32)
        labels = of_directory[listing.of if self._rows is None else listing.of[self._rows]]
        return [_text(name) for name in names], labels

    # --- metadata -----------------------------------------------------------------------------------------------------

    def _describe(self, root: Path, entered: bytes, label: str | None, number: str | None) -> None:
        """Take classes and numbers from the metadata of the folder, or of the folder in it that was entered."""
        file = metadata.find(root, root / os.fsdecode(entered))
        if label is None and number is None:
            if file is not None and (there := metadata.columns(file)):
                self.notes.append(
                    f"{file} has the columns {', '.join(there)}: data.label_column makes one the classes, "
                    "data.number_column a number that the generator is told."
                )
            return
        if file is None:
            key, column = ("label_column", label) if label is not None else ("number_column", number)
            raise AbsentColumnError(
                key,
                f"data.{key}: {self.place} has no {metadata.NAMES[0]}: put one there with the columns {metadata.FILE} "
                f"and {column}, or leave the key away.",
            )
        above = os.path.relpath(file.parent, root)
        start = 0 if above == "." else len(os.fsencode(above)) + 1

        def name(index: int) -> str:
            return os.fsdecode(self._path(index)[start:])

        found = describe(file, label, number, len(self), name, self.medium)
        self.notes += found.notes
        if label is not None:
            self.classes, self.labels = found.classes, found.labels
        elif self.classes is not None and self.labels is not None:
            self.classes, self.labels = occurring(self.classes, self.labels[found.keep])
        self.numbers = found.numbers
        if not found.keep.all():
            kept = np.arange(len(self), dtype=np.int32) if self._rows is None else self._rows
            self._rows = kept[found.keep]
        told = (each for each in (self.labels, self.numbers) if each is not None)
        self._told = b"".join(each.tobytes() for each in told)


def _is(asked: Callable[[], bool]) -> bool:
    """What a directory's entry, or the target of its link, is; a link that leads nowhere or in a circle is nothing."""
    try:
        return asked()
    except OSError:
        return False


def _text(path: bytes) -> str:
    """A path as it can be printed and written into a recipe, also where its bytes are no UTF-8."""
    return path.decode(errors="replace")
