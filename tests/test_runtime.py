"""Exported generators in use: what a seed gives, what a wrong argument says, where it runs."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_onnx
from hypothesis import given, settings
from hypothesis import strategies as st

from multigan import noise
from multigan.errors import UserError
from multigan.runtime import Generator, load, to_uint8
from multigan.runtime.interpolation import spherical
from multigan.runtime.labels import resolve


def _unconditional(tmp_path: Path, distribution: str = "normal", channels: int = 3) -> Generator:
    said = tiny_onnx.contract(channels, distribution, conditional=False)
    return load(tiny_onnx.write(tmp_path / "plain.onnx", said), device="cpu", threads=1)


# --- samples --------------------------------------------------------------------------------------------------------


def test_samples_are_the_graphs_function_of_the_documented_noise(generator: Generator) -> None:
    made = generator.sample(7, seed=11, truncation=0.8, start=4, batch=3)
    labels = np.arange(4, 11) % 3
    reference = tiny_onnx.expected(noise.normal(11, 4, 7, tiny_onnx.SIZE, 0.8), labels)
    assert made.dtype == np.float32
    assert np.max(np.abs(made - reference)) < 2e-6


def test_uniform_latents_come_from_the_contract(tmp_path: Path) -> None:
    made = _unconditional(tmp_path, "uniform").sample(5, seed=2)
    assert np.max(np.abs(made - tiny_onnx.expected(noise.uniform(2, 0, 5, tiny_onnx.SIZE), None))) < 2e-6


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.integers(1, 9), st.integers(1, 9))
def test_a_sample_does_not_depend_on_its_company(generator, seed, index, batch, n) -> None:  # type: ignore[no-untyped-def]
    alone = to_uint8(generator.sample(1, seed, start=index))[0].astype(int)
    among = to_uint8(generator.sample(n, seed, start=max(0, index - n + 1), batch=batch))[min(index, n - 1)].astype(int)
    assert np.max(np.abs(alone - among)) <= 1


def test_labels_by_name_number_and_sequence(generator: Generator) -> None:
    latents = noise.normal(0, 0, 3, tiny_onnx.SIZE)
    for label, numbers in [
        ("dog", [1, 1, 1]),
        (2, [2, 2, 2]),
        ("2", [2, 2, 2]),
        (["bird", 0, "1"], [2, 0, 1]),
        (np.int64(1), [1, 1, 1]),
        (None, [0, 1, 2]),
    ]:
        made = generator.sample(3, label=label)
        assert np.max(np.abs(made - tiny_onnx.expected(latents, np.array(numbers)))) < 2e-6, label


def test_a_class_named_as_a_number_wins_over_the_number() -> None:
    said = tiny_onnx.contract(labels=["7", "1", "0"])
    assert resolve(said, "0", 2).tolist() == [2, 2]  # type: ignore[union-attr]
    assert resolve(said, 0, 2).tolist() == [0, 0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, ["n 0", "1 to"]),
        ({"n": -3}, ["n -3"]),
        ({"n": 10**9}, ["n 1000000000"]),
        ({"n": 1, "batch": 0}, ["batch 0"]),
        ({"n": 1, "seed": -1}, ["seed -1"]),
        ({"n": 1, "seed": 2**64}, ["seed"]),
        ({"n": 1, "start": -1}, ["start -1"]),
        ({"n": 1, "truncation": 0.0}, ["truncation 0"]),
        ({"n": 1, "truncation": 9.0}, ["truncation 9", "8"]),
        ({"n": 1, "label": "cta"}, ["'cta'", "'cat'", "cat, dog, bird"]),
        ({"n": 1, "label": 3}, ["class 3", "0 to 2"]),
        ({"n": 1, "label": -1}, ["class -1"]),
        ({"n": 3, "label": ["cat"]}, ["1 labels", "3 samples"]),
    ],
)
def test_a_wrong_argument_is_one_sentence(generator: Generator, arguments: dict, words: list[str]) -> None:  # type: ignore[type-arg]
    with pytest.raises(UserError) as caught:
        generator.sample(**arguments)
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


def test_classes_take_turns_at_any_sample(generator: Generator) -> None:
    last = 2**53 - 4
    numbers = [(last + index) % 3 for index in range(3)]
    assert np.array_equal(generator.sample(3, start=last), generator.sample(3, label=numbers, start=last))
    with pytest.raises(UserError, match="start"):
        generator.sample(1, start=2**63 - 1)


def test_a_label_for_a_model_without_classes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="without classes"):
        _unconditional(tmp_path).sample(1, label="cat")


def test_values_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    broken = load(tiny_onnx.write(tmp_path / "nan.onnx", scale=float("nan")), device="cpu")
    with pytest.raises(UserError, match="not numbers"):
        broken.sample(1)


def test_interpolation_passes_through_its_seeds(generator: Generator) -> None:
    way = generator.interpolate([3, 4, 9], steps=5, label="dog", batch=4)
    assert way.shape == (11, 3, tiny_onnx.HEIGHT, tiny_onnx.WIDTH)
    for place, seed in ((0, 3), (5, 4), (10, 9)):
        assert np.max(np.abs(way[place] - generator.sample(1, seed, label="dog")[0])) < 1e-6
    closed = generator.interpolate([3, 4, 9], steps=5, label="dog", closed=True)
    assert len(closed) == 15
    assert np.max(np.abs(closed[:11] - way)) < 1e-6
    assert np.abs(closed[-1] - closed[0]).max() < np.abs(closed[10] - closed[0]).max()


def test_normal_latents_keep_their_length_on_the_way_and_uniform_ones_go_straight(tmp_path: Path) -> None:
    a = np.random.default_rng(0).normal(size=64).astype(np.float32)
    b = np.random.default_rng(1).normal(size=64)
    b = (b * np.linalg.norm(a) / np.linalg.norm(b)).astype(np.float32)
    for share in (0.25, 0.5, 0.9):
        middle = spherical(a, b, share)
        assert abs(np.linalg.norm(middle) - np.linalg.norm(a)) < 1e-4
        angle, whole = (np.arccos(a @ x / np.linalg.norm(a) / np.linalg.norm(x)) for x in (middle, b))
        assert abs(angle - share * whole) < 1e-4
    assert np.array_equal(spherical(a, a, 0.3), a)
    plain = _unconditional(tmp_path, "uniform")
    ends = [noise.uniform(seed, 0, 1, tiny_onnx.SIZE).astype(np.float64) for seed in (1, 2)]
    middle = tiny_onnx.expected((ends[0] + ends[1]) / 2, None)
    assert np.max(np.abs(plain.interpolate([1, 2], steps=2)[1] - middle[0])) < 2e-6


@pytest.mark.parametrize(("seeds", "steps", "word"), [([1], 3, "2 seeds"), ([1, 2], 0, "steps"), ([1, -2], 3, "seed")])
def test_interpolation_refuses(generator: Generator, seeds: list[int], steps: int, word: str) -> None:
    with pytest.raises(UserError, match=word):
        generator.interpolate(seeds, steps)


# --- devices and imports --------------------------------------------------------------------------------------------


def test_devices(model: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="auto, cpu, cuda or tensorrt"):
        Generator.load(model, device="gpu")
    assert Generator.load(model, device="cpu").device == "cpu"
    by_name, refusal = "cpu", ""
    try:
        by_name = Generator.load(model, device="cuda").device
    except UserError as error:
        refusal = str(error)
    assert by_name == "cuda" or ("CUDA" in refusal and "cuDNN 9" in refusal)
    with caplog.at_level(logging.INFO, logger="multigan"):
        assert Generator.load(model, device="auto").device == by_name
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == (by_name == "cpu")
    assert all("running on the CPU" in line for line in lines)
    assert capfd.readouterr() == ("", "")


def test_nothing_here_imports_torch(model: Path) -> None:
    script = (
        "import sys, multigan\n"
        "heavy = [name for name in ('numpy', 'onnxruntime', 'torch', 'pydantic') if name in sys.modules]\n"
        "assert not heavy, heavy\n"
        f"assert multigan.load({str(model)!r}).sample(2, seed=7).shape == (2, 3, 4, 6)\n"
        f"assert multigan.load({str(model)!r}).images(1)[0].size == (6, 4)\n"
        "from multigan import cli\n"
        f"assert cli.run(['info', {str(model)!r}]) == 0\n"
        "heavy = [name for name in ('torch', 'onnx', 'onnxscript') if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
