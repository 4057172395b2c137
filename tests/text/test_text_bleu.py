"""BLEU and self-BLEU against NLTK's sentence_bleu with method 1, text by text."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multigan.errors import UserError
from multigan.text.metrics.bleu import ORDERS, bleu, bleu_scores, self_bleu, self_bleu_scores

score = pytest.importorskip("nltk.translate.bleu_score", reason="NLTK is the reference: pip install 'multigan[dev]'")

TEXTS = st.lists(st.lists(st.integers(0, 4), max_size=9), min_size=1, max_size=8)
"""Few symbols, so that n-grams repeat; also empty texts, texts below n symbols, and equally near lengths."""


def nltk_scores(generated: list[list], references: list[list[list]]) -> np.ndarray:
    """`[orders, texts]`; references: those of each text."""
    method = score.SmoothingFunction(epsilon=0.1).method1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [
            [
                score.sentence_bleu(others, text, weights=(1 / order,) * order, smoothing_function=method)
                for text, others in zip(generated, references, strict=True)
            ]
            for order in ORDERS
        ]
    return np.array(rows, float)


def others_of(texts: list[list]) -> list[list[list]]:
    return [texts[:at] + texts[at + 1 :] for at in range(len(texts))]


@given(TEXTS, TEXTS)
def test_bleu_is_nltks(generated: list[list[int]], references: list[list[int]]) -> None:
    wanted = nltk_scores(generated, [references] * len(generated))
    np.testing.assert_allclose(bleu_scores(generated, references), wanted, rtol=0, atol=1e-12)


@given(TEXTS.filter(lambda texts: len(texts) > 1))
def test_self_bleu_is_nltks(texts: list[list[int]]) -> None:
    np.testing.assert_allclose(self_bleu_scores(texts), nltk_scores(texts, others_of(texts)), rtol=0, atol=1e-12)


def test_many_texts_of_words_are_scored_as_nltk_does() -> None:
    draw = random.Random(0)
    words = [f"w{number}" for number in range(60)]
    weights = [1 / (rank + 1) for rank in range(60)]
    texts = [draw.choices(words, weights, k=draw.randint(3, 15)) for _ in range(240)]
    generated, references = texts[:120], texts[120:]
    some = range(0, 120, 10)
    wanted = nltk_scores([generated[row] for row in some], [references] * len(some))
    np.testing.assert_allclose(bleu_scores(generated, references)[:, some], wanted, rtol=0, atol=1e-12)
    others = others_of(generated)
    wanted = nltk_scores([generated[row] for row in some], [others[row] for row in some])
    np.testing.assert_allclose(self_bleu_scores(generated)[:, some], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("texts", "closest"),
    [
        ([[1, 2, 3], [1, 2], [1, 2, 3, 4]], "tie of the closest length"),
        ([[1, 2, 3], [1, 2, 3]], "the same length"),
        ([[], [1]], "an empty text"),
        ([[], []], "empty texts alone"),
        ([[5], [5], [6]], "one symbol"),
        ([[1, 1, 1, 1], [1, 1], [1, 1, 1]], "the owner of the largest count"),
    ],
)
def test_edges_of_self_bleu(texts: list[list[int]], closest: str) -> None:
    np.testing.assert_allclose(
        self_bleu_scores(texts), nltk_scores(texts, others_of(texts)), rtol=0, atol=1e-12, err_msg=closest
    )


def test_the_mean_is_taken_and_the_same_text_again_scores_one() -> None:
    text = ["a", "man", "rides", "a", "brown", "horse"]
    assert self_bleu([text] * 5) == pytest.approx(dict.fromkeys(ORDERS, 1.0))
    generated, references = [text, ["zebra"]], [text, ["a", "zebra"]]
    scores = bleu_scores(generated, references, (3,))
    assert bleu(generated, references, (3,)) == {3: pytest.approx(float(scores.mean()))}
    assert scores[0, 0] == pytest.approx(1.0)


def test_symbols_are_compared_as_python_does() -> None:
    as_words = bleu([["a", "b", "c"]], [["a", "b", "d"]])
    assert as_words == bleu([np.array([1, 2, 3])], [[1, 2, 4]])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: bleu([], [[1]]),
        lambda: bleu([[1]], []),
        lambda: self_bleu([[1]]),
        lambda: bleu([[1]], [[1]], (0, 2)),
        lambda: self_bleu([[1], [2]], ()),
    ],
)
def test_what_is_not_defined_is_said_in_a_sentence(wrong) -> None:
    with pytest.raises(UserError, match=r"not defined: [^.]*\.$"):
        wrong()
