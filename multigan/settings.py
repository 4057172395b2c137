"""The parts of a recipe that every modality shares, as validated objects. No torch: `assemble.py` builds from them.

A field that may change during training takes a number or a schedule: `{start: 2.0, end: 0.2}`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """Base of every part of a recipe: unknown keys are refused, values are not coerced from other types' text."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Schedule(Settings):
    """From `start` to `end` over the first `samples` samples (all of the training when absent), then held at `end`."""

    start: float
    end: float
    samples: int | None = Field(None, gt=0)
    shape: Literal["cosine", "linear"] = "cosine"


def _within(minimum: float, maximum: float) -> AfterValidator:
    """A validator: a number, or both ends of a schedule, lie in [minimum, maximum]."""

    def check(value: float | Schedule) -> float | Schedule:
        ends = (value.start, value.end) if isinstance(value, Schedule) else (value,)
        for end in ends:
            if not minimum <= end <= maximum:
                raise ValueError(f"{end:g} is out of range: choose from {minimum:g} to {maximum:g}")
        return value

    return AfterValidator(check)


Weight = Annotated[float | Schedule, _within(0.0, 1e6)]
LearningRate = Annotated[float | Schedule, _within(0.0, 1.0)]
Beta = Annotated[float | Schedule, _within(0.0, 0.99999)]
Probability = Annotated[float | Schedule, _within(0.0, 1.0)]
Samples = Annotated[float | Schedule, _within(0.0, 1e12)]


# --- data -----------------------------------------------------------------------------------------------------------


class NumberRange(Settings):
    """The numbers that a generator is told: the data's smallest and largest, and their median, `default`."""

    minimum: float = Field(ge=-(2.0**53), le=2.0**53)
    maximum: float = Field(ge=-(2.0**53), le=2.0**53)
    default: float

    @model_validator(mode="after")
    def _ordered(self) -> NumberRange:
        if not self.minimum < self.maximum:
            raise ValueError(f"minimum: {self.minimum:g} is not below the maximum, {self.maximum:g}")
        if not self.minimum <= self.default <= self.maximum:
            raise ValueError(f"default: {self.default:g} lies outside of {self.minimum:g} to {self.maximum:g}")
        return self


class Data(Settings):
    """Which files or rows a generator is trained on."""

    source: str | None = None
    """A folder, a parquet or arrow file, a hub name (`owner/name` or `owner/name:configuration`); absent: the data that
    multigan carries. `--data` sets it."""
    classes: list[str] | None = None
    """The names of the classes, in the order of their numbers; samples of other classes are left out. Absent: those of
    the data."""
    streaming: bool = False
    """Read shard by shard, for what does not fit on the disk."""
    label_column: str | None = None
    """Of a table, or of the metadata.csv in a folder: the column whose values are the classes."""
    number_column: str | None = None
    """Of a table, or of the metadata.csv in a folder: a column of numbers, such as a pitch, that the generator is told
    of beside the class, or alone."""
    number_range: NumberRange | None = None
    """Absent: that of the data."""
    split: str = "train"
    """Which rows, where a column or a hub's data set tells splits apart."""

    @model_validator(mode="after")
    def _classes(self) -> Data:
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ValueError(f"classes: {twice!r} is named twice; a class has one number")
        if self.number_range is not None and self.number_column is None:
            raise ValueError("number_range: it belongs to a number_column, and none is named")
        return self


# --- losses ---------------------------------------------------------------------------------------------------------


class NonSaturating(Settings):
    """The original GAN's loss with the generator's -log D(G(z)) (Goodfellow et al., 2014)."""

    kind: Literal["non_saturating"]


class LeastSquares(Settings):
    """LSGAN (Mao et al., 2017)."""

    kind: Literal["least_squares"]


class Hinge(Settings):
    """The hinge loss (Lim and Ye, 2017; Miyato et al., 2018)."""

    kind: Literal["hinge"]


class Wasserstein(Settings):
    """The critic's difference of means (Arjovsky et al., 2017). Wants a gradient penalty."""

    kind: Literal["wasserstein"]


class Relativistic(Settings):
    """RpGAN, pairs of real and fake (Jolicoeur-Martineau, 2018), as in R3GAN (Huang et al., 2024)."""

    kind: Literal["relativistic"]


Loss = Annotated[NonSaturating | LeastSquares | Hinge | Wasserstein | Relativistic, Field(discriminator="kind")]


# --- regularizers ---------------------------------------------------------------------------------------------------


class Penalty(Settings):
    """A penalty on the discriminator's gradient; `every` n steps it counts n times (lazy regularization)."""

    every: int = Field(1, ge=1, le=64)


class R1(Penalty):
    """gamma/2 times the squared gradient at the real samples (Mescheder et al., 2018)."""

    kind: Literal["r1"]
    gamma: Weight | Literal["auto"] = "auto"
    """auto: by a rule of the modality; it grows with the size of pictures and of spectra, and anneals to a tenth."""
    gamma_at: int | None = Field(None, gt=0)
    """The size that gamma is given for, as the modality counts it (a picture's side): for another, the modality's rule
    scales it. Absent: gamma is taken as it is."""


class R2(Penalty):
    """gamma/2 times the squared gradient at the generated samples (Mescheder et al., 2018)."""

    kind: Literal["r2"]
    gamma: Weight | Literal["auto"] = "auto"
    gamma_at: int | None = Field(None, gt=0)


class GradientPenalty(Penalty):
    """weight times (|gradient| - 1)^2 between real and generated samples: WGAN-GP (Gulrajani et al., 2017)."""

    kind: Literal["gradient_penalty"]
    weight: Weight = 10.0


Regularizer = Annotated[R1 | R2 | GradientPenalty, Field(discriminator="kind")]


# --- optimisation ---------------------------------------------------------------------------------------------------


class Optimizer(Settings):
    """Adam (Kingma and Ba, 2015), fused where torch has it; AdamW's decay when `weight_decay` is not 0."""

    lr: LearningRate = 2e-4
    betas: tuple[Beta, Beta] = (0.5, 0.99)
    eps: float = Field(1e-8, gt=0, le=1e-2)
    weight_decay: float = Field(0.0, ge=0, le=1)
    clip: float | None = Field(None, gt=0)
    """The largest norm of the gradient of all the network's weights together; absent: no clipping."""


class Ema(Settings):
    """The moving average of the generator's weights: the generator that is previewed, kept and exported.

    half_life: in samples. warmup: the half-life is at most this share of the samples seen so far, so that the average
    forgets the start quickly (StyleGAN2-ADA's ramp-up); 0 switches the warm-up off.
    """

    half_life: Samples = 20_000
    warmup: float = Field(0.05, ge=0, le=1)


class Training(Settings):
    """How long, in what steps and with what arithmetic."""

    samples: int = Field(gt=0)
    """The budget: real samples shown to the discriminator; the turn that reaches it is finished."""
    batch: int = Field(64, ge=1, le=65536)
    """Samples in one optimizer step, over all processes and accumulated parts together."""
    accumulate: int = Field(1, ge=1, le=4096)
    """A step's batch is worked through in this many parts, to save memory."""
    discriminator_steps: int = Field(1, ge=1, le=100_000)
    """For each step of the generator."""
    precision: Literal["auto", "fp32", "bf16", "fp16", "fp64"] = "auto"
    """auto: bf16 where the GPU or the processor has it, else fp32."""
    channels_last: bool = True
    compile: bool = False
    nonfinite_limit: int = Field(25, ge=1)
    """This many steps in a row with a loss or gradient that is not finite stop the training."""
    preview_every: int | None = Field(None, gt=0)
    """In samples; absent: chosen so that about 30 previews are drawn."""
    checkpoint_every: int | None = Field(None, gt=0)
    """In samples; absent: chosen so that about 10 are written."""
    checkpoint_minutes: float = Field(10.0, gt=0)
    """A checkpoint is also written when this much time has passed since the last one."""
    keep: int = Field(3, ge=1)
    """The newest checkpoints that are kept, beside the best by the evaluation's metric."""
    evaluate_every: int | None = Field(None, gt=0)
    """In samples; absent: no evaluation during training."""
    log_every: int = Field(50, ge=1)
    """In turns: how often the losses are read from the device and written down."""

    @model_validator(mode="after")
    def _parts(self) -> Training:
        if self.batch % self.accumulate:
            nearby = min((part for part in range(1, self.batch + 1) if self.batch % part == 0), key=self._distance)
            raise ValueError(f"accumulate: {self.accumulate} does not divide batch {self.batch} (nearest: {nearby})")
        turn = self.batch * self.discriminator_steps
        if self.samples < turn:
            raise ValueError(f"samples: {self.samples} are fewer than one turn's {turn}, batch * discriminator_steps")
        return self

    def _distance(self, part: int) -> int:
        return abs(part - self.accumulate)


# --- networks and the whole -----------------------------------------------------------------------------------------


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

    probability: Probability | Literal["adaptive"] = 1.0
    target: float = Field(0.6, gt=0, lt=1)
    ramp: int = Field(500_000, gt=0)
    """Samples in which an adaptive probability can rise from 0 to 1."""
    penalize: Literal["before", "after"] = "before"
    """Where the penalties take the gradient: at the sample before it is augmented, or after. A discriminator of kind
    stft takes them at the spectrum that it sees, which is after."""


class Network(Settings):
    """Base of the settings of a network."""

    def batch_norm(self, role: Literal["generator", "discriminator"]) -> bool:
        """Whether the network normalises by its batch in that role."""
        return False

    def bounded(self) -> bool:
        """Whether the slope of a discriminator of this kind is bounded by its construction."""
        return False


class GameRecipe(Settings):
    """What all recipes have in common; each modality has its own data and networks."""

    modality: str
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)
    seed: int = Field(0, ge=0, lt=2**63)
    conditional: bool = False
    """One class per subfolder or label column; the generator then takes a label."""
    data: Data
    generator: Network
    discriminator: Network
    loss: Loss
    generator_optimizer: Optimizer = Optimizer()
    discriminator_optimizer: Optimizer = Optimizer()
    ema: Ema = Ema()
    evaluation: Settings
    training: Training

    @property
    def number(self) -> NumberRange | None:
        """The range of the number that the networks are told, or None. Raises ValueError where it is not resolved."""
        if self.data.number_column is not None and self.data.number_range is None:
            raise ValueError("the recipe is not resolved: the range of its numbers is missing")
        return self.data.number_range

    @property
    def open_condition(self) -> bool:
        """Whether the data is yet to tell the classes, or the numbers' range."""
        data = self.data
        return (self.conditional and not data.classes) or bool(data.number_column and not data.number_range)

    def notes(self) -> list[str]:
        """What is allowed in this recipe and yet worth knowing before it runs, a sentence each."""
        training, notes = self.training, []
        for key in ("preview_every", "checkpoint_every", "evaluate_every"):
            every = getattr(training, key)
            if every is not None and every > training.samples:
                notes.append(f"training.{key}: {every} samples are more than the training's {training.samples}.")
        if self.data.label_column is not None and not self.conditional:
            notes.append(
                "data.label_column: of an unconditional generator it says only which samples are taken, those with a "
                "value there: set conditional to true to have classes, or leave the column away to have all samples."
            )
        return notes


class GanRecipe(GameRecipe):
    """What the recipes of generators with a latent have in common: their samples have a gradient."""

    latent: Latent = Latent()
    regularizers: list[Regularizer] = []
    augment: Augment | None = None

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        kinds = [each.kind for each in self.regularizers]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f"regularizers: {kind} is there twice: add up the two")
        if self.loss.kind == "wasserstein" and not kinds and not self.discriminator.bounded():
            raise ValueError(
                "loss: wasserstein needs a discriminator of bounded slope: add {kind: gradient_penalty} to regularizers"
            )
        return self

    def notes(self) -> list[str]:
        training, kinds = self.training, {each.kind for each in self.regularizers}
        mixing = {"generator": self.generator, "discriminator": self.discriminator}
        normed = [role for role, network in mixing.items() if network.batch_norm(role)]  # type: ignore[arg-type]
        notes = []
        if kinds and "discriminator" in normed:
            notes.append(
                f"regularizers: with batch normalisation in the discriminator the penalty ({', '.join(sorted(kinds))}) "
                "is not each sample's own, since its gradient runs through the others: discriminator.normalize=none."
            )
        if training.accumulate > 1 and normed:
            notes.append(
                f"training.accumulate: batch normalisation sees {training.batch // training.accumulate} samples at a "
                f"time, so {training.accumulate} parts are not the same as one batch of {training.batch}."
            )
        if self.loss.kind == "relativistic" and not {"r1", "r2"} <= kinds:
            notes.append("loss: relativistic converges with both penalties, r1 and r2; one of them is missing.")
        notes += super().notes()
        if self.augment is not None and not getattr(self.augment, "kinds", True):
            notes.append("augment.kinds: empty, so that nothing is augmented.")
        return notes
