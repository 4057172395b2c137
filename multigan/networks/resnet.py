"""SNGAN's residual networks (Miyato et al., 2018), for any size that doubles from a small base, conditional or not.

As SNGAN's at 32x32, except that the width doubles towards the coarser stages, as it does in SNGAN's at 64x64.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from multigan.networks import spectral
from multigan.networks.config import ResNet
from multigan.networks.layers import RECTIFIER_GAIN, Base, LatentAndClass, convolution, msr_, projection, required
from multigan.networks.shapes import Shape, doubling_widths


class ClassBatchNorm(nn.Module):
    """Batch normalisation whose gain and bias are the class's own (Dumoulin et al., 2017); plain without classes."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=not classes)
        self.gain = nn.Embedding(classes, width) if classes else None
        self.bias = nn.Embedding(classes, width) if classes else None
        if self.gain is not None and self.bias is not None:
            nn.init.ones_(self.gain.weight)
            nn.init.zeros_(self.bias.weight)

    def forward(self, features: Tensor, label: Tensor | None) -> Tensor:
        normed: Tensor = self.norm(features)
        if self.gain is None or self.bias is None:
            return normed
        gain, bias = (table(required(label)).to(normed.dtype)[..., None, None] for table in (self.gain, self.bias))
        styled: Tensor = normed * gain + bias
        return styled


class UpBlock(nn.Module):
    """Norm, ReLU, doubling, 3x3, norm, ReLU, 3x3, beside a doubled 1x1."""

    def __init__(self, before: int, after: int, classes: int):
        super().__init__()
        self.norms = nn.ModuleList([ClassBatchNorm(before, classes), ClassBatchNorm(after, classes)])
        self.first = convolution(before, after, 3, gain=RECTIFIER_GAIN)
        self.second = convolution(after, after, 3, gain=RECTIFIER_GAIN, bias=True)
        self.shortcut = convolution(before, after)

    def forward(self, features: Tensor, label: Tensor | None) -> Tensor:
        found: Tensor = F.relu(self.norms[0](features, label))
        found = self.first(F.interpolate(found, scale_factor=2, mode="nearest"))
        found = self.second(F.relu(self.norms[1](found, label)))
        # The 1x1 convolution commutes with the doubling and costs a quarter before it.
        return found + F.interpolate(self.shortcut(features), scale_factor=2, mode="nearest")


class ResNetGenerator(nn.Module):
    """Linear to the base, a block a doubling, norm, ReLU, 3x3 and tanh. The class chooses each norm's gain and bias;
    the number's features stand beside the latent.

    Width follows `doubling_widths`, the base being its coarsest stage.
    """

    def __init__(self, settings: ResNet, shape: Shape):
        super().__init__()
        widths = doubling_widths(settings.width, shape.doublings + 1)
        self.input = LatentAndClass(shape.latent, 0, shape.class_scale, shape.number)
        self.base = Base(self.input.features, widths[0], shape.base, bias=True)
        msr_(self.base.linear.weight, self.input.features)
        nn.init.zeros_(self.base.linear.bias)
        self.blocks = nn.ModuleList(UpBlock(before, after, shape.classes) for before, after in pairwise(widths))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.output = convolution(widths[-1], shape.channels, 3, bias=True)

    def forward(self, latent: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """latent `[B, Z]`, label int64 and number `[B]` if conditional -> images `[B, C, H, W]` in [-1, 1]."""
        features = self.base(self.input(latent, label, number))
        for block in self.blocks:
            features = block(features, label)
        images: Tensor = self.output(F.relu(self.norm(features))).tanh()
        return images


class JudgeBlock(nn.Module):
    """ReLU, 3x3, ReLU, 3x3, beside the input or a 1x1; halved by averaging if `halve`. The first block of a network
    takes the picture itself, without ReLU."""

    def __init__(self, before: int, after: int, *, halve: bool, first: bool = False):
        super().__init__()
        self.halve, self.starts = halve, first
        self.first = convolution(before, after, 3, gain=RECTIFIER_GAIN, bias=True)
        self.second = convolution(after, after, 3, gain=RECTIFIER_GAIN, bias=True)
        self.shortcut = convolution(before, after, bias=True) if halve or before != after else None

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.first(features if self.starts else F.relu(features))
        found = self.second(F.relu(found))
        if self.halve:
            found, features = F.avg_pool2d(found, 2), F.avg_pool2d(features, 2)
        return found + (features if self.shortcut is None else self.shortcut(features))


class ResNetDiscriminator(nn.Module):
    """Halving blocks to twice the base (8x8 at 32x32), two blocks there, ReLU, sum over the picture, linear.

    A class adds its projection of these sums. With `spectral_norm` every weight is normalised; the trainer calls
    `before_step` once at the beginning of each step that trains this network, and only then do the norms move on.
    """

    def __init__(self, settings: ResNet, shape: Shape):
        super().__init__()
        widths = doubling_widths(settings.width, shape.doublings)[::-1]
        stages = list(pairwise([shape.channels, *widths[:-1]]))
        blocks = [JudgeBlock(*stage, halve=True, first=not index) for index, stage in enumerate(stages)]
        last = widths[-1]
        blocks += [JudgeBlock(widths[-2], last, halve=False), JudgeBlock(last, last, halve=False)]
        self.blocks = nn.Sequential(*blocks)
        self.logit = nn.Linear(last, 1)
        msr_(self.logit.weight, last)
        nn.init.zeros_(self.logit.bias)
        self.projection = projection(last, shape.classes, shape.number)
        if settings.spectral_norm:
            spectral.normalize(self)

    def before_step(self) -> None:
        """One power iteration of every spectral norm."""
        spectral.iterate(self)

    def forward(self, images: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> Tensor:
        """images `[B, C, H, W]`, label int64 and number `[B]` if conditional -> logits `[B]`."""
        features = F.relu(self.blocks(images)).sum((2, 3))
        logits: Tensor = self.logit(features).flatten()
        return logits if self.projection is None else logits + self.projection(features, label, number)
