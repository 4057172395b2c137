"""SeqGAN's oracle against its equations in numpy, and against the likelihood summed over all texts."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from multigan import noise
from multigan.errors import UserError
from multigan.text import oracle as oracle_module
from multigan.text.oracle import NAMES, Oracle, anchors, unigram

VOCABULARY, EMBEDDING, HIDDEN = 6, 3, 4
SHAPES = [(6, 3), *[(3, 4), (4, 4), (4,)] * 4, (4, 6), (6,)]


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in zip(NAMES, SHAPES, strict=True)}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def log_probabilities(w: dict[str, np.ndarray], text: tuple[int, ...]) -> list[float]:
    """ln p of each symbol, as the paper's code computes it: row vectors, gates i, f, o and the candidate."""
    p = [w[name].astype(np.float64) for name in NAMES]
    h, c, symbol, found = np.zeros(HIDDEN), np.zeros(HIDDEN), 0, []
    for following in text:
        x = p[0][symbol]
        i, f, o = (sigmoid(x @ p[at] + h @ p[at + 1] + p[at + 2]) for at in (1, 4, 7))
        c = f * c + i * np.tanh(x @ p[10] + h @ p[11] + p[12])
        h = o * np.tanh(c)
        logits = h @ p[13] + p[14]
        found.append(float(logits[following] - np.log(np.exp(logits).sum())))
        symbol = following
    return found


def test_nll_is_the_papers_equations() -> None:
    w = weights()
    texts = np.random.default_rng(1).integers(0, VOCABULARY, (40, 7))
    wanted = [-np.mean(log_probabilities(w, tuple(text))) for text in texts.tolist()]
    found = Oracle(w).nll(texts)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_the_probabilities_of_all_texts_sum_to_one() -> None:
    texts = np.array(list(itertools.product(range(VOCABULARY), repeat=4)))
    assert np.exp(-4 * Oracle(weights()).nll(texts)).sum() == pytest.approx(1, abs=1e-5)


def test_samples_come_as_often_as_the_oracle_says() -> None:
    oracle = Oracle(weights())
    texts = np.array(list(itertools.product(range(VOCABULARY), repeat=2)))
    expected = np.exp(-2 * oracle.nll(texts))
    made = oracle.sample(20_000, 2, seed=3)
    found = np.bincount(made[:, 0] * VOCABULARY + made[:, 1], minlength=len(texts)) / len(made)
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / len(made)))
    assert made.dtype == np.int64
    assert oracle.nll(made).mean() == pytest.approx((expected * oracle.nll(texts)).sum(), abs=0.02)


def test_a_text_does_not_depend_on_how_many_are_drawn() -> None:
    oracle = Oracle(weights())
    many = oracle.sample(130, 9, seed=5)
    np.testing.assert_array_equal(many[:70], oracle.sample(70, 9, seed=5))
    assert (many != oracle.sample(130, 9, seed=6)).any()
    assert oracle.sample(0, 9).shape == (0, 9)


def test_a_low_temperature_lowers_nll_below_the_oracles_own() -> None:
    found = anchors(Oracle.seeded(0, 50, 8, 8), 600, 12)
    assert found["at temperature 0.75"] < found["own samples"] < found["unigram"] < found["uniform"]


def test_seeded_weights_are_the_documented_draws() -> None:
    oracle = Oracle.seeded(7, VOCABULARY, EMBEDDING, HIDDEN)
    drawn = {
        name: noise.normal(7, at, 1, int(np.prod(shape))).reshape(shape)
        for at, (name, shape) in enumerate(zip(NAMES, SHAPES, strict=True))
    }
    text = (1, 5, 0, 2)
    wanted = -np.mean(log_probabilities(drawn, text))
    assert oracle.nll(np.array([text]))[0] == pytest.approx(wanted, rel=1e-5)
    big = Oracle.seeded(1).embedding.weight
    assert big.shape == (5000, 32)
    assert (float(big.mean()), float(big.std())) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))


def test_unigram_keeps_the_frequencies_and_nothing_else() -> None:
    samples = np.tile(np.array([[0, 1, 1, 2]]), (500, 1))
    made = unigram(samples, 5000, seed=1)
    assert made.shape == (5000, 4)
    np.testing.assert_allclose(np.bincount(made.ravel()) / made.size, [0.25, 0.5, 0.25], atol=0.02)
    assert abs(np.corrcoef(made[:, 0], made[:, 1])[0, 1]) < 0.05


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_file_gives_the_same_oracle(tmp_path: Path) -> None:
    path, texts = tmp_path / "oracle.npz", np.array([[1, 2, 3]])
    np.savez(path, **weights())
    assert Oracle.load(path).nll(texts) == Oracle(weights()).nll(texts)


def changed(**arrays: np.ndarray) -> dict[str, np.ndarray]:
    return weights() | arrays


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (changed(p03=np.zeros(5, np.float32)), r"p01 has the shape \(3, 4\) where \(3, 5\) is expected"),
        (changed(p13=np.zeros((4, 7), np.float32)), r"p13 has the shape \(4, 7\)"),
        (changed(p00=np.zeros(6, np.float32)), "p00 has the shape"),
        (changed(p14=np.full(6, np.nan, np.float32)), "p14 holds something else than finite"),
        (changed(p14=np.arange(6)), "p14 holds something else than finite"),
        ({"p00": np.zeros((6, 3), np.float32)}, "is no .npz file of the arrays p00 to p14"),
        (changed(p05=np.array([object()])), "is no .npz file"),
    ],
)
def test_a_file_of_something_else_is_refused_in_a_sentence(tmp_path: Path, arrays: dict, said: str) -> None:
    path = tmp_path / "oracle.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=said):
        Oracle.load(path)


def test_a_file_that_is_damaged_or_absent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "oracle.npz"
    with pytest.raises(UserError, match="there is no oracle file"):
        Oracle.load(path)
    np.savez(path, **weights())
    whole = path.read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], whole[:200] + bytes(100) + whole[300:]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="damaged"):
            Oracle.load(path)


def test_a_file_that_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "oracle.npz"
    np.savez_compressed(path, **weights(), more=np.zeros(1 << 20))
    assert path.stat().st_size < 1 << 14
    assert Oracle.load(path)
    monkeypatch.setattr(oracle_module, "LARGEST", 1 << 20)
    with pytest.raises(UserError, match="damaged"):
        Oracle.load(path)


@pytest.mark.parametrize("texts", [[[0, 6]], [[-1, 0]], [0, 1], [[]]])
def test_texts_that_are_not_the_oracles_are_refused(texts: list) -> None:
    with pytest.raises(UserError):
        Oracle(weights()).nll(np.array(texts, np.int64))
