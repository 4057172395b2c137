"""The recipe: a YAML file, or a mapping, to validated objects. No torch.

Whatever is wrong with a recipe is one sentence that names the key, the value and what is expected there.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model

from multigan import plain_yaml
from multigan.errors import UserError, nearest
from multigan.recipe_errors import sentence, short
from multigan.settings import GameRecipe, Settings

Recipe = GameRecipe

MODALITIES = ("image", "audio", "text")
"""Each has a `config.py` in its own room, with a class named after it: `ImageRecipe`."""

LARGEST_FILE = 16 << 20
DEEPEST, MOST, LONGEST = 24, 500_000, 256
"""Levels of nesting, number of values, bits of a whole number: beyond them it is not a recipe."""


def packaged() -> dict[str, Path]:
    """The recipes that come with multigan, by name: from the installed package, or from the checkout's `recipes/`."""
    here = Path(__file__).resolve().parent
    folder = here / "recipes"
    if not folder.is_dir() and (here.parent / "pyproject.toml").is_file():
        folder = here.parent / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find(name_or_path: str | Path) -> Path:
    """The file that `r3gan`, `r3gan.yaml`, `recipes/r3gan.yaml` or a path means; a local file comes first.

    Raises UserError with the nearest name where there is none.
    """
    path = Path(name_or_path)
    shipped = packaged()
    try:
        if path.is_file():
            return path
        folder = path.is_dir()
    except (OSError, ValueError) as error:  # a name too long for the file system, or with a null character
        raise UserError(f"{str(name_or_path)[:80]!r} cannot be the name of a recipe.") from error
    if path.suffix in ("", ".yaml", ".yml") and str(path.parent) in (".", "recipes") and path.stem in shipped:
        return shipped[path.stem]
    if folder:
        inside = path / "recipe.yaml"
        hint = f" Its recipe is {inside}." if inside.is_file() else ""
        raise UserError(f"{path} is a folder, not a recipe.{hint}")
    beside = [str(each) for each in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    near = nearest(str(path), beside) or nearest(path.stem, shipped)
    raise UserError(f"there is no recipe {str(path)!r}.{near} multigan recipes lists those that ship.")


def read_text(path: Path) -> str:
    """The text of a recipe's file. Raises UserError where it cannot be read or is no text."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path} is too large for a recipe.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text file: a recipe is YAML.") from error


def command(path: Path) -> str:
    """The command that runs a recipe: its first comment line; empty where it has none."""
    for line in read_text(path).splitlines():
        if line.startswith("#"):
            return line.lstrip("#").strip()
        if line.strip():
            break
    return ""


def load(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override and validate a recipe: `load("r3gan", ["generator.width=64"])`.

    overrides: `a.b=value` with the value in YAML; keys that are absent are made, an item of a list is named by its
    number (`regularizers.0.gamma=0.5`). Raises UserError.
    """
    path = find(name_or_path)
    mapping = plain_yaml.loads(read_text(path), str(path))
    if not isinstance(mapping, dict):
        raise UserError(f"{path} is not a recipe: it has no keys.")
    for change in overrides:
        override(mapping, change)
    return parse(mapping, str(path))


def parse(mapping: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """Validate a mapping of plain data. Raises UserError, which begins with `where`."""
    _plain(mapping, where)
    if not isinstance(mapping, Mapping):
        raise UserError(f"{where} is not a recipe: it has no keys.")
    modality = mapping.get("modality")
    if not isinstance(modality, str) or modality not in MODALITIES:
        known = ", ".join(MODALITIES)
        if "modality" not in mapping:
            raise UserError(f"{where}: modality is missing: say what it makes, one of: {known}.")
        near = nearest(modality, MODALITIES) if isinstance(modality, str) else ""
        raise UserError(f"{where}: modality {short(modality)} is not one that there is: {known}.{near}")
    model = model_of(modality)
    try:
        return model.model_validate_json(json.dumps(mapping), strict=True)
    except ValidationError as error:
        raise UserError(f"{where}: {sentence(model, mapping, error)}") from error


def model_of(modality: str) -> type[Recipe]:
    """The class that validates recipes of a modality. Only its own config is imported."""
    config = importlib.import_module(f"multigan.{modality}.config")
    found: type[Recipe] = getattr(config, f"{modality.capitalize()}Recipe")
    return found


def data_asked(modality: str, overrides: Sequence[str]) -> Any:
    """What `overrides` (as in `load`) say of the data, validated, before there is a recipe. Raises UserError."""
    mapping: dict[str, Any] = {}
    for change in overrides:
        if change.split("=")[0].split(".")[0].strip() == "data":
            override(mapping, change)
    _plain(mapping, "the recipe")
    default = model_of(modality).model_fields["data"].default
    model = create_model("Asked", __base__=Settings, data=(type(default), default))
    try:
        return model.model_validate_json(json.dumps(mapping), strict=True).data  # type: ignore[attr-defined]
    except ValidationError as error:
        raise UserError(f"the recipe: {sentence(model, mapping, error)}") from error


def to_yaml(recipe: Recipe) -> str:
    """The whole recipe as YAML, what is absent left out: `parse` gives the same recipe from it."""
    return plain_yaml.dumps(recipe.model_dump(mode="json", exclude_none=True))


def notes(recipe: Recipe) -> list[str]:
    """What is allowed in this recipe and yet worth knowing before it runs, a sentence each."""
    return recipe.notes()


def override(mapping: dict[str, Any], text: str) -> None:
    """Carry out `a.b.0.c=value` in a mapping of plain data, in place. Raises UserError."""
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise UserError(f"--set {text}: write KEY=VALUE, such as generator.width=64.")
    place: Any = mapping
    index: str | int
    for position, key in enumerate(keys):
        done = ".".join(keys[:position])
        if isinstance(place, list):
            if not (key.isascii() and key.isdigit() and int(key[:9]) <= len(place)):
                raise UserError(f"--set {path}: {done} is a list of {len(place)}: name an item by a number from 0.")
            index = int(key[:9])
            if index == len(place):
                place.append(None)
        elif isinstance(place, dict):
            index = key
            place.setdefault(key, None)
        else:
            raise UserError(
                f"--set {path}: {done} is {short(place)}, which has no keys: give it as a whole, {done}=..."
            )
        if position == len(keys) - 1:
            place[index] = plain_yaml.loads(value, f"--set {text}")
        elif place[index] is None:
            place[index] = {}
        place = place[index]


def _plain(value: Any, where: str) -> None:
    """Refuse what a YAML text of data cannot hold: keys that are not text, other objects, endless nesting."""
    count = 0
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for each in level:
            if isinstance(each, Mapping):
                for key in each:
                    if not isinstance(key, str):
                        raise UserError(f"{where}: the key {short(key)} is not a word: put quotes around it.")
                below.extend(each.values())
            elif isinstance(each, list | tuple):
                below.extend(each)
            elif isinstance(each, int) and each.bit_length() > LONGEST:
                raise UserError(
                    f"{where}: a number with more than {LONGEST} bits is not a value that a recipe can hold."
                )
            elif each is not None and not isinstance(each, str | int | float):
                raise UserError(f"{where}: {short(each)} is not a value that a recipe can hold.")
            count += 1
            if count + len(below) > MOST:
                raise UserError(f"{where}: too many values for a recipe.")
        level = below
        if not level:
            return
    raise UserError(f"{where}: nested too deeply for a recipe.")
