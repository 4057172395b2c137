"""The metrics against closed forms, brute force and their invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multigan.metrics import Statistics, frechet_distance, manifold, nearest, statistics

seeds = st.integers(0, 2**32 - 1)


def features(seed: int, count: int, dimensions: int, shift: float = 0.0) -> np.ndarray:
    """Correlated features of unequal scales."""
    draw = np.random.default_rng(seed)
    return draw.normal(size=(count, dimensions)) @ draw.normal(size=(dimensions, dimensions)) + shift


def by_singular_values(a: np.ndarray, b: np.ndarray) -> float:
    """The Fréchet distance another way: tr((A B)^(1/2)) is the sum of the singular values of X Y^T, centred."""
    x, y = a - a.mean(0), b - b.mean(0)
    root = np.linalg.svd(x @ y.T, compute_uv=False).sum() / np.sqrt((len(x) - 1) * (len(y) - 1))
    spread = (x**2).sum() / (len(x) - 1) + (y**2).sum() / (len(y) - 1)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + spread - 2 * root)


# --- Fréchet distance -----------------------------------------------------------------------------------------------


def test_frechet_of_axis_aligned_gaussians_is_the_closed_form() -> None:
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 4.0, 0.0])
    expected = 3 * 2.0**2 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert frechet_distance((np.zeros(3), np.diag(a)), (np.full(3, 2.0), np.diag(b))) == pytest.approx(expected, 1e-12)


def test_frechet_of_two_dimensional_gaussians_is_the_closed_form() -> None:
    # In two dimensions tr((AB)^(1/2)) = sqrt(tr(AB) + 2 sqrt(det(AB))), also where A and B do not commute.
    a, b = np.array([[2.0, 0.9], [0.9, 1.0]]), np.array([[1.0, -0.6], [-0.6, 3.0]])
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    expected = np.trace(a + b) - 2 * root
    assert frechet_distance((np.zeros(2), a), (np.zeros(2), b)) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, dimensions=st.integers(1, 12), n=st.integers(2, 40), m=st.integers(2, 40))
def test_frechet_agrees_with_singular_values_at_any_rank(seed: int, dimensions: int, n: int, m: int) -> None:
    a, b = features(seed, n, dimensions), features(seed + 1, m, dimensions, shift=0.5)
    expected = by_singular_values(a, b)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-6 * (a.var() + b.var() + 1))


@pytest.mark.parametrize(("dimensions", "count"), [(3, 40), (48, 300)])
def test_frechet_agrees_with_scipys_matrix_root(dimensions: int, count: int) -> None:
    linalg = pytest.importorskip("scipy.linalg")
    a, b = features(0, count, dimensions), features(1, count, dimensions, shift=0.3)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(first @ second).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_frechet_stays_exact_with_far_fewer_samples_than_dimensions() -> None:
    a, b = features(0, 20, 400), features(1, 30, 400)
    assert frechet_distance(a, b) == pytest.approx(by_singular_values(a, b), rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9 * a.var() * 400)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, dimensions=st.integers(2, 8))
def test_frechet_is_symmetric_and_unmoved_by_rotation_and_shift(seed: int, dimensions: int) -> None:
    a, b = features(seed, 50, dimensions), features(seed + 1, 60, dimensions, shift=1.0)
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimensions, dimensions)))[0]
    expected = frechet_distance(a, b)
    close = pytest.approx(expected, rel=1e-7, abs=1e-7)
    assert frechet_distance(b, a) == close
    assert frechet_distance(a @ rotation + 3.0, b @ rotation + 3.0) == close
    assert frechet_distance(2 * a, 2 * b) == pytest.approx(4 * expected, rel=1e-7, abs=1e-7)
    assert expected >= 0


def test_frechet_of_constant_features_is_the_squared_offset() -> None:
    assert frechet_distance(np.zeros((5, 3)), np.ones((7, 3))) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros((4, 3)), np.zeros((4, 2))),
        (np.zeros((1, 3)), np.zeros((4, 3))),
        (np.zeros(3), np.zeros((4, 3))),
        ((np.zeros(3), np.eye(2)), np.zeros((4, 3))),
        (np.full((4, 3), np.nan), np.zeros((4, 3))),
    ],
)
def test_frechet_refuses_what_it_cannot_compare(a: object, b: object) -> None:
    with pytest.raises(ValueError, match=r"features|covariance"):
        frechet_distance(a, b)  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(seed=seeds, cuts=st.lists(st.integers(0, 40), max_size=4), offset=st.sampled_from([0.0, 1e6]))
def test_running_statistics_equal_the_whole_arrays(seed: int, cuts: list[int], offset: float) -> None:
    array = features(seed, 40, 4) + offset
    running = Statistics.empty(4)
    for part in np.split(array, sorted(cuts)):
        running.update(part)
    halves = statistics(array[:7]).merge(statistics(array[7:]))
    for found in (running, halves):
        assert found.count == 40
        np.testing.assert_allclose(found.mean, array.mean(0), rtol=1e-12)
        np.testing.assert_allclose(found.covariance, np.cov(array, rowvar=False), rtol=1e-6, atol=1e-7)


# --- neighbours -----------------------------------------------------------------------------------------------------


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, n=st.integers(1, 30), m=st.integers(4, 30), k=st.integers(1, 3), block=st.integers(1, 40))
def test_nearest_is_what_sorting_all_distances_gives(seed: int, n: int, m: int, k: int, block: int) -> None:
    a, b = features(seed, n, 3), features(seed + 1, m, 3)
    indices, found = nearest(a, b, k, block=block)
    everything = distances(a, b)
    np.testing.assert_allclose(found, np.sort(everything, axis=1)[:, :k], rtol=1e-9)
    np.testing.assert_allclose(np.take_along_axis(everything, indices, axis=1), found, rtol=1e-9)
    own = nearest(b, b, k, exclude_self=True, block=block)
    alone = distances(b, b) + np.diag(np.full(m, np.inf))
    np.testing.assert_allclose(own[1], np.sort(alone, axis=1)[:, :k], rtol=1e-9)
    assert (own[0] != np.arange(m)[:, None]).all()


def test_a_copy_is_at_distance_exactly_zero_also_far_from_the_origin() -> None:
    real = (features(0, 500, 64) + 1e4).astype(np.float32)
    indices, found = nearest(real[100:120], real, 2)
    assert (indices[:, 0] == np.arange(100, 120)).all()
    assert (found[:, 0] == 0).all()
    assert (found[:, 1] > 0).all()


def test_nearest_refuses_more_neighbours_than_there_are() -> None:
    with pytest.raises(ValueError, match="from 1 to 4"):
        nearest(np.zeros((5, 2)), np.zeros((5, 2)), 5, exclude_self=True)
    with pytest.raises(ValueError, match="dimensions"):
        nearest(np.zeros((5, 2)), np.zeros((5, 3)), 1)


def brute_force(real: np.ndarray, made: np.ndarray, k: int, density_k: int) -> tuple[float, float, float, float]:
    """The definitions of the two papers, one sample at a time."""

    def radius(points: np.ndarray, index: int, count: int) -> float:
        others = np.delete(points, index, axis=0)
        return float(np.sort(((others - points[index]) ** 2).sum(1))[count - 1])

    def inside(sample: np.ndarray, points: np.ndarray, count: int) -> list[bool]:
        return [((sample - each) ** 2).sum() <= radius(points, i, count) for i, each in enumerate(points)]

    precision = np.mean([any(inside(each, real, k)) for each in made])
    recall = np.mean([any(inside(each, made, k)) for each in real])
    balls = np.array([inside(each, real, density_k) for each in made])
    return float(precision), float(recall), balls.sum() / (density_k * len(made)), float(balls.any(axis=0).mean())


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n=st.integers(6, 15), m=st.integers(4, 15), k=st.integers(1, 3), block=st.integers(1, 20))
def test_manifold_is_the_papers_definition(seed: int, n: int, m: int, k: int, block: int) -> None:
    # Whole numbers: ties and copies are frequent, and the brute force rounds nothing.
    draw = np.random.default_rng(seed)
    real, made = draw.integers(0, 5, (n, 2)).astype(float), draw.integers(1, 6, (m, 2)).astype(float)
    found = manifold(real, made, k, density_k=5, block=block)
    expected = brute_force(real, made, k, 5)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected, abs=1e-12)


def test_manifold_tells_collapse_from_noise_and_from_a_copy() -> None:
    real = features(0, 400, 8)
    copy = manifold(real, real)
    assert (copy.precision, copy.recall, copy.coverage) == (1.0, 1.0, 1.0)
    collapsed = manifold(real, real[:1] + 1e-3 * features(1, 400, 8))
    assert collapsed.precision > 0.95
    assert collapsed.recall < 0.05
    assert collapsed.coverage < 0.05
    noise = manifold(real, 5 * features(2, 400, 8) + 20)
    assert noise.precision < 0.05
    assert noise.coverage < 0.05
