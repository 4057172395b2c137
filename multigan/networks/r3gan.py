"""R3GAN's networks: a modern ResNet without normalisation ("The GAN is dead; long live the GAN!", Huang et al., 2024).

A block is 1x1, grouped 3x3 and 1x1 convolutions with biased leaky ReLUs between them, on a residual path. Its weights
begin with the variance that the depth allows, and its last convolution with zero, so that a network starts as the
resampling path alone (Zhang et al., 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from multigan.errors import UserError
from multigan.networks.config import R3gan
from multigan.networks.layers import (
    LEAK,
    LEAKY_GAIN,
    LatentAndClass,
    Resample,
    convolution,
    msr_,
    projection,
)
from multigan.networks.shapes import Shape, doubling_widths


class Block(nn.Module):
    """x + 1x1(lrelu(3x3(lrelu(1x1(x))))), the middle `expansion` times as wide and in groups of `group_size`.

    scale: of the first two convolutions' initial weights, (residual blocks in the network)^(-1/4).
    """

    def __init__(self, width: int, settings: R3gan, scale: float):
        super().__init__()
        inner = width * settings.expansion
        groups = inner // settings.group_size
        self.branch = nn.Sequential(
            convolution(width, inner, gain=LEAKY_GAIN * scale, bias=True),
            nn.LeakyReLU(LEAK, inplace=True),
            convolution(inner, inner, 3, gain=LEAKY_GAIN * scale, groups=groups, bias=True),
            nn.LeakyReLU(LEAK, inplace=True),
            convolution(inner, width, gain=0.0),
        )

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = features + self.branch(features)
        return found


class R3ganGenerator(nn.Module):
    """A learned base, each channel scaled by a linear function of the latent and class; blocks and doublings; 1x1.

    In training the output is linear, as in the paper: nothing but the training keeps it in [-1, 1]. Else it is clipped.
    """

    def __init__(self, settings: R3gan, shape: Shape):
        super().__init__()
        widths = stage_widths(settings, shape, "generator")
        scale = (len(widths) * settings.blocks) ** -0.25
        self.input = LatentAndClass(shape.latent, shape.classes, shape.class_scale, shape.number)
        self.scale = nn.Linear(self.input.features, widths[0], bias=False)
        msr_(self.scale.weight, self.input.features)
        self.base = nn.Parameter(torch.randn(widths[0], *shape.base))
        layers: list[nn.Module] = []
        for index, width in enumerate(widths):
            if index:
                # The 1x1 convolution comes first: it commutes with resampling and costs a quarter there.
                layers += [*_change(widths[index - 1], width), Resample(grow=True)]
            layers += [Block(width, settings, scale) for _ in range(settings.blocks)]
        self.layers = nn.Sequential(*layers)
        self.output = convolution(widths[-1], shape.channels, bias=True)

    def forward(self, latent: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """latent `[B, Z]`, label int64 and number `[B]` if conditional -> images `[B, C, H, W]`."""
        scale = self.scale(self.input(latent, label, number))
        # Built as [B, H, W, C], so that the features are channels_last from the start.
        base = self.base.to(scale.dtype).permute(1, 2, 0) * scale[:, None, None]
        images: Tensor = self.output(self.layers(base.permute(0, 3, 1, 2)))
        return images if self.training else images.clamp(-1.0, 1.0)


class R3ganDiscriminator(nn.Module):
    """1x1; blocks and halvings down to the base; one weighted sum of each channel over the base; linear.

    A class adds its projection of these features.
    """

    def __init__(self, settings: R3gan, shape: Shape):
        super().__init__()
        widths = stage_widths(settings, shape, "discriminator")[::-1]
        scale = (len(widths) * settings.blocks) ** -0.25
        self.input = convolution(shape.channels, widths[0])
        layers: list[nn.Module] = []
        for index, width in enumerate(widths):
            if index:
                layers += [Resample(grow=False), *_change(widths[index - 1], width)]
            layers += [Block(width, settings, scale) for _ in range(settings.blocks)]
        self.layers = nn.Sequential(*layers)
        self.base = nn.Parameter(torch.empty(widths[-1], *shape.base))
        msr_(self.base, shape.base[0] * shape.base[1])
        self.logit = nn.Linear(widths[-1], 1)
        msr_(self.logit.weight, widths[-1])
        nn.init.zeros_(self.logit.bias)
        self.projection = projection(widths[-1], shape.classes, shape.number)

    def forward(self, images: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """images `[B, C, H, W]`, label int64 and number `[B]` if conditional -> logits `[B]`."""
        features = self.layers(self.input(images))
        features = (features * self.base.to(features.dtype)).sum((2, 3))
        logits: Tensor = self.logit(features).flatten()
        return logits if self.projection is None else logits + self.projection(features, label, number)


def stage_widths(settings: R3gan, shape: Shape, role: str) -> list[int]:
    """Channels of each stage, the coarsest first. Raises UserError where they do not fit the size or the groups."""
    stages = shape.doublings + 1
    widths = settings.widths or doubling_widths(settings.width, stages)
    if len(widths) != stages:
        raise UserError(
            f"{role}.widths has {len(widths)} stages, but {shape.size[0]}x{shape.size[1]} pixels make {stages}: "
            f"give {stages} numbers, or width alone."
        )
    for width in widths:
        if width < 1 or width * settings.expansion % settings.group_size:
            raise UserError(
                f"{role}: a width of {width} times the expansion {settings.expansion} cannot be split into groups of "
                f"{settings.group_size}: choose another {role}.group_size or width."
            )
    return widths


def _change(before: int, after: int) -> list[nn.Module]:
    """A 1x1 convolution where the width changes."""
    return [] if before == after else [convolution(before, after)]
