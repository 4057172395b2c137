"""DCGAN (Radford et al., 2016), for any size that doubles from a small base, conditional or not."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from multigan.networks.config import Dcgan
from multigan.networks.layers import (
    LEAK,
    LEAKY_GAIN,
    RECTIFIER_GAIN,
    Base,
    LatentAndClass,
    msr_,
    projection,
)
from multigan.networks.shapes import Shape, doubling_widths


class DcganGenerator(nn.Module):
    """Linear to the base, then transposed 4x4 convolutions of stride 2; batch norm and ReLU between them, tanh last.

    Width follows `doubling_widths`; at 32x32 with width 64 and latent 100 it has 1.07 M parameters.
    """

    def __init__(self, settings: Dcgan, shape: Shape):
        super().__init__()
        normalized = settings.normalize == "batch"
        widths = doubling_widths(settings.width, shape.doublings)
        self.input = LatentAndClass(shape.latent, shape.classes, shape.class_scale, shape.number)
        self.base = Base(self.input.features, widths[0], shape.base, bias=not normalized)
        layers = _after(widths[0], normalized)
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=not normalized), *_after(after, normalized)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], shape.channels, 4, 2, 1), nn.Tanh())
        _initialise(self, normalized, RECTIFIER_GAIN)

    def forward(self, latent: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """latent `[B, Z]`, label int64 and number `[B]` if conditional -> images `[B, C, H, W]` in [-1, 1]."""
        images: Tensor = self.layers(self.base(self.input(latent, label, number)))
        return images


class DcganDiscriminator(nn.Module):
    """4x4 convolutions of stride 2 down to the base with LeakyReLU, batch norm in all but the first; then one
    convolution over the whole base. A class adds its projection of the features, each place of the base by itself:
    their mean would not tell a class by where its strokes are."""

    def __init__(self, settings: Dcgan, shape: Shape):
        super().__init__()
        normalized = settings.normalize == "batch"
        widths = doubling_widths(settings.width, shape.doublings)[::-1]
        layers: list[nn.Module] = [nn.Conv2d(shape.channels, widths[0], 4, 2, 1), nn.LeakyReLU(LEAK, inplace=True)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=not normalized), *_after(after, normalized, leaky=True)]
        self.layers = nn.Sequential(*layers)
        self.logit = nn.Conv2d(widths[-1], 1, shape.base)
        _initialise(self, normalized, LEAKY_GAIN)
        self.projection = projection(widths[-1] * shape.base[0] * shape.base[1], shape.classes, shape.number)

    def forward(self, images: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """images `[B, C, H, W]`, label int64 and number `[B]` if conditional -> logits `[B]`."""
        features = self.layers(images)
        logits: Tensor = self.logit(features).flatten()
        return logits if self.projection is None else logits + self.projection(features.flatten(1), label, number)


def _after(width: int, normalized: bool, leaky: bool = False) -> list[nn.Module]:
    """What follows a convolution."""
    norm: list[nn.Module] = [nn.BatchNorm2d(width)] if normalized else []
    return [*norm, nn.LeakyReLU(LEAK, inplace=True) if leaky else nn.ReLU(inplace=True)]


def _initialise(network: nn.Module, normalized: bool, gain: float) -> None:
    """With batch norm N(0, 0.02) as in the paper; without it the variance has to be kept by the weights themselves."""
    last = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)][-1]
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            if normalized:
                nn.init.normal_(module.weight, 0.0, 0.02)
            else:
                msr_(module.weight, _fan_in(module), 1.0 if module is last else gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _fan_in(module: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> int:
    """Inputs that one output sums over: a transposed convolution of stride 2 shares its taps among four outputs."""
    if isinstance(module, nn.ConvTranspose2d):
        return module.weight.size(0) * module.weight[0, 0].numel() // 4
    return module.weight[0].numel()
