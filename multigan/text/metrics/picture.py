"""Quality against diversity as a picture: a curve for each generator, the temperatures at its points, the floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.extras import need
from multigan.files import replacing
from multigan.text.metrics.sweep import Axes, Axis, Mean, Point, means

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe and Ito's palette (2008), which colour-blind people tell apart."""
MARKERS, LINES = ("o", "s", "^", "D", "v", "P"), ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))
"""What tells curves apart in black and white."""
WIDTH, HEIGHT, DOTS = 8.0, 6.0, 150
LABEL = (20.0, 9.0)
"""Half a label's width and height, in points."""
AWAY = 15.0
"""Points from a marker to its label's middle, further where the label is wider than high."""
FLOOR = "real texts against real texts"
Floats = NDArray[np.float64]


def draw(
    points: Sequence[Point],
    axes: Axes,
    path: str | Path,
    *,
    floor: Mapping[str, float] | None = None,
    floor_name: str = FLOOR,
    title: str = "Quality against diversity; the numbers are temperatures",
) -> Path:
    """Write a PNG: quality upwards, diversity to the right, in their own numbers; bars reach over the seeds.

    points: of all models; those without finite figures are left out. floor: what the same measures say of real texts,
    by the axes' names; one of them alone is drawn as a line. Returns the path. Raises UserError where matplotlib is
    missing, or the file cannot be written.
    """
    need("matplotlib", "metrics")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    plane = figure.add_subplot()
    curves = [list(rows) for _, rows in groupby(means(points), key=lambda row: row.model)]
    for number, rows in enumerate(curves):
        _curve(plane, rows, number)
    _floor(plane, axes, floor or {}, floor_name)
    plane.set_xlabel(_words(axes.diversity, "diversity"), fontsize=12)
    plane.set_ylabel(_words(axes.quality, "quality"), fontsize=12)
    plane.set_title(title, fontsize=13)
    plane.grid(color="0.9")
    plane.set_axisbelow(True)
    plane.margins(0.1)
    if curves or floor:
        plane.legend(fontsize=11, framealpha=0.9)
    figure.draw_without_rendering()  # the labels are placed where the layout puts the points
    _label(plane, curves)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return Path(path)


def _curve(plane: Any, rows: Sequence[Mean], number: int) -> None:
    x, y = [row.diversity for row in rows], [row.quality for row in rows]
    seeds = max(row.seeds for row in rows)
    plane.errorbar(
        [each.mean for each in x],
        [each.mean for each in y],
        xerr=[[each.mean - each.low for each in x], [each.high - each.mean for each in x]],
        yerr=[[each.mean - each.low for each in y], [each.high - each.mean for each in y]],
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        linestyle=LINES[number % len(LINES)],
        markersize=7,
        markeredgecolor="black",
        markeredgewidth=0.7,
        linewidth=1.8,
        elinewidth=1.0,
        capsize=2,
        label=rows[0].model if seeds == 1 else f"{rows[0].model} ({seeds} seeds)",
    )


def _floor(plane: Any, axes: Axes, floor: Mapping[str, float], name: str) -> None:
    x, y = floor.get(axes.diversity.name), floor.get(axes.quality.name)
    dotted = {"color": "black", "linestyle": (0, (1, 1))}
    if x is not None and y is not None:
        plane.plot([x], [y], "*", color="black", markersize=16, label=name, linestyle="none")
    elif y is not None:
        plane.axhline(y, label=f"{name}: {axes.quality.name} {y:.4g}", **dotted)
    elif x is not None:
        plane.axvline(x, label=f"{name}: {axes.diversity.name} {x:.4g}", **dotted)


def _words(axis: Axis, stands_for: str) -> str:
    return f"{stands_for}: {axis.name} ({axis.better} is better)"


# --- labels ---------------------------------------------------------------------------------------------------------


def _label(plane: Any, curves: Sequence[Sequence[Mean]]) -> None:
    """Write each temperature where it is farthest from lines, points and labels that are there already."""
    from matplotlib.patheffects import withStroke

    to_points = 72.0 / DOTS
    places = [
        plane.transData.transform([(row.diversity.mean, row.quality.mean) for row in rows]) * to_points
        for rows in curves
    ]
    taken = [_dense(each) for each in places]
    for number, (rows, where) in enumerate(zip(curves, places, strict=True)):
        for row, at in zip(rows, where, strict=True):
            step = _freest(at, np.concatenate(taken))
            taken.append((at + step)[None])
            plane.annotate(
                f"{row.temperature:g}",
                (row.diversity.mean, row.quality.mean),
                xytext=tuple(step),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=9.5,
                color=COLOURS[number % len(COLOURS)],
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
                annotation_clip=False,
            )


def _dense(line: Floats, every: float = 3.0) -> Floats:
    """Points `[n, 2]` along a line through points, `every` apart."""
    parts = [line[-1:]]
    for first, second in pairwise(line):
        count = 2 + int(np.hypot(*(second - first)) / every)
        parts.append(np.linspace(first, second, count))
    return np.concatenate(parts)


def _freest(at: Floats, taken: Floats) -> Floats:
    """Of sixteen steps around a point the one whose end is farthest from all that is taken, in labels' sizes."""
    angles = np.arange(16) * np.pi / 8
    steps = np.stack([np.cos(angles) * AWAY * 1.2, np.sin(angles) * AWAY], axis=1)
    free = [float(np.hypot(*((taken - (at + step)) / LABEL).T).min()) for step in steps]
    found: Floats = steps[int(np.argmax(free))]
    return found
