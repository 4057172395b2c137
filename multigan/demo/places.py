"""Where a sample lies in the latent space, in words that a person can type: `7`, `7#3`, `7#3~2@0.30`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multigan import noise
from multigan.contract import Input
from multigan.errors import UserError
from multigan.files import digest
from multigan.runtime import Generator, interpolation

DEEPEST = 8
"""Variations of variations."""
LONGEST_STEM = 48
"""Letters: two of them and a model's name, or one and a class's, are the name of a file."""
VARIATIONS = 2**31
"""The stream of the noise that variations move towards; those of variations of variations follow it."""
DIRECTIONS = 2**30
"""The stream of the directions that a walk goes along."""
STEPS = r"(?:~\d{1,9}@\d(?:\.\d{1,4})?)*"
_WORDS = re.compile(rf"\s*(\d{{1,20}})\s*(?:#\s*(\d{{1,16}}))?({STEPS})\s*")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Place:
    """Sample `index` of `seed`, and from there for each (number, strength) the share `strength` of the way to a latent
    that has that number."""

    seed: int
    index: int = 0
    steps: tuple[tuple[int, float], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises UserError where the text is no place."""
        found = _WORDS.fullmatch(text)
        if found is None:
            raise UserError(f"{text[:40]!r} is no seed: write one such as 7, or 7#3 for sample 3 of seed 7.")
        steps = [part.split("@") for part in found[3].split("~")[1:]]
        moved = tuple((int(number), round(float(share), 2)) for number, share in steps)  # as it is written
        made = cls(int(found[1]), int(found[2] or 0), moved)
        if made.seed >= noise.SEEDS or made.index >= noise.SAMPLES - 1:
            raise UserError(f"{text[:40]!r} is out of range: seeds end at {noise.SEEDS - 1}.")
        if len(made.steps) > DEEPEST or any(share > 1 for _, share in made.steps):
            raise UserError(f"{text[:40]!r} is out of range: at most {DEEPEST} variations, each of strength 0 to 1.")
        return made

    def __str__(self) -> str:
        steps = "".join(f"~{number}@{share:.2f}" for number, share in self.steps)
        return f"{self.seed}#{self.index}{steps}"

    @property
    def stem(self) -> str:
        """As part of a file's name; of variations of variations the end is a digest, since names may not be long."""
        steps = "".join(f"-variation{number}at{share:.2f}" for number, share in self.steps)
        whole = f"seed{self.seed}-{self.index:04d}{steps}"
        return whole if len(whole) <= LONGEST_STEM else f"{whole[: LONGEST_STEM - 13]}-{digest(whole.encode())[:12]}"

    def varied(self, number: int, strength: float) -> Place:
        """A variation of this place."""
        return Place(self.seed, self.index, (*self.steps, (number, round(strength, 2))))


def latents(generator: Generator, places: Sequence[Place], truncation: float | None) -> Floats:
    """The latents `[n, Z]` of places. Raises UserError where the model has none."""
    latent = latent_of(generator)
    return np.stack([_latent(latent, place, truncation) for place in places])


def latent_of(generator: Generator) -> Input:
    """The input that places are in. Raises UserError where the model has none."""
    latent = generator.contract.input("latent")
    if latent is None:
        raise UserError("this model has no latent to move through.")
    return latent


def _latent(latent: Input, place: Place, truncation: float | None) -> Floats:
    move = interpolation.linear if latent.distribution == "uniform" else interpolation.spherical
    at = noise.latents(latent, place.seed, place.index, 1, truncation)[0]
    for depth, (number, strength) in enumerate(place.steps):
        other = noise.latents(latent, place.seed, number, 1, truncation, VARIATIONS + depth)[0]
        at = move(at, other, strength)
    return at


def walked(latent: Input, start: Floats, seed: int, steps: Sequence[float]) -> Floats:
    """`start` `[Z]` moved along one seeded direction for each of `steps` (-1 to 1).

    A normal latent stays as long as it was: each direction is at a right angle to it and to the others, and a step of 1
    is as far as `start` is long. A uniform one stays in [-1, 1].
    """
    drawn = noise.normal(seed, 0, len(steps), start.size, None, DIRECTIONS).astype(np.float64)
    flat = start.astype(np.float64).reshape(-1)
    if latent.distribution == "uniform":
        moved = flat + np.asarray(steps) @ drawn
        return np.clip(moved, -1.0, 1.0).astype(np.float32).reshape(start.shape)
    length = float(np.linalg.norm(flat))
    if length == 0.0 or flat.size <= len(steps):
        return start
    basis, _ = np.linalg.qr(np.concatenate([flat[None], drawn]).T)
    moved = flat + length * basis[:, 1:] @ np.asarray(steps)
    return (moved * (length / np.linalg.norm(moved))).astype(np.float32).reshape(start.shape)
