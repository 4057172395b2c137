"""Which of two generators of texts is ahead, in one sentence that claims no more than the points say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError
from multigan.text.metrics.sweep import Axes, Axis, Point

Floats = NDArray[np.float64]
STEPS = 201
"""Places along the shared range at which curves are compared."""
MUCH = 0.5
"""Where the curves share less of what either reaches, the sentence says how much."""


@dataclass(frozen=True)
class _Front:
    """One seed's best: the points that no other is as good as on both axes. at, value: higher is better on both; `at`
    ascends and `value` falls."""

    at: Floats
    value: Floats

    @staticmethod
    def of(pairs: Sequence[tuple[float, float]]) -> _Front:
        kept: list[tuple[float, float]] = []
        for at, value in sorted(pairs, reverse=True):
            if not kept or value > kept[-1][1]:
                kept.append((at, value))
        array = np.array(kept[::-1], np.float64)
        return _Front(array[:, 0], array[:, 1])

    @property
    def turned(self) -> _Front:
        """The same with the axes exchanged."""
        return _Front(self.value[::-1], self.at[::-1])

    def __call__(self, at: Floats) -> Floats:
        return np.interp(at, self.at, self.value)


@dataclass(frozen=True)
class _Contest:
    """Two curves where both are known. at `[places]`: on the axis that is held equal. gap: how much the model is better
    by, the mean over seeds. ahead, behind: whether all its seeds are better, or worse, than all of the other's. shared:
    the range as a share of what either has."""

    at: Floats
    gap: Floats
    ahead: NDArray[np.bool_]
    behind: NDArray[np.bool_]
    shared: float = 1.0

    @property
    def flipped(self) -> _Contest:
        """As the other one sees it."""
        return _Contest(self.at, -self.gap, self.behind, self.ahead, self.shared)


def verdict(model: Sequence[Point], baseline: Sequence[Point], axes: Axes, whose: str = "") -> str:
    """One sentence: which of the two is ahead, where and by how much.

    Of each seed's points those count that no other is better than on both axes: what one can have by choosing the
    temperature. Between neighbours these curves are straight. They are compared at equal diversity, in the range that
    all seeds of both reach; where there is none, at equal quality; where there is none either, only by whether all
    points of one are worse on both axes than a point of the other. A model is ahead where all its seeds are better than
    all of the other's, which for equal generators is chance once in so many times as the sentence says. Points that
    are not finite are left out, and counted. Raises UserError where points were measured on unequal numbers of texts.
    whose: what the seeds are of where they are no trainings', such as `the noise`: the sentence says so.
    """
    names = (_name(model, "the model"), _name(baseline, "the baseline"))
    dropped = sum(not point.finite for point in [*model, *baseline])
    note = f" ({dropped} point{'s' * (dropped > 1)} without finite figures left out)" if dropped else ""
    mine, theirs = _fronts(model, axes), _fronts(baseline, axes)
    if not mine or not theirs:
        without = " and ".join(name for name, found in zip(names, (mine, theirs), strict=True) if not found)
        return f"Nothing can be said: there is no point with finite figures of {without}{note}."
    _check_counts([*model, *baseline])
    seeds = _Seeds(len(mine), len(theirs), whose)
    found = _contest(mine, theirs)
    if found is not None:
        return _sentence(found, names, seeds, axes.diversity, axes.quality) + note + "."
    found = _contest([each.turned for each in mine], [each.turned for each in theirs])
    if found is not None:
        shared = f", since they share no {axes.diversity.name}"
        return _sentence(found, names, seeds, axes.quality, axes.diversity) + shared + note + "."
    return _apart(mine, theirs, names, seeds, axes) + note + "."


class _Seeds(NamedTuple):
    """How many seeds the two have, and what these are of."""

    model: int
    baseline: int
    whose: str = ""

    def __str__(self) -> str:
        return f"{self.model} and {self.baseline} seeds" + (f" of {self.whose}" if self.whose else "")


def _name(points: Sequence[Point], absent: str) -> str:
    return points[0].model if points else absent


def _fronts(points: Sequence[Point], axes: Axes) -> list[_Front]:
    by_seed: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        if point.finite:
            pair = (axes.diversity.sign * point.diversity, axes.quality.sign * point.quality)
            by_seed.setdefault(point.seed, []).append(pair)
    return [_Front.of(pairs) for pairs in by_seed.values()]


def _check_counts(points: Sequence[Point]) -> None:
    counts = sorted({point.n for point in points if point.finite})
    if len(counts) > 1:
        raise UserError(
            f"points of {counts[0]} and of {counts[-1]} texts do not compare, since measures depend on how many there "
            "are: measure equal numbers."
        )


# --- comparing ------------------------------------------------------------------------------------------------------


def _contest(mine: Sequence[_Front], theirs: Sequence[_Front]) -> _Contest | None:
    """Where both are known; None where they share nothing. A generator of single points is met at those."""
    if all(len(each.at) == 1 for each in mine):
        return _at_points(mine, theirs)
    if all(len(each.at) == 1 for each in theirs):
        found = _at_points(theirs, mine)
        return found and found.flipped
    low, high = _range([*mine, *theirs])
    if low > high:
        return None
    at = np.linspace(low, high, STEPS) if low < high else np.array([low])
    ours, others = np.stack([each(at) for each in mine]), np.stack([each(at) for each in theirs])
    ahead, behind = ours.min(axis=0) > others.max(axis=0), ours.max(axis=0) < others.min(axis=0)
    least, most = _reach([*mine, *theirs], "at")
    shared = (high - low) / (most - least) if most > least else 1.0
    return _Contest(at, ours.mean(axis=0) - others.mean(axis=0), ahead, behind, float(shared))


def _at_points(single: Sequence[_Front], curves: Sequence[_Front]) -> _Contest | None:
    """One point a seed against curves, which must all reach each of these points: one place, their mean."""
    low, high = _range(curves)
    at, value = (np.concatenate([getattr(each, name) for each in single]) for name in ("at", "value"))
    if not ((low <= at) & (at <= high)).all():
        return None
    others = np.stack([each(at) for each in curves])
    ahead, behind = (value > others.max(axis=0)).all(), (value < others.min(axis=0)).all()
    gap = (value - others.mean(axis=0)).mean(keepdims=True)
    return _Contest(at.mean(keepdims=True), gap, np.array([ahead]), np.array([behind]))


def _range(fronts: Sequence[_Front]) -> tuple[float, float]:
    """What all reach."""
    return float(max(each.at[0] for each in fronts)), float(min(each.at[-1] for each in fronts))


def _dominates(winners: Sequence[_Front], losers: Sequence[_Front]) -> bool:
    """Whether each point of each loser is worse on both axes than some point of each winner."""
    return all(
        bool(((winner.at > at) & (winner.value > value)).any())
        for winner in winners
        for loser in losers
        for at, value in zip(loser.at, loser.value, strict=True)
    )


# --- words ----------------------------------------------------------------------------------------------------------


def _sentence(found: _Contest, names: tuple[str, str], seeds: _Seeds, held: Axis, judged: Axis) -> str:
    place = f"at equal {held.name} {_between(found.at, held)}"
    little = f", in the {found.shared:.0%} that they share of what either reaches" if found.shared < MUCH else ""
    gap = float(found.gap.mean())
    if not found.ahead.any() and not found.behind.any():
        better = names[0] if gap > 0 else names[1]
        by = f"the mean {judged.name} of {better} is better by {abs(gap):.3g}" if gap else "the means are equal"
        return (
            f"There is no difference beyond the seeds' spread between {names[0]} and {names[1]} {place}: {by}, and the "
            f"{seeds} overlap{little}"
        )
    sides = [(found, names), (found.flipped, names[::-1])]
    sides.sort(key=lambda side: int(side[0].ahead.sum()), reverse=True)
    parts = [_lead(side, who, held, judged) for side, who in sides if side.ahead.any()]
    return f"{', but '.join(parts)} {_chance(seeds)}{little}"


def _lead(found: _Contest, names: tuple[str, str], held: Axis, judged: Axis) -> str:
    """Who is ahead, where, and by how much."""
    at, gap = found.at[found.ahead], found.gap[found.ahead]
    share = float(found.ahead.mean())
    where = f"at equal {held.name} {_between(at, held)}"
    part = "" if share == 1 else f", {share:.0%} of the range that both reach"
    most = "" if len(at) == 1 else f" on average and by {gap.max():.3g} at most"
    return f"{names[0]} is ahead of {names[1]} {where}{part}, its {judged.name} being better by {gap.mean():.3g}{most}"


def _between(at: Floats, axis: Axis) -> str:
    """The ends of places in the axis's own numbers."""
    low, high = sorted((axis.sign * float(at[0]), axis.sign * float(at[-1])))
    return f"{low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"{low:.4g} to {high:.4g}"


def _chance(seeds: _Seeds) -> str:
    """How seldom all seeds of one of two equal generators are better than all of the other's."""
    both = seeds.model + seeds.baseline
    if both == 2:
        return "(one seed each, so that chance alone may be the reason)"
    ways = math.comb(both, seeds.model) / 2
    return f"(with {seeds} chance alone does so once in {ways:.3g} times)"


def _apart(mine: Sequence[_Front], theirs: Sequence[_Front], names: tuple[str, str], seeds: _Seeds, axes: Axes) -> str:
    for winners, losers, (first, second) in ((mine, theirs, names), (theirs, mine, names[::-1])):
        if _dominates(winners, losers):
            return (
                f"{first} is ahead of {second}: to each point of {second} it has one that is better in both "
                f"{axes.quality.name} and {axes.diversity.name} {_chance(seeds)}"
            )
    reach = [
        f"{name} has {axis.name} {_between(_reach(fronts, attribute), axis)}"
        for axis, attribute in ((axes.diversity, "at"), (axes.quality, "value"))
        for name, fronts in zip(names, (mine, theirs), strict=True)
    ]
    neither = f"{axes.diversity.name} or {axes.quality.name}"
    none = ", of which all their seeds reach none together" if max(seeds[:2]) > 1 else ""
    return f"{names[0]} and {names[1]} cannot be compared at equal {neither}{none}: {', '.join(reach)}"


def _reach(fronts: Sequence[_Front], attribute: str) -> Floats:
    """The smallest and the largest that any seed has."""
    values = np.concatenate([getattr(each, attribute) for each in fronts])
    return np.array([values.min(), values.max()])
