"""The image head: what a training, an export and a preview need to know of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from multigan import __version__, assemble, noise
from multigan.adversarial.batch import Batch
from multigan.adversarial.game import Arithmetic, Game, Now
from multigan.adversarial.monitor import diversity
from multigan.adversarial.phases import Phase
from multigan.adversarial.schedules import Schedule
from multigan.contract import Contract, Input, Output
from multigan.files import replacing
from multigan.heads import Data, Evaluator, Sampler
from multigan.image import augment
from multigan.image.choosing import settle_gamma
from multigan.image.config import Augment, ImageRecipe
from multigan.image.data import inspect
from multigan.image.data.stream import ImageStream, open_stream
from multigan.image.networks import build_discriminator, build_generator
from multigan.pictures import by_class, enlarge, grid, quantize, save_image, to_uint8

REFERENCE, LARGEST_REFERENCE = 1024, 2**25
"""Real pictures whose diversity the previews' is compared with, and their values in all."""
PREVIEWS = 64
EVALUATED_AT_ONCE = 256


def resolve(recipe: ImageRecipe) -> tuple[ImageRecipe, list[str]]:
    """Fill in size, channels, classes and gamma where the recipe leaves them to the data."""
    data, reasons = recipe.data, []
    if not (data.size and data.channels and (data.classes or not recipe.conditional)):
        survey = inspect(data.source, data)
        reasons = survey.reasons
        chosen = {
            "size": data.size or survey.size,
            "channels": data.channels or survey.channels,
            "classes": (data.classes or survey.classes) if recipe.conditional else data.classes,
        }
        recipe = recipe.model_copy(update={"data": data.model_copy(update=chosen)})
    recipe, why = settle_gamma(recipe)
    return recipe, [*reasons, *why]


def contract(recipe: ImageRecipe, samples: int) -> Contract:
    """latent `[batch, Z]`, and label `[batch]` of a conditional generator, to image `[batch, C, H, W]` in [-1, 1]."""
    height, width, channels = _shape(recipe)
    latent = Input("latent", "latent", "float32", ["batch", recipe.latent.size], recipe.latent.distribution)
    labels = (recipe.data.classes or []) if recipe.conditional else []
    label = Input("label", "label", "int64", ["batch"], minimum=0, maximum=len(labels) - 1)
    public = recipe.model_dump(mode="json", exclude_none=True)
    # Only the last part of a path: an exported file says nothing of the machine that made it.
    if "source" in public["data"]:
        public["data"]["source"] = Path(public["data"]["source"]).name
    return Contract(
        modality="image",
        name=recipe.name,
        inputs=[latent, label] if recipe.conditional else [latent],
        output=Output("image", "float32", ["batch", channels, height, width], -1.0, 1.0),
        labels=labels,
        recipe=public,
        samples_seen=samples,
        version=__version__,
    )


def _shape(recipe: ImageRecipe) -> tuple[int, int, int]:
    """Height, width and channels of a resolved recipe."""
    if recipe.data.size is None or recipe.data.channels is None:
        raise ValueError("the recipe is not resolved: its size or its channels are missing")
    return (*recipe.data.size, recipe.data.channels)


class Augmentation:
    """The recipe's augmentation as the core calls it: its probability fixed, scheduled or adaptive."""

    def __init__(self, chosen: Augment, total: int, device: torch.device):
        self.apply = augment.Augmentation(chosen.kinds)
        self.adaptive = (
            augment.Adaptive(chosen.target, chosen.ramp, device) if chosen.probability == "adaptive" else None
        )
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


class Head:
    """Networks, data, previews and evaluation of one resolved recipe."""

    def __init__(self, recipe: ImageRecipe):
        self.recipe = recipe
        self.classes = len(recipe.data.classes or []) if recipe.conditional else 0

    def open_data(self, device: torch.device, take: int, progress: Callable[[int, int], None] | None = None) -> Data:
        stream = open_stream(self.recipe, device, take, progress)
        height, width, channels = _shape(self.recipe)
        count = min(REFERENCE, max(64, LARGEST_REFERENCE // (height * width * channels)), len(stream))
        first = stream.take(0, count)
        return Data(
            stream,
            diversity(first.sample, first.conditions.get("label")),
            _report(self.recipe, stream),
            stream.report.news,
        )

    def networks(self) -> tuple[nn.Module, nn.Module]:
        return build_generator(self.recipe), build_discriminator(self.recipe)

    def game(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        arithmetic: Arithmetic,
        device: torch.device,
        compiled: dict[str, nn.Module],
    ) -> Game:
        chosen = self.recipe.augment
        return Game(
            generator,
            discriminator,
            latent=self.recipe.latent.size,
            distribution=self.recipe.latent.distribution,
            augmentation=Augmentation(chosen, self.recipe.training.samples, device) if chosen else None,
            arithmetic=arithmetic,
            device=device,
            compiled=compiled,
            penalize=chosen.penalize if chosen else "before",
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

    def preview_batch(self) -> tuple[Tensor, Batch]:
        """The samples that `multigan generate --seed SEED` makes: sample i has class i mod classes (up to 64)."""
        count = PREVIEWS if not self.classes else min(self.classes, 16) * 8
        latents = noise.latents(contract(self.recipe, 0).inputs[0], self.recipe.seed, 0, count)
        conditions = {}
        if self.classes:
            # Of many classes the first ones only: a class needs two samples for its diversity to be seen.
            conditions["label"] = torch.arange(count) % min(self.classes, count // 2)
        return torch.from_numpy(latents), Batch(torch.empty(count, 0), conditions)

    def save_preview(self, samples: Tensor, path: Path) -> None:
        pixels = enlarge(to_uint8(samples.float().cpu().numpy()))
        columns = None
        if 0 < self.classes <= 16:
            pixels, columns = by_class(pixels, self.classes)
        save_image(grid(pixels, columns), path.with_suffix(".png"))

    def save_movie(self, folder: Path, path: Path) -> None:
        mode = "P" if self.recipe.data.channels == 1 else "RGB"
        pictures = [picture.convert(mode) for picture in map(_opened, sorted(folder.glob("[0-9]*.png"))) if picture]
        if pictures:
            times = [120] * (len(pictures) - 1) + [1500]
            with replacing(path) as temporary:
                pictures[0].save(temporary, save_all=True, append_images=pictures[1:], duration=times, loop=0)

    def evaluator(self, data: Data, device: torch.device) -> Evaluator:
        return _Evaluator(self.recipe, data, device)


def _opened(path: Path) -> Image.Image | None:
    """A picture, or None where the file is damaged: one frame less is no reason to lose the film."""
    try:
        picture = Image.open(path)
        picture.load()
    except (OSError, SyntaxError, ValueError):
        return None
    return picture


def _report(recipe: ImageRecipe, stream: ImageStream) -> list[str]:
    where = "kept in memory" if stream.cached else "decoded as they are needed"
    sentences = [f"{len(stream):,} pictures from {stream.survey.place}, {where}."]
    if len(stream.survey.sizes) > 1:
        how = {"crop": "cropped in the middle", "pad": "padded with their edge's mean", "stretch": "stretched"}
        sentences.append(f"Pictures of other shapes are resized and {how[recipe.data.fit]} (data.fit).")
    return sentences


class _Evaluator:
    """The recipe's Fréchet distance, with precision and recall, against part of the data."""

    def __init__(self, recipe: ImageRecipe, data: Data, device: torch.device):
        from multigan.image.extractors import extractor
        from multigan.image.metrics import Evaluator as Measure

        if not isinstance(data.stream, ImageStream):
            raise TypeError("the data is not of pictures")
        self.recipe, self.device = recipe, device
        indices = np.random.default_rng(recipe.seed).permutation(len(data.stream))[: recipe.evaluation.samples]
        self.labels = data.stream.labels[torch.from_numpy(indices)] if data.stream.labels is not None else None
        name = recipe.evaluation.extractor
        if name == "auto":
            name = "efflite0" if device.type == "cuda" else "efflite0-112"
        chosen = extractor(name, device)
        self.name = chosen.metric
        self.measure = Measure(chosen, data.stream.samples(indices).numpy())

    def __call__(self, sampler: Sampler) -> dict[str, float]:
        def pictures(count: int) -> np.ndarray:
            return np.concatenate([part(start, min(EVALUATED_AT_ONCE, count - start)) for start in starts(count)])

        def starts(count: int) -> range:
            return range(0, count, EVALUATED_AT_ONCE)

        def part(start: int, count: int) -> np.ndarray:
            latents = noise.latents(contract(self.recipe, 0).inputs[0], self.recipe.seed + 1, start, count)
            conditions = {}
            if self.recipe.conditional and self.labels is not None:
                conditions["label"] = self.labels[start : start + count]
            made = sampler(torch.from_numpy(latents), Batch(torch.empty(count, 0), conditions))
            return quantize(made.float().cpu().numpy())

        return self.measure(pictures)
