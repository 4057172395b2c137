"""Which files `multigan demo` shows: those that are named, the newest exports, or those that come with multigan."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from multigan.errors import UserError
from multigan.runs import RUNS

SHIPPED = Path(__file__).parent / "models"
ORDER = ("digits", "drums", "names")
"""Of the models that come with multigan; others follow by name."""
NEWEST = 12
"""Exports of runs that are shown without being named."""
EXPORTED = Path("model.onnx")
"""Where `multigan export` writes unless told."""


def find(arguments: Sequence[Path]) -> list[Path]:
    """The files that `arguments` mean, each once; without any the newest exports of the runs here, else the shipped.

    Raises UserError where one does not exist, a folder holds none, or nothing is there at all.
    """
    if arguments:
        found = [path for argument in arguments for path in _named(argument)]
        return list(dict.fromkeys(found))
    exports = [*RUNS.glob("*/*.onnx"), *([EXPORTED] if EXPORTED.is_file() else [])]
    return sorted(exports, key=_written, reverse=True)[:NEWEST] or shipped()


def shipped() -> list[Path]:
    """The models that come with multigan. Raises UserError where they are missing."""
    places = {name: place for place, name in enumerate(ORDER)}
    found = sorted(SHIPPED.glob("*.onnx"), key=lambda path: (places.get(path.stem, len(places)), path.stem))
    if not found:
        raise UserError("there is no model to show: give an .onnx file, such as multigan export writes.")
    return found


def names(paths: Sequence[Path]) -> dict[str, Path]:
    """Files by a name that no other has: the file's, where needed with the folder's, or a number."""
    found: dict[str, Path] = {}
    stems = [path.stem for path in paths]
    for path in paths:
        name = path.stem
        if stems.count(name) > 1 or name == "model":
            name = "/".join(part for part in (path.resolve().parent.name, name) if part) if path != EXPORTED else name
        unique, number = name, 2
        while unique in found:
            unique, number = f"{name} ({number})", number + 1
        found[unique] = path
    return found


def _named(argument: Path) -> list[Path]:
    try:
        if not argument.is_dir():
            if not argument.exists():
                raise UserError(f"{argument} does not exist: give an .onnx file, or a folder that holds some.")
            return [argument]
        found = sorted(argument.glob("*.onnx"))
    except OSError as error:
        raise UserError(f"cannot read {argument}: {error.strerror or error}.") from error
    if not found:
        raise UserError(f"{argument} holds no .onnx file: export one with multigan export, or give another folder.")
    return found


def _written(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
