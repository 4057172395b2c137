"""Choices that follow from the data: rate, length, channels, gamma; a whole recipe where none is given. No torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from multigan.audio.config import AudioData, AudioRecipe, Spectral, check_length, step_of
from multigan.audio.data.survey import (
    Survey,
    check_channels,
    inspect,
    suggest_channels,
    suggest_conditional,
    suggest_length,
    suggest_rate,
)
from multigan.errors import UserError
from multigan.networks.gamma import gamma, is_open, settled
from multigan.recipe import Recipe

WAVEFORM_GAMMA = 0.5
WINDOW = 0.016
"""Seconds of a transform's window, about."""
FEW = 2000


def settle(recipe: AudioRecipe, gpu: bool = False) -> tuple[AudioRecipe, list[str]]:
    """Fill in rate, length, channels, classes, the numbers' range and gamma where the recipe leaves them to the data.

    Raises UserError where the length cannot be made, or where two channels are asked of sounds that have one.
    """
    recipe, why = _settle_data(recipe, gpu)
    made = recipe.data.length
    if made is not None:
        try:
            for role in ("generator", "discriminator"):
                check_length(role, getattr(recipe, role), made)
        except ValueError as error:
            raise UserError(f"{error}.") from error
    recipe, said_gamma = _settle_gamma(recipe)
    return recipe, [*why, *said_gamma]


def _settle_data(recipe: AudioRecipe, gpu: bool) -> tuple[AudioRecipe, list[str]]:
    """Fill in what the data tells, and hold its channels against the recipe's."""
    data = recipe.data
    open_condition = (recipe.conditional and not data.classes) or (data.number_column and not data.number_range)
    resolved = data.rate and data.length and data.channels and not open_condition
    if resolved and data.channels == 1:
        return recipe, []
    seen = inspect(data.source, data)
    why = [] if resolved else list(seen.notes)
    chosen: dict[str, Any] = {"classes": (data.classes or seen.classes) if recipe.conditional else data.classes}
    chosen["number_range"] = data.number_range or seen.numbers
    if data.rate is None:
        chosen["rate"], said = suggest_rate(seen, gpu)
        why.append(said)
    rate: int = data.rate or chosen["rate"]
    if data.length is None:
        length, said = suggest_length(seen, rate)
        steps = [step_of(network) for network in (recipe.generator, recipe.discriminator)]
        chosen["length"] = -(-length // max(steps)) * max(steps)
        why.append(said)
    if data.channels is None:
        chosen["channels"], said = suggest_channels(seen)
        why.append(said)
    why += check_channels(seen, data.channels or chosen["channels"])
    return recipe.model_copy(update={"data": data.model_copy(update=chosen)}), why


def _settle_gamma(recipe: AudioRecipe) -> tuple[AudioRecipe, list[str]]:
    """Replace every `gamma: auto`: by the rule of pictures for a discriminator that sees log spectra."""
    if not is_open(recipe.regularizers) or recipe.data.length is None:
        return recipe, []
    value, why = WAVEFORM_GAMMA, "for waveforms"
    if isinstance(recipe.discriminator, Spectral):
        transform = recipe.discriminator.transform
        bins, frames = transform.window // 2, recipe.data.length // transform.hop
        value, why = gamma(bins, frames), f"for spectra of {bins} x {frames}"
    why = (
        f"gamma {value:g} to {value / 10:g}, {why}: raise it where training is unstable, lower it where sounds stay "
        "dull."
    )
    return recipe.model_copy(update={"regularizers": settled(recipe.regularizers, value)}), [why]


def chosen(
    data: str | None, gpu: bool, like: Recipe | None, asked: AudioData | None = None
) -> tuple[dict[str, Any], list[str]]:
    """A recipe for `data` as a mapping, and why. like: the recipe of the checkpoint that the training starts from: its
    networks, its rate and its length. asked: what is asked for beside the place, such as a column of labels."""
    asked = asked or AudioData()
    seen = inspect(data, asked)
    rate, why_rate = suggest_rate(seen, gpu)
    length, why_length = suggest_length(seen, rate)
    channels, why_channels = suggest_channels(seen)
    conditional, why_conditional = suggest_conditional(seen)
    if asked.label_column is not None and seen.classes is not None and not conditional:
        conditional, why_conditional = True, f"{len(seen.classes)} classes, as data.label_column asks."
    sentences = [*seen.notes, why_rate, why_length, why_channels, why_conditional]
    mapping = _mapping(seen, data, rate, length, channels, conditional, gpu)
    if seen.rows:
        mapping["data"]["slices"] = "random"
        sentences.append("Streamed rows give a slice each in a pass, somewhere else every time (data.slices: random).")
    if like is not None:
        trained = like.model_dump(mode="json", exclude_none=True)
        for part in ("generator", "discriminator", "latent", "conditional"):
            mapping[part] = trained[part]
        if trained["generator"]["kind"] == "specgan":  # whose game is played on spectrograms, by rules of their own
            for part in ("loss", "regularizers", "generator_optimizer", "discriminator_optimizer"):
                mapping[part] = trained[part]
            mapping["training"]["discriminator_steps"] = trained["training"]["discriminator_steps"]
            mapping.pop("augment", None)
        parts = ["rate", "length", "channels", *(["number_column", "number_range"] if like.number else [])]
        mapping["data"] |= {part: trained["data"][part] for part in parts}
        sentences.append(f"Networks, rate and length are those of {like.name}, which the training starts from.")
    return mapping, sentences


def _mapping(
    seen: Survey, data: str | None, rate: int, length: int, channels: int, conditional: bool, gpu: bool
) -> dict[str, Any]:
    batch = 32
    while batch > seen.count and batch > 8:
        batch //= 2
    window = 2 ** max(5, round(math.log2(rate * WINDOW)))
    network = {
        "kind": "stft",
        "transform": {"window": window, "hop": window // 2},
        "network": {"kind": "dcgan", "width": 32 if gpu else 16, "normalize": "none"},
    }
    rate_of_learning = {"lr": {"start": 4e-4, "end": 5e-5}}
    stem = Path(data).stem if data else "drums"
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in stem).strip("-")
    mapping: dict[str, Any] = {
        "modality": "audio",
        "name": plain[:64] or "sounds",
        "conditional": conditional,
        "data": {
            "source": data,
            "rate": rate,
            "length": length,
            "channels": channels,
            **({"classes": seen.classes} if conditional else {}),
            **({"number_range": seen.numbers.model_dump()} if seen.numbers else {}),
        },
        "generator": network,
        "discriminator": network,
        "loss": {"kind": "relativistic"},
        "regularizers": [{"kind": "r1", "every": 4}, {"kind": "r2", "every": 4}],
        "generator_optimizer": dict(rate_of_learning),
        "discriminator_optimizer": dict(rate_of_learning),
        "training": {"samples": 2_000_000 if gpu else 100_000, "batch": batch},
    }
    if seen.count < FEW:
        mapping["augment"] = {"kinds": ["gain", "polarity", "shift"], "probability": 0.5}
    return mapping
