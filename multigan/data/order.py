"""The endless shuffled order: position -> index, a function of the seed and the position alone. No torch.

The draws are hashes of counters (SplitMix64's finalizer, Steele et al., 2014), written out here so that the order stays
what it was whatever the versions of numpy and torch.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

Indices = NDArray[np.int64]


def key(*parts: int | str) -> np.uint64:
    """A 64-bit key that names one family of draws."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def draws(family: np.uint64, counters: NDArray[np.integer]) -> NDArray[np.uint64]:
    """One uniform 64-bit number for each counter."""
    with np.errstate(over="ignore"):
        z = family + (counters.astype(np.uint64) + np.uint64(1)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _FIRST
        z = (z ^ (z >> np.uint64(27))) * _SECOND
        return np.asarray(z ^ (z >> np.uint64(31)))


def permutation(count: int, *parts: int | str) -> Indices:
    """A shuffled `arange(count)`, a function of `parts`."""
    return np.argsort(draws(key(*parts), np.arange(count)), kind="stable").astype(np.int64, copy=False)


def flips(seed: int, positions: Indices) -> NDArray[np.bool_]:
    """Whether the sample at each position is mirrored: half of them are."""
    return np.asarray(draws(key(seed, "mirror"), positions) >> np.uint64(63) == 1)


def by_epoch(positions: Indices, epoch_size: int) -> list[tuple[int, Indices, slice]]:
    """Split ascending positions into epochs: (epoch, places within it, where they lie among the positions)."""
    if len(positions) == 0:
        return []
    first, last = int(positions[0]) // epoch_size, int(positions[-1]) // epoch_size
    bounds = [int(np.searchsorted(positions, epoch * epoch_size)) for epoch in range(first, last + 2)]
    return [
        (epoch, positions[low:high] - epoch * epoch_size, slice(low, high))
        for epoch, low, high in zip(range(first, last + 1), bounds[:-1], bounds[1:], strict=True)
    ]


@dataclass(frozen=True)
class Blocks:
    """Runs of samples that are read together, such as a shard's row groups.

    bounds: int64 `[blocks + 1]`, ascending: block b holds the samples `bounds[b]` to `bounds[b + 1]`.
    window: how many blocks are mixed with each other.
    """

    bounds: Indices
    window: int

    def ahead(self) -> int:
        """Half the samples of a window, on average: so far ahead of their use are blocks asked for."""
        return int(self.bounds[-1]) * self.window // max(1, len(self.bounds) - 1) // 2


class Order:
    """Every epoch shows all `size` samples once, each epoch in an order of its own."""

    def __init__(self, seed: int, size: int) -> None:
        self.seed, self.size = seed, size
        self._epochs: OrderedDict[int, NDArray[np.int32 | np.int64]] = OrderedDict()
        self._lock = Lock()

    def indices(self, positions: Indices) -> Indices:
        """The index of the sample at each of the ascending positions."""
        found = np.empty(len(positions), dtype=np.int64)
        for epoch, places, where in by_epoch(positions, self.size):
            found[where] = self._epoch(epoch)[places]
        return found

    def _epoch(self, epoch: int) -> NDArray[np.int32 | np.int64]:
        """The epoch's permutation; the last two are kept, in 32 bits where that is enough."""
        with self._lock:
            if epoch not in self._epochs:
                order = self._shuffled(epoch)
                self._epochs[epoch] = order.astype(np.int32) if self.size < 2**31 else order
                while len(self._epochs) > 2:
                    self._epochs.popitem(last=False)
            return self._epochs[epoch]

    def _shuffled(self, epoch: int) -> Indices:
        return permutation(self.size, self.seed, "order", epoch)


class BlockOrder(Order):
    """Every epoch goes through all blocks in an order of its own, and mixes the samples of each window of blocks: so
    that each block is read once an epoch, and no more than a window is needed at a time."""

    def __init__(self, seed: int, blocks: Blocks) -> None:
        super().__init__(seed, int(blocks.bounds[-1]))
        self._blocks = blocks

    def _shuffled(self, epoch: int) -> Indices:
        bounds, window = self._blocks.bounds, self._blocks.window
        blocks = permutation(len(bounds) - 1, self.seed, "blocks", epoch)
        parts = []
        for number, at in enumerate(range(0, len(blocks), window)):
            samples = np.concatenate([np.arange(bounds[b], bounds[b + 1]) for b in blocks[at : at + window]])
            parts.append(samples[permutation(len(samples), self.seed, "window", epoch, number)])
        return np.concatenate(parts)


def order_of(seed: int, size: int, blocks: Blocks | None) -> Order:
    """The order of a source of `size` samples, by blocks where it has them."""
    return Order(seed, size) if blocks is None else BlockOrder(seed, blocks)
