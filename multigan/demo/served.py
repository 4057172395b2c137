"""A model that the pages serve: the generator, what its file said, and whether the file is still the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from multigan.contract import Contract
from multigan.errors import UserError
from multigan.files import digest
from multigan.runtime import DEFAULT, UPLOADED, Generator
from multigan.runtime.onnx_file import read

Stamp = tuple[int, int]
MANY = {"image": "pictures", "audio": "sounds", "text": "texts"}
"""What the samples of a modality are called; those that the pages know."""


@dataclass(frozen=True)
class Served:
    """name: by which it is chosen. stamp: of the file when it was read. uploaded: whether a visitor brought it.

    The generator lives on the bytes that were read: what happens to the file afterwards does not change a sample.
    """

    name: str
    path: Path
    generator: Generator
    digest: str
    stamp: Stamp
    uploaded: bool = False

    @property
    def contract(self) -> Contract:
        return self.generator.contract

    @property
    def modality(self) -> str:
        return self.contract.modality

    @property
    def many(self) -> str:
        """What its samples are called."""
        return MANY[self.modality]

    @property
    def size(self) -> str:
        """Of its file, in words."""
        count = self.stamp[1]
        return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"

    def state(self) -> Literal["same", "changed", "gone"]:
        """What has become of its file."""
        if self.uploaded:
            return "same"
        found = stamp_of(self.path)
        return "gone" if found is None else "same" if found == self.stamp else "changed"


def open_served(path: Path, name: str, device: str = "auto", uploaded: bool = False) -> Served:
    """Read a file. uploaded: by a visitor, and so run in a process of its own, on the CPU, under the limits for
    strangers' files. Raises UserError where it is none that the pages can show, or changes while it is read."""
    for _ in range(3):
        stamp = stamp_of(path)
        file = read(path, UPLOADED if uploaded else DEFAULT)
        if stamp is None or stamp_of(path) != stamp:
            continue
        if file.contract.modality not in MANY:
            raise UserError(f"{path.name} makes {file.contract.modality}, which these pages cannot show.")
        if uploaded:  # where the server put it is of no use to the visitor
            file, device = replace(file, path=Path(name)), "cpu"
        return Served(name, path, Generator.of(file, device), digest(file.content), stamp, uploaded)
    raise UserError(f"{path} is being written: wait for its end and choose it again.")


def stamp_of(path: Path) -> Stamp | None:
    """What changes when a file is written again; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
