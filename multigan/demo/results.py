"""What was made of a model: files in a folder, and what each of them is."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LIST = "made.json"


@dataclass(frozen=True)
class Item:
    """One sample. place: as in `places`. caption: what tells it apart beside that. file: its picture or sound.

    view: the picture of a sound. peaks: the least and the greatest value of each part of a sound, in hundredths.
    seconds: how long it is.
    """

    place: str
    seed: int
    number: int
    label: str | None = None
    told: float | None = None
    file: str | None = None
    text: str | None = None
    view: str | None = None
    peaks: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0
    log_probability: float | None = None

    @property
    def caption(self) -> str:
        """Label and number, where the model has them."""
        return " · ".join(each for each in (self.label, None if self.told is None else f"{self.told:g}") if each)


@dataclass(frozen=True)
class Made:
    """folder: where the files are. milliseconds: that the model took. archive: all files in one. joined: one file that
    shows all: a list of texts, an animation of pictures, one sound of all; None where there is none."""

    folder: Path
    modality: str
    items: list[Item]
    milliseconds: float
    archive: str | None = None
    joined: str | None = None

    def path(self, file: str) -> Path:
        return self.folder / file

    def save(self) -> None:
        """Write the list of what is in the folder."""
        told = {name: value for name, value in asdict(self).items() if name != "folder"}
        (self.folder / LIST).write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> Made:
        """Read what `save` wrote."""
        raw: dict[str, Any] = json.loads((folder / LIST).read_text(encoding="utf-8"))
        items = [Item(**each) for each in raw.pop("items")]
        return Made(folder, items=items, **raw)


def pack(folder: Path, name: str) -> str:
    """Put the folder's files into one archive there; pictures and sounds are as small as they get, and not packed."""
    files: Iterable[Path] = sorted(folder.iterdir())
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            archive.write(path, path.name)
    return name
