"""The heads, by modality. A head knows its modality and never the training loop.

Each modality's `head.py` has a class `Head` and the functions `resolve(recipe)`, `contract(recipe, samples)` and
`detector(recipe, generator, discriminator)`. Where
a generator in training makes something else than its contract says, it has `exportable(recipe, generator)`, too; where
exports need another tolerance than most, `tolerance(recipe)`; where weights of the right shapes may still be no start
for a training, `check_start(recipe, trained)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Protocol

import torch
from torch import Tensor, nn

from multigan.adversarial.batch import Batch, Stream
from multigan.adversarial.game import Arithmetic, Game
from multigan.adversarial.phases import Phase
from multigan.contract import Contract
from multigan.recipe import Recipe

Sampler = Callable[[Tensor, Batch], Tensor]
"""From latents and a batch's conditions to samples, by the averaged generator."""


@dataclass
class Data:
    """The stream of a training, the diversity of its samples (within classes, if any), sentences for the user.

    identity: a digest that changes with what the samples are called and how they are numbered. count: of the samples.
    """

    stream: Stream
    diversity: float
    identity: str
    count: int
    report: list[str] = field(default_factory=list)
    damaged: Callable[[], str] = str
    """What could not be read since the last call, as text; empty where all could."""


class Evaluator(Protocol):
    """Measures a generator during training: the metric called `name` first, smaller is better.

    protocol: in words, what its value depends on beside the generator.
    """

    name: str
    protocol: str

    def __call__(self, sampler: Sampler, networks: Mapping[str, nn.Module], samples: int) -> dict[str, float]:
        """sampler: of the averaged generator. networks: as a checkpoint holds them, by name. samples: seen so far."""
        ...


class Head(Protocol):
    """What a modality hands to a training of one resolved recipe. unit: what its samples are called, such as images."""

    unit: str

    def open_data(self, device: torch.device, take: int, progress: Callable[[int, int], None] | None = None) -> Data:
        """Open the data. take: samples that will be asked for at once. progress: called with (done, all)."""
        ...

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Generator and discriminator, freshly initialised from torch's random state."""
        ...

    def game(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        arithmetic: Arithmetic,
        device: torch.device,
        compiled: Mapping[str, nn.Module],
    ) -> Game:
        """The game that the networks play."""
        ...

    def phases(self, game: Game) -> list[Phase]:
        """Who updates, with which objective, how often."""
        ...

    def preview_batch(self) -> tuple[Tensor, Batch]:
        """Latents and conditions of the previews: the same at every time. The batch's sample is empty."""
        ...

    def save_preview(self, samples: Tensor, path: Path) -> list[Path]:
        """Write previews `[N, ...]` as a person would look at, listen to or read them; the files, a picture first.

        Their names are `path` without its suffix, and what comes after it: a picture's only a suffix.
        """
        ...

    def diversity(self, samples: Tensor, labels: Tensor | None) -> float:
        """How much samples vary, within the classes if there are any: 0 where all are the same."""
        ...

    def remarks(self, samples: Tensor) -> tuple[dict[str, float], dict[str, str]]:
        """Figures of the previews for the log, and what is wrong with them: a sentence under a word that stays."""
        ...

    def evaluator(self, data: Data, device: torch.device) -> Evaluator:
        """The metric for evaluations during training. Raises UserError where its packages are missing."""
        ...


def _module(modality: str) -> ModuleType:
    return importlib.import_module(f"multigan.{modality}.head")


def head(recipe: Recipe) -> Head:
    """The head of a resolved recipe."""
    made: Head = _module(recipe.modality).Head(recipe)
    return made


def resolve(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Fill in what a recipe leaves to the data; sentences say what was chosen and why."""
    resolved: tuple[Recipe, list[str]] = _module(recipe.modality).resolve(recipe)
    return resolved


def contract(recipe: Recipe, samples: int) -> Contract:
    """What an exported generator of this recipe says of itself."""
    made: Contract = _module(recipe.modality).contract(recipe, samples)
    return made


def exportable(recipe: Recipe, generator: nn.Module) -> nn.Module:
    """The network that takes the inputs of `contract` and gives its output: the generator, or one that holds it."""
    module = _module(recipe.modality)
    found: nn.Module = module.exportable(recipe, generator) if hasattr(module, "exportable") else generator
    return found


def detector(recipe: Recipe, generator: nn.Module, discriminator: nn.Module) -> nn.Module:
    """The network that gives the score `[B]` and the features `[B, D]` of samples, whatever the discriminator looks at.

    Raises UserError where the recipe trains no discriminator.
    """
    found: nn.Module = _module(recipe.modality).detector(recipe, generator, discriminator)
    return found


def check_start(recipe: Recipe, trained: Recipe) -> None:
    """Raise UserError where weights of the recipe `trained` are none for a training of `recipe` to start from."""
    module = _module(recipe.modality)
    if hasattr(module, "check_start"):
        module.check_start(recipe, trained)


def tolerance(recipe: Recipe) -> float | None:
    """How far an exported file may be from torch where the recipe has a tolerance of its own."""
    module = _module(recipe.modality)
    found: float | None = module.tolerance(recipe) if hasattr(module, "tolerance") else None
    return found
