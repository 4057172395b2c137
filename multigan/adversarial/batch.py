"""What the data gives to a step, and what a step's randomness is drawn from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor


@dataclass
class Batch:
    """sample: `[B, ...]`, real data in the range that the discriminator sees. conditions: tensors `[B, ...]` by name,
    handed to both networks as keyword arguments (`label`: int64 `[B]`)."""

    sample: Tensor
    conditions: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sample)

    def part(self, start: int, stop: int) -> Batch:
        """Samples `start` to `stop`."""
        return Batch(self.sample[start:stop], {name: value[start:stop] for name, value in self.conditions.items()})


class Stream(Protocol):
    """An endless shuffled sequence of samples, addressed by position: a function of the seed and the position alone."""

    def take(self, start: int, count: int) -> Batch:
        """Samples `start` to `start + count`, on the device that the stream was made for."""
        ...

    def close(self) -> None:
        """Stop reading ahead."""
        ...


@dataclass(frozen=True)
class Draws:
    """The random draws of one step: a function of the seed, the step's number and the name of what is drawn.

    Draws are made for the whole batch of all processes on the CPU, so that a part of a batch, or another process, sees
    the same values wherever it is computed. size: samples in the whole batch. start, stop: the part at hand.
    """

    seed: int
    step: int
    size: int
    start: int
    stop: int

    def generator(self, stream: str) -> torch.Generator:
        """A generator for the named stream of this step."""
        digest = hashlib.blake2b(f"{self.seed}/{self.step}/{stream}".encode(), digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "little", signed=True))

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Standard normal `[stop - start, *shape]`."""
        return torch.randn(self.size, *shape, generator=self.generator(stream))[self.start : self.stop]

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Uniform in [0, 1) `[stop - start, *shape]`."""
        return torch.rand(self.size, *shape, generator=self.generator(stream))[self.start : self.stop]
