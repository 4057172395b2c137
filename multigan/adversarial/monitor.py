"""What is watched while a game is played: averages of the figures, steps skipped, and the samples' diversity."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class NotFinite(RuntimeError):
    """Too many steps in a row had a loss or a gradient that is not finite."""


class Meter:
    """Means of scalars, summed on the device and read together, so that a step never waits for a figure."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    @torch.no_grad()
    def add(self, name: str, value: Tensor) -> None:
        """Count one value; values that are not finite show as such in the mean."""
        self._sums[name] = self._sums[name] + value.float() if name in self._sums else value.float()
        self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        """The means since the last reading, in one transfer."""
        if not self._sums:
            return {}
        totals = torch.stack(list(self._sums.values())).tolist()
        means = {name: total / self._counts[name] for name, total in zip(self._sums, totals, strict=True)}
        self._sums, self._counts = {}, {}
        return means

    def tensors(self) -> dict[str, Tensor]:
        """The sums since the last reading, by name."""
        return dict(self._sums)

    def numbers(self) -> dict[str, int]:
        """How many values each sum holds."""
        return dict(self._counts)

    def restore(self, sums: dict[str, Tensor], counts: dict[str, int], device: torch.device) -> None:
        """Take up what `tensors` and `numbers` gave. Raises KeyError where a sum is missing."""
        self._sums = {name: sums[name].to(device) for name in counts}
        self._counts = dict(counts)


class Skips:
    """Counts of steps that were not finite, on the device: in all, and in a row for each phase by itself.

    A phase that fails in every turn is found, however well the other phases do in between.
    """

    def __init__(self, device: torch.device, limit: int, phases: Iterable[str]):
        self.limit = limit
        self.total = torch.zeros((), device=device)
        self.rows = {name: torch.zeros((), device=device) for name in phases}
        self.longest = torch.zeros((), device=device)

    @torch.no_grad()
    def add(self, phase: str, bad: Tensor) -> None:
        """Count a step: bad is 1.0 if it was skipped, else 0.0."""
        self.total += bad
        row = self.rows[phase]
        row.add_(1).mul_(bad)
        torch.maximum(self.longest, row, out=self.longest)

    def read(self) -> tuple[int, int]:
        """Steps skipped so far, and the longest row since the last reading. Reads from the device."""
        total, longest = torch.stack([self.total, self.longest]).tolist()
        self.longest.zero_()
        return int(total), int(longest)

    def check(self, longest: int) -> None:
        """Raise NotFinite where so many in a row are past the limit."""
        if longest >= self.limit:
            raise NotFinite(
                f"the loss or its gradient was not finite in {longest} steps in a row: lower the learning rate, "
                "raise the penalty's gamma, or train in fp32"
            )


class Statistics:
    """The networks' buffers (running means and variances), and their values when all was last well.

    A skipped step leaves the weights as they were, but its forward pass has already been counted in the statistics,
    where one value that is not finite would stay for good.
    """

    def __init__(self, networks: Iterable[nn.Module]):
        self._now = [each for network in networks for each in network.buffers() if each.is_floating_point()]
        self._good = [each.clone() for each in self._now]

    @torch.no_grad()
    def keep(self) -> None:
        """Remember the present values."""
        if self._now:
            torch._foreach_copy_(self._good, self._now)

    @torch.no_grad()
    def mend(self) -> None:
        """Put back the remembered value of every element that is not finite."""
        for now, good in zip(self._now, self._good, strict=True):
            now.copy_(torch.where(torch.isfinite(now), now, good))


def diversity(samples: Tensor, labels: Tensor | None = None) -> float:
    """The variance of each element over the samples, averaged over elements; within each class when labels are given.

    samples: `[N, ...]`. Classes with fewer than two samples do not count; nan where none is left.
    """
    flat = samples.flatten(1).float()
    groups = [flat] if labels is None else [flat[labels == each] for each in labels.unique()]
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        return float("nan")
    return float(torch.stack([group.var(0).mean() for group in groups]).mean())
