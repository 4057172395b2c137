"""What an export says of what it wrote: a table for the terminal, which the model card has, too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path

from multigan.contract import Contract
from multigan.exporters.parity import Allowed, Comparison
from multigan.exporters.speed import TORCH


@dataclass(frozen=True)
class Column:
    """One file's figures: bytes, nodes, the comparisons with torch. name: its precision."""

    name: str
    size: int
    nodes: int
    comparisons: list[Comparison]

    @property
    def total(self) -> Comparison:
        """All comparisons as one."""
        return reduce(add, self.comparisons)


@dataclass(frozen=True)
class Report:
    """What was written: `files` (the model first), its figures, and beside them those of the float32 file where it has
    less precision. latencies: milliseconds by batch and by column, torch's among them. allowed: what it was held
    to. remark: a sentence on how it was made, or nothing. measured: a table of what samples
    are like before and after, if that was asked for."""

    files: list[Path]
    columns: list[Column]
    allowed: Allowed
    contract: Contract
    opset: int
    ir_version: int
    latencies: dict[int, dict[str, float]] = field(default_factory=dict)
    remark: str = ""
    measured: list[list[str]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self.columns[0].size

    @property
    def nodes(self) -> int:
        """Of the graph and of those inside it."""
        return self.columns[0].nodes

    @property
    def comparisons(self) -> list[Comparison]:
        """With torch, one for each batch."""
        return self.columns[0].comparisons

    @property
    def tolerance(self) -> float:
        """The largest difference that was allowed."""
        return self.allowed.error

    @property
    def error(self) -> float:
        """The largest absolute difference from torch at any batch."""
        return max(each.error for each in self.comparisons)

    @property
    def snr(self) -> float:
        """The signal-to-noise ratio over all batches, in dB."""
        return self.columns[0].total.snr

    def rows(self) -> list[list[str]]:
        """The table of figures: a head, then one row for each figure; torch's column is the last."""
        found = [["", *(each.name for each in self.columns), TORCH]]
        found.append(["largest difference from torch", *(f"{each.total.error:.2e}" for each in self.columns), ""])
        found.append(["signal-to-noise ratio", *(decibels(each.total.snr) for each in self.columns), ""])
        found.append(["size", *(f"{each.size / 1e6:.2f} MB" for each in self.columns), ""])
        found.append(["nodes", *(f"{each.nodes:,}" for each in self.columns), ""])
        for batch, times in self.latencies.items():
            names = [*(each.name for each in self.columns), TORCH]
            found.append([f"batch of {batch}", *(f"{times[name]:.3g} ms" for name in names)])
            faster = (f"{times[TORCH] / times[name]:.2f}" for name in names[:-1])
            found.append(["  times as fast as torch", *faster, ""])
        return found

    def __str__(self) -> str:
        lines = [f"{self.files[0]}: opset {self.opset}, IR {self.ir_version}", *self._compared()]
        lines.append(f"  {self.allowed}; loads and runs in a fresh process without torch")
        lines += [f"  {each}" for each in (self.remark, self._slower()) if each]
        lines += ["", *aligned(self.rows())]
        lines += ["", *aligned(self.measured)] if self.measured else []
        return "\n".join(lines)

    def _slower(self) -> str:
        """That int8 gains no time here, where it does not."""
        name, *others = (each.name for each in self.columns)
        if name != "int8" or not others or any(each[name] < each[others[0]] for each in self.latencies.values()):
            return ""
        return "int8 is no faster than float32 on this machine: leave --int8 away, unless the size counts"

    def _compared(self) -> list[str]:
        """A line for each batch that was compared."""
        head = "  batch   largest difference from torch"
        rows = [f"  {each.batch:>5}   {each.error:.2e}" for each in self.comparisons]
        if any(each.symbols for each in self.comparisons):
            head += " in a symbol's log-probability   symbols, all equal   left out at the edge of rounding"
            counts = [f"{each.symbols:>56,}   {each.left_out:>32,}" for each in self.comparisons]
            rows = [row + count for row, count in zip(rows, counts, strict=True)]
        return [head, *rows]


def decibels(value: float) -> str:
    """A ratio in words."""
    return f"{value:.1f} dB" if math.isfinite(value) else "equal" if value > 0 else "none"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their columns below each other, indented."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    numbers = [[cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)] for row in rows]
    return ["  ".join(["", row[0].ljust(widths[0]), *cells]).rstrip() for row, cells in zip(rows, numbers, strict=True)]
