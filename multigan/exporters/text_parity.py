"""Does the file draw the symbols that the network draws? Equal ones, save where rounding decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from multigan import noise
from multigan.contract import Contract
from multigan.exporters.parity import SEED, Comparison, Reference, compared, difference
from multigan.text.networks.sampler import Sampler

EDGE = 1e-5
"""Where noise moved by so much gives another symbol, a file may give another too: sums in float32 differ by less."""
LONG = 32
"""Symbols of the texts that are compared, save one batch of the model's whole length."""
MOST_CLASSES = 256


class TextReference(Reference):
    """What a sampler of texts gives in torch: symbols, and their log-probabilities.

    exact: where `module` has rounded weights, the sampler with its own: the symbols must be those of `module`, and the
    noise is that of their log-probabilities against `exact`.
    """

    def __init__(self, module: torch.nn.Module, contract: Contract, exact: Sampler | None = None):
        super().__init__(module, contract)
        self.exact = exact

    @property
    def outputs(self) -> list[str]:
        return [self.contract.output.name, str(self.contract.extra["log_probability"])]

    def cases(self, batch: int) -> list[dict[str, NDArray[Any]]]:
        """Free texts, of all classes; prompts and given symbols among free ones; temperatures, top-k and top-p;
        lengths."""
        whole, longest = int(self.contract.extra["length"]), self.contract.extra.get("longest")
        length = min(whole, LONG)
        longer = length + 3 if longest is None else min(length + 3, int(longest))
        shorter = max(length // 2, 1)
        if all(isinstance(side, int) for side in self.contract.output.shape[1:]):  # a graph for one length alone
            length = longer = shorter = whole
        classes = min(max(len(self.contract.labels), 1), MOST_CLASSES)
        found = [self._case(batch, first, length) for first in range(0, classes, batch)]
        found[0] = self._case(batch, 0, whole if batch == 1 else length)
        return [
            *found,
            self._case(batch, batch, shorter, temperature=0.7, top_k=5),
            self._case(batch, 2 * batch, longer, temperature=1.3, top_p=0.9, prompt=max(longer // 4, 1)),
            self._case(batch, 3 * batch, length, temperature=0.8, gaps=3),
            self._case(batch, 4 * batch, length, gaps=1),
        ]

    def _case(
        self, batch: int, start: int, length: int, prompt: int = 0, gaps: int = 0, **scalars: float
    ) -> dict[str, NDArray[Any]]:
        """Inputs of which the first `prompt` symbols and each one at a multiple of `gaps` are given."""
        vocabulary = int(self.contract.output.maximum or 0) + 1
        given = np.full((batch, length), -1, np.int64)
        told = (np.arange(batch)[:, None] * 7 + np.arange(length) * 3 + 2) % vocabulary
        given[:, :prompt] = told[:, :prompt]
        if gaps:
            given[:, ::gaps] = told[:, ::gaps]
        told_top_k = {"top_k": min(int(scalars["top_k"]), vocabulary)} if "top_k" in scalars else {}
        return noise.inputs(
            self.contract, SEED, start, batch, length=length, given={"prefix": given, **scalars, **told_top_k}
        )

    @torch.inference_mode()
    def compare(self, inputs: dict[str, NDArray[Any]], made: Sequence[NDArray[Any]]) -> Comparison:
        """Symbols must be equal up to where torch itself gives another for noise and `top_p` that are moved by EDGE."""
        assert isinstance(self.module, Sampler)
        tensors = {name: torch.from_numpy(each) for name, each in inputs.items()}
        symbols, chances = (each.numpy() for each in self.module.trace(**tensors))
        same = np.ones(symbols.shape, bool)
        for step in (EDGE, -EDGE):
            moved = {"noise": (tensors["noise"] + step).clamp(-1, 1 - 2**-24)}
            moved["top_p"] = torch.where(tensors["top_p"] < 1, tensors["top_p"] - step, tensors["top_p"])
            same &= self.module.trace(**{**tensors, **moved})[0].numpy() == symbols
        same = np.logical_and.accumulate(same, axis=1)
        error = float("inf")
        if made[0].shape == symbols.shape and np.array_equal(made[0][same], symbols[same]):
            error = difference(made[1][same], chances[same]) if same.any() else 0.0
        counted = Comparison(len(symbols), error, int(same.sum()), int((~same).sum()))
        if made[0].shape != symbols.shape:
            return counted
        if self.exact is not None:  # the log-probabilities of these very symbols
            chances = self.exact.trace(**{**tensors, "prefix": torch.from_numpy(made[0])})[1].numpy()
            same = np.ones_like(same)
        apart = compared(made[1][same], chances[same]) if same.any() else counted
        return replace(counted, power=apart.power, noise=apart.noise)
