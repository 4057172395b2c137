"""A generator of texts at several temperatures: its quality against its diversity (Caccia et al., 2020).

One temperature says little: a lower one raises what quality measures say of nearly every generator, and takes diversity
from it. What compares two generators is where their curves lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from multigan.errors import UserError
from multigan.metrics import Progress

TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25)


@dataclass(frozen=True)
class Axis:
    """A measure by its name, and which way is better."""

    name: str
    better: Literal["lower", "higher"] = "lower"

    @property
    def sign(self) -> int:
        """What makes higher better."""
        return 1 if self.better == "higher" else -1


@dataclass(frozen=True)
class Axes:
    """Which measure stands for quality, and which for diversity."""

    quality: Axis
    diversity: Axis


ORACLE = Axes(Axis("NLL_oracle"), Axis("NLL_test"))
"""Of samples under the oracle; of the oracle's samples under the generator."""
BLEU = Axes(Axis("BLEU-4", "higher"), Axis("self-BLEU-4"))
REVERSE = Axes(Axis("n-gram NLL"), Axis("reverse perplexity"))
"""Of samples under a model of real texts; of real texts under a model of samples."""
HELD_OUT = Axes(Axis("n-gram NLL"), Axis("NLL_test"))
"""Of samples under a model of real texts; of held-out real texts under the generator."""


@dataclass(frozen=True)
class Point:
    """One measurement. model: its name. quality, diversity: on the axes, not finite where they could not be had.
    n: texts measured. seed: whose spread counts: a training's, where there are several. figures: others, by name."""

    model: str
    temperature: float
    quality: float
    diversity: float
    n: int
    seed: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        return bool(np.isfinite([self.quality, self.diversity]).all())


Sample = Callable[[float, int, int], Any]
"""Called with (temperature, seed, count); gives as many texts, or fewer."""
Measure = Callable[[Any, float], Mapping[str, float]]
"""Called with texts and their temperature; gives figures by name, the axes' among them."""


def sweep(
    model: str,
    sample: Sample,
    measure: Measure,
    axes: Axes,
    *,
    temperatures: Sequence[float] = TEMPERATURES,
    seeds: Sequence[int] = (0,),
    count: int = 1000,
    progress: Progress | None = None,
) -> list[Point]:
    """Sample at each temperature and seed, and measure: a point for each pair.

    seeds: given to `sample`. Several of the sampling alone understate the spread between trainings: where there are
    several trainings, `sample` answers to a seed with that training's generator. Raises UserError where a temperature
    is not above 0, or the measure lacks one of the axes.
    """
    if not temperatures or not all(0 < each < float("inf") for each in temperatures):
        raise UserError(f"temperatures {list(temperatures)}: name one or more, each above 0.")
    points: list[Point] = []
    pairs = [(temperature, seed) for temperature in temperatures for seed in seeds]
    for done, (temperature, seed) in enumerate(pairs, start=1):
        texts = sample(temperature, seed, count)
        points.append(_point(model, temperature, seed, len(texts), measure(texts, temperature), axes))
        if progress:
            progress(done, len(pairs))
    return points


def _point(model: str, temperature: float, seed: int, n: int, found: Mapping[str, float], axes: Axes) -> Point:
    missing = [axis.name for axis in (axes.quality, axes.diversity) if axis.name not in found]
    if missing:
        raise UserError(f"the measure gives no {' and no '.join(missing)}: it has {', '.join(found) or 'nothing'}.")
    used = (axes.quality.name, axes.diversity.name)
    others = {name: float(value) for name, value in found.items() if name not in used}
    quality, diversity = float(found[axes.quality.name]), float(found[axes.diversity.name])
    return Point(model, temperature, quality, diversity, n, seed, others)


@dataclass(frozen=True)
class Spread:
    """The mean of a figure over seeds, and its smallest and largest value."""

    mean: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        low, high = min(values), max(values)
        return Spread(float(np.clip(np.mean(values), low, high)), low, high)  # rounding may put the mean outside

    def __str__(self) -> str:
        return f"{self.mean:.4g}" if self.low == self.high else f"{self.mean:.4g} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class Mean:
    """The points of one model at one temperature. n: texts a seed. seeds: how many."""

    model: str
    temperature: float
    quality: Spread
    diversity: Spread
    n: int
    seeds: int
    figures: Mapping[str, float]


def means(points: Sequence[Point]) -> list[Mean]:
    """Points with finite figures, over their seeds: by model in the order in which they come, then by temperature."""
    groups: dict[tuple[str, float], list[Point]] = {}
    for point in points:
        if point.finite:
            groups.setdefault((point.model, point.temperature), []).append(point)
    order = list(dict.fromkeys(point.model for point in points))
    return [_mean(groups[key]) for key in sorted(groups, key=lambda key: (order.index(key[0]), key[1]))]


def _mean(points: Sequence[Point]) -> Mean:
    first = points[0]
    names = [name for name in first.figures if all(name in point.figures for point in points)]
    return Mean(
        model=first.model,
        temperature=first.temperature,
        quality=Spread.of([point.quality for point in points]),
        diversity=Spread.of([point.diversity for point in points]),
        n=min(point.n for point in points),
        seeds=len({point.seed for point in points}),
        figures={name: float(np.mean([point.figures[name] for point in points])) for name in names},
    )


def table(points: Sequence[Point], axes: Axes) -> str:
    """A line for each model and temperature: means over seeds, with the smallest and the largest in brackets."""
    rows = means(points)
    extra = list(dict.fromkeys(name for row in rows for name in row.figures))
    head = ["model", "temperature", axes.quality.name, axes.diversity.name, *extra, "texts", "seeds"]
    lines = [head]
    for row in rows:
        others = [f"{row.figures[name]:.4g}" if name in row.figures else "-" for name in extra]
        figures = [str(row.quality), str(row.diversity), *others, str(row.n), str(row.seeds)]
        lines.append([row.model, f"{row.temperature:g}", *figures])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    left_out = sum(not point.finite for point in points)
    return "\n".join([*text, *([f"left out, without finite figures: {left_out} points"] if left_out else [])])
