"""Symbols from logits by the inverse of their distribution function: what the noise is, the text is."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

PLAIN = 256
"""Up to so many symbols one running sum is as fast as two."""
CANDIDATES = 128
"""Symbols that top-k and top-p choose from: a wider nucleus is cut."""


@cache
def block_of(size: int) -> int:
    """How many symbols a block has: about the root of the vocabulary's `size`, a divisor of it where one is near."""
    if size <= PLAIN:
        return size
    root = math.isqrt(size)
    near = [each for each in range(max(2, root // 2), 2 * root + 1) if size % each == 0]
    return min(near, key=lambda each: abs(each - root)) if near else root


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """The symbol at which the running sum of softmax(logits) passes `uniform`; symbols of no weight are never given.

    logits `[N, V]`, which are overwritten; uniform `[N]` in [0, 1); gives int64 `[N]`. Two running sums, over blocks of
    about sqrt(V) symbols and then within one, take a fraction of the time of one over V.
    """
    return pick(logits.sub_(logits.amax(dim=1, keepdim=True)).exp_(), uniform)


def pick(weights: Tensor, uniform: Tensor) -> Tensor:
    """The symbol at which the running sum of `weights` `[N, V]` passes the share `uniform` `[N]` of the whole; see
    `draw`."""
    size, block = weights.shape[1], block_of(weights.shape[1])
    if block == size:
        return _passed(weights, uniform * weights.sum(dim=1))[0]
    if size % block:
        weights = F.pad(weights, (0, block - size % block))
    blocks = weights.view(weights.shape[0], -1, block)
    sums = blocks.sum(dim=2)
    chosen, rest = _passed(sums, uniform * sums.sum(dim=1))
    inside = blocks.gather(1, chosen[:, None, None].expand(-1, 1, block)).squeeze(1)
    return chosen * block + _passed(inside, rest)[0]


def _passed(weights: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The place `[N]` at which the running sum of weights `[N, M]` passes the target `[N]`, and what was left of it
    before. Where rounding leaves the target above the whole sum, the heaviest place."""
    running = weights.cumsum(dim=1)
    place = (running <= target[:, None]).sum(dim=1)
    place = torch.where(place < weights.shape[1], place, weights.argmax(dim=1))
    at = place[:, None]
    before = running.gather(1, at) - weights.gather(1, at)
    return place, (target - before.squeeze(1)).clamp_min(0)


def restrict(logits: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Logits `[N, V]` with all but the likeliest symbols at minus infinity.

    top_k (int64, a scalar): so many, at least 1. top_p (a scalar in (0, 1]): those that together have this probability,
    of the `top_k` (Holtzman et al., 2020). No more than CANDIDATES.
    """
    count = min(CANDIDATES, logits.shape[1])
    best, places = logits.topk(count, dim=1)
    rank = torch.arange(count, device=logits.device)
    best = torch.where(rank < top_k, best, -math.inf)
    shares = torch.softmax(best, dim=1)
    best = torch.where(shares.cumsum(dim=1) - shares < top_p, best, -math.inf)
    return torch.full_like(logits, -math.inf).scatter(1, places, best)
