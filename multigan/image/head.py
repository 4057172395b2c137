"""The image head: what a training, an export and a preview need to know of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from multigan.adversarial.batch import Draws
from multigan.contract import Contract, Output
from multigan.errors import UserError
from multigan.gan import GanHead, fixed_samples, gan_contract
from multigan.heads import Data, Evaluator, Sampler
from multigan.image import augment
from multigan.image.choosing import settle_gamma
from multigan.image.config import ImageRecipe
from multigan.image.data import inspect
from multigan.image.data.stream import ImageStream, open_stream
from multigan.networks.build import build_discriminator, build_generator
from multigan.networks.shapes import Shape
from multigan.pictures import by_class, enlarge, grid, quantize, save_image, to_uint8

REFERENCE, LARGEST_REFERENCE = 1024, 2**25
"""Real pictures whose diversity the previews' is compared with, and their values in all."""


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
    height, width, channels = _size(recipe)
    return gan_contract(recipe, samples, Output("image", "float32", ["batch", channels, height, width], -1.0, 1.0))


def _size(recipe: ImageRecipe) -> tuple[int, int, int]:
    """Height, width and channels of a resolved recipe."""
    if recipe.data.size is None or recipe.data.channels is None:
        raise ValueError("the recipe is not resolved: its size or its channels are missing")
    return (*recipe.data.size, recipe.data.channels)


def shape_of(recipe: ImageRecipe) -> Shape:
    """The shape that a resolved recipe asks its networks for. Raises UserError where the recipe leaves it open."""
    data = recipe.data
    if data.size is None or data.channels is None:
        raise UserError("data.size and data.channels are not known yet: give them, or data to read them from.")
    if recipe.conditional and not data.classes:
        raise UserError("conditional is true, but data.classes names none: name them or set it to false.")
    classes = len(data.classes or ()) if recipe.conditional else 0
    return Shape(data.size, data.channels, classes, recipe.latent.size, recipe.latent.class_scale)


def networks(recipe: ImageRecipe) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of a resolved recipe, freshly initialised. Raises UserError where its settings do not
    fit the pictures."""
    shape = shape_of(recipe)
    return build_generator(recipe.generator, shape), build_discriminator(recipe.discriminator, shape)


class Head(GanHead[ImageRecipe]):
    """Networks, data, previews and evaluation of one resolved recipe."""

    unit = "images"

    def contract(self) -> Contract:
        return contract(self.recipe, 0)

    def open_data(self, device: torch.device, take: int, progress: Callable[[int, int], None] | None = None) -> Data:
        stream = open_stream(self.recipe, device, take, progress)
        height, width, channels = _size(self.recipe)
        count = min(REFERENCE, max(64, LARGEST_REFERENCE // (height * width * channels)), len(stream))
        first = stream.take(0, count)
        return Data(
            stream,
            self.diversity(first.sample, first.conditions.get("label")),
            stream.identity(),
            _report(self.recipe, stream),
            stream.report.news,
        )

    def networks(self) -> tuple[nn.Module, nn.Module]:
        return networks(self.recipe)

    def augmentation(self) -> Callable[[Tensor, float | Tensor, Draws, str], Tensor] | None:
        return augment.Augmentation(self.recipe.augment.kinds) if self.recipe.augment else None

    def save_preview(self, samples: Tensor, path: Path) -> list[Path]:
        pixels = enlarge(to_uint8(samples.float().cpu().numpy()))
        columns = None
        if 0 < self.classes <= 16:
            pixels, columns = by_class(pixels, self.classes)
        sheet = path.with_suffix(".png")
        save_image(grid(pixels, columns), sheet)
        return [sheet]

    def remarks(self, samples: Tensor) -> tuple[dict[str, float], dict[str, str]]:
        return {}, {}

    def evaluator(self, data: Data, device: torch.device) -> Evaluator:
        return _Evaluator(self.recipe, data, device)


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
        self.protocol = f"{len(indices)} of the {len(data.stream):,} pictures of {data.stream.survey.place}"
        self.measure = Measure(chosen, data.stream.samples(indices).numpy())

    def __call__(self, sampler: Sampler) -> dict[str, float]:
        def pictures(count: int) -> np.ndarray:
            labels = self.labels if self.recipe.conditional else None
            samples = fixed_samples(sampler, contract(self.recipe, 0), self.recipe.seed + 1, count, labels)
            return np.concatenate([quantize(each.numpy()) for each in samples])

        return self.measure(pictures)
