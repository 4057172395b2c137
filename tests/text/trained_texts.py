"""Trainings of texts that take seconds."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from multigan import recipe as recipes
from multigan.adversarial.distributed import World
from multigan.recipe import parse
from multigan.text.config import TextRecipe
from multigan.training.display import Quiet
from multigan.training.session import Options, Session

RECURRENT = {"kind": "recurrent", "embedding": 4, "hidden": 6}
GAMES: dict[str, dict[str, Any]] = {
    "rollouts": {},
    "dense": {"discriminator": RECURRENT, "objective": {"kind": "dense"}},
    "gumbel": {"objective": {"kind": "gumbel", "inverse_temperature": 8.0}, "loss": {"kind": "relativistic"}},
    "gumbel, recurrent": {
        "objective": {"kind": "gumbel"}, "loss": {"kind": "relativistic"}, "discriminator": RECURRENT,
    },
    "transformer": {"generator": {"kind": "transformer", "width": 8, "heads": 2, "layers": 1}},
}  # fmt: skip
"""What a recipe of rollouts is changed by."""
LIKELIHOOD, BEGINS, SAMPLES, BATCH = 48, 80, 160, 8
"""Samples after which likelihood ends, the game begins and the training ends."""


def texts() -> list[str]:
    """Texts of one to six letters of four."""
    return ["".join(row)[: 1 + number % 6] for number, row in enumerate(itertools.product("abcd", repeat=6))][::37]


def write(folder: Path) -> Path:
    """The texts in a file for each of two classes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("even", "odd")):
        (folder / f"{name}.txt").write_text("".join(f"{text}\n" for text in texts()[number::2]))
    return folder


def recipe(data: Path, *changes: str, **parts: Any) -> TextRecipe:
    """Likelihood, the discriminator alone and the game, in turns of 8 texts with a checkpoint every 40."""
    mapping: dict[str, Any] = {
        "modality": "text",
        "name": "small",
        "data": {"source": str(data), "length": 8, "held_out": 0.2},
        "generator": {"kind": "lstm", "embedding": 4, "hidden": 6, "dropout": 0.1},
        "discriminator": {"kind": "cnn", "embedding": 4, "widths": [1, 2], "filters": [4, 4]},
        "objective": {"kind": "rollouts", "rollouts": 2},
        "likelihood": {"samples": LIKELIHOOD},
        "warmup": BEGINS - LIKELIHOOD,
        "training": {
            "samples": SAMPLES, "batch": BATCH, "precision": "fp32",
            "log_every": 1, "checkpoint_every": 40, "preview_every": 80,
        },
    }  # fmt: skip
    mapping = copy.deepcopy({**mapping, **parts})
    for change in changes:
        recipes.override(mapping, change)
    made = parse(mapping)
    assert isinstance(made, TextRecipe)
    return made


class Listening(Quiet):
    """Keeps what was said. at: calls `act` the first time that figures are shown at so many samples or more."""

    def __init__(self, at: int | None = None, act: Callable[[], None] = lambda: None):
        self.said: list[str] = []
        self.at, self.act = at, act

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def show(self, done: int, figures: str = "") -> None:
        if self.at is not None and figures and done >= self.at:
            self.at = None
            self.act()


def session(chosen: TextRecipe, out: Path) -> Session:
    """A training that is set up and not played."""
    return Session(chosen, Options(out=out), torch.device("cpu"), World(), Listening())
