"""A generator of text: a distribution of the next symbol after each beginning, and what follows from it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from multigan.adversarial.batch import Draws
from multigan.adversarial.stochastic import Stochastic
from multigan.text.sampling import draw

ROWS = 128
"""Texts whose next symbol is drawn at a time: the weights of as many symbols stay in a processor's cache."""

State = tuple[Tensor, ...]
"""What a network remembers of a beginning: tensors `[N, ...]`."""


class Dropout(Stochastic):
    """Inverted dropout of features `[N, ..., D]`, a mask for each sample of a step, only after a draw: `rest` lets all
    through until the next one. Where real and generated samples come together, each has the mask of its number."""

    def __init__(self, share: float, size: int):
        super().__init__()
        self.share, self.size = share, size
        self._mask: Tensor | None = None

    def draw(self, draws: Draws, stream: str) -> None:
        if self.share:
            self._mask = (draws.uniform(stream, self.size) >= self.share) / (1 - self.share)

    def rest(self) -> None:
        """Let everything through."""
        self._mask = None

    def forward(self, features: Tensor) -> Tensor:
        if self._mask is None or not self.training:
            return features
        mask = self._mask.to(features)
        mask = mask.repeat(len(features) // len(mask), 1)
        return features * (mask if features.dim() == 2 else mask[:, None])


class GumbelNoise(Stochastic):
    """Gumbel noise of the step at hand, computed only where it is used: likelihood needs none."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn: tuple[Draws, str] | None = None

    def draw(self, draws: Draws, stream: str) -> None:
        self._drawn = draws, stream

    def noise(self, length: int, vocabulary: int) -> Tensor:
        """`[B, T, V]`, on the CPU."""
        assert self._drawn is not None, "the noise is drawn by the game"
        draws, stream = self._drawn
        uniform = draws.uniform(stream, length, vocabulary).clamp_(1e-9, 1 - 1e-7)
        return -torch.log(-torch.log(uniform))


def alive(tokens: Tensor, ends: bool) -> Tensor:
    """Which symbols of texts `[N, T]` belong to them: all up to the first end (0), that one included."""
    if not ends:
        return torch.ones_like(tokens, dtype=torch.bool)
    ended = (tokens == 0).cumsum(dim=1)
    return (ended - (tokens == 0).long()) == 0


class Policy(nn.Module, ABC):
    """The part of a generator that does not ask how it remembers. Symbol 0 is the start, and the end where it `ends`.

    `forward(noise)` gives texts int64 `[N, T]` from noise `[N, T]` uniform in [-1, 1), one value a symbol. With
    `relaxed` set, and in training, it gives `[N, T, V]`: the Gumbel-softmax's nearly one-hot symbols, with gradient.
    Everything is computed in the weights' own precision: of a sampler's cost the matrix products are the least.
    """

    def __init__(self, vocabulary: int, length: int, ends: bool):
        super().__init__()
        self.dropout = Dropout(0.0, 0)
        """Of the features, while likelihood is trained. A network that has any sets its own."""
        self.vocabulary, self.length, self.ends = vocabulary, length, ends
        self.relaxed = False
        self.inverse_temperature = 1.0
        self.gumbel = GumbelNoise()

    # --- what a network is ------------------------------------------------------------------------------------------

    @abstractmethod
    def begin(self, count: int, label: Tensor | None = None) -> State:
        """The state of `count` empty texts. label: int64 `[count]`."""

    @abstractmethod
    def step(self, symbol: Tensor, state: State) -> tuple[Tensor, State]:
        """Read a symbol `[N]`; features `[N, D]` of what comes next, and the new state."""

    @abstractmethod
    def read(self, tokens: Tensor, label: Tensor | None = None) -> Tensor:
        """Features `[N, T, D]` from which each symbol of texts `[N, T]` is foretold: of those before it."""

    @abstractmethod
    def trace(self, tokens: Tensor, label: Tensor | None = None) -> list[State]:
        """Of texts `[N, T]` the state before each of the T steps, in which symbol t - 1 is read."""

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """`[..., D]` to `[..., V]`."""

    # --- what follows -----------------------------------------------------------------------------------------------

    def forward(self, noise: Tensor, label: Tensor | None = None) -> Tensor:
        self.dropout.rest()  # which is likelihood's alone: the policy gradient is of the policy that was played
        with torch.autocast(noise.device.type, enabled=False):
            if self.relaxed and self.training:
                return self._relax(len(noise), label)
            return self.sample((noise.to(self.dtype) + 1) / 2, label)

    @property
    def dtype(self) -> torch.dtype:
        """The weights'."""
        return next(self.parameters()).dtype

    @torch.no_grad()
    def choose(self, features: Tensor, uniform: Tensor) -> Tensor:
        """The next symbols int64 `[N]` of features `[N, D]`, from values `[N]` in [0, 1)."""
        pairs = zip(features.split(ROWS), uniform.split(ROWS), strict=True)
        return torch.cat([draw(self.logits(each), values) for each, values in pairs])

    @torch.no_grad()
    def sample(self, uniform: Tensor, label: Tensor | None = None) -> Tensor:
        """Texts int64 `[N, T]`, symbol after symbol, from values `[N, T]` in [0, 1)."""
        symbol = torch.zeros(len(uniform), dtype=torch.long, device=uniform.device)
        state, made = self.begin(len(uniform), label), []
        living = torch.ones_like(symbol, dtype=torch.bool)
        for column in uniform.unbind(1):
            features, state = self.step(symbol, state)
            symbol = self.choose(features, column)
            if self.ends:
                symbol = symbol * living
                living = symbol != 0
            made.append(symbol)
        return torch.stack(made, dim=1)

    def likelihood(
        self, tokens: Tensor, label: Tensor | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """The log-probability of each symbol of texts `[N, T]` after those before it, 0 behind the end, and `alive`."""
        with torch.autocast(tokens.device.type, enabled=False):
            mask = alive(tokens, self.ends)
            logits = self.logits(self.read(tokens, label)[mask]) / temperature
            self.dropout.rest()  # a mask is drawn for one use
            found = -F.cross_entropy(logits, tokens[mask], reduction="none")
            return torch.zeros(tokens.shape, dtype=found.dtype, device=found.device).masked_scatter(mask, found), mask

    def _relax(self, count: int, label: Tensor | None) -> Tensor:
        """RelGAN's texts (Nie et al., 2019): softmax of the logits with Gumbel noise, times the inverse temperature;
        what is read next is the likeliest symbol, without gradient."""
        noise = self.gumbel.noise(self.length, self.vocabulary)
        symbol = torch.zeros(count, dtype=torch.long, device=self.place)
        state, made = self.begin(count, label), []
        living = torch.ones(count, 1, dtype=self.dtype, device=self.place)
        end = F.one_hot(torch.zeros(1, dtype=torch.long, device=self.place), self.vocabulary).to(self.dtype)
        for step in noise.to(self.place, self.dtype).unbind(1):
            features, state = self.step(symbol, state)
            disturbed = self.logits(features) + step
            soft = torch.softmax(disturbed * self.inverse_temperature, dim=1)
            symbol = disturbed.argmax(dim=1)
            if self.ends:
                soft = soft * living + end * (1 - living)
                symbol = symbol * (living[:, 0] > 0)
                living = living * (symbol != 0)[:, None]
            made.append(soft)
        return torch.stack(made, dim=1)

    @property
    def place(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device
