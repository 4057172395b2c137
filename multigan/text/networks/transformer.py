"""A causal transformer as a generator of text, with a cache of what it has read."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from multigan.text.config import Transformer
from multigan.text.networks.policy import Dropout, Policy, State


class Layer(nn.Module):
    """Attention and a perceptron, each behind a normalisation and beside a shortcut."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.keys = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def split(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values `[N, heads, T, D]` of features `[N, T, W]`."""
        count, length, width = features.shape
        parts = self.keys(self.before(features)).view(count, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        return query, key, value

    def finish(self, features: Tensor, attended: Tensor) -> Tensor:
        """attended `[N, heads, T, D]`, of the features `[N, T, W]`."""
        count, length, width = features.shape
        features = features + self.mixed(attended.transpose(1, 2).reshape(count, length, width))
        return features + self.narrow(F.gelu(self.widen(self.between(features))))


class TransformerPolicy(Policy):
    """Layers of causal attention (Vaswani et al., 2017). The class is a first symbol of its own kind.

    Its state: the number of symbols read, int64 `[N]`; keys and values `[N, layers, 2, heads, T, D]`; the class's
    features `[N, W]` where there are classes.
    """

    def __init__(self, chosen: Transformer, vocabulary: int, length: int, ends: bool, classes: int = 0):
        super().__init__(vocabulary, length, ends)
        self.embedding = nn.Embedding(vocabulary, chosen.width)
        self.positions = nn.Embedding(length, chosen.width)
        self.classes = nn.Embedding(classes, chosen.width) if classes else None
        self.layers = nn.ModuleList(Layer(chosen.width, chosen.heads) for _ in range(chosen.layers))
        self.last = nn.LayerNorm(chosen.width)
        self.dropout = Dropout(chosen.dropout, chosen.width)
        self.output = nn.Linear(chosen.width, vocabulary)
        self.shape = (chosen.layers, 2, chosen.heads, length, chosen.width // chosen.heads)
        for table in filter(None, (self.embedding, self.positions, self.classes)):
            nn.init.normal_(table.weight, std=0.02)

    def begin(self, count: int, label: Tensor | None = None) -> State:
        read = torch.zeros(count, dtype=torch.long, device=self.place)
        cache = torch.zeros(count, *self.shape, dtype=self.dtype, device=self.place)
        if self.classes is None:
            return read, cache
        assert label is not None, "a label for each text"
        return read, cache, self.classes(label)

    def step(self, symbol: Tensor, state: State) -> tuple[Tensor, State]:
        read, cache = state[:2]
        features = self.embedding(symbol) + self.positions(read)
        if self.classes is not None:
            features = features + state[2]
        features = features[:, None]
        here = torch.arange(self.shape[3], device=self.place) == read[:, None]
        seen = torch.arange(self.shape[3], device=self.place) <= read[:, None]
        new = []
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            query, key, value = layer.split(features)
            both = torch.stack((key, value), dim=1)
            held = torch.where(here[:, None, None, :, None], both, cache[:, index])
            attended = _attend(query, held[:, 0], held[:, 1], seen[:, None, None])
            features = layer.finish(features, attended)
            new.append(held)
        found: Tensor = self.last(features)[:, 0]
        return found, (read + 1, torch.stack(new, dim=1), *state[2:])

    def _run(self, tokens: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features `[N, T, W]`, and keys and values `[N, layers, 2, heads, T, D]`."""
        length = tokens.shape[1]
        features = self.embedding(F.pad(tokens[:, :-1], (1, 0))) + self.positions.weight[:length]
        if self.classes is not None:
            features = features + self.classes(label)[:, None]
        causal = torch.ones(length, length, dtype=torch.bool, device=self.place).tril()
        held = []
        for layer in self.layers:
            assert isinstance(layer, Layer)
            query, key, value = layer.split(features)
            features = layer.finish(features, _attend(query, key, value, causal))
            held.append(torch.stack((key, value), dim=1))
        return self.last(features), torch.stack(held, dim=1)

    def read(self, tokens: Tensor, label: Tensor | None = None) -> Tensor:
        found: Tensor = self.dropout(self._run(tokens, label)[0])
        return found

    def trace(self, tokens: Tensor, label: Tensor | None = None) -> list[State]:
        begun = self.begin(len(tokens), label)
        cache = F.pad(self._run(tokens, label)[1], (0, 0, 0, self.shape[3] - tokens.shape[1]))
        # What lies behind the symbols that a state has read is hidden by their number.
        return [(begun[0] + read, cache, *begun[2:]) for read in range(tokens.shape[1])]

    def logits(self, features: Tensor) -> Tensor:
        found: Tensor = self.output(features)
        return found


def _attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    """Scaled dot products, softmax over what is seen, and the values' mean with it."""
    scores = (query @ key.transpose(2, 3)) * query.shape[3] ** -0.5
    scores = scores.masked_fill(~seen, float("-inf"))
    return torch.softmax(scores, dim=3) @ value
