"""What a training begins with: the recipe that a command line means. No torch."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from multigan import recipe as recipes
from multigan.errors import AbsentColumnError, UserError
from multigan.recipe import Recipe
from multigan.runs import Run
from multigan.settings import Data


def recipe_for(
    modality: str,
    name: str | None,
    data: str | None,
    overrides: Sequence[str],
    resume: Path | None = None,
    gpu: bool = False,
    like: Recipe | None = None,
) -> tuple[Recipe, list[str]]:
    """The recipe that a command line means, and sentences about what was chosen.

    A resumed run's own recipe, a named one, or one chosen from the data. data: replaces `data.source`. overrides: as
    in `multigan.recipe.load`. like: the recipe of the checkpoint that the training starts from: a chosen recipe has
    its networks, its size, its number and, where the data has it, its column of labels. Raises UserError, also where a
    recipe is of another modality.
    """
    changes = [f"data.source={json.dumps(data)}"] if data is not None else []
    changes += overrides
    if like is not None:
        _check(modality, like, "the checkpoint of --init-from")
    if name is not None or resume is not None:
        source = name if name is not None else Run(resume or Path()).recipe
        found = recipes.load(source, changes)
        _check(modality, found, str(source))
        return found, []
    mapping, sentences = _chosen(modality, data, gpu, like, recipes.data_asked(modality, overrides))
    for change in overrides:
        recipes.override(mapping, change)
    found = recipes.parse(mapping, "the recipe")
    _check(modality, found, "the recipe")
    return found, sentences


def _chosen(
    modality: str, data: str | None, gpu: bool, like: Recipe | None, asked: Data
) -> tuple[dict[str, Any], list[str]]:
    """The recipe that the modality chooses, as a mapping, and why. asked: what is asked for of the data."""
    choosing = importlib.import_module(f"multigan.{modality}.choosing")
    wanted = asked if like is None else _as_trained(asked, like)
    try:
        mapping, sentences = choosing.chosen(data, gpu, like, wanted)
    except AbsentColumnError as error:
        if error.key != "label_column" or wanted.label_column == asked.label_column:
            raise
        wanted = wanted.model_copy(update={"label_column": None})
        mapping, sentences = choosing.chosen(data, gpu, like, wanted)
    for key in ("label_column", "number_column"):
        if (column := getattr(wanted, key)) is not None:
            mapping["data"][key] = column
    return mapping, sentences


def _as_trained(asked: Data, like: Recipe) -> Data:
    """What is asked for, and of what is not the columns that a trained recipe has."""
    trained = like.data
    update: dict[str, Any] = {}
    if like.conditional and asked.label_column is None:
        update["label_column"] = trained.label_column
    if like.number is not None and asked.number_column in (None, trained.number_column):
        update |= {"number_column": trained.number_column, "number_range": asked.number_range or trained.number_range}
    return asked.model_copy(update=update)


def _check(modality: str, recipe: Recipe, what: str) -> None:
    if recipe.modality != modality:
        raise UserError(f"{what} is of modality {recipe.modality}: train it with multigan train {recipe.modality}.")
