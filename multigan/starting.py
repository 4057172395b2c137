"""What a training begins with: the recipe that a command line means. No torch."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from multigan import recipe as recipes
from multigan.errors import UserError
from multigan.recipe import Recipe
from multigan.runs import Run


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
    its networks and its size. Raises UserError, also where a recipe is of another modality.
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
    choosing = importlib.import_module(f"multigan.{modality}.choosing")
    mapping, sentences = choosing.chosen(data, gpu, like, recipes.data_asked(modality, overrides))
    for change in overrides:
        recipes.override(mapping, change)
    found = recipes.parse(mapping, "the recipe")
    _check(modality, found, "the recipe")
    return found, sentences


def _check(modality: str, recipe: Recipe, what: str) -> None:
    if recipe.modality != modality:
        raise UserError(f"{what} is of modality {recipe.modality}: train it with multigan train {recipe.modality}.")
