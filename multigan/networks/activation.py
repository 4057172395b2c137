"""LeakyReLU whose second derivative is left out of the graph, being zero.

torch's own hands zeros back to the features where a penalty on the gradient is differentiated. Where nothing else is
asked of those features, as in WGAN-GP's points between real and generated samples, the zeros then go through every
convolution of the forward pass: a third of the penalty's work.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _LeakyRelu(torch.autograd.Function):
    """In place. The slope at each place is a constant to the backward pass, which is linear in the gradient."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, slope: float) -> Tensor:
        torch.nn.functional.leaky_relu_(features, slope)
        ctx.mark_dirty(features)
        ctx.save_for_backward(features)
        ctx.slope = slope
        ctx.set_materialize_grads(False)
        return features

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None]:
        if gradients[0] is None:
            return None, None
        (result,) = ctx.saved_tensors  # it has the features' signs
        return torch.ops.aten.leaky_relu_backward(gradients[0], result.detach(), ctx.slope, False), None


class LeakyReLU(nn.LeakyReLU):
    """`torch.nn.LeakyReLU` in place, for networks whose gradient is penalised. slope: positive."""

    def __init__(self, slope: float):
        super().__init__(slope, inplace=True)

    def forward(self, input: Tensor) -> Tensor:
        if torch.compiler.is_compiling() or not (torch.is_grad_enabled() and input.requires_grad):
            return super().forward(input)
        result: Tensor = _LeakyRelu.apply(input, self.negative_slope)  # type: ignore[no-untyped-call]
        return result
