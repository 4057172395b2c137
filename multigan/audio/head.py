"""The audio head: what a training, an export and a preview need to know of sounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multigan import noise, sounds
from multigan.adversarial.batch import Stream
from multigan.adversarial.game import Arithmetic, Game
from multigan.audio import augment
from multigan.audio.choosing import settle
from multigan.audio.config import AudioRecipe, SpecGan
from multigan.audio.data.positions import AudioStream
from multigan.audio.data.stream import check_classes, open_stream
from multigan.audio.features import extractor
from multigan.audio.networks import Shape, build_discriminator, build_generator
from multigan.audio.networks.specgan import SpecGanGenerator, Voiced
from multigan.audio.networks.spectral import SpectralDiscriminator
from multigan.audio.spectrograms import PART, Spectrograms, SpectrogramStream
from multigan.contract import Contract, Input, Output
from multigan.errors import UserError
from multigan.gan import Augmenting, FixedEvaluator, GanHead, gan_contract
from multigan.heads import Data, Evaluator
from multigan.networks.detector import Detector
from multigan.pictures import save_image
from multigan.settings import R1, R2

REFERENCE, LARGEST_REFERENCE = 1024, 2**24
"""Real slices that the previews are compared with, and their values in all."""
HEARD = 16
"""Previews that are written as sounds beside the picture of all."""
SHOWN, MOST_ROWS = 128, 16
"""Real sounds that are written beside the first preview, at most, and classes that have a row of their own."""
NOISE = 0.5
"""A spectrum as flat as this is noise."""

PHASE_STREAM = noise.LATENT_STREAM + 1
"""Of a seed's noise: the latent's is the first, the phase's the next."""
VOCODER_TOLERANCE = 1e-3
"""Of an export with Griffin and Lim's algorithm inside."""


def resolve(recipe: AudioRecipe) -> tuple[AudioRecipe, list[str]]:
    """Fill in rate, length, channels, classes, numbers' range and gamma where the recipe leaves them to the data."""
    return settle(recipe)


def contract(recipe: AudioRecipe, samples: int) -> Contract:
    """latent `[batch, Z]`, label and number `[batch]` where they are told, to sound `[batch, C, T]` in [-1, 1].

    Of a generator of spectrograms also phase `[batch, C, bins, frames]`: where Griffin and Lim's algorithm begins.
    """
    length, channels, rate = _size(recipe)
    output = Output("sound", "float32", ["batch", channels, length], -1.0, 1.0)
    drawn, generator = [], recipe.generator
    if isinstance(generator, SpecGan):
        shape: list[int | str] = ["batch", channels, generator.transform.window // 2, length // generator.transform.hop]
        drawn = [Input("phase", "noise", "float32", shape, "uniform", minimum=-1.0, maximum=1.0)]
    return gan_contract(recipe, samples, output, drawn, sample_rate=rate)


def exportable(recipe: AudioRecipe, generator: nn.Module) -> nn.Module:
    """A generator of sounds: itself, or with what makes sounds of its spectrograms."""
    return Voiced(generator) if isinstance(generator, SpecGanGenerator) else generator


def detector(recipe: AudioRecipe, generator: nn.Module, discriminator: nn.Module) -> nn.Module:
    """From sounds to the discriminator's score and features, by way of the spectra that it judges."""
    if isinstance(generator, SpecGanGenerator):
        return Detector(discriminator, "logit", generator.spectrograms)
    if isinstance(discriminator, SpectralDiscriminator):
        return Detector(discriminator, "network.logit", discriminator.view)
    return Detector(discriminator, "logit")


def tolerance(recipe: AudioRecipe) -> float | None:
    """How far an exported file may be from torch: each of Griffin and Lim's iterations makes rounding larger."""
    return VOCODER_TOLERANCE if isinstance(recipe.generator, SpecGan) else None


def _size(recipe: AudioRecipe) -> tuple[int, int, int]:
    """Length, channels and rate of a resolved recipe."""
    data = recipe.data
    if data.length is None or data.channels is None or data.rate is None:
        raise ValueError("the recipe is not resolved: its length, its channels or its rate are missing")
    return data.length, data.channels, data.rate


def networks(recipe: AudioRecipe) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of a resolved recipe, freshly initialised. Raises UserError where its settings do not
    fit the sounds."""
    length, channels, _ = _size(recipe)
    if recipe.conditional and not recipe.data.classes:
        raise UserError("conditional is true, but data.classes names none: name them or set it to false.")
    classes = len(recipe.data.classes or ()) if recipe.conditional else 0
    shape = Shape(length, channels, classes, recipe.latent.size, recipe.latent.class_scale, recipe.number)
    return build_generator(recipe.generator, shape), build_discriminator(recipe.discriminator, shape)


class Head(GanHead[AudioRecipe]):
    """Networks, data, previews and evaluation of one resolved recipe."""

    unit = "sounds"

    def __init__(self, recipe: AudioRecipe):
        super().__init__(recipe)
        self._flatness = 0.0
        """The real sounds'."""
        self._real: tuple[sounds.Sounds, list[str]] | None = None
        """Some of them, and the classes that take turns in them, until they are written beside the first preview."""
        self._stream: SpectrogramStream | None = None
        """The data of a game on spectrograms, which knows their statistics."""
        self._heard: tuple[Tensor, int, Tensor] | None = None
        """The last spectrograms that were made sounds of, the number of the first, and the sounds."""

    def contract(self) -> Contract:
        return contract(self.recipe, 0)

    def open_data(self, device: torch.device, take: int, progress: Callable[[int, int], None] | None = None) -> Data:
        stream = open_stream(self.recipe, device, take, progress)
        check_classes(stream, self.recipe)
        length, channels, _ = _size(self.recipe)
        count = min(REFERENCE, max(64, LARGEST_REFERENCE // (length * channels)), len(stream))
        first = stream.take(0, count)
        real = first.sample.float().cpu().numpy()
        self._flatness = sounds.level(real).flatness
        turns = self._turns(first.conditions.get("label"))
        self._real = (real[:SHOWN].copy(), []) if turns is None else (real[turns], self._names())
        played: Stream = stream
        seen = first.sample
        if isinstance(self.recipe.generator, SpecGan):
            spectrograms = Spectrograms(self.recipe.generator, channels, length).to(device)
            spectrograms.measure(first.sample)
            played = self._stream = SpectrogramStream(stream, spectrograms)
            seen = spectrograms(seen)
        variety = self.diversity(seen, first.conditions.get("label"))
        return Data(played, variety, stream.identity(), len(stream), stream.sentences(), stream.news)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        generator, discriminator = networks(self.recipe)
        if self._stream is not None and isinstance(generator, SpecGanGenerator):
            generator.spectrograms.load_state_dict(self._stream.spectrograms.state_dict())
        return generator, discriminator

    def game(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        arithmetic: Arithmetic,
        device: torch.device,
        compiled: Mapping[str, nn.Module],
    ) -> Game:
        if self._stream is not None and isinstance(generator, SpecGanGenerator):
            # Its own statistics, which a checkpoint may have given it: data and generator cannot disagree.
            self._stream.spectrograms = generator.spectrograms
        return super().game(generator, discriminator, arithmetic, device, compiled)

    @torch.no_grad()
    def heard(self, samples: Tensor, start: int = 0) -> Tensor:
        """What the generator made as sounds `[N, C, T]`: itself, or the sounds of its spectrograms.

        start: the number of the first one. The phases are those that `multigan generate --seed SEED` draws for the
        same samples.
        """
        if samples.dim() == 3 or self._stream is None:
            return samples
        if self._heard is None or self._heard[0] is not samples or self._heard[1] != start:
            self._heard = samples, start, self._sounds(self._stream.spectrograms, samples, start)
        return self._heard[2]

    def _sounds(self, spectrograms: Spectrograms, planes: Tensor, start: int) -> Tensor:
        phase = self.contract().input("noise")
        assert phase is not None
        drawn = torch.from_numpy(noise.latents(phase, self.recipe.seed, start, len(planes), stream=PHASE_STREAM))
        place = spectrograms.mean.device
        parts = zip(planes.split(PART), drawn.split(PART), strict=True)
        return torch.cat([spectrograms.sounds(each.to(place), begun.to(place)).float().cpu() for each, begun in parts])

    def view(self, discriminator: nn.Module) -> Callable[[Tensor], Tensor] | None:
        return discriminator.view if isinstance(discriminator, SpectralDiscriminator) else None

    def augmentation(self) -> Augmenting | None:
        return augment.Augmentation(self.recipe.augment.kinds) if self.recipe.augment else None

    def diversity(self, samples: Tensor, labels: Tensor | None) -> float:
        """Of the log spectra over time: the waveform's own is that of the phases, in which all sounds differ."""
        if samples.dim() == 4 and self._stream is not None:
            spectra = self._stream.spectrograms.levels(samples.to(self._stream.spectrograms.mean.device)).cpu()
        else:
            spectra = torch.from_numpy(np.log(sounds.power(samples.float().cpu().numpy()) + 1e-6))
        return super().diversity(spectra, None if labels is None else labels.cpu())

    def save_preview(self, samples: Tensor, path: Path) -> list[Path]:
        """The sheet of all and the first as sounds; beside the first of a session also the data's own, `data.png` and
        `data-NN.wav`."""
        files = self._written(self.heard(samples).float().cpu().numpy(), self._names(), path.stem, path.parent)
        if self._real is not None:
            files += self._written(*self._real, "data", path.parent)
            self._real = None
        return files

    def _names(self) -> list[str]:
        """Of the rows of a sheet: the classes, where they are few."""
        return (self.recipe.data.classes or []) if 0 < self.classes <= MOST_ROWS else []

    def _turns(self, labels: Tensor | None) -> NDArray[np.int64] | None:
        """Of the labelled sounds those to show, the classes in turn as in the previews; None where a class is not
        among them, or there are no rows of classes."""
        if labels is None or not self._names():
            return None
        places = [np.flatnonzero(labels.cpu().numpy() == each) for each in range(self.classes)]
        each = min(SHOWN // MOST_ROWS, *map(len, places))
        return np.stack([place[:each] for place in places], 1).flatten() if each else None

    def _written(self, made: sounds.Sounds, names: list[str], stem: str, folder: Path) -> list[Path]:
        """The picture `STEM.png` of all and the sounds `STEM-NN.wav` of the first."""
        _, _, rate = _size(self.recipe)
        files = [folder / f"{stem}.png"]
        save_image(sounds.sheet(made, names), files[0])
        for index in range(min(HEARD, len(made))):
            files.append(folder / f"{stem}-{index:02d}.wav")
            sounds.save_sound(made[index], rate, files[-1])
        return files

    def remarks(self, samples: Tensor) -> tuple[dict[str, float], dict[str, str]]:
        found = sounds.level(self.heard(samples).float().cpu().numpy())
        figures = {
            "loudness": found.loudness,
            "silent": found.silent,
            "clipped": found.clipped,
            "flatness": found.flatness,
        }
        said = {}
        if found.silent > 0.5:
            share = f"{100 * found.silent:.0f}%"
            raised = "raise gamma or " if self._has_gamma() else ""
            said["silent"] = f"{share} of the previews are silent: {raised}lower the learning rate."
        if found.clipped > 0.5:
            said["clipped"] = f"{100 * found.clipped:.0f}% of the previews are clipped: lower the learning rate."
        if found.flatness > max(NOISE, 2 * self._flatness):
            said["noise"] = (
                f"the previews are noise (spectral flatness {found.flatness:.2f}, the data's {self._flatness:.2f}): "
                f"train longer{', or raise gamma' if self._has_gamma() else ''}."
            )
        return figures, said

    def _has_gamma(self) -> bool:
        """Whether the recipe has penalties with a gamma: a gradient penalty has none."""
        return any(isinstance(each, R1 | R2) for each in self.recipe.regularizers)

    def evaluator(self, data: Data, device: torch.device) -> Evaluator:
        stream = data.stream.stream if isinstance(data.stream, SpectrogramStream) else data.stream
        if not isinstance(stream, AudioStream):
            raise TypeError("the data is not of sounds")
        recipe = self.recipe
        indices = np.random.default_rng(recipe.seed).permutation(len(stream))[: recipe.evaluation.samples]
        rows = torch.from_numpy(indices)
        labels, numbers = (None if each is None else each[rows] for each in (stream.labels, stream.numbers))
        protocol = f"{len(indices)} of the {len(stream):,} slices of {stream.source.place}"
        return FixedEvaluator(
            recipe,
            self.contract(),
            extractor(recipe.evaluation.extractor, _size(recipe)[2]),
            stream.samples(indices).numpy(),
            labels,
            numbers,
            protocol,
            finish=lambda samples, start: self.heard(samples, start).numpy(),
        )
