"""Sweeps over temperature: the points, the verdict where the truth is known, and the picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multigan.errors import UserError
from multigan.text.metrics.ngrams import NGramModel
from multigan.text.metrics.pairs import BleuPair, NGramPair
from multigan.text.metrics.picture import draw
from multigan.text.metrics.sweep import BLEU, ORACLE, REVERSE, Point, means, sweep, table
from multigan.text.metrics.verdict import verdict

STEPS = (0.6, 0.8, 1.0)


def points(
    name: str,
    shift: float = 0.0,
    offsets: tuple[float, ...] = (0.0,),
    temperatures: tuple[float, ...] = STEPS,
    n: int = 100,
) -> list[Point]:
    """A straight curve: NLL_oracle falls by 2 as NLL_test rises by 2. shift raises NLL_oracle, offsets each seed's."""
    return [
        Point(name, temperature, 8 + 5 * (temperature - 1) + shift + offset, 8 - 5 * (temperature - 1), n, seed)
        for seed, offset in enumerate(offsets)
        for temperature in temperatures
    ]


SEEDS = (-0.1, 0.0, 0.1)


def said(model: list[Point], baseline: list[Point]) -> str:
    text = verdict(model, baseline, ORACLE)
    assert re.fullmatch(r"[^\n]+\.", text)
    assert not re.search(r"\.\s", text)
    return text


def test_the_lower_curve_is_ahead_by_its_distance() -> None:
    text = said(points("A", -0.5, SEEDS), points("B", 0.0, SEEDS))
    assert text.startswith("A is ahead of B at equal NLL_test 8 to 10, its NLL_oracle being better by 0.5 on average")
    assert "once in 10 times" in text
    assert said(points("B", 0.0, SEEDS), points("A", -0.5, SEEDS)) == text


def test_a_difference_within_the_seeds_spread_is_none() -> None:
    text = said(points("A", -0.15, SEEDS), points("B", 0.0, SEEDS))
    assert text.startswith("There is no difference beyond the seeds' spread between A and B")
    assert "NLL_oracle of A is better by 0.15" in text
    assert said(points("A"), points("B")).startswith("There is no difference")


def test_measures_where_higher_is_better() -> None:
    def some(name: str, shift: float) -> list[Point]:
        return [Point(name, t, 0.5 - 0.2 * t + shift, 0.9 - 0.3 * t, 100) for t in STEPS]

    text = verdict(some("A", 0.05), some("B", 0.0), BLEU)
    assert text.startswith(
        "A is ahead of B at equal self-BLEU-4 0.6 to 0.72, its BLEU-4 being better by 0.05 on average"
    )
    assert "chance alone may be the reason" in text


def test_curves_that_cross_are_both_ahead_somewhere() -> None:
    steep = [Point("S", t, 8 + 10 * (t - 0.8), 8 - 5 * (t - 1), 100) for t in STEPS]
    flat = [Point("F", t, 8 + 2.5 * (t - 0.8), 8 - 5 * (t - 1), 100) for t in STEPS]
    text = said(steep, flat)
    assert "S is ahead of F at equal NLL_test 9.01 to 10, 50%" in text
    assert "but F is ahead of S at equal NLL_test 8 to 8.99, 50%" in text


def test_only_what_a_temperature_can_reach_counts() -> None:
    """Above T = 1 both figures are worse, and the curve turns back: what is there is no one's choice."""
    turned = [*points("A", -0.5), Point("A", 1.5, 12.0, 9.0, 100)]
    assert said(turned, points("B")) == said(points("A", -0.5), points("B"))


def test_a_single_point_a_seed_is_met_at_that_point() -> None:
    text = said(points("A", 0.4, SEEDS, (0.8,)), points("B", 0.0, SEEDS))
    assert text.startswith("B is ahead of A at equal NLL_test 9, its NLL_oracle being better by 0.4 (with 3 and 3")
    moved = [Point("A", 0.8, 7.4, 9 + 0.01 * seed, 100, seed) for seed in range(3)]
    assert said(moved, points("B")).startswith(
        "B is ahead of A at equal NLL_test 9.01, its NLL_oracle being better by 0.41"
    )


def test_without_a_shared_diversity_quality_is_held_equal() -> None:
    far = [Point("A", t, 6 + 10 * (t - 0.6), 22 - t, 100) for t in STEPS]
    text = said(far, points("B"))
    assert text.startswith("B is ahead of A at equal NLL_oracle 6 to 8, its NLL_test being better by")
    assert "since they share no NLL_test" in text


def test_points_that_are_worse_on_both_axes_lose_without_a_shared_range() -> None:
    worse = [Point("A", 1.0, 12.0, 12.0, 100)]
    assert "B is ahead of A: to each point of A it has one that is better in both NLL_oracle and NLL_test" in said(
        worse, points("B")
    )


def test_what_cannot_be_compared_is_said() -> None:
    text = said([Point("A", 1.0, 5.0, 12.0, 100)], points("B"))
    assert text.startswith("A and B cannot be compared at equal NLL_test or NLL_oracle: A has NLL_test 12, B has")
    assert "B has NLL_oracle 6 to 8" in text


def test_curves_that_their_seeds_part_are_not_said_to_lack_what_the_table_shows() -> None:
    """Both have points at NLL_test 9 and NLL_oracle 9, but no seed of theirs has what another has."""
    mine = [Point("A", 1.0, 9.0 - seed, 9.0 + seed, 100, seed) for seed in (0, 1)]
    theirs = [Point("B", 1.0, 9.0 - seed, 9.0 + seed, 100, seed) for seed in (0, 1)]
    text = said([*mine, *between(mine)], [*theirs, *between(theirs)])
    assert text.startswith("A and B cannot be compared at equal NLL_test or NLL_oracle, of which all their seeds")


def between(points: list[Point]) -> list[Point]:
    """A second point of each seed, close to its first."""
    return [
        replace(each, temperature=0.9, quality=each.quality - 0.1, diversity=each.diversity + 0.1) for each in points
    ]


@pytest.mark.parametrize("shift", [-0.5, -0.15])
def test_seeds_that_are_no_trainings_are_called_what_they_are(shift: float) -> None:
    ours, theirs = points("A", shift, SEEDS), points("B", 0.0, SEEDS)
    assert "3 and 3 seeds of the noise" in verdict(ours, theirs, ORACLE, "the noise")
    assert "noise" not in verdict(ours, theirs, ORACLE)


def test_a_small_shared_range_is_told() -> None:
    text = said(points("A", 0.5, temperatures=(0.4, 0.5, 0.7)), points("B", temperatures=(0.6, 0.8, 1.0)))
    assert text.startswith("B is ahead of A at equal NLL_test 9.5 to 10")
    assert text.endswith("in the 17% that they share of what either reaches.")


def test_points_without_finite_figures_are_left_out_and_counted() -> None:
    lost = Point("A", 0.1, float("nan"), 9.0, 100)
    text = said([*points("A", -0.5), lost], points("B"))
    assert text.startswith("A is ahead of B at equal NLL_test 8 to 10")
    assert text.endswith("(1 point without finite figures left out).")
    assert "no point with finite figures of A" in said([lost], points("B"))
    assert "of the model and the baseline" in said([], [])
    assert "left out, without finite figures: 1 points" in table([lost, *points("A")], ORACLE)


def test_unequal_numbers_of_texts_do_not_compare() -> None:
    with pytest.raises(UserError, match="100 and of 200 texts"):
        verdict(points("A"), points("B", n=200), ORACLE)


# --- measuring --------------------------------------------------------------------------------------------------------


def texts(temperature: float, seed: int, count: int) -> list[list[int]]:
    """From a Markov chain whose every step goes to the next symbol but for noise, sharpened by temperature."""
    draw = np.random.default_rng([seed, int(temperature * 100)])
    powers = np.exp(np.array([4.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]) / temperature)
    steps = draw.choice(8, size=(count, 10), p=powers / powers.sum())
    return (np.cumsum(steps + 1, axis=1) % 8).tolist()


@pytest.mark.parametrize(
    ("make", "axes"),
    [(BleuPair, BLEU), (lambda real: NGramPair(real, 8, order=3, end=False), REVERSE)],
)
def test_a_sweep_trades_diversity_for_quality(make: Callable, axes) -> None:
    real = texts(1.0, 99, 150)
    found = sweep("chain", texts, make(real), axes, temperatures=(0.5, 1.0, 3.0), seeds=(0, 1), count=150)
    assert [(point.temperature, point.seed, point.n) for point in found][:3] == [
        (0.5, 0, 150),
        (0.5, 1, 150),
        (1.0, 0, 150),
    ]
    rows = means(found)
    quality = [axes.quality.sign * row.quality.mean for row in rows]
    assert quality == sorted(quality, reverse=True)
    diversity = [axes.diversity.sign * row.diversity.mean for row in rows]
    assert diversity[0] < diversity[1]  # beyond, reverse perplexity turns back: a model of noise predicts nothing
    assert all(row.seeds == 2 and row.quality.low < row.quality.high for row in rows)


def test_the_ngram_pair_is_what_the_models_say() -> None:
    real, made = texts(1.0, 0, 60), texts(2.0, 1, 60)
    found = NGramPair(real, 8, order=2)(made)
    assert found["n-gram NLL"] == NGramModel.fit(real, 2, 8).nll(made).per_symbol
    assert found["reverse perplexity"] == NGramModel.fit(made, 2, 8).nll(real).perplexity


def test_a_sweep_asks_for_what_it_needs() -> None:
    with pytest.raises(UserError, match="no BLEU-4"):
        sweep("x", texts, lambda texts, temperature: {"self-BLEU-4": 1.0}, BLEU, temperatures=(1.0,))
    with pytest.raises(UserError, match="above 0"):
        sweep("x", texts, BleuPair(texts(1, 0, 5)), BLEU, temperatures=(0.0,))


# --- showing ----------------------------------------------------------------------------------------------------------


def test_the_table_has_a_line_for_each_model_and_temperature() -> None:
    lines = table([*points("A", 0.0, SEEDS), *points("B")], ORACLE).splitlines()
    assert lines[0].split() == ["model", "temperature", "NLL_oracle", "NLL_test", "texts", "seeds"]
    assert len(lines) == 1 + 2 * len(STEPS)
    assert lines[1].split() == ["A", "0.6", "6", "(5.9", "to", "6.1)", "10", "100", "3"]


def test_the_picture_shows_each_curve_and_the_floor(tmp_path) -> None:
    def pixels(name: str, *which: list[Point], **more) -> np.ndarray:
        path = draw([point for each in which for point in each], ORACLE, tmp_path / name, **more)
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            return np.asarray(picture.convert("RGB")).astype(int)

    def of_colour(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
        return int((np.abs(picture - colour).sum(axis=2) < 30).sum())

    blue, red = (0, 114, 178), (213, 94, 0)
    alone = pixels("one.png", points("A"))
    both = pixels("two.png", points("A"), points("B", 0.5, SEEDS), floor={"NLL_oracle": 5.0})
    assert of_colour(alone, blue) > 500
    assert of_colour(alone, red) == 0
    assert of_colour(both, red) > 500
    lines = [(each[100:-100, 300:-300].sum(axis=2) < 90).sum(axis=1).max() for each in (alone, both)]
    assert lines[1] > lines[0] + 100  # the dotted floor across the picture
    assert pixels("none.png", [Point("A", 1.0, float("nan"), 1.0, 10)]).shape == both.shape


def test_a_figure_that_no_seed_changes_is_drawn_without_a_bar(tmp_path: Path) -> None:
    value = 0.1 + 1e-17
    points = [Point("one", 1.0, value * 3 / 3, 0.7, 10, seed) for seed in range(3)]
    spread = means([*points, *(Point("one", 0.5, 0.3, 0.1 * 3, 10, seed) for seed in range(3))])[0].diversity
    assert spread.low <= spread.mean <= spread.high
    assert draw(points, ORACLE, tmp_path / "sweep.png").stat().st_size > 1000
