"""What the heads of all GANs have in common: the game, its phases, the augmentation's strength, fixed previews."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from multigan import __version__, assemble, noise
from multigan.adversarial.batch import Batch, Draws
from multigan.adversarial.game import Arithmetic, Game, Now
from multigan.adversarial.monitor import diversity
from multigan.adversarial.phases import Phase
from multigan.adversarial.schedules import Schedule
from multigan.contract import Contract, Input, Output
from multigan.heads import Sampler
from multigan.metrics import Evaluator as Measure
from multigan.metrics import FeatureExtractor
from multigan.settings import Augment, GameRecipe, GanRecipe

R = TypeVar("R", bound=GanRecipe)

Augmenting = Callable[[Tensor, float | Tensor, Draws, str], Tensor]
"""`(samples, probability, draws, stream) -> samples`."""

PREVIEWS = 64
AT_ONCE = 256


class Adaptive:
    """ADA's controller of the probability (Karras et al., 2020): up while the discriminator is too sure of real ones.

    The probability rises by `batch / samples` when the mean sign of the logits exceeds `target`, else falls; it stays
    in [0, 1]. samples: how many take it from 0 to 1. Under a relativistic loss a logit means nothing by itself: give
    the differences between real and generated. Nothing is read back from the device.
    """

    def __init__(
        self, target: float = 0.6, samples: float = 500_000, device: torch.device | str = "cpu", start: float = 0.0
    ):
        self.target, self.samples = target, samples
        self.probability = torch.full((), start, device=device, dtype=torch.float32)

    @torch.no_grad()
    def move(self, surety: Tensor, count: int) -> None:
        """See the mean sign of `count` logits; one that is not a number moves nothing."""
        step = torch.nan_to_num((surety - self.target).sign()) * (count / self.samples)
        self.probability.add_(step).clamp_(0, 1)


class ControlledAugmentation:
    """A modality's augmentation as the core calls it: its probability fixed, scheduled or adaptive."""

    def __init__(self, apply: Augmenting, chosen: Augment, total: int, device: torch.device):
        self.apply = apply
        self.adaptive = Adaptive(chosen.target, chosen.ramp, device) if chosen.probability == "adaptive" else None
        self.schedule: Schedule | None = None
        if chosen.probability != "adaptive":
            self.schedule = assemble.schedule(chosen.probability, total)

    def __call__(self, samples: Tensor, now: Now, stream: str) -> Tensor:
        return self.apply(samples, self._probability(now), now.draws, stream)

    def _probability(self, now: Now) -> float | Tensor:
        if self.adaptive is not None:
            return self.adaptive.probability
        return self.schedule(now.samples) if self.schedule else 0.0

    def observe(self, surety: Tensor, count: int) -> None:
        if self.adaptive is not None:
            self.adaptive.move(surety, count)

    def tensors(self) -> dict[str, Tensor]:
        return {} if self.adaptive is None else {"probability": self.adaptive.probability}


class GanHead(ABC, Generic[R]):
    """The part of `multigan.heads.Head` that asks nothing of the modality, for one resolved recipe."""

    def __init__(self, recipe: R):
        self.recipe = recipe
        self.classes = len(recipe.data.classes or []) if recipe.conditional else 0

    @abstractmethod
    def contract(self) -> Contract:
        """What an exported generator of this recipe says of itself, before it has seen a sample."""

    @abstractmethod
    def augmentation(self) -> Augmenting | None:
        """What the recipe's augmentation does to samples, or None."""

    def view(self, discriminator: nn.Module) -> Callable[[Tensor], Tensor] | None:
        """A fixed transform of samples to what the discriminator takes, at which penalties are then taken; or None."""
        return None

    def game(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        arithmetic: Arithmetic,
        device: torch.device,
        compiled: Mapping[str, nn.Module],
    ) -> Game:
        chosen, apply = self.recipe.augment, self.augmentation()
        augmentation = None
        if chosen is not None and apply is not None:
            augmentation = ControlledAugmentation(apply, chosen, self.recipe.training.samples, device)
        view = self.view(discriminator)
        return Game(
            generator,
            discriminator,
            latent=self.recipe.latent.size,
            distribution=self.recipe.latent.distribution,
            augmentation=augmentation,
            view=view,
            arithmetic=arithmetic,
            device=device,
            compiled=compiled,
            penalize="after" if view is not None else chosen.penalize if chosen else "before",
        )

    def phases(self, game: Game) -> list[Phase]:
        recipe = self.recipe
        return assemble.adversarial_phases(
            game,
            recipe.loss,
            recipe.regularizers,
            recipe.generator_optimizer,
            recipe.discriminator_optimizer,
            recipe.training,
        )

    def diversity(self, samples: Tensor, labels: Tensor | None) -> float:
        """How much samples vary, within the classes if there are any."""
        return diversity(samples, labels)

    def preview_batch(self) -> tuple[Tensor, Batch]:
        """The samples that `multigan generate --seed SEED` makes: sample i has class i mod classes (up to 64), and the
        classes have the same numbers, evenly over the range, where they are told."""
        count = PREVIEWS if not self.classes else min(self.classes, 16) * 8
        contract = self.contract()
        latents = noise.latents(contract.inputs[0], self.recipe.seed, 0, count)
        # Of many classes the first ones only: a class needs two samples for its diversity to be seen.
        shown = min(self.classes, count // 2)
        conditions = {}
        if shown:
            conditions["label"] = torch.arange(count) % shown
        if number := contract.input("condition"):
            conditions["number"] = torch.from_numpy(noise.numbers(number, 0, count, shown))
        return torch.from_numpy(latents), Batch(torch.empty(count, 0), conditions)


def gan_contract(
    recipe: GanRecipe, samples: int, output: Output, drawn: Sequence[Input] = (), **extra: object
) -> Contract:
    """latent `[batch, Z]`, what else is `drawn`, and label and number `[batch]` where they are told, to `output`."""
    labels = (recipe.data.classes or []) if recipe.conditional else []
    latent = Input("latent", "latent", "float32", ["batch", recipe.latent.size], recipe.latent.distribution)
    inputs = [latent, *drawn]
    if recipe.conditional:
        inputs.append(Input("label", "label", "int64", ["batch"], minimum=0, maximum=len(labels) - 1))
    if (told := recipe.number) is not None:
        inputs.append(
            Input("number", "condition", "float32", ["batch"], None, told.default, told.minimum, told.maximum)
        )
        extra["number_column"] = recipe.data.number_column
    return Contract(
        modality=recipe.modality,
        name=recipe.name,
        inputs=inputs,
        output=output,
        labels=labels,
        recipe=public_recipe(recipe),
        samples_seen=samples,
        version=__version__,
        extra=dict(extra),
    )


def public_recipe(recipe: GameRecipe) -> dict[str, Any]:
    """A recipe as an exported file has it, which says nothing of the machine that made it: of a path the last part."""
    public = recipe.model_dump(mode="json", exclude_none=True)
    if "source" in public["data"]:
        public["data"]["source"] = Path(public["data"]["source"]).name
    return public


def fixed_samples(
    sampler: Sampler, contract: Contract, seed: int, count: int, told: Mapping[str, Tensor]
) -> Iterator[Tensor]:
    """Samples 0 to `count` of a seed, float32 on the CPU, some at a time. told: the conditions of each sample, by
    name."""
    for start in range(0, count, AT_ONCE):
        part = min(AT_ONCE, count - start)
        latents = torch.from_numpy(noise.latents(contract.inputs[0], seed, start, part))
        conditions = {name: values[start : start + part] for name, values in told.items()}
        yield sampler(latents, Batch(torch.empty(part, 0), conditions)).float().cpu()


class FixedEvaluator:
    """`multigan.heads.Evaluator`: the same samples of a seed, told what the real ones are, at every evaluation.

    reference: real samples `[n, ...]` as `extractor` takes them. labels, numbers: of them, or None. finish: called with
    what the generator gave, float32 on the CPU, and the number of the first; gives samples as the extractor takes
    them. Their seed is the recipe's next one, so that what is measured is not what is previewed.
    """

    def __init__(
        self,
        recipe: GanRecipe,
        contract: Contract,
        extractor: FeatureExtractor,
        reference: Any,
        labels: Tensor | None,
        numbers: Tensor | None,
        protocol: str,
        finish: Callable[[Tensor, int], Any],
    ):
        self.name, self.protocol = extractor.metric, protocol
        self._contract, self._seed = contract, recipe.seed + 1
        told = {"label": labels if recipe.conditional else None, "number": numbers}
        self._told = {name: values for name, values in told.items() if values is not None}
        self._finish = finish
        self._measure = Measure(extractor, reference)

    def __call__(self, sampler: Sampler, networks: Mapping[str, nn.Module], samples: int) -> dict[str, float]:
        def made_of(count: int) -> Any:
            made = fixed_samples(sampler, self._contract, self._seed, count, self._told)
            return np.concatenate([self._finish(each, part * AT_ONCE) for part, each in enumerate(made)])

        return self._measure(made_of)
