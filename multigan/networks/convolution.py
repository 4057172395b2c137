"""Convolutions that are fast where its gradient is differentiated again, as penalties on the gradient do.

autograd's own second derivative works through transposed batches and, in grouped convolutions, one group at a time.
Here it is made of the three kernels that every library has: the convolution, its gradient for the input, and its
gradient for the weight. The ways to the input and to the weight are separate nodes of the graph, so that a gradient for
the input alone does not compute the weight's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class _Geometry:
    """A convolution's stride, padding and groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    groups: int

    def convolve(self, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        run = F.conv1d if len(self.stride) == 1 else F.conv2d
        return run(images, weight, bias, self.stride, self.padding, 1, self.groups)

    def gradients(self, gradient: Tensor, images: Tensor, weight: Tensor, wanted: list[bool]) -> list[Tensor]:
        """For the images, the weight and the bias, as far as `wanted`; of an operand whose gradient is not needed only
        the shape matters."""
        biases = [weight.size(0)] if wanted[2] else None
        ones, zeros = [1] * len(self.stride), [0] * len(self.stride)
        found: list[Tensor] = torch.ops.aten.convolution_backward(
            gradient, images, weight, biases, self.stride, self.padding, ones, False, zeros, self.groups, wanted
        )
        return found


class _WayToWeight(torch.autograd.Function):
    """The convolution of images whose own gradient is left to `_WayToImages`."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.geometry = geometry
        ctx.set_materialize_grads(False)
        return geometry.convolve(images, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if gradients[0] is None:
            return None, None, None, None
        wanted = [False, *ctx.needs_input_grad[1:3]]
        _, weight, bias = ctx.geometry.gradients(gradients[0], *ctx.saved_tensors, wanted)
        return None, weight, bias, None


class _WayToImages(torch.autograd.Function):
    """Hands the finished convolution on, and its gradient to the images: to all operands at once where nothing is
    differentiated again, since that is faster."""

    @staticmethod
    def forward(
        ctx: Any, output: Tensor, images: Tensor, weight: Tensor, bias: Tensor | None, geometry: _Geometry
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.geometry = geometry
        ctx.mark_dirty(output)
        ctx.set_materialize_grads(False)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if gradients[0] is None:  # a penalty's derivative, to which the features themselves are nothing
            return None, None, None, None, None
        images, weight = ctx.saved_tensors
        if not torch.is_grad_enabled():
            wanted = list(ctx.needs_input_grad[1:4])
            return None, *ctx.geometry.gradients(gradients[0], images, weight, wanted), None
        operands = gradients[0], weight, images.detach()
        found: Tensor = _Gradient.apply(*operands, ctx.geometry)  # type: ignore[no-untyped-call]
        return gradients[0], found, None, None, None


class _Gradient(torch.autograd.Function):
    """The convolution's gradient for its images, differentiable by the output's gradient and by the weight."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, images: Tensor, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.geometry = geometry
        return geometry.gradients(gradient, images, weight, [True, False, False])[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient, weight = ctx.saved_tensors
        again = ctx.geometry.convolve(gradients[0], weight, None) if ctx.needs_input_grad[0] else None
        found = None
        if ctx.needs_input_grad[1]:
            found = ctx.geometry.gradients(gradient, gradients[0], weight, [False, True, False])[1]
        return again, found, None, None


def _convolve(layer: Conv1d | Conv2d, input: Tensor) -> Tensor | None:
    """The layer's convolution by the nodes above, or None where torch's own serves as well."""
    weight, bias = layer.weight, layer.bias
    plain = not (torch.is_grad_enabled() and input.requires_grad and weight.requires_grad)
    if plain or torch.compiler.is_compiling():
        return None
    if torch.is_autocast_enabled(input.device.type):
        dtype = torch.get_autocast_dtype(input.device.type)
        input, weight, bias = input.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    geometry = _Geometry(layer.stride, tuple(int(side) for side in layer.padding), layer.groups)
    output = _WayToWeight.apply(input.detach(), weight, bias, geometry)  # type: ignore[no-untyped-call]
    result: Tensor = _WayToImages.apply(output, input, weight, bias, geometry)  # type: ignore[no-untyped-call]
    return result


class Conv1d(nn.Conv1d):
    """`torch.nn.Conv1d`, as `Conv2d` below is torch's."""

    def forward(self, input: Tensor) -> Tensor:
        found = _convolve(self, input)
        return super().forward(input) if found is None else found


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` without dilation, zero-padded, for networks whose gradient is penalised.

    The gradient for the images can be differentiated again, once; the gradient for the weight cannot, and autograd
    says so where it is tried.
    """

    def forward(self, input: Tensor) -> Tensor:
        found = _convolve(self, input)
        return super().forward(input) if found is None else found
