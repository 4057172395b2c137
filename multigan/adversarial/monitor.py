"""What is watched while a game is played: averages of the figures, steps skipped, and the samples' diversity."""

from __future__ import annotations

import torch
from torch import Tensor


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
        self._sums[name] = self._sums[name] + value if name in self._sums else value.float()
        self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        """The means since the last reading, in one transfer."""
        if not self._sums:
            return {}
        totals = torch.stack(list(self._sums.values())).tolist()
        means = {name: total / self._counts[name] for name, total in zip(self._sums, totals, strict=True)}
        self._sums, self._counts = {}, {}
        return means


class Skips:
    """Counts of steps that were not finite: in all, and in a row. Tensors on the device."""

    def __init__(self, device: torch.device, limit: int):
        self.limit = limit
        self.total = torch.zeros((), device=device)
        self.row = torch.zeros((), device=device)
        self.longest = torch.zeros((), device=device)

    @torch.no_grad()
    def add(self, bad: Tensor) -> None:
        """Count a step: bad is 1.0 if it was skipped, else 0.0."""
        self.total += bad
        self.row.add_(1).mul_(bad)
        torch.maximum(self.longest, self.row, out=self.longest)

    def check(self) -> int:
        """The number of steps skipped so far. Reads from the device. Raises NotFinite past the limit."""
        total, longest = torch.stack([self.total, self.longest]).tolist()
        if longest >= self.limit:
            raise NotFinite(
                f"the loss or its gradient was not finite in {int(longest)} steps in a row: lower the learning rate, "
                "raise the penalty's gamma, or train in fp32"
            )
        self.longest.zero_()
        return int(total)


def diversity(samples: Tensor, labels: Tensor | None = None) -> float:
    """The variance of each element over the samples, averaged over elements; within each class when labels are given.

    samples: `[N, ...]`. Classes with fewer than two samples do not count; nan where none is left.
    """
    flat = samples.flatten(1).double()
    groups = [flat] if labels is None else [flat[labels == each] for each in labels.unique()]
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        return float("nan")
    return float(torch.stack([group.var(0).mean() for group in groups]).mean())
