"""The recipe of an image GAN: validated objects, no torch. The union over `kind` is the registry of networks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from multigan.settings import Ema, Loss, Optimizer, Probability, Regularizer, Settings, Training

SMALLEST, LARGEST = 16, 256


class ImageData(Settings):
    """Which pictures, and how they become tensors `[C, H, W]` in [-1, 1].

    Values that are absent are chosen from the data when the training starts, and are written into the run's recipe.
    """

    source: str | None = None
    """A folder, a parquet or arrow file, a hub name (`owner/name` or `owner/name:configuration`); absent: the embedded
    digits. `--data` sets it."""
    size: tuple[int, int] | None = None
    """Height and width."""
    channels: Literal[1, 3, 4] | None = None
    classes: list[str] | None = None
    """The names of the classes, in the order of their numbers; pictures of other classes are left out."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """A picture of another shape: scaled to cover the size and cropped in the middle, scaled to fit inside it and
    padded with its edge's mean, or stretched."""
    mirror: bool = False
    """Show each picture mirrored half of the time."""
    streaming: bool = False
    """Read shard by shard, for what does not fit on the disk."""
    image_column: str | None = None
    label_column: str | None = None
    split: str = "train"
    """Which rows, where a column or a hub's data set tells splits apart."""
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
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ValueError(f"classes: {twice!r} is named twice; a class has one number")
        if self.streaming and self.cache == "memory":
            raise ValueError("cache: memory holds all pictures and streaming none: choose one of the two")
        return self


class Dcgan(Settings):
    """Transposed and strided convolutions with batch normalisation (Radford et al., 2016)."""

    kind: Literal["dcgan"]
    width: int = Field(64, ge=4, le=1024)
    """Channels at the highest resolution's stage; each coarser stage has twice as many, at most 8 times."""
    normalize: Literal["batch", "none"] = "batch"


class ResNet(Settings):
    """Residual blocks as in SNGAN (Miyato et al., 2018); in the discriminator with spectral normalisation."""

    kind: Literal["resnet"]
    width: int = Field(64, ge=4, le=1024)
    spectral_norm: bool = True
    """For the discriminator only."""


class R3gan(Settings):
    """R3GAN's blocks: 1x1, grouped 3x3, 1x1, without normalisation (Huang et al., 2024)."""

    kind: Literal["r3gan"]
    width: int = Field(64, ge=4, le=1024)
    """Channels at the highest resolution's stage; each coarser stage has twice as many, at most 8 times."""
    widths: list[Annotated[int, Field(ge=1, le=4096)]] | None = Field(None, max_length=8)
    """Channels of each stage from 4 pixels up; overrides `width`."""
    blocks: int = Field(2, ge=1, le=16)
    """Residual blocks a stage."""
    group_size: int = Field(16, ge=1)
    """Channels in each group of the grouped convolution: cardinality = expansion * channels / group_size."""
    expansion: int = Field(2, ge=1, le=8)

    @model_validator(mode="after")
    def _groups(self) -> R3gan:
        for width in [self.width] if self.widths is None else self.widths:
            if width < 1 or width * self.expansion % self.group_size:
                raise ValueError(
                    f"group_size: {self.group_size} does not divide the {width} * {self.expansion} channels inside "
                    "a block: choose another group_size or width"
                )
        return self


Network = Annotated[Dcgan | ResNet | R3gan, Field(discriminator="kind")]


class Latent(Settings):
    """The generator's noise `[B, size]`."""

    size: int = Field(64, ge=1, le=4096)
    distribution: Literal["normal", "uniform"] = "normal"
    class_scale: float = Field(0.05, gt=0, le=10)
    """The standard deviation with which the generator's class embedding, as long as the latent, begins. At the latent's
    own, 1, the class drowns the latent, and the generator draws one sample a class for most of a short training."""


class Augment(Settings):
    """Differentiable augmentation of what the discriminator sees, real and generated (Zhao et al., 2020).

    probability: a number, a schedule, or `adaptive` (Karras et al., 2020: raised while the discriminator tells real
    samples too surely, `target` being the mean sign of its outputs on them).
    """

    kinds: list[Literal["translation", "cutout", "color", "flip"]] = ["translation", "cutout", "color"]
    probability: Probability | Literal["adaptive"] = 1.0
    target: float = Field(0.6, gt=0, lt=1)
    ramp: int = Field(500_000, gt=0)
    """Samples in which an adaptive probability can rise from 0 to 1."""
    penalize: Literal["before", "after"] = "before"
    """Where the penalties take the gradient: at the sample before it is augmented, or after."""


class Evaluation(Settings):
    """The Fréchet distance that is measured every `training.evaluate_every` samples and decides which weights are best.

    auto: EfficientNet-Lite0's features, at 224 pixels on a GPU and at 112 on a CPU, where they cost a sixth.
    """

    extractor: Literal["auto", "efflite0", "efflite0-112", "inception"] = "auto"
    samples: int = Field(2000, ge=64, le=100_000)
    """Generated and real pictures that are compared (fewer where the data has fewer)."""


class ImageRecipe(Settings):
    """Everything that one training of an image GAN is made of."""

    modality: Literal["image"]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)
    seed: int = Field(0, ge=0, lt=2**63)
    conditional: bool = False
    """One class per subfolder or label column; the generator then takes a label."""
    data: ImageData = ImageData()
    latent: Latent = Latent()
    generator: Network
    discriminator: Network
    loss: Loss
    regularizers: list[Regularizer] = []
    augment: Augment | None = None
    generator_optimizer: Optimizer = Optimizer()
    discriminator_optimizer: Optimizer = Optimizer()
    ema: Ema = Ema()
    evaluation: Evaluation = Evaluation()
    training: Training

    @model_validator(mode="after")
    def _combinations(self) -> ImageRecipe:
        kinds = [each.kind for each in self.regularizers]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f"regularizers: {kind} is there twice: add up the two")
        if self.loss.kind == "wasserstein" and not kinds and not _spectral(self.discriminator):
            raise ValueError(
                "loss: wasserstein needs a discriminator of bounded slope: add {kind: gradient_penalty} to regularizers"
            )
        return self

    def notes(self) -> list[str]:
        """What is allowed in this recipe and yet worth knowing before it runs, a sentence each."""
        training, kinds = self.training, {each.kind for each in self.regularizers}
        notes = []
        if kinds and _batch_norm(self.discriminator):
            notes.append(
                f"regularizers: with batch normalisation in the discriminator the penalty ({', '.join(sorted(kinds))}) "
                "is not each sample's own, since its gradient runs through the others: discriminator.normalize=none."
            )
        normed = isinstance(self.generator, ResNet) or _batch_norm(self.generator) or _batch_norm(self.discriminator)
        if training.accumulate > 1 and normed:
            notes.append(
                f"training.accumulate: batch normalisation sees {training.batch // training.accumulate} samples at a "
                f"time, so {training.accumulate} parts are not the same as one batch of {training.batch}."
            )
        if self.loss.kind == "relativistic" and not {"r1", "r2"} <= kinds:
            notes.append("loss: relativistic converges with both penalties, r1 and r2; one of them is missing.")
        for key in ("preview_every", "checkpoint_every", "evaluate_every"):
            every = getattr(training, key)
            if every is not None and every > training.samples:
                notes.append(f"training.{key}: {every} samples are more than the training's {training.samples}.")
        if self.augment is not None and not self.augment.kinds:
            notes.append("augment.kinds: empty, so that nothing is augmented.")
        return notes


def _batch_norm(network: Network) -> bool:
    return isinstance(network, Dcgan) and network.normalize == "batch"


def _spectral(network: Network) -> bool:
    return isinstance(network, ResNet) and network.spectral_norm
