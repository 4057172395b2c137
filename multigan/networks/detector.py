"""A discriminator as others use it: from samples to a score, and to the features that the score is made of."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class Detector(nn.Module):
    """A discriminator whose last layer is called `last`, with what it gives that layer.

    view: what the discriminator looks at, made of the samples; None: the samples themselves.
    """

    def __init__(self, network: nn.Module, last: str, view: Callable[[Tensor], Tensor] | None = None):
        super().__init__()
        self.network, self.last, self.view = network, last, view

    def forward(self, sample: Tensor, label: Tensor | None = None, number: Tensor | None = None) -> tuple[Tensor, ...]:
        """samples `[B, ...]`, label int64 and number `[B]` if conditional -> score `[B]`, features `[B, D]`."""
        seen = sample if self.view is None else self.view(sample)
        score, features = watched(self.network, self.last, seen, label, number)
        return score, features.flatten(1)


def watched(network: nn.Module, last: str, *arguments: Tensor | None) -> tuple[Tensor, Tensor]:
    """What a network gives, and what its layer `last` was given for it."""
    found: list[Tensor] = []
    layer = network.get_submodule(last)
    handle = layer.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    try:
        given = network(*arguments)
    finally:
        handle.remove()
    return given, found[0]
