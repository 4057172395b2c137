"""The seed's meaning: known answers, an independent reference, the distributions, and JavaScript bit for bit."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from multigan import noise, normal
from multigan.contract import Contract, Input, Output
from multigan.errors import UserError

JAVASCRIPT = Path(__file__).resolve().parent.parent / "export" / "web" / "noise.mjs"
NORMAL = statistics.NormalDist()


@pytest.mark.parametrize(
    ("counter", "seed", "answer"),
    [
        ([0, 0, 0, 0], 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            0x299F31D0_A4093822,
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(counter: list[int], seed: int, answer: list[int]) -> None:
    assert noise.philox(np.array(counter, np.uint32), seed).tolist() == answer


def _philox_in_integers(counter: tuple[int, int, int, int], seed: int) -> list[int]:
    """The paper's round, in Python's integers."""
    c0, c1, c2, c3 = counter
    for number in range(10):
        k0 = ((seed & 0xFFFFFFFF) + number * 0x9E3779B9) % 2**32
        k1 = ((seed >> 32) + number * 0xBB67AE85) % 2**32
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
    return [c0, c1, c2, c3]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**53 - 4), st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_words_are_the_papers_rounds_at_the_documented_counter(seed: int, start: int, stream: int, size: int) -> None:
    drawn = noise.words(seed, start, 2, size, stream)
    for row, sample in enumerate((start, start + 1)):
        for place in range(size):
            block = _philox_in_integers((place // 4, stream, sample % 2**32, sample >> 32), seed)
            assert drawn[row, place] == block[place % 4]


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**40),
    st.integers(1, 12),
    st.data(),
    st.sampled_from([noise.normal, noise.uniform]),
    st.sampled_from([None, 0.6]),
)
def test_a_slice_equals_the_whole(seed, start, count, data, draw, truncation) -> None:  # type: ignore[no-untyped-def]
    whole = draw(seed, start, count, 5, truncation)
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first + 1, count))
    assert np.array_equal(draw(seed, start + first, last - first, 5, truncation), whole[first:last])


def test_quantile_is_exact_to_fifteen_digits() -> None:
    tails = 10.0 ** -np.linspace(0.31, 18.0, 400)
    p = np.concatenate([np.linspace(0.0005, 0.9995, 1999), tails, 1.0 - tails[tails > 1e-9]])
    ours = normal.normal_quantile(p)
    reference = ndtri(p)
    assert np.max(np.abs(ours - reference) / np.maximum(np.abs(reference), 1e-3)) < 5e-15


def test_logarithm_is_within_two_last_places() -> None:
    x = np.concatenate([10.0 ** -np.linspace(0, 300, 3001), np.linspace(0.4, 2.1, 1001)])
    reference = np.log(x)
    assert np.max(np.abs(normal.natural_log(x) - reference) / np.maximum(np.abs(reference), 1e-3)) < 5e-16 * 2
    assert normal.natural_log(np.array([1.0]))[0] == 0.0


def _distance(sample: np.ndarray, cdf) -> float:  # type: ignore[no-untyped-def, type-arg]
    """Kolmogorov-Smirnov statistic times the square root of the count: below 1.95 in 99.9% of fair samples."""
    ordered = np.sort(sample.ravel().astype(np.float64))
    expected = np.array([cdf(each) for each in ordered])
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])) * np.sqrt(len(ordered)))


@pytest.mark.parametrize("seed", [0, 7, 2**63 + 11])
def test_distributions(seed: int) -> None:
    assert _distance(noise.normal(seed, 0, 400, 50), NORMAL.cdf) < 1.95
    assert _distance(noise.uniform(seed, 0, 400, 50), lambda x: (x + 1) / 2) < 1.95
    assert _distance(noise.uniform(seed, 0, 400, 50, 0.25), lambda x: (x + 0.25) / 0.5) < 1.95
    low, high = NORMAL.cdf(-0.7), NORMAL.cdf(0.7)
    assert _distance(noise.normal(seed, 0, 400, 50, 0.7), lambda x: (NORMAL.cdf(x) - low) / (high - low)) < 1.95


def test_values_of_a_sample_and_samples_of_a_seed_are_uncorrelated() -> None:
    drawn = noise.normal(3, 0, 2000, 40).astype(np.float64)
    correlation = np.corrcoef(np.concatenate([drawn, noise.normal(4, 0, 2000, 40)], axis=1).T) - np.eye(80)
    assert np.max(np.abs(correlation)) < 5 / np.sqrt(2000)
    lagged = np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]
    assert abs(lagged) < 4 / np.sqrt(drawn.size)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.floats(1e-6, 8.0))
def test_truncated_values_stay_inside_and_keep_their_order(seed: int, truncation: float) -> None:
    free, held = noise.normal(seed, 0, 8, 8), noise.normal(seed, 0, 8, 8, truncation)
    assert np.all(np.abs(held) <= np.float32(truncation))
    order = np.argsort(free.ravel())
    assert np.all(np.diff(held.ravel()[order]) >= 0)


@pytest.mark.parametrize("t", [0.01, 0.5, 1.0, 2.0, 4.0, 8.0])
def test_tail_probability_is_the_normal_distributions(t: float) -> None:
    exact = statistics.NormalDist().cdf(-t) if t < 5 else 6.22096057427178e-16
    assert abs(normal.tail_probability(t) - exact) < max(1e-19, exact * 2e-5 if t > 5 else exact * 1e-13)


def test_golden_values() -> None:
    """These may never change: a seed that a person wrote down means these latents."""
    assert [each.hex() for each in noise.normal(7, 0, 1, 4)[0].tolist()] == GOLDEN_NORMAL
    assert [each.hex() for each in noise.normal(7, 5, 1, 4, 0.7)[0].tolist()] == GOLDEN_TRUNCATED
    assert [each.hex() for each in noise.uniform(2**64 - 1, 2**40, 1, 4)[0].tolist()] == GOLDEN_UNIFORM
    page = (JAVASCRIPT.parents[2] / "docs" / "noise.md").read_text()
    for values in (GOLDEN_NORMAL, GOLDEN_TRUNCATED, GOLDEN_UNIFORM):
        assert " ".join(f"`{each}`" for each in values) in page


GOLDEN_NORMAL = ["0x1.b0f0080000000p+0", "0x1.5995840000000p-1", "-0x1.34612e0000000p+0", "-0x1.5e347c0000000p+0"]
GOLDEN_TRUNCATED = ["-0x1.8b73800000000p-2", "0x1.0ed7800000000p-1", "-0x1.6121620000000p-4", "0x1.d8454a0000000p-9"]
GOLDEN_UNIFORM = ["0x1.db15d40000000p-1", "-0x1.1e43f00000000p-1", "-0x1.351dce0000000p-6", "-0x1.c73f3a0000000p-5"]


def test_latents_follow_the_contract() -> None:
    flat = Input("latent", "latent", "float32", ["batch", 6], "normal")
    assert np.array_equal(noise.latents(flat, 3, 2, 4), noise.normal(3, 2, 4, 6))
    deep = Input("latent", "latent", "float32", ["batch", 2, 3], "uniform")
    assert np.array_equal(noise.latents(deep, 3, 2, 4, 0.5), noise.uniform(3, 2, 4, 6, 0.5).reshape(4, 2, 3))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: noise.normal(-1, 0, 1, 1), "seed"),
        (lambda: noise.normal(2**64, 0, 1, 1), "seed"),
        (lambda: noise.normal(0, -1, 1, 1), "start"),
        (lambda: noise.normal(0, 2**53 - 1, 1, 1), "start"),
        (lambda: noise.normal(0, 0, -1, 1), "count"),
        (lambda: noise.normal(0, 0, 1, 1, 0.0), "truncation"),
        (lambda: noise.normal(0, 0, 1, 1, float("nan")), "truncation"),
        (lambda: noise.normal(0, 0, 1, 1, 8.5), "truncation"),
        (lambda: noise.uniform(0, 0, 1, 1, 1.01), "truncation"),
        (lambda: noise.uniform(0, 0, 1, 1, stream=2**32), "stream"),
    ],
)
def test_out_of_range_is_one_sentence(call, word: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=word):
        call()


def test_javascript_repeats_every_bit(tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node, "node is needed to compare export/web/noise.mjs with multigan/noise.py: apt-get install nodejs"
    cases = [
        (kind, seed, start, 37, 131, truncation, stream)
        for kind, truncations in (("normal", (None, 1e-5, 0.1, 0.7, 2.0, 8.0)), ("uniform", (None, 0.3)))
        for truncation in truncations
        for seed, start, stream in ((0, 0, 0), (7, 2**32 - 5, 1), (2**64 - 1, 2**53 - 60, 2**32 - 1))
    ]
    script = tmp_path / "draw.mjs"
    script.write_text(
        f"import * as noise from {json.dumps(JAVASCRIPT.as_uri())};\n"
        "import {writeSync} from 'node:fs';\n"
        f"for (const [kind, seed, ...rest] of {json.dumps([(c[0], str(c[1]), *c[2:]) for c in cases])})\n"
        "  writeSync(1, new Uint8Array(noise[kind](BigInt(seed), ...rest).buffer));\n"
    )
    out = tmp_path / "drawn.bin"
    with out.open("wb") as file:
        subprocess.run([node, str(script)], stdout=file, check=True, timeout=60)
    draw = {"normal": noise.normal, "uniform": noise.uniform}
    ours = np.concatenate([draw[kind](*rest).ravel() for kind, *rest in cases])
    theirs = np.fromfile(out, np.uint32)
    assert len(theirs) == len(ours) == len(cases) * 37 * 131
    assert np.array_equal(ours.view(np.uint32), theirs)


def test_javascript_repeats_the_numbers_of_samples_that_are_not_told_one(tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node
    cases = [(low, high, start, 100, classes) for low, high in ((48, 72), (-0.1, 1e9)) for start in (0, 7, 2**53 - 101)
             for classes in (0, 1, 3)]  # fmt: skip
    script = tmp_path / "numbers.mjs"
    script.write_text(
        f"import {{numbers}} from {json.dumps(JAVASCRIPT.as_uri())};\n"
        f"console.log(JSON.stringify({json.dumps(cases)}.map(each => [...numbers(...each)])))\n"
    )
    theirs = json.loads(subprocess.run([node, str(script)], check=True, timeout=60, capture_output=True).stdout)
    for (low, high, start, count, classes), found in zip(cases, theirs, strict=True):
        bounds = Input("number", "condition", "float32", ["batch"], minimum=low, maximum=high)
        assert noise.numbers(bounds, start, count, classes).tolist() == found


def test_the_inputs_of_texts() -> None:
    axes: list[int | str] = ["batch", "length"]
    said = Contract(
        modality="text",
        name="t",
        inputs=[
            Input("noise", "noise", "float32", axes, "uniform"),
            Input("prefix", "prefix", "int64", axes, default=-1),
            Input("temperature", "scalar", "float32", [], default=1.0),
            Input("top_k", "scalar", "int64", [], default=0),
        ],
        output=Output("text", "int64", axes, 0, 9),
        extra={"length": 9},
    )
    made = noise.inputs(said, 7, 3, 4)
    assert {name: (each.shape, str(each.dtype)) for name, each in made.items()} == {
        "noise": ((4, 9), "float32"),
        "prefix": ((4, 9), "int64"),
        "temperature": ((), "float32"),
        "top_k": ((), "int64"),
    }
    assert (made["prefix"] == -1).all()
    assert np.array_equal(made["noise"], noise.uniform(7, 3, 4, 9))
    for length in (1, 6, 14):
        other = noise.inputs(said, 7, 4, 3, length=length)["noise"]
        shared = min(length, 9)
        assert np.array_equal(other[:, :shared], made["noise"][1:, :shared])
    told = noise.inputs(said, 7, 0, 2, length=2, given={"prefix": [[1, -1], [-1, 2]], "temperature": 0.5, "top_k": 3})
    assert told["prefix"].tolist() == [[1, -1], [-1, 2]]
    assert (told["temperature"], told["top_k"]) == (0.5, 3)
    with pytest.raises(UserError, match="prefix has the shape"):
        noise.inputs(said, 7, 0, 2, given={"prefix": [[1, 2]]})
