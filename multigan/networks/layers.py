"""Parts that networks of pictures and of sounds share: initialisation, conditioning, the learned base, resampling."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multigan.networks.convolution import Conv2d
from multigan.settings import NumberRange

LEAK = 0.2
OCTAVES = 5
RECTIFIER_GAIN = math.sqrt(2.0)
LEAKY_GAIN = math.sqrt(2.0 / (1.0 + LEAK**2))


def msr_(weight: Tensor, fan_in: int, gain: float = 1.0) -> None:
    """Fill with N(0, gain^2 / fan_in), which keeps the variance through the layer (He et al., 2015)."""
    nn.init.normal_(weight, 0.0, gain / math.sqrt(fan_in))


def glorot_(network: nn.Module) -> None:
    """Glorot's uniform weights and biases of zero in every linear layer and convolution, as TensorFlow's begin."""
    kinds = nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d
    for module in network.modules():
        if isinstance(module, kinds):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def convolution(
    before: int, after: int, kernel: int = 1, *, gain: float = 1.0, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution that keeps the size, with `msr_` weights times `gain` and a bias of zero."""
    layer = Conv2d(before, after, kernel, padding=kernel // 2, groups=groups, bias=bias)
    msr_(layer.weight, layer.weight[0].numel(), gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class NumberFeatures(nn.Module):
    """A number as sines and cosines of OCTAVES frequencies (Tancik et al., 2020); there is nothing to learn in it.

    Over the range the slowest goes through half a turn, so that the ends differ, and each next one through twice as
    many.
    """

    features = 2 * OCTAVES

    def __init__(self, bounds: NumberRange):
        super().__init__()
        self.middle = (bounds.minimum + bounds.maximum) / 2
        self.reach = (bounds.maximum - bounds.minimum) / 2

    def forward(self, number: Tensor | None) -> Tensor:
        """number `[B]` -> `[B, features]` in [-1, 1]."""
        place = (required(number, "number, float32 [B]") - self.middle) / self.reach
        turns = torch.stack([place * (math.pi / 2 * 2**octave) for octave in range(OCTAVES)], 1)
        return torch.cat((turns.sin(), turns.cos()), 1)


class LatentAndClass(nn.Module):
    """The latent `[B, Z]`, with a learned embedding of the class beside it (Mirza and Osindero, 2014), and the features
    of the number where one is told.

    The embedding is as long as the latent and begins as N(0, scale^2).
    """

    def __init__(self, latent: int, classes: int, scale: float, number: NumberRange | None = None):
        super().__init__()
        self.embedding = nn.Embedding(classes, latent) if classes else None
        self.number = NumberFeatures(number) if number else None
        self.features = latent * (2 if classes else 1) + (self.number.features if self.number else 0)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, scale)

    def forward(self, latent: Tensor, label: Tensor | None, number: Tensor | None = None) -> Tensor:
        parts = [latent]
        if self.embedding is not None:
            parts.append(self.embedding(required(label)))
        if self.number is not None:
            parts.append(self.number(number).to(latent.dtype))
        return torch.cat(parts, 1) if len(parts) > 1 else latent


class ClassProjection(nn.Module):
    """What the class adds to the logit: the inner product of features and its embedding (Miyato and Koyama, 2018). The
    number's embedding, which is linear in its `NumberFeatures`, is added to the class's.

    classes: 0 for none. number: its range, or None.
    """

    def __init__(self, features: int, classes: int, number: NumberRange | None = None):
        super().__init__()
        self.embedding = nn.Embedding(classes, features) if classes else None
        if self.embedding is not None:
            msr_(self.embedding.weight, features)
        self.number = NumberFeatures(number) if number else None
        self.linear = nn.Linear(self.number.features, features, bias=False) if self.number else None
        if self.linear is not None:
            msr_(self.linear.weight, features)

    def forward(self, features: Tensor, label: Tensor | None, number: Tensor | None = None) -> Tensor:
        """features `[B, F]`, label int64 `[B]`, number `[B]` -> `[B]`."""
        condition: Tensor | None = None
        if self.embedding is not None:
            condition = self.embedding(required(label))
        if self.number is not None and self.linear is not None:
            told = self.linear(self.number(number).to(self.linear.weight.dtype))
            condition = told if condition is None else condition + told
        assert condition is not None
        return (condition * features).sum(1)


def projection(features: int, classes: int, number: NumberRange | None) -> ClassProjection | None:
    """The projection of a conditional discriminator; None for an unconditional one."""
    return ClassProjection(features, classes, number) if classes or number else None


class Base(nn.Module):
    """A linear layer from `[B, F]` to the coarsest stage `[B, C, H, W]`, laid out as channels_last wants it."""

    def __init__(self, features: int, channels: int, size: tuple[int, int], bias: bool):
        super().__init__()
        self.shape = (*size, channels)
        self.linear = nn.Linear(features, channels * size[0] * size[1], bias)

    def forward(self, features: Tensor) -> Tensor:
        values: Tensor = self.linear(features)
        return values.view(-1, *self.shape).permute(0, 3, 1, 2)


def required(condition: Tensor | None, what: str = "label, int64 [B]") -> Tensor:
    """The condition of a conditional network. Raises ValueError where it is missing."""
    if condition is None:
        raise ValueError(f"this network is conditional: give it a {what}")
    return condition


# --- resampling by [1, 2, 1] ------------------------------------------------------------------------------------------
#
# Upsampling and downsampling are each other's adjoint up to a factor, so each is the other's derivative. Said so to
# autograd, both directions and all orders run on the fast forward kernels: the derivative of a depthwise convolution
# that autograd finds by itself is 20 to 100 times slower on a CPU.


def _down(images: Tensor, kernel: Tensor) -> Tensor:
    kernel = kernel.to(images.dtype).expand(images.size(1), 1, 3, 3)
    return F.conv2d(images, kernel, stride=2, padding=1, groups=images.size(1)).to(images.dtype)


def _up(images: Tensor, kernel: Tensor) -> Tensor:
    # Each pixel four times, then the mean of it and its three neighbours to the right and below: the same as a
    # transposed convolution with [1, 2, 1], which is slow in bf16.
    kernel = kernel.to(images.dtype).expand(images.size(1), 1, 3, 3)
    grown = F.interpolate(images, scale_factor=2, mode="nearest")
    return F.conv2d(grown, kernel, padding=1, groups=images.size(1)).to(images.dtype)


class _Resampling(torch.autograd.Function):
    """Up or down, with the other as its derivative. down and up are the kernels; the factor 4 is the adjoint's."""

    @staticmethod
    def forward(images: Tensor, down: Tensor, up: Tensor, grow: bool) -> Tensor:
        return _up(images, up) if grow else _down(images, down)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, down, up, ctx.grow = inputs
        ctx.save_for_backward(down, up)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        down, up = ctx.saved_tensors
        factor = 4.0 if ctx.grow else 0.25
        kernels = down * factor, up * factor
        found: Tensor = _Resampling.apply(gradients[0], *kernels, not ctx.grow)  # type: ignore[no-untyped-call]
        return found, None, None, None


class Resample(nn.Module):
    """Doubles (`grow`) or halves both sides, low-passed by [1, 2, 1] along each; zero outside of the picture.

    Doubling is linear interpolation: `y[2i] = x[i]`, `y[2i + 1] = (x[i] + x[i + 1]) / 2`. Halving is
    `y[i] = (x[2i - 1] + 2 x[2i] + x[2i + 1]) / 4`. Both keep the mean and differentiate to any order.
    """

    down: Tensor
    up: Tensor

    def __init__(self, grow: bool):
        super().__init__()
        self.grow = grow
        tap = torch.tensor([1.0, 2.0, 1.0]) / 4
        box = torch.tensor([0.0, 1.0, 1.0]) / 2
        self.register_buffer("down", tap.outer(tap)[None, None], persistent=False)
        self.register_buffer("up", box.outer(box)[None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        resampled: Tensor = _Resampling.apply(images, self.down, self.up, self.grow)  # type: ignore[no-untyped-call]
        return resampled
