"""Parts that several image networks share: initialisation, conditioning, the learned base, resampling."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multigan.networks.convolution import Conv2d

LEAK = 0.2
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


class LatentAndClass(nn.Module):
    """The latent `[B, Z]`, with a learned embedding of the class beside it (Mirza and Osindero, 2014).

    The embedding is as long as the latent and begins as N(0, scale^2).
    """

    def __init__(self, latent: int, classes: int, scale: float):
        super().__init__()
        self.embedding = nn.Embedding(classes, latent) if classes else None
        self.features = latent * (2 if classes else 1)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, scale)

    def forward(self, latent: Tensor, label: Tensor | None) -> Tensor:
        if self.embedding is None:
            return latent
        return torch.cat((latent, self.embedding(required(label))), 1)


class ClassProjection(nn.Module):
    """What the class adds to the logit: the inner product of features and its embedding (Miyato and Koyama, 2018)."""

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.embedding = nn.Embedding(classes, features)
        msr_(self.embedding.weight, features)

    def forward(self, features: Tensor, label: Tensor | None) -> Tensor:
        """features `[B, F]`, label int64 `[B]` -> `[B]`."""
        added: Tensor = (self.embedding(required(label)) * features).sum(1)
        return added


class Base(nn.Module):
    """A linear layer from `[B, F]` to the coarsest stage `[B, C, H, W]`, laid out as channels_last wants it."""

    def __init__(self, features: int, channels: int, size: tuple[int, int], bias: bool):
        super().__init__()
        self.shape = (*size, channels)
        self.linear = nn.Linear(features, channels * size[0] * size[1], bias)

    def forward(self, features: Tensor) -> Tensor:
        values: Tensor = self.linear(features)
        return values.view(-1, *self.shape).permute(0, 3, 1, 2)


def required(label: Tensor | None) -> Tensor:
    """The label of a conditional network. Raises ValueError where it is missing."""
    if label is None:
        raise ValueError("this network is conditional: give it a label, int64 [B]")
    return label


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
