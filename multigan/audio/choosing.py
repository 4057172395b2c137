"""Choices that follow from the data: rate, length, channels, gamma; a whole recipe where none is given. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multigan.audio.config import AudioData, AudioRecipe, SpecGan, Spectral, check_length, step_of
from multigan.audio.data.survey import (
    Survey,
    check_channels,
    fitting,
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
NARROWEST, WIDEST = 32, 4096
FRAMES = 16
"""A length is a multiple of so many hops."""
FEW = 2000


def settle(recipe: AudioRecipe, gpu: bool = False) -> tuple[AudioRecipe, list[str]]:
    """Fill in rate, length, channels, classes, the numbers' range and gamma where the recipe leaves them to the data,
    and where penalties are taken.

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
    recipe, said_penalties = _settle_penalties(recipe)
    return recipe, [*why, *said_gamma, *said_penalties]


def _settle_data(recipe: AudioRecipe, gpu: bool) -> tuple[AudioRecipe, list[str]]:
    """Fill in what the data tells, and hold its channels against the recipe's."""
    data = recipe.data
    resolved = data.rate and data.length and data.channels and not recipe.open_condition
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
        step = math.lcm(*(step_of(network) for network in (recipe.generator, recipe.discriminator)))
        chosen["length"], said = suggest_length(seen, rate, step)
        why.append(said)
    if data.channels is None:
        chosen["channels"], said = suggest_channels(seen)
        why.append(said)
    why += check_channels(seen, data.channels or chosen["channels"])
    return recipe.model_copy(update={"data": data.model_copy(update=chosen)}), why


def _settle_gamma(recipe: AudioRecipe) -> tuple[AudioRecipe, list[str]]:
    """Replace every `gamma: auto`: by the rule of pictures for a discriminator that sees spectra."""
    if not is_open(recipe.regularizers) or recipe.data.length is None:
        return recipe, []
    value, why = WAVEFORM_GAMMA, "for waveforms"
    if isinstance(recipe.discriminator, Spectral | SpecGan):
        transform = recipe.discriminator.transform
        bins, frames = transform.window // 2, recipe.data.length // transform.hop
        value, why = gamma(bins, frames), f"for spectra of {bins} x {frames}"
    why = (
        f"gamma {value:g} to {value / 10:g}, {why}: raise it where training is unstable, lower it where sounds stay "
        "dull."
    )
    return recipe.model_copy(update={"regularizers": settled(recipe.regularizers, value)}), [why]


def _settle_penalties(recipe: AudioRecipe) -> tuple[AudioRecipe, list[str]]:
    """Write down that the penalties of a discriminator that sees log spectra are taken there, behind the augmentation;
    say so where something else is asked for."""
    augment = recipe.augment
    if augment is None or augment.penalize == "after" or not isinstance(recipe.discriminator, Spectral):
        return recipe, []
    why = []
    if recipe.regularizers and "penalize" in augment.model_fields_set:
        why.append(
            "augment.penalize: after and not before: the penalties of a discriminator of kind stft are taken at the "
            "log spectrum that it sees, which is that of the augmented sound."
        )
    return recipe.model_copy(update={"augment": augment.model_copy(update={"penalize": "after"})}), why


def chosen(
    data: str | None, gpu: bool, like: Recipe | None, asked: AudioData | None = None
) -> tuple[dict[str, Any], list[str]]:
    """A recipe for `data` as a mapping, and why. like: the recipe of the checkpoint that the training starts from: its
    networks, its rate and its length. asked: what is asked for beside the place, such as a rate or a column of labels:
    the rest follows from it."""
    asked = asked or AudioData()
    seen = inspect(data, asked)
    form, why = _form(seen, asked, like, gpu)
    conditional, why_conditional = suggest_conditional(seen)
    if asked.label_column is not None and seen.classes is not None and not conditional:
        conditional, why_conditional = True, f"{len(seen.classes)} classes, as data.label_column asks."
    if like is not None:
        conditional = like.conditional and seen.classes is not None
        why_conditional = f"{'Conditional' if conditional else 'Unconditional'}, as {like.name} is."
        if like.conditional and not conditional:
            why_conditional = f"No classes here, so the generator begins at the mean of those that {like.name} knows."
    sentences = [*seen.notes, *why, why_conditional]
    mapping = _mapping(seen, data, form, conditional, gpu)
    if seen.rows:
        mapping["data"]["slices"] = "random"
        sentences.append("Streamed rows give a slice each in a pass, somewhere else every time (data.slices: random).")
    if like is not None:
        trained = like.model_dump(mode="json", exclude_none=True)
        for part in ("generator", "discriminator", "latent"):
            mapping[part] = trained[part]
        if trained["generator"]["kind"] == "specgan":  # whose game is played on spectrograms, by rules of their own
            for part in ("loss", "regularizers", "generator_optimizer", "discriminator_optimizer"):
                mapping[part] = trained[part]
            mapping["training"]["discriminator_steps"] = trained["training"]["discriminator_steps"]
            mapping.pop("augment", None)
        sentences.append(f"Networks are those of {like.name}, which the training starts from.")
    return mapping, sentences


@dataclass(frozen=True)
class _Form:
    """What each slice is. window: of the transform that a network for it has."""

    rate: int
    length: int
    channels: int
    window: int


def _form(seen: Survey, asked: AudioData, like: Recipe | None, gpu: bool) -> tuple[_Form, list[str]]:
    """Rate, length and channels: as they are asked for, else as `like` has them, else what the data suggests;
    and why."""
    trained = like.data if like is not None else asked
    assert isinstance(trained, AudioData)

    def given(key: str) -> tuple[Any, str]:
        """What is fixed, or None, and by whom."""
        if like is None or getattr(asked, key) is not None:
            return getattr(asked, key), f"as data.{key} asks"
        return getattr(trained, key), f"as {like.name} has"

    (rate, by_rate), (length, by_length), (channels, by_channels) = map(given, ("rate", "length", "channels"))
    why_rate = f"{rate:,} Hz, {by_rate}." if rate else ""
    if not rate:
        rate, why_rate = suggest_rate(seen, gpu)
    window = _window(rate, length)
    if length:
        why_length = f"{length:,} samples, {by_length}, {length / rate:.2g} seconds: {fitting(seen, rate, length)}."
    else:
        length, why_length = suggest_length(seen, rate, _step(window))
    why_channels = f"{channels} channel{'s' * (channels > 1)}, {by_channels}." if channels else ""
    if not channels:
        channels, why_channels = suggest_channels(seen)
    return _Form(rate, length, channels, window), [why_rate, why_length, why_channels]


def _step(window: int) -> int:
    """What a length is a multiple of, where a hop is half a window."""
    return FRAMES * window // 2


def _window(rate: int, length: int | None) -> int:
    """The power of two nearest to WINDOW seconds; where a length is fixed, one down to a quarter of that which fits."""
    widest: int = min(max(NARROWEST, 2 ** round(math.log2(rate * WINDOW))), WIDEST)
    windows = [window for window in (widest, widest // 2, widest // 4) if window >= NARROWEST]
    return next((window for window in windows if length and length % _step(window) == 0), widest)


def _mapping(seen: Survey, data: str | None, form: _Form, conditional: bool, gpu: bool) -> dict[str, Any]:
    batch = 32
    while batch > seen.count and batch > 8:
        batch //= 2
    network = {
        "kind": "stft",
        "transform": {"window": form.window, "hop": form.window // 2},
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
            "rate": form.rate,
            "length": form.length,
            "channels": form.channels,
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
