"""Choices that follow from the data: gamma from the resolution, and a whole recipe where none is given. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multigan.errors import UserError
from multigan.image.config import ImageData, ImageRecipe
from multigan.image.data import Survey, inspect
from multigan.networks.gamma import gamma, is_open, settled
from multigan.recipe import Recipe
from multigan.settings import R1, R2, Schedule

CPU_LARGEST = 64
FEW = 10_000


def settle_gamma(recipe: ImageRecipe) -> tuple[ImageRecipe, list[str]]:
    """Replace every `gamma: auto` of a recipe whose size is known, annealing the rule's to a tenth, and scale what is
    given for another size."""
    recipe, why = _scaled_gamma(recipe)
    if recipe.data.size is None or not is_open(recipe.regularizers):
        return recipe, why
    value = gamma(*recipe.data.size)
    why.append(
        f"gamma {value:g} to {value / 10:g}: 0.2 x (height x width / 32^2)^1.5, annealed to a tenth. "
        "Raise it where training is unstable or collapses, lower "
        "it where pictures stay blurred."
    )
    return recipe.model_copy(update={"regularizers": settled(recipe.regularizers, value)}), why


def _scaled_gamma(recipe: ImageRecipe) -> tuple[ImageRecipe, list[str]]:
    """Scale each gamma that is given for another size than the recipe's, by the power of `gamma`."""
    if recipe.data.size is None:
        return recipe, []
    height, width = recipe.data.size
    scaled, why = [], []
    for each in recipe.regularizers:
        if isinstance(each, R1 | R2) and each.gamma_at is not None and each.gamma != "auto":
            times = (height * width / each.gamma_at**2) ** 1.5
            if times != 1:
                why.append(
                    f"{each.kind}'s gamma times {times:.3g}: it is given for {each.gamma_at} pixels, and grows with "
                    "(height x width)^1.5."
                )
            each = each.model_copy(update={"gamma": _times(each.gamma, times), "gamma_at": None})
        scaled.append(each)
    return recipe.model_copy(update={"regularizers": scaled}), why


def _times(value: float | Schedule, factor: float) -> float | Schedule:
    if isinstance(value, Schedule):
        return value.model_copy(update={"start": value.start * factor, "end": value.end * factor})
    return value * factor


def chosen(
    data: str | None, gpu: bool, like: Recipe | None, asked: ImageData | None = None
) -> tuple[dict[str, Any], list[str]]:
    """A recipe for `data` as a mapping, and why. like: the recipe of the checkpoint that the training starts from: its
    networks and its size. asked: what is asked for beside the place, such as a column of labels."""
    mapping, sentences = choose(inspect(data, asked or ImageData()), data, gpu)
    if like is not None:
        sentences = [*sentences, *_as_trained(mapping, like)]
    return mapping, sentences


def choose(survey: Survey, data: str | None, gpu: bool) -> tuple[dict[str, Any], list[str]]:
    """A recipe for the data and this kind of machine, as a mapping, and why."""
    height, width = survey.size
    sentences = list(survey.reasons)
    if not gpu and max(height, width) > CPU_LARGEST:
        scale = CPU_LARGEST / max(height, width)
        height, width = (max(16, round(side * scale / 8) * 8) for side in (height, width))
        sentences.append(
            f"{width}x{height} rather than {survey.size[1]}x{survey.size[0]}: larger takes a CPU hours; "
            f"--set data.size=[{survey.size[0]},{survey.size[1]}] asks for it."
        )
    few = survey.count < FEW
    batch = 64
    while batch > survey.count and batch > 8:
        batch //= 2
    if survey.count < batch:
        raise UserError(
            f"{survey.place} holds {survey.count} pictures, and a training needs {batch} at least: add pictures."
        )
    channels = 64 if gpu else 32
    network = {"kind": "dcgan", "width": channels}
    rate = {"lr": {"start": 4e-4, "end": 5e-5}}
    mapping: dict[str, Any] = {
        "modality": "image",
        "name": _name(data),
        "conditional": survey.conditional,
        "data": {
            "source": data,
            "size": [height, width],
            "channels": survey.channels,
            **({"classes": survey.classes} if survey.conditional else {}),
            **({"number_range": survey.numbers.model_dump()} if survey.numbers else {}),
        },
        "generator": network,
        "discriminator": {**network, "normalize": "none"},
        "loss": {"kind": "relativistic"},
        "regularizers": [{"kind": "r1", "every": 4}, {"kind": "r2", "every": 4}],
        "generator_optimizer": dict(rate),
        "discriminator_optimizer": dict(rate),
        "training": {"samples": 4_000_000 if gpu else 400_000, "batch": batch},
    }
    sentences.append(
        f"Convolutional networks of width {channels} with the relativistic loss and penalties on both sides, which "
        "keep their variety where the older losses collapse (docs/choosing.md)."
    )
    if few:
        kinds = ["translation", "cutout", "color"] if survey.channels > 1 else ["translation", "cutout"]
        mapping["augment"] = {"kinds": kinds, "probability": 0.5}
        sentences.append(
            f"Augmentation in half of the views: {survey.count:,} pictures are few, and a discriminator would learn "
            "them by heart. Under 1,000, start from a related model with --init-from."
        )
    return mapping, sentences


def _as_trained(mapping: dict[str, Any], like: Recipe) -> list[str]:
    """Give a chosen recipe the networks, the latent and the pictures' shape of another, in place; say so."""
    trained = like.model_dump(mode="json", exclude_none=True)
    for key in ("generator", "discriminator", "latent", "conditional"):
        mapping[key] = trained[key]
    mapping["data"] |= {key: trained["data"][key] for key in ("size", "channels")}
    if not like.conditional:
        mapping["data"].pop("classes", None)
    height, width = trained["data"]["size"]
    return [f"Networks and size, {width}x{height}, are those of {like.name}, which the training starts from."]


def _name(data: str | None) -> str:
    """A run's name after its data."""
    stem = Path(data).stem if data else "digits"
    clean = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in stem).strip("-")
    return clean[:64] or "pictures"
