"""SeqGAN's generator: one layer of LSTM between an embedding and a softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from multigan.text.config import Lstm
from multigan.text.networks.policy import Dropout, Policy, State


class LstmPolicy(Policy):
    """One layer of LSTM (Hochreiter and Schmidhuber, 1997), gates in the order input, forget, cell, output.

    Its state is hidden and cell `[N, H]`, and `[N, E]` of the class where there are classes, which is added to each
    symbol's embedding.
    """

    def __init__(self, chosen: Lstm, vocabulary: int, length: int, ends: bool, classes: int = 0):
        super().__init__(vocabulary, length, ends)
        self.embedding = nn.Embedding(vocabulary, chosen.embedding)
        self.classes = nn.Embedding(classes, chosen.embedding) if classes else None
        self.input = nn.Linear(chosen.embedding, 4 * chosen.hidden)
        self.recurrent = nn.Linear(chosen.hidden, 4 * chosen.hidden, bias=False)
        self.dropout = Dropout(chosen.dropout, chosen.hidden)
        self.output = nn.Linear(chosen.hidden, vocabulary)
        self.hidden = chosen.hidden
        for name, weight in self.named_parameters():
            deviation = chosen.deviation
            if deviation is None:
                if name.endswith("bias"):
                    nn.init.zeros_(weight)
                    continue
                deviation = 0.1 if "embedding" in name or "classes" in name else weight.shape[1] ** -0.5
            nn.init.normal_(weight, std=deviation)

    def begin(self, count: int, label: Tensor | None = None) -> State:
        empty = torch.zeros(count, self.hidden, dtype=self.dtype, device=self.place)
        if self.classes is None:
            return empty, empty
        assert label is not None, "a label for each text"
        return empty, empty, self.classes(label)

    def step(self, symbol: Tensor, state: State) -> tuple[Tensor, State]:
        read = self.embedding(symbol)
        if self.classes is not None:
            read = read + state[2]
        hidden, cell = self._turn(self.input(read), state[0], state[1])
        return hidden, (hidden, cell, *state[2:])

    def _turn(self, driven: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the cell. driven `[N, 4 H]`: of the input."""
        gates = driven + F.linear(hidden, self.recurrent.weight)
        enter, forget, new, leave = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(cell), cell

    def _states(self, tokens: Tensor, label: Tensor | None) -> list[State]:
        """Before the first step and after each."""
        state = self.begin(len(tokens), label)
        inputs = F.pad(tokens[:, :-1], (1, 0))
        driven = self.embedding(inputs)
        if self.classes is not None:
            driven = driven + state[2][:, None]
        states = [state]
        for each in self.input(driven).unbind(1):
            state = (*self._turn(each, state[0], state[1]), *state[2:])
            states.append(state)
        return states

    def read(self, tokens: Tensor, label: Tensor | None = None) -> Tensor:
        features = torch.stack([state[0] for state in self._states(tokens, label)[1:]], dim=1)
        found: Tensor = self.dropout(features)
        return found

    def trace(self, tokens: Tensor, label: Tensor | None = None) -> list[State]:
        return self._states(tokens, label)[:-1]

    def logits(self, features: Tensor) -> Tensor:
        found: Tensor = self.output(features)
        return found
