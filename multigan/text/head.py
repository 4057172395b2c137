"""The text head: what a training, an export and a preview need to know of texts."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from multigan import __version__, noise
from multigan.adversarial.batch import Batch
from multigan.adversarial.game import Arithmetic, Game
from multigan.adversarial.phases import Phase
from multigan.contract import Contract, Input, Output
from multigan.errors import UserError
from multigan.files import write_text
from multigan.gan import public_recipe
from multigan.heads import Data, Evaluator
from multigan.recipe import Recipe
from multigan.text import phases
from multigan.text.choosing import settle
from multigan.text.config import Gumbel, LikelihoodOnly, Rollouts, TextRecipe, Transformer
from multigan.text.data.stream import TextStream, open_stream
from multigan.text.data.vocabularies import vocabulary_of
from multigan.text.measuring import TextEvaluator
from multigan.text.networks import Judge, Policy, Shape, build_discriminator, build_generator
from multigan.text.networks.judges import TextDetector
from multigan.text.networks.sampler import Sampler
from multigan.text.rewards import LAGGED

PREVIEWS = 64
REFERENCE = 2000
"""Real texts that the previews are compared with."""
BASELINE = phases.BASELINE


def resolve(recipe: TextRecipe) -> tuple[TextRecipe, list[str]]:
    """Fill in vocabulary, length and classes where the recipe leaves them to the data."""
    return settle(recipe)


def contract(recipe: TextRecipe, samples: int) -> Contract:
    """noise `[batch, length]`, prefix `[batch, length]`, temperature, top_k and top_p, and label `[batch]` where there
    are classes, to text `[batch, length]`."""
    vocabulary = vocabulary_of(recipe.data)
    labels = (recipe.data.classes or []) if recipe.conditional else []
    inputs = [
        Input("noise", "noise", "float32", ["batch", "length"], "uniform", minimum=-1.0, maximum=1.0),
        Input("prefix", "prefix", "int64", ["batch", "length"], default=-1, minimum=-1, maximum=len(vocabulary) - 1),
        Input("temperature", "scalar", "float32", [], default=1.0, minimum=0.0, maximum=100.0),
        Input("top_k", "scalar", "int64", [], default=0, minimum=0, maximum=len(vocabulary)),
        Input("top_p", "scalar", "float32", [], default=1.0, minimum=0.0, maximum=1.0),
    ]
    if recipe.conditional:
        inputs.append(Input("label", "label", "int64", ["batch"], minimum=0, maximum=len(labels) - 1))
    public = public_recipe(recipe)
    for key in ("vocabulary", "merges"):  # they are in `extra`, where who has no recipe looks for them
        public["data"].pop(key, None)
    if (oracle := public["data"].get("oracle")) and "weights" in oracle:
        oracle["weights"] = Path(oracle["weights"]).name
    return Contract(
        modality=recipe.modality,
        name=recipe.name,
        inputs=inputs,
        output=Output("text", "int64", ["batch", "length"], 0, len(vocabulary) - 1),
        labels=labels,
        recipe=public,
        samples_seen=samples,
        version=__version__,
        extra={
            "vocabulary": vocabulary.to_json(),
            "length": recipe.data.length,
            "log_probability": "log_probability",
            # An LSTM goes on as long as it is asked to; a transformer knows the positions that it has learned.
            **({"longest": recipe.data.length} if isinstance(recipe.generator, Transformer) else {}),
        },
    )


def exportable(recipe: TextRecipe, generator: nn.Module) -> nn.Module:
    """The generator with all that the contract's inputs ask for."""
    assert isinstance(generator, Policy)
    return Sampler(generator, vocabulary_of(recipe.data).unknown_number)


def detector(recipe: TextRecipe, generator: nn.Module, discriminator: nn.Module) -> nn.Module:
    """From symbols to the discriminator's score and features. Raises UserError where none was trained."""
    if isinstance(recipe.objective, LikelihoodOnly):
        raise UserError(f"{recipe.name} was trained by likelihood alone and has no discriminator to export.")
    assert isinstance(discriminator, Judge)
    return TextDetector(discriminator)


def check_start(recipe: TextRecipe, trained: Recipe) -> None:
    """Raise UserError where the numbers of the trained networks mean other symbols, or other positions."""
    assert isinstance(trained, TextRecipe)
    ours, theirs = vocabulary_of(recipe.data), vocabulary_of(trained.data)
    if any(getattr(ours, each) != getattr(theirs, each) for each in ("kind", "symbols", "end", "merges")):
        raise UserError(
            f"--init-from: {trained.name} has another vocabulary ({len(theirs):,} symbols, {theirs.kind}) than this "
            f"recipe ({len(ours):,}, {ours.kind}): leave --recipe away, so that it and the networks are the "
            "checkpoint's, or leave --init-from away."
        )
    if isinstance(recipe.generator, Transformer) and recipe.data.length != trained.data.length:
        raise UserError(
            f"data.length: {recipe.data.length} where {trained.name} of --init-from has {trained.data.length}, and a "
            f"transformer learns each position by itself: set it to {trained.data.length}."
        )


def networks(recipe: TextRecipe) -> tuple[Policy, Judge]:
    """Generator and discriminator of a resolved recipe, freshly initialised. Raises UserError where it has no
    classes to be conditional on."""
    if recipe.conditional and not recipe.data.classes:
        raise UserError("conditional is true, but data.classes names none: name them or set it to false.")
    vocabulary = vocabulary_of(recipe.data)
    if recipe.data.length is None:
        raise ValueError("the recipe is not resolved: its length is missing")
    classes = len(recipe.data.classes or ()) if recipe.conditional else 0
    shape = Shape(len(vocabulary), recipe.data.length, vocabulary.end, classes)
    return build_generator(recipe.generator, shape), build_discriminator(recipe.discriminator, shape)


class Head:
    """Networks, data, previews and evaluation of one resolved recipe."""

    unit = "texts"

    def __init__(self, recipe: TextRecipe):
        self.recipe = recipe
        self.classes = len(recipe.data.classes or []) if recipe.conditional else 0
        self.vocabulary = vocabulary_of(recipe.data)
        self._known: frozenset[str] = frozenset()
        """The texts that are learned from."""

    def open_data(self, device: torch.device, take: int, progress: Callable[[int, int], None] | None = None) -> Data:
        stream = open_stream(self.recipe, device, take)
        self._known = frozenset(stream.texts)
        first = stream.take(0, min(REFERENCE, len(stream)))
        variety = self.diversity(first.sample.cpu(), first.conditions.get("label"))
        return Data(stream, variety, stream.identity(), len(stream), stream.sentences(), stream.news)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        return networks(self.recipe)

    def game(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        arithmetic: Arithmetic,
        device: torch.device,
        compiled: Mapping[str, nn.Module],
    ) -> Game:
        assert isinstance(generator, Policy)
        objective = self.recipe.objective
        companions: dict[str, nn.Module] = {}
        if isinstance(objective, Gumbel):
            generator.relaxed = True
        if isinstance(objective, Rollouts):
            companions[LAGGED] = copy.deepcopy(generator)
        if self.recipe.likelihood.baseline and not isinstance(objective, LikelihoodOnly):
            companions[BASELINE] = copy.deepcopy(generator)
        return Game(
            generator,
            discriminator,
            latent=generator.length,
            distribution="uniform",
            arithmetic=arithmetic,
            device=device,
            compiled=compiled,
            companions=companions,
        )

    def phases(self, game: Game) -> list[Phase]:
        return phases.phases(self.recipe, game)

    def preview_batch(self) -> tuple[Tensor, Batch]:
        """The texts that `multigan generate --seed SEED` makes: text i has class i mod classes."""
        count = PREVIEWS
        told = contract(self.recipe, 0)
        latents = noise.latents(told.inputs[0], self.recipe.seed, 0, count, length=self.recipe.data.length)
        conditions = {"label": torch.arange(count) % self.classes} if self.classes else {}
        return torch.from_numpy(latents), Batch(torch.empty(count, 0), conditions)

    def strings(self, samples: Tensor) -> list[str]:
        """What symbols `[N, T]` say."""
        return [self.vocabulary.decode(row) for row in samples.long().tolist()]

    def save_preview(self, samples: Tensor, path: Path) -> list[Path]:
        """One text a line, with its class where there are classes."""
        names = self.recipe.data.classes or []
        lines = []
        for index, text in enumerate(self.strings(samples)):
            line = text.replace("\\", "\\\\").replace("\n", "\\n")
            lines.append(f"{names[index % self.classes]}\t{line}" if self.classes else line)
        file = path.with_suffix(".txt")
        write_text(file, "\n".join(lines) + "\n")
        return [file]

    def diversity(self, samples: Tensor, labels: Tensor | None) -> float:
        """The share of different pairs of neighbouring symbols among all: 0 where all texts are the same."""
        rows = samples.long().cpu().numpy()
        pairs = Counter[tuple[int, ...]]()
        for row in rows[:PREVIEWS]:
            ended = np.flatnonzero(row == 0)
            row = row[: ended[0] + 1] if self.vocabulary.end and len(ended) else row
            pairs.update(zip(row[:-1].tolist(), row[1:].tolist(), strict=True))
        return len(pairs) / max(pairs.total(), 1)

    def remarks(self, samples: Tensor) -> tuple[dict[str, float], dict[str, str]]:
        made = self.strings(samples)
        whole = [text for text in made if text.strip()]
        figures = {
            "unique": len(set(made)) / len(made),
            "novel": sum(text not in self._known for text in made) / len(made),
            "empty": 1 - len(whole) / len(made),
        }
        said = {}
        if figures["empty"] > 0.5:
            said["empty"] = f"{100 * figures['empty']:.0f}% of the previews are empty: lower the learning rate."
        return figures, said

    def evaluator(self, data: Data, device: torch.device) -> Evaluator:
        assert isinstance(data.stream, TextStream)
        return TextEvaluator(self.recipe, data.stream, device)


__all__ = ["Head", "check_start", "contract", "exportable", "networks", "resolve"]
