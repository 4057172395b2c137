"""SpecGAN (Donahue et al., 2019): the paper's two-dimensional networks, for any number of bins and frames."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from multigan.audio.config import SpecGan
from multigan.audio.networks.shapes import Shape
from multigan.audio.spectrograms import Spectrograms
from multigan.networks import shapes
from multigan.networks.activation import LeakyReLU
from multigan.networks.convolution import Conv2d
from multigan.networks.layers import LEAK, Base, LatentAndClass, glorot_, projection


def _planes(settings: SpecGan, shape: Shape) -> tuple[shapes.Shape, list[int]]:
    """What the networks make and judge, and the channels of each stage, the coarsest first, which double at each."""
    size = settings.transform.window // 2, shape.length // settings.transform.hop
    planes = shapes.Shape(size, shape.channels, shape.classes, shape.latent, shape.class_scale)
    return planes, shapes.doubling_widths(settings.width, planes.doublings, most=2**planes.doublings)


class SpecGanGenerator(nn.Module):
    """Linear to the base, then transposed convolutions of stride 2 with ReLU between them; tanh last.

    It makes spectrograms, standardised by the statistics of its own `spectrograms`. For 128 bins and frames, one
    channel, width 64 and a latent of 100 it has 19.07 M parameters, as WaveGAN has.
    """

    def __init__(self, settings: SpecGan, shape: Shape):
        super().__init__()
        planes, widths = _planes(settings, shape)
        self.input = LatentAndClass(shape.latent, shape.classes, shape.class_scale, shape.number)
        self.base = Base(self.input.features, widths[0], planes.base, bias=True)
        layers: list[nn.Module] = []
        for before, after in pairwise([*widths, shape.channels]):
            around = settings.kernel // 2
            layers += [nn.ReLU(inplace=True), nn.ConvTranspose2d(before, after, settings.kernel, 2, around, 1)]
        self.layers = nn.Sequential(*layers, nn.Tanh())
        glorot_(self)
        self.spectrograms = Spectrograms(settings, shape.channels, shape.length)

    def forward(self, latent: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """latent `[B, Z]`, label int64 and number `[B]` if conditional -> spectrograms `[B, C, bins, frames]` in
        [-1, 1]."""
        planes: Tensor = self.layers(self.base(self.input(latent, label, number)))
        return planes


class SpecGanDiscriminator(nn.Module):
    """Convolutions of stride 2 down to the base with LeakyReLU, then one linear layer.

    A class adds the projection of the features. At width 64, with 128 bins and frames of one channel, it has 17.43 M
    parameters.
    """

    def __init__(self, settings: SpecGan, shape: Shape):
        super().__init__()
        planes, widths = _planes(settings, shape)
        layers: list[nn.Module] = []
        for before, after in pairwise([shape.channels, *widths[::-1]]):
            strided = Conv2d(before, after, settings.kernel, 2, settings.kernel // 2)
            layers += [strided, LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers)
        features = widths[0] * planes.base[0] * planes.base[1]
        self.logit = nn.Linear(features, 1)
        glorot_(self)
        self.projection = projection(features, shape.classes, shape.number)

    def forward(self, planes: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """planes `[B, C, bins, frames]`, label int64 and number `[B]` if conditional -> logits `[B]`."""
        features = self.layers(planes).flatten(1)
        logits: Tensor = self.logit(features).flatten()
        return logits if self.projection is None else logits + self.projection(features, label, number)


class Voiced(nn.Module):
    """A generator of spectrograms with Griffin and Lim's algorithm behind it, as it is exported and heard."""

    def __init__(self, generator: SpecGanGenerator):
        super().__init__()
        self.generator = generator

    def forward(
        self, latent: Tensor, phase: Tensor, label: Tensor | None = None, number: Tensor | None = None
    ) -> Tensor:
        """latent `[B, Z]`, phase `[B, C, bins, frames]` in half turns, label int64 and number `[B]` if conditional ->
        sounds `[B, C, T]` in [-1, 1]."""
        return self.generator.spectrograms.sounds(self.generator(latent, label, number), phase)
