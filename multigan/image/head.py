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
from multigan.gan import FixedEvaluator, GanHead, gan_contract
from multigan.heads import Data, Evaluator
from multigan.image import augment
from multigan.image.choosing import settle_gamma
from multigan.image.config import ImageRecipe
from multigan.image.data import inspect
from multigan.image.data.stream import ImageStream, open_stream
from multigan.networks.build import build_discriminator, build_generator
from multigan.networks.detector import Detector
from multigan.networks.shapes import Shape
from multigan.pictures import by_class, enlarge, grid, quantize, save_image, to_uint8

REFERENCE, LARGEST_REFERENCE = 1024, 2**25
"""Real pictures whose diversity the previews' is compared with, and their values in all."""


def resolve(recipe: ImageRecipe) -> tuple[ImageRecipe, list[str]]:
    """Fill in size, channels, classes, the numbers' range and gamma where the recipe leaves them to the data."""
    data, reasons = recipe.data, []
    if recipe.open_condition or not (data.size and data.channels):
        survey = inspect(data.source, data)
        reasons = survey.reasons
        chosen = {
            "size": data.size or survey.size,
            "channels": data.channels or survey.channels,
            "classes": (data.classes or survey.classes) if recipe.conditional else data.classes,
            "number_range": data.number_range or survey.numbers,
        }
        recipe = recipe.model_copy(update={"data": data.model_copy(update=chosen)})
    recipe, why = settle_gamma(recipe)
    return recipe, [*reasons, *why]


def contract(recipe: ImageRecipe, samples: int) -> Contract:
    """latent `[batch, Z]`, label and number `[batch]` where they are told, to image `[batch, C, H, W]` in [-1, 1]."""
    height, width, channels = _size(recipe)
    return gan_contract(recipe, samples, Output("image", "float32", ["batch", channels, height, width], -1.0, 1.0))


def detector(recipe: ImageRecipe, generator: nn.Module, discriminator: nn.Module) -> nn.Module:
    """From pictures to the discriminator's score and features."""
    return Detector(discriminator, "logit")


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
    return Shape(data.size, data.channels, classes, recipe.latent.size, recipe.latent.class_scale, recipe.number)


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
            len(stream),
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
        from multigan.image.extractors import extractor

        stream = data.stream
        if not isinstance(stream, ImageStream):
            raise TypeError("the data is not of pictures")
        recipe = self.recipe
        indices = np.random.default_rng(recipe.seed).permutation(len(stream))[: recipe.evaluation.samples]
        rows = torch.from_numpy(indices)
        labels, numbers = (None if each is None else each[rows] for each in (stream.labels, stream.numbers))
        name = recipe.evaluation.extractor
        if name == "auto":
            name = "efflite0" if device.type == "cuda" else "efflite0-112"
        protocol = f"{len(indices)} of the {len(stream):,} pictures of {stream.survey.place}"
        return FixedEvaluator(
            recipe,
            self.contract(),
            extractor(name, device),
            stream.samples(indices).numpy(),
            labels,
            numbers,
            protocol,
            finish=lambda samples, _: quantize(samples.numpy()),
        )


def _report(recipe: ImageRecipe, stream: ImageStream) -> list[str]:
    where = "kept in memory" if stream.cached else "decoded as they are needed"
    sentences = [f"{len(stream):,} pictures from {stream.survey.place}, {where}."]
    if len(stream.survey.sizes) > 1:
        how = {"crop": "cropped in the middle", "pad": "padded with their edge's mean", "stretch": "stretched"}
        sentences.append(f"Pictures of other shapes are resized and {how[recipe.data.fit]} (data.fit).")
    return sentences
