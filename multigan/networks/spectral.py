"""Spectral normalisation whose power iteration runs when it is told to, and not with each look at the weight."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

FIRST_ITERATIONS = 15


class SpectralNorm(nn.Module):
    """weight / sigma, sigma = u W v being its largest singular value once u and v have converged (Miyato et al., 2018).

    Reading the weight is a pure function of it: real, generated and accumulated parts of a step see the same network,
    and penalties differentiate through sigma. `iterate` moves u and v one power iteration on.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor):
        super().__init__()
        rows, columns = weight.flatten(1).shape
        self.register_buffer("u", F.normalize(torch.randn(rows, dtype=weight.dtype), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(columns, dtype=weight.dtype), dim=0))
        for _ in range(FIRST_ITERATIONS):
            self.iterate(weight)

    @torch.no_grad()
    def iterate(self, weight: Tensor) -> None:
        """One power iteration on the weight before normalisation."""
        matrix = weight.flatten(1)
        self.u.copy_(F.normalize(matrix.mv(self.v), dim=0))
        self.v.copy_(F.normalize(matrix.t().mv(self.u), dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        # Clones, since `iterate` may come before a backward pass. No matrix product: autocast would round it.
        u, v = self.u.clone(), self.v.clone()
        sigma = (weight.flatten(1) * v).sum(1).mul(u).sum()
        return weight / sigma


def normalize(network: nn.Module) -> None:
    """Put a spectral norm on the weight of every convolution, linear layer and embedding in the network.

    `torch.nn.utils.parametrize.remove_parametrizations` makes a layer plain again.
    """
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
            parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight.detach()))


def iterate(network: nn.Module) -> None:
    """One power iteration for each normalised weight in the network."""
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrization = module.get_submodule("parametrizations.weight")
            norm = parametrization.get_submodule("0")
            if isinstance(norm, SpectralNorm):
                norm.iterate(parametrization.get_parameter("original"))
