"""The recipe of an image GAN: validated objects, no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from multigan.networks.config import Convolutional
from multigan.settings import Augment, Data, GanRecipe, Settings

SMALLEST, LARGEST = 16, 256


class ImageData(Data):
    """Which pictures, and how they become tensors `[C, H, W]` in [-1, 1].

    Values that are absent are chosen from the data when the training starts, and are written into the run's recipe.
    """

    size: tuple[int, int] | None = None
    """Height and width."""
    channels: Literal[1, 3, 4] | None = None
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """A picture of another shape: scaled to cover the size and cropped in the middle, scaled to fit inside it and
    padded with its edge's mean, or stretched."""
    mirror: bool = False
    """Show each picture mirrored half of the time."""
    image_column: str | None = None
    cache: Literal["auto", "memory", "none"] = "auto"
    """auto: decoded once and kept in memory where they are at most 200,000 and take at most a quarter of what is free,
    which the processes of one machine share."""

    @model_validator(mode="after")
    def _shape(self) -> ImageData:
        for side in self.size or ():
            if not SMALLEST <= side <= LARGEST or side % 8:
                raise ValueError(
                    f"size: {side} cannot be made: each side is a multiple of 8 from {SMALLEST} to {LARGEST} "
                    f"(nearest: {min(max(round(side / 8) * 8, SMALLEST), LARGEST)})"
                )
        if self.streaming and self.cache == "memory":
            raise ValueError("cache: memory holds all pictures and streaming none: choose one of the two")
        return self


class ImageAugment(Augment):
    """See `multigan.image.augment` for the kinds."""

    kinds: list[Literal["translation", "cutout", "color", "flip"]] = ["translation", "cutout", "color"]


class Evaluation(Settings):
    """The Fréchet distance that is measured every `training.evaluate_every` samples and decides which weights are best.

    auto: EfficientNet-Lite0's features, at 224 pixels on a GPU and at 112 on a CPU, where they cost a sixth.
    """

    extractor: Literal["auto", "efflite0", "efflite0-112", "inception"] = "auto"
    samples: int = Field(2000, ge=64, le=100_000)
    """Generated and real pictures that are compared (fewer where the data has fewer)."""


class ImageRecipe(GanRecipe):
    """Everything that one training of an image GAN is made of."""

    modality: Literal["image"]
    data: ImageData = ImageData()
    generator: Convolutional
    discriminator: Convolutional
    augment: ImageAugment | None = None
    evaluation: Evaluation = Evaluation()
