"""The recipe of an audio GAN: validated objects, no torch. The unions over `kind` are the registry of networks."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from multigan.networks.config import Convolutional
from multigan.settings import Augment, Data, GanRecipe, Network, Settings

SHORTEST, LONGEST = 256, 2**20
SLOWEST, FASTEST = 1_000, 192_000
SHUFFLED = 4
"""Layers that phase shuffle follows, at most."""


class AudioData(Data):
    """Which sounds, and how they become tensors `[C, T]` in [-1, 1].

    Values that are absent are chosen from the data when the training starts, and are written into the run's recipe.
    """

    rate: int | None = Field(None, ge=SLOWEST, le=FASTEST)
    """Samples a second, to which every file is resampled."""
    length: int | None = Field(None, ge=SHORTEST, le=LONGEST)
    """Samples of one slice: what the generator makes."""
    channels: Literal[1, 2] | None = None
    """1: the channels' mean. 2: of files with one channel it is doubled, of more than two the first two are taken; data
    that has one channel throughout is refused."""
    slices: Literal["all", "first", "random"] = "all"
    """all: a file is cut from its beginning to its end; not for the rows of a table that is streamed. first: the first
    slice alone. random: one slice of each file, somewhere else in each epoch."""
    overlap: float = Field(0.0, ge=0, lt=1)
    """The share of a slice that the next one repeats (slices: all)."""
    pad: bool = True
    """A rest that is shorter than a slice is filled with silence; false: it is left out, as are shorter files."""
    normalize: Literal["none", "peak"] = "none"
    """peak: each file is scaled so that its loudest sample is 1; none: as it is."""
    trim: float | None = Field(None, ge=-120, lt=0)
    """Silence at a file's beginning and end below so many decibels of its own peak is cut off; absent: nothing is."""
    audio_column: str | None = None
    cache: Literal["auto", "none"] = "auto"
    """auto: decoded and resampled once, into a file of the user's cache that is mapped into memory."""

    @model_validator(mode="after")
    def _known(self) -> AudioData:
        """What streaming cannot know of a file of which it reads a slice."""
        if self.streaming and (self.normalize == "peak" or self.trim is not None):
            key = "trim" if self.trim is not None else "normalize"
            raise ValueError(
                f"{key}: it asks for the peak of each whole file, which streaming does not read: leave it away or set "
                "data.streaming to false"
            )
        return self


def _odd(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError(f"{kernel} has no middle: choose {kernel - 1} or {kernel + 1}")
    return kernel


class WaveGan(Network):
    """WaveGAN (Donahue et al., 2019): convolutions of length 25 along the waveform, stride after stride."""

    kind: Literal["wavegan"]
    width: int = Field(64, ge=1, le=512)
    """Channels at the finest stage; each coarser one has twice as many."""
    strides: list[Annotated[int, Field(ge=2, le=8)]] = Field([4, 4, 4, 4, 4], min_length=1, max_length=9)
    """Of the layers in the order in which each network has them. Their product divides the length."""
    kernel: Annotated[int, AfterValidator(_odd)] = Field(25, ge=3, le=63)
    upsampling: Literal["transposed", "nearest"] = "transposed"
    """Of the generator: transposed convolutions, or repeated samples and then convolutions."""
    post_filter: int = Field(0, ge=0, le=4096)
    """The length of a learned filter at the generator's end; 0: none. The paper has 512."""
    phase_shuffle: int = Field(2, ge=0, le=16)
    """The discriminator's layers but the last are shifted by up to so many samples; 0: they are not."""
    shuffle_each: bool = False
    """A shift for each sample, rather than one for the batch as in the authors' code."""
    normalize: Literal["none", "batch"] = "none"

    def batch_norm(self, role: Literal["generator", "discriminator"]) -> bool:
        return self.normalize == "batch"

    @property
    def stride(self) -> int:
        """The product of the strides."""
        return math.prod(self.strides)

    @property
    def shuffled(self) -> int:
        """How many of the discriminator's layers phase shuffle follows: the first four at most, and never the last."""
        return min(SHUFFLED, len(self.strides) - 1) if self.phase_shuffle else 0


class Transform(Settings):
    """A short-time Fourier transform with a Hann window. The bin of half the rate is left out."""

    window: int = Field(256, ge=16, le=4096)
    hop: int = Field(64, ge=4, le=2048)

    @model_validator(mode="after")
    def _powers(self) -> Transform:
        if self.window % 16:
            raise ValueError(
                f"window: {self.window} is no multiple of 16 (nearest: {max(16, round(self.window / 16) * 16)})"
            )
        if self.window % self.hop or self.window < 2 * self.hop:
            raise ValueError(
                f"hop: {self.hop} does not divide the window of {self.window} into two parts or more "
                f"(usual: {self.window // 4})"
            )
        return self


class Spectral(Network):
    """A two-dimensional network between a short-time Fourier transform and the waveform.

    As a generator it makes log-magnitude and phase, and ends in the inverse transform. As a discriminator it begins
    with the transform and sees the log-magnitude.
    """

    kind: Literal["stft"]
    transform: Transform = Transform()
    network: Convolutional

    def batch_norm(self, role: Literal["generator", "discriminator"]) -> bool:
        return self.network.batch_norm(role)

    def bounded(self) -> bool:
        return False


class SpecGan(Network):
    """SpecGAN (Donahue et al., 2019): two-dimensional convolutions on standardised log-magnitude spectrograms.

    Both networks are of this kind: the game is played on spectrograms, and the exported generator finds the phases by
    Griffin and Lim's algorithm. What is not said to be of both is the generator's alone.
    """

    kind: Literal["specgan"]
    transform: Transform = Transform(window=256, hop=128)
    """Of both, and the same in both."""
    width: int = Field(64, ge=1, le=512)
    """Of both: channels at the finest stage; each coarser one has twice as many."""
    kernel: Annotated[int, AfterValidator(_odd)] = Field(5, ge=3, le=15)
    """Of both: the sides of the convolutions, whose stride is 2."""
    sigmas: float = Field(3.0, ge=0.5, le=10)
    """A level so many standard deviations from its bin's mean is seen as 1 or -1; what lies beyond is clipped."""
    floor: float = Field(-80.0, ge=-160, le=-20)
    """Decibels of the magnitude, against a full-scale sine's, that is added before the logarithm is taken, and taken
    off again before the phases are found. The authors' code has -156."""
    griffin_lim: int = Field(16, ge=0, le=128)
    """Iterations of the algorithm that finds the phases."""


AnyNetwork = WaveGan | Spectral | SpecGan
AudioNetwork = Annotated[AnyNetwork, Field(discriminator="kind")]


class AudioAugment(Augment):
    """See `multigan.audio.augment` for the kinds."""

    kinds: list[Literal["gain", "polarity", "shift", "noise", "filter"]] = ["gain", "polarity", "shift"]


class Evaluation(Settings):
    """The Fréchet distance measured every `training.evaluate_every` samples, which decides which weights are best."""

    extractor: Literal["logmel", "speech"] = "logmel"
    samples: int = Field(1000, ge=64, le=100_000)
    """Generated and real slices that are compared (fewer where the data has fewer)."""


class AudioRecipe(GanRecipe):
    """Everything that one training of an audio GAN is made of."""

    modality: Literal["audio"]
    data: AudioData = AudioData()
    generator: AudioNetwork
    discriminator: AudioNetwork
    augment: AudioAugment | None = None
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _spectrograms(self) -> AudioRecipe:
        """What a game on spectrograms asks of the rest."""
        generator, discriminator = self.generator, self.discriminator
        if not (isinstance(generator, SpecGan) and isinstance(discriminator, SpecGan)):
            for role, one, other in (
                ("generator", generator, discriminator),
                ("discriminator", discriminator, generator),
            ):
                if isinstance(other, SpecGan):
                    raise ValueError(
                        f"{role}.kind: {one.kind} plays on waveforms and the other network, specgan, on spectrograms: "
                        "set both to specgan, or neither"
                    )
            return self
        if generator.transform != discriminator.transform:
            raise ValueError(
                "discriminator.transform: it differs from the generator's, whose spectrograms the discriminator sees: "
                "set both to the same window and hop"
            )
        if self.augment is not None:
            raise ValueError(
                "augment: it changes waveforms, and a discriminator of kind specgan sees spectrograms: leave it away"
            )
        return self

    @model_validator(mode="after")
    def _length(self) -> AudioRecipe:
        if self.data.length is not None:
            for role in ("generator", "discriminator"):
                check_length(role, getattr(self, role), self.data.length)
        return self


def step_of(network: AnyNetwork) -> int:
    """What a length must be a multiple of for the network: the product of the strides; 16 hops."""
    return network.stride if isinstance(network, WaveGan) else network.transform.hop * 16


def check_length(role: str, network: AnyNetwork, length: int) -> None:
    """Raise ValueError where the network cannot make or judge `length`, with what is nearest to it and can be."""
    step = step_of(network)
    if length % step:
        nearest = max(step, round(length / step) * step)
        what = "the product of its strides" if isinstance(network, WaveGan) else "16 hops of its transform"
        raise ValueError(
            f"data.length: {length} is no multiple of {step}, {what}, so the {role} cannot make it (nearest: {nearest})"
        )
    if role == "discriminator" and isinstance(network, WaveGan):
        _check_shuffle(network, length)


def _check_shuffle(network: WaveGan, length: int) -> None:
    """Raise ValueError where phase shuffle moves a layer by more than reflection can fill."""
    shortest = length // math.prod(network.strides[: network.shuffled])
    if network.shuffled and network.phase_shuffle >= shortest:
        raise ValueError(
            f"discriminator.phase_shuffle: {network.phase_shuffle} is as long as a layer that it shifts, which has "
            f"{shortest} samples of a slice of {length} (at most {shortest - 1}; or a longer data.length)"
        )
