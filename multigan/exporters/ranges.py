"""Which values of a graph have a wide range, and between which bounds the others lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from multigan.exporters.parity import open_session

BINS = 4096

Ranges = Mapping[str, tuple[float, float]]
"""The bounds of each value, by its name."""
Feeds = Callable[[], Iterable[dict[str, NDArray[Any]]]]
"""Gives the same inputs, batch after batch, each time that it is called."""


def wide(graph: onnx.GraphProto) -> set[str]:
    """The outputs of nodes whose values need float32's range: what follows an Exp or leads to a Log, a Sin or a Cos.

    There the networks meet what is fixed: magnitudes and Fourier transforms, Griffin and Lim's algorithm, a number's
    sines. The weights of a network are on the other side of them.
    """
    found: set[str] = set()
    for node in graph.node:
        if node.op_type == "Exp" or found.intersection(node.input):
            found.update(node.output)
    needed: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type in ("Log", "Sin", "Cos") or needed.intersection(node.output):
            needed.update(node.input)
            found.update(node.output)
    return found


def bounds(model: onnx.ModelProto, names: Sequence[str], feeds: Feeds, percentiles: Sequence[float]) -> list[Ranges]:
    """Of each named value the range that all but the outermost of its numbers lie in, 0 included, for each percentile.

    percentiles: of the numbers, so many percent are not above the upper bound, nor below the lower one. Counted in BINS
    parts of the whole range, in two passes over the inputs: any number of them takes no more memory than one batch.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    shown = {each.name for each in whole.graph.output}
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in shown)
    session = open_session(whole.SerializeToString())

    def values() -> Iterator[tuple[str, NDArray[Any]]]:
        for inputs in feeds():
            yield from zip(names, session.run(list(names), inputs), strict=True)

    outer = dict.fromkeys(names, (0.0, 0.0))
    for name, value in values():
        low, high = outer[name]
        outer[name] = min(low, float(value.min())), max(high, float(value.max()))
    counts = {name: np.zeros(BINS, np.int64) for name in names}
    for name, value in values():
        counts[name] += np.histogram(value, BINS, outer[name])[0] if outer[name] != (0.0, 0.0) else 0
    return [{name: _inner(counts[name], *outer[name], each / 100) for name in names} for each in percentiles]


def _inner(counts: NDArray[np.int64], low: float, high: float, share: float) -> tuple[float, float]:
    """The bounds that leave the share out at each end, from counts between `low` and `high`."""
    edges = np.linspace(low, high, len(counts) + 1)
    running = np.cumsum(counts)
    total = running[-1]
    if not total:
        return low, high
    first = int(np.searchsorted(running, (1 - share) * total, side="right"))
    last = int(np.searchsorted(running, share * total))
    return min(float(edges[first]), 0.0), max(float(edges[last + 1]), 0.0)
