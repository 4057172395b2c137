"""A generator of text as others use it: prompts, temperature, top-k and top-p, and what each symbol's chance was."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from multigan.text.networks.policy import Policy, State
from multigan.text.sampling import pick, restrict

COLDEST = 1e-6
"""The temperature that stands for 0: the likeliest symbol."""

Way = Literal["plain", "warm", "cut"]
"""How a symbol is drawn: at temperature 1, at another, or by `top_k` and `top_p`."""


class Turn(NamedTuple):
    """What one symbol's turn gives: the symbols int64 `[N]`, whether the texts go on (bool `[N]`), the log-probability
    of the symbols at temperature 1 `[N]`, and what the network remembers."""

    symbol: Tensor
    living: Tensor
    log_probability: Tensor
    state: State


class Sampler(nn.Module):
    """Texts int64 `[N, T]` from noise `[N, T]` uniform in [-1, 1).

    prefix: int64 `[N, T]`, the symbols that are given, -1 where the generator is free: a prompt at the beginning, or
    what stands anywhere in the text. temperature (a scalar): logits are divided by it; 0 gives the likeliest symbol.
    top_k (int64, a scalar): so many of the likeliest symbols, 0 for all. top_p (a scalar): those that together have
    this probability, 1 for all. unknown: the number of the symbol that stands for others, which is never drawn, or
    None.
    """

    def __init__(self, policy: Policy, unknown: int | None = None):
        super().__init__()
        self.policy, self.unknown = policy, unknown

    def forward(
        self,
        noise: Tensor,
        prefix: Tensor,
        temperature: Tensor,
        top_k: Tensor,
        top_p: Tensor,
        label: Tensor | None = None,
    ) -> Tensor:
        return self.trace(noise, prefix, temperature, top_k, top_p, label)[0]

    @torch.no_grad()
    def trace(
        self,
        noise: Tensor,
        prefix: Tensor,
        temperature: Tensor,
        top_k: Tensor,
        top_p: Tensor,
        label: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The texts, and the log-probability of each of their symbols at temperature 1, 0 behind the end."""
        way: Way = "cut" if bool(top_k > 0) or bool(top_p < 1) else "plain" if bool(temperature == 1) else "warm"
        symbol, living, state = self.begin(len(noise), label)
        symbols, logs = [], []
        for value, given in zip(noise.unbind(1), prefix.unbind(1), strict=True):
            turn = self.turn(value, given, symbol, living, state, temperature, top_k, top_p, way)
            symbol, living, state = turn.symbol, turn.living, turn.state
            symbols.append(symbol)
            logs.append(turn.log_probability)
        return torch.stack(symbols, dim=1), torch.stack(logs, dim=1)

    def begin(self, count: int, label: Tensor | None = None) -> tuple[Tensor, Tensor, State]:
        """Before the first symbol: the start's number, that all texts go on, and the network's empty memory."""
        symbol = torch.zeros(count, dtype=torch.long, device=self.policy.place)
        return symbol, torch.ones_like(symbol, dtype=torch.bool), self.policy.begin(count, label)

    def turn(
        self,
        noise: Tensor,
        given: Tensor,
        symbol: Tensor,
        living: Tensor,
        state: State,
        temperature: Tensor,
        top_k: Tensor,
        top_p: Tensor,
        way: Way,
    ) -> Turn:
        """One symbol more. noise, given, symbol (the last one), living: `[N]`."""
        logits, state = self.foretell(symbol, state)
        drawn, total = self.choose(logits, noise, temperature, top_k, top_p, way)
        return Turn(*self.settle(logits, total, drawn, given, living), state)

    def foretell(self, symbol: Tensor, state: State) -> tuple[Tensor, State]:
        """The logits `[N, V]` of what comes after `symbol`, and the new state."""
        features, state = self.policy.step(symbol, state)
        return self.policy.logits(features), state

    def choose(
        self, logits: Tensor, noise: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, way: Way
    ) -> tuple[Tensor, Tensor]:
        """Symbols `[N]` of logits `[N, V]`, from noise `[N]`, and the logarithm of the sum of the logits' exponentials.

        Each pass over all symbols counts: the plain way has the fewest.
        """
        uniform = (noise + 1) / 2
        allowed = self._allowed(logits)
        if way == "plain":
            shares = torch.softmax(logits, dim=1)
            drawn = pick(shares if allowed is None else shares * allowed, uniform)
            return drawn, _at(logits, drawn) - _at(shares, drawn).log()
        wanted = logits * (1 / temperature.clamp_min(COLDEST))
        if allowed is not None:
            wanted = wanted + allowed.log()
        if way == "cut":
            wanted = restrict(wanted, torch.where(top_k > 0, top_k, wanted.shape[1]), top_p)
        drawn = pick(torch.softmax(wanted, dim=1), uniform)
        return drawn, _at(logits, drawn) - _at(torch.log_softmax(logits, dim=1), drawn)

    def settle(
        self, logits: Tensor, total: Tensor, drawn: Tensor, given: Tensor, living: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The first three parts of a `Turn`: what is given stands, and after the end there is nothing."""
        drawn = torch.where(given >= 0, given, drawn)
        chance = _at(logits, drawn) - total
        if self.policy.ends:
            drawn = torch.where(living, drawn, 0)
            chance = torch.where(living, chance, 0)
            living = living & (drawn != 0)
        return drawn, living, chance

    def _allowed(self, logits: Tensor) -> Tensor | None:
        """`[V]`, 0 for the symbol that is never drawn and 1 for others, or None where there is none."""
        if self.unknown is None:
            return None
        return (torch.arange(logits.shape[1], device=logits.device) != self.unknown).to(logits.dtype)


def _at(values: Tensor, symbols: Tensor) -> Tensor:
    """Of each row the value at its symbol."""
    return values.gather(1, symbols[:, None])[:, 0]
