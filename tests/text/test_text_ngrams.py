"""The Kneser-Ney model against a direct implementation by dictionaries, and as a distribution."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multigan.errors import UserError
from multigan.text.metrics.ngrams import FALLBACK, NGramModel

VOCABULARY = 5
TEXTS = st.lists(st.lists(st.integers(0, VOCABULARY - 1), max_size=8), min_size=1, max_size=25)


class Direct:
    """Chen and Goodman's formula as it stands, one n-gram at a time."""

    def __init__(self, texts: list[list], order: int, symbols: list, end: bool) -> None:
        self.order, self.symbols, self.end = order, [*symbols, "</s>"] if end else symbols, end
        raw, before = Counter(), defaultdict(set)
        for text in texts:
            framed = ["<s>", *text, "</s>"] if end else ["<s>", *text]
            for size in range(1, order + 1):
                for at in range(len(framed) - size + 1):
                    gram = tuple(framed[at : at + size])
                    raw[gram] += 1
                    if at:
                        before[gram].add(framed[at - 1])
        self.count = {
            gram: amount if len(gram) == order or gram[0] == "<s>" else len(before[gram])
            for gram, amount in raw.items()
            if gram != ("<s>",)
        }
        self.discounts = [self._discounts(size) for size in range(1, order + 1)]

    def _discounts(self, size: int) -> tuple[float, ...]:
        seen = Counter(amount for gram, amount in self.count.items() if len(gram) == size)
        if any(not seen[each] for each in (1, 2, 3, 4)):
            return FALLBACK
        y = seen[1] / (seen[1] + 2 * seen[2])
        found = tuple(each - (each + 1) * y * seen[each + 1] / seen[each] for each in (1, 2, 3))
        return found if all(0 <= value <= each for each, value in enumerate(found, 1)) else FALLBACK

    def probability(self, word, context: tuple) -> float:
        lower = self.probability(word, context[1:]) if context else 1 / len(self.symbols)
        discounts = self.discounts[len(context)]
        follow = {each: self.count.get((*context, each), 0) for each in self.symbols}
        total = sum(follow.values())
        if not total:
            return lower
        taken = {each: discounts[min(amount, 3) - 1] if amount else 0.0 for each, amount in follow.items()}
        return (follow[word] - taken[word] + sum(taken.values()) * lower) / total

    def log_probability(self, text: list) -> list[float]:
        framed = ["<s>", *text, "</s>"] if self.end else ["<s>", *text]
        return [
            math.log(self.probability(framed[at], tuple(framed[max(0, at - self.order + 1) : at])))
            for at in range(1, len(framed))
        ]


@given(TEXTS, st.integers(1, 4), st.booleans(), st.lists(st.integers(0, VOCABULARY - 1), max_size=8))
def test_it_is_the_direct_formula(texts: list[list[int]], order: int, end: bool, text: list[int]) -> None:
    direct = Direct(texts, order, list(range(VOCABULARY)), end)
    found = NGramModel.fit(texts, order, VOCABULARY, end=end).log_probability(text)
    np.testing.assert_allclose(found, direct.log_probability(text), rtol=1e-12, atol=1e-12)


def skewed(count: int, seed: int, symbols: int = 40) -> list[list[int]]:
    """Texts whose symbols' frequencies fall as words' do, each depending on the one before."""
    draw = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(symbols)]
    texts = []
    for _ in range(count):
        text = draw.choices(range(symbols), weights, k=draw.randint(1, 10))
        texts.append([(each + before) % symbols for each, before in zip(text, [0, *text], strict=False)])
    return texts


def test_with_discounts_from_the_data_it_is_the_direct_formula_too() -> None:
    texts = skewed(400, 1)
    direct = Direct(texts, 3, list(range(40)), True)
    assert FALLBACK not in direct.discounts[1:]
    model = NGramModel.fit(texts, 3, 40)
    for text in skewed(30, 2):
        np.testing.assert_allclose(model.log_probability(text), direct.log_probability(text), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("end", [True, False])
def test_the_probabilities_of_what_may_follow_sum_to_one(end: bool) -> None:
    texts, draw = skewed(200, 3), random.Random(4)
    model = NGramModel.fit(texts, 4, 45, end=end)  # five symbols never seen
    for _ in range(20):
        known = draw.choice(texts)
        context = draw.choice([known[: draw.randint(0, len(known))], draw.choices(range(45), k=5)])
        follow = [math.exp(model.log_probability([*context, each])[len(context)]) for each in range(45)]
        follow += [math.exp(model.log_probability(context)[len(context)])] if end else []
        assert min(follow) > 0
        assert sum(follow) == pytest.approx(1, abs=1e-12)


def test_nll_is_the_mean_over_symbols_and_over_texts() -> None:
    texts = skewed(50, 5)
    model = NGramModel.fit(texts, 3, 40)
    each = [model.log_probability(text) for text in texts]
    found = model.nll(texts)
    assert found.per_symbol == pytest.approx(-np.concatenate(each).mean())
    assert found.per_text == pytest.approx(-np.mean([one.sum() for one in each]))
    assert found.perplexity == pytest.approx(math.exp(found.per_symbol))


def test_a_longer_memory_predicts_what_depends_on_it() -> None:
    """The symbol is the sum of the two before it: two of them are needed, and one says nothing."""
    draw = random.Random(6)
    texts = []
    for _ in range(300):
        text = [draw.randrange(7), draw.randrange(7)]
        while len(text) < 12:
            text.append((text[-1] + text[-2]) % 7)
        texts.append(text)
    seen, unseen = texts[:200], texts[200:]
    nll = [NGramModel.fit(seen, order, 7, end=False).nll(unseen).per_symbol for order in (1, 2, 3)]
    assert nll[0] > 1.8
    assert nll[1] > 1.8
    assert nll[2] < 0.5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: NGramModel.fit([], 3, 5), "no texts"),
        (lambda: NGramModel.fit([[1, 5]], 3, 5), "symbol 5 is not one of the 5"),
        (lambda: NGramModel.fit([[-1]], 3, 5), "symbol -1"),
        (lambda: NGramModel.fit([[1]], 0, 5), "order 0"),
        (lambda: NGramModel.fit([[1]], 2, 5).nll([]), "no texts"),
        (lambda: NGramModel.fit([[1]], 2, 5, end=False).nll([[]]), "without a symbol"),
    ],
)
def test_mistakes_are_said_in_a_sentence(wrong, said: str) -> None:
    with pytest.raises(UserError, match=said):
        wrong()
