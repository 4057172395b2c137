"""WaveGAN (Donahue et al., 2019) as its authors' code has it, for any length of its strides, conditional or not."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multigan.adversarial.batch import Draws
from multigan.adversarial.stochastic import Stochastic
from multigan.audio.config import WaveGan
from multigan.audio.networks.shapes import Shape
from multigan.networks.activation import LeakyReLU
from multigan.networks.convolution import Conv1d
from multigan.networks.layers import LEAK, LatentAndClass, glorot_, projection


class WaveGanGenerator(nn.Module):
    """Linear to the coarsest stage, then a layer for each stride, with ReLU between them; tanh last, and the filter.

    Width: `width` at the finest stage and twice as much at each coarser one. For 16,384 samples, one channel, width 64
    and a latent of 100 it has 19.07 M parameters.
    """

    def __init__(self, settings: WaveGan, shape: Shape):
        super().__init__()
        layers = len(settings.strides)
        widths = [settings.width << stage for stage in reversed(range(layers))]
        normalized = settings.normalize == "batch"
        self.base = (widths[0], shape.length // settings.stride)
        self.input = LatentAndClass(shape.latent, shape.classes, shape.class_scale, shape.number)
        self.linear = nn.Linear(self.input.features, widths[0] * self.base[1])
        stages: list[nn.Module] = [*_norm(widths[0], normalized), nn.ReLU(inplace=True)]
        for number, ((before, after), stride) in enumerate(
            zip(pairwise([*widths, shape.channels]), settings.strides, strict=True), start=1
        ):
            stages.append(upsampling(before, after, settings.kernel, stride, settings.upsampling))
            if number < layers:
                stages += [*_norm(after, normalized), nn.ReLU(inplace=True)]
        self.stages = nn.Sequential(*stages, nn.Tanh())
        glorot_(self)
        self.post_filter = PostFilter(settings.post_filter) if settings.post_filter else None

    def forward(self, latent: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """latent `[B, Z]`, label int64 and number `[B]` if conditional -> sounds `[B, C, T]` in [-1, 1]."""
        sounds: Tensor = self.stages(self.linear(self.input(latent, label, number)).view(-1, *self.base))
        return sounds if self.post_filter is None else self.post_filter(sounds)


class WaveGanDiscriminator(nn.Module):
    """A strided convolution for each stride with LeakyReLU and phase shuffle, then one linear layer.

    A class adds the projection of the features. At width 64 and 16,384 samples of one channel it has 17.43 M
    parameters.
    """

    def __init__(self, settings: WaveGan, shape: Shape):
        super().__init__()
        count = len(settings.strides)
        widths = [settings.width << stage for stage in range(count)]
        normalized = settings.normalize == "batch"
        layers: list[nn.Module] = []
        for number, ((before, after), stride) in enumerate(
            zip(pairwise([shape.channels, *widths]), settings.strides, strict=True), start=1
        ):
            layers.append(Strided(before, after, settings.kernel, stride))
            layers += [*(_norm(after, normalized) if number > 1 else []), LeakyReLU(LEAK)]
            if number <= settings.shuffled:
                layers.append(PhaseShuffle(settings.phase_shuffle, settings.shuffle_each))
        self.layers = nn.Sequential(*layers)
        features = widths[-1] * (shape.length // settings.stride)
        self.logit = nn.Linear(features, 1)
        glorot_(self)
        self.projection = projection(features, shape.classes, shape.number)

    def forward(self, sounds: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """sounds `[B, C, T]`, label int64 and number `[B]` if conditional -> logits `[B]`."""
        features = self.layers(sounds).flatten(1)
        logits: Tensor = self.logit(features).flatten()
        return logits if self.projection is None else logits + self.projection(features, label, number)


class Strided(Conv1d):
    """A convolution that divides the length by its stride, padded as TensorFlow's `same` is: more at the end."""

    def __init__(self, before: int, after: int, kernel: int, stride: int):
        super().__init__(before, after, kernel, stride)
        missing = max(kernel - stride, 0)
        self.ends = (missing // 2, missing - missing // 2)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, self.ends))


def upsampling(before: int, after: int, kernel: int, stride: int, how: str) -> nn.Module:
    """A layer `[B, before, T]` -> `[B, after, stride * T]`. kernel: odd."""
    if how == "nearest":
        repeat = nn.Upsample(scale_factor=stride, mode="nearest")
        return nn.Sequential(repeat, nn.Conv1d(before, after, kernel, padding=kernel // 2))
    # The length is exact: (T - 1) stride - 2 padding + kernel + output_padding.
    surplus = kernel - stride
    padding = -(-max(surplus, 0) // 2)
    return nn.ConvTranspose1d(
        before, after, kernel, stride, padding=padding, output_padding=stride - kernel + 2 * padding
    )


class PostFilter(nn.Module):
    """One filter for the waveform, learned with the generator; every channel goes through the same."""

    def __init__(self, length: int):
        super().__init__()
        self.ends = ((length - 1) // 2, length // 2)
        self.filter = nn.Conv1d(1, 1, length, bias=False)
        nn.init.xavier_uniform_(self.filter.weight)

    def forward(self, sounds: Tensor) -> Tensor:
        """sounds `[B, C, T]` -> `[B, C, T]`."""
        flat = sounds.reshape(-1, 1, sounds.size(-1))
        filtered: Tensor = self.filter(F.pad(flat, self.ends))
        return filtered.view_as(sounds)


class PhaseShuffle(Stochastic):
    """Shifts `[B, C, T]` along T by a random whole number in [-most, most], the ends filled by reflection.

    One shift for the whole batch, or one for each sample (`each`). In evaluation, and before anything is drawn, it does
    nothing.
    """

    def __init__(self, most: int, each: bool = False):
        super().__init__()
        self.most, self.each = most, each
        self.shift: int | Tensor = 0
        """To the right, in samples; int64 `[B]` with `each`."""

    def draw(self, draws: Draws, stream: str) -> None:
        choices = 2 * self.most + 1
        if self.each:
            self.shift = (draws.uniform(stream) * choices).long() - self.most
        else:
            self.shift = int(torch.randint(choices, (), generator=draws.generator(stream))) - self.most

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return features
        return shifted(features, self.shift) if isinstance(self.shift, int) else shifted_each(features, self.shift)

    def extra_repr(self) -> str:
        return f"{self.most}, each={self.each}"


def shifted(features: Tensor, shift: int) -> Tensor:
    """`[B, C, T]` moved right by `shift` samples (left where it is negative), reflected at the end that opens."""
    if shift == 0:
        return features
    length = features.size(-1)
    if shift > 0:
        return torch.cat((features[..., 1 : shift + 1].flip(-1), features[..., : length - shift]), -1)
    return torch.cat((features[..., -shift:], features[..., shift - 1 : -1].flip(-1)), -1)


def shifted_each(features: Tensor, shift: Tensor) -> Tensor:
    """`shifted`, each sample by its own whole number: int64 `[B]`."""
    length = features.size(-1)
    places = torch.arange(length, device=features.device) - shift.to(features.device, non_blocking=True)[:, None]
    places = places.abs()
    places = (length - 1) - ((length - 1) - places).abs()
    return features.gather(-1, places[:, None].expand_as(features))


def _norm(width: int, normalized: bool) -> list[nn.Module]:
    return [nn.BatchNorm1d(width)] if normalized else []
