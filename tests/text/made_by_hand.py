"""A generator of text that is a table: what it makes, and how often, is known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from multigan.text.networks import Policy
from multigan.text.networks.policy import State


class Copying(Policy):
    """Makes the texts `rows` `[M, T]` that it was given, each as often as it is there. A label chooses among those of
    `labels` `[M]`. A beginning that none of them has goes on with any symbol. Its state: the symbols read `[N, T]`,
    their number `[N]`, and the label `[N]`.
    """

    def __init__(self, rows: Tensor, vocabulary: int, labels: Tensor | None = None):
        super().__init__(vocabulary, rows.shape[1], True)
        self.rows, self.labels = rows.long(), labels
        self.empty = nn.Parameter(torch.zeros(()))

    def begin(self, count: int, label: Tensor | None = None) -> State:
        read = torch.zeros(count, dtype=torch.long)
        return torch.zeros(count, self.length, dtype=torch.long), read, read if label is None else label

    def step(self, symbol: Tensor, state: State) -> tuple[Tensor, State]:
        texts, read, label = state
        if int(read[0]) > 0:
            texts = texts.clone()
            texts[:, int(read[0]) - 1] = symbol
        return self._shares(texts, int(read[0]), label), (texts, read + 1, label)

    def _shares(self, texts: Tensor, read: int, label: Tensor) -> Tensor:
        """Logarithms of how often each symbol comes next, `[N, V]`."""
        same = (self.rows[None, :, :read] == texts[:, None, :read]).all(dim=2)
        if self.labels is not None:
            same = same & (self.labels[None] == label[:, None])
        after = nn.functional.one_hot(self.rows[:, read], self.vocabulary).float()
        counts = same.float() @ after
        return torch.where(counts.sum(dim=1, keepdim=True) > 0, counts.log(), 0.0)

    def read(self, tokens: Tensor, label: Tensor | None = None) -> Tensor:
        told = self.begin(len(tokens), label)[2]
        return torch.stack([self._shares(tokens, at, told) for at in range(tokens.shape[1])], dim=1)

    def trace(self, tokens: Tensor, label: Tensor | None = None) -> list[State]:
        raise NotImplementedError  # for rollouts, which no test asks of it

    def logits(self, features: Tensor) -> Tensor:
        return features
