"""Exported files in use: what a seed gives, what a wrong file or argument says, what is written."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from multigan import noise
from multigan.cli import run
from multigan.contract import FORMAT, KEY, Contract, Input, Output
from multigan.errors import UserError
from multigan.pictures import by_class, enlarge, quantize, save_gif, save_image
from multigan.runtime import Generator, grid, load, onnx_file, to_image, to_uint8
from multigan.runtime.interpolation import spherical
from multigan.runtime.labels import resolve
from multigan.runtime.session import open_session


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_onnx.write(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def generator(model: Path) -> Generator:
    return load(model, device="cpu", threads=1)


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


# --- files ----------------------------------------------------------------------------------------------------------


def _refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        Generator.load(path, device="cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_not_exported_models(tmp_path: Path, model: Path) -> None:
    assert "does not exist" in _refusal(tmp_path / "none.onnx")
    assert "folder" in _refusal(tmp_path)
    for name, content in {
        "empty": b"",
        "text": b"hello, this is a text " * 9,
        "zip": b"PK\x03\x04" + bytes(99),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert "is not an ONNX file" in _refusal(tmp_path / name) or "not exported by multigan" in _refusal(
            tmp_path / name
        )
    Image.new("L", (8, 8)).save(tmp_path / "picture.png")
    assert "is not an ONNX file" in _refusal(tmp_path / "picture.png")
    foreign = tiny_onnx.model(tiny_onnx.contract())
    del foreign.metadata_props[:]
    (tmp_path / "foreign.onnx").write_bytes(foreign.SerializeToString())
    assert "not exported by multigan" in _refusal(tmp_path / "foreign.onnx")


def test_a_newer_or_damaged_contract(tmp_path: Path) -> None:
    newer = tiny_onnx.write(tmp_path / "newer.onnx", tiny_onnx.contract(format=FORMAT + 1))
    assert "upgrade" in _refusal(newer)
    damaged = tiny_onnx.model(tiny_onnx.contract())
    damaged.metadata_props[0].value = '{"format": 1, "inputs": 3}'
    (tmp_path / "damaged.onnx").write_bytes(damaged.SerializeToString())
    assert "damaged" in _refusal(tmp_path / "damaged.onnx")


def _holding(path: Path, text: str) -> Path:
    """A model whose contract is that text."""
    made = tiny_onnx.model(tiny_onnx.contract())
    made.metadata_props[0].value = text
    path.write_bytes(made.SerializeToString())
    return path


HOSTILE = {
    "format": ["1e400", "1.5", "true", "null", '"1"', "-1", "[]", "9" * 5000, "NaN"],
    "samples_seen": ['"x"', "-1", "1.5", "null", "1e999", "true", "9" * 400],
    "modality": ["3", "null", "[]"],
    "name": ["3", "{}"],
    "version": ["1", "null"],
    "labels": ["3", "null", '{"a": 1}', '["a", null]'],
    "recipe": ["[]", "null", "3", '{"a": ' + "[" * 100 + "]" * 100 + "}", '{"a": ' + "[" * 10**5 + "]" * 10**5 + "}"],
    "extra": ["3", "null"],
    "inputs": ["{}", "[3]", "null", "[[]]", "[{}]"],
    "output": ["3", "null", "{}", "[]"],
}
HOSTILE_INPUT = {
    "name": ["3"],
    "kind": ['"other"', "[]", "null"],
    "dtype": ['"object"', "3", "{}"],
    "shape": ["3", "null", '["batch", true]', '["batch", 1.5]', '["batch", null]', f"[{', '.join(['1'] * 70)}]"],
    "distribution": ['"cauchy"', "[]"],
    "default": ['"1"', "1e400", "NaN", "[]"],
    "minimum": ['"-1"', "-Infinity"],
    "maximum": ["{}"],
}


def _hostile() -> list[str]:
    """Contracts as JSON, each with one field that is not what it must be."""
    good = json.loads(tiny_onnx.contract().to_json())
    made = ["", "3", "null", "[]", "{}", "[" * 10**5, "{" * 10**5]
    marked = [({**good, key: "@"}, value) for key, values in HOSTILE.items() for value in values]
    for key, values in HOSTILE_INPUT.items():
        latent, label = good["inputs"]
        marked += [({**good, "inputs": [{**latent, key: "@"}, label]}, value) for value in values]
        if key in good["output"]:
            marked += [({**good, "output": {**good["output"], key: "@"}}, value) for value in values]
    made += [json.dumps(each).replace('"@"', value) for each, value in marked]
    made += [json.dumps({key: value for key, value in good.items() if key != gone}) for gone in ("inputs", "output")]
    return made


@pytest.mark.parametrize("text", _hostile(), ids=lambda text: "")
def test_no_contract_makes_a_traceback(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = _holding(tmp_path / "hostile.onnx", text)
    for arguments in (["info", str(path)], ["generate", str(path), "-n", "2", "--out", str(tmp_path / "out")]):
        assert run(arguments) == 2
        said = capsys.readouterr().err
        assert "damaged" in said
        assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_field_that_is_not_known_yet_is_left_out() -> None:
    raw = json.loads(tiny_onnx.contract().to_json())
    raw["later"] = raw["output"]["later"] = raw["inputs"][0]["later"] = 1
    assert Contract.from_json(json.dumps(raw)) == tiny_onnx.contract()


def test_what_a_file_says_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = "\x1b[2J\x1b]0;owned\x07\r\n\x9b1m\u202e\u2028\x00\ud800"
    raw = json.loads(tiny_onnx.contract(labels=[bad, "b", "c"]).to_json())
    raw |= {"name": bad, "version": bad, "modality": "image", "recipe": {bad: {bad: bad}, "list": [bad]}}
    path = _holding(tmp_path / "bad.onnx", json.dumps(raw))
    for arguments in (
        ["info", str(path)],
        ["info", str(path), "--json"],
        ["generate", str(path), "-n", "6", "--out", str(tmp_path / "out")],
        ["generate", str(path), "--interpolate", "1,2", "--steps", "2", "--out", str(tmp_path / "out")],
        ["generate", str(path), "--label", "none", "--out", str(tmp_path / "out")],
    ):
        assert run(arguments) == (2 if "none" in arguments else 0)
        said = "".join(capsys.readouterr())
        assert said
        assert not [letter for letter in said if letter != "\n" and unicodedata.category(letter) in ("Cc", "Cf", "Cs")]
        said.encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": "cat"},
        {"labels": [1, 2]},
        {"labels": []},
        {"recipe": 3},
        {"inputs": [Input("latent", "latent", "float32", ["batch", "Z"], "normal")]},
        {"inputs": [Input("latent", "latent", "float32", ["batch", 2**40], "normal")]},
        {"inputs": [Input("latent", "latent", "float32", 5, "normal")]},  # type: ignore[arg-type]
        {"output": Output("image", "float32", ["batch", -3, 4, 6])},
        {"inputs": [Input("z", "latent", "float32", ["batch", 5], "normal")]},
        {"output": Output("sound", "float32", ["batch", 3, 4, 6])},
    ],
)
def test_a_contract_that_does_not_fit_its_graph_or_itself(tmp_path: Path, changes: dict) -> None:  # type: ignore[type-arg]
    made = tiny_onnx.model(tiny_onnx.contract())
    made.metadata_props[0].value = tiny_onnx.contract(**changes).to_json()
    (tmp_path / "odd.onnx").write_bytes(made.SerializeToString())
    assert "export it again" in _refusal(tmp_path / "odd.onnx")


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ([1, 3, 4, 6], "float", "gave [1, 3, 4, 6] for 16 samples"),
        ([-1, 3, 6, 4], "float", "gave [16, 3, 6, 4]"),
        ([-1, 72], "float", "of 2 axes, and its contract says float32 of 4"),
        ([-1, 3, 4, 6], "int", "its image is tensor(int64)"),
        ([-1, 3, 4, 6], "text", "its image is tensor(string)"),
    ],
)
def test_a_graph_that_gives_something_else_than_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: list[int], kind: str, words: str
) -> None:
    """Whatever it makes of the latents, the file would be written short, or not at all, and called a success."""
    said = tiny_onnx.contract(conditional=False)
    made = tiny_onnx.model(said)
    if shape[0] == 1:  # of the first latent alone
        zero = numpy_helper.from_array(np.array([0]), "zero")
        made.graph.initializer.append(zero)
        made.graph.node[0].input[0] = "first"
        made.graph.node.insert(0, helper.make_node("Gather", ["latent", "zero"], ["first"]))
    stored = {each.name: each for each in made.graph.initializer}
    stored["shape"].CopyFrom(numpy_helper.from_array(np.array(shape), "shape"))
    free = [None] * len(shape)
    types = {"float": TensorProto.FLOAT, "int": TensorProto.INT64, "text": TensorProto.STRING}
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("image", types[kind], free))
    if kind != "float":
        made.graph.node[-1].output[0] = "floats"
        made.graph.node.append(helper.make_node("Cast", ["floats"], ["image"], to=types[kind]))
    path = tmp_path / "lies.onnx"
    path.write_bytes(made.SerializeToString())
    assert run(["generate", str(path), "-n", "16", "--device", "cpu", "--out", str(tmp_path / "out")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_makes_no_pictures_says_so(tmp_path: Path) -> None:
    sound = tiny_onnx.write(tmp_path / "sound.onnx", tiny_onnx.contract(modality="audio"))
    with pytest.raises(UserError, match="makes audio"):
        load(sound, device="cpu").images(1)
    two = tiny_onnx.write(tmp_path / "two.onnx", tiny_onnx.contract(channels=2))
    with pytest.raises(UserError, match="1, 3 or 4 channels"):
        load(two, device="cpu").images(1)
    assert load(two, device="cpu").sample(1).shape == (1, 2, 4, 6)


def test_every_truncation_is_refused(tmp_path: Path, model: Path) -> None:
    whole = model.read_bytes()
    path = tmp_path / "cut.onnx"
    said = set()
    for length in [*range(40), *range(40, len(whole), 97), *range(len(whole) - 40, len(whole))]:
        path.write_bytes(whole[:length])
        said.add(_refusal(path).split("cut.onnx")[1][:13])
    assert " is truncated" in said


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError):
        onnx_file.read(path)


def test_a_nest_of_graphs_is_refused_and_not_a_crash(tmp_path: Path) -> None:
    inner = b""
    for _ in range(5000):
        for tag in (0x32, 0x2A, 0x0A):
            inner = bytes([tag]) + _length(inner) + inner
    path = tmp_path / "nest.onnx"
    path.write_bytes(b"\x08\x0a\x3a" + _length(inner) + inner)
    assert "nested too deeply" in _refusal(path)


def _length(content: bytes) -> bytes:
    value, out = len(content), bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def _with_weights_beside(path: Path, name: str = "tiny.data") -> Path:
    onnx.save_model(
        tiny_onnx.model(tiny_onnx.contract()), str(path), save_as_external_data=True, location=name, size_threshold=200
    )
    return path


def test_weights_beside_the_model(tmp_path: Path, generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _with_weights_beside(tmp_path / "large.onnx")
    monkeypatch.chdir("/")
    assert np.array_equal(load(path, device="cpu", threads=1).sample(4, 5), generator.sample(4, 5))
    os.link(tmp_path / "tiny.data", tmp_path / "second-name")
    assert "link" in _refusal(path)
    (tmp_path / "second-name").unlink()
    (tmp_path / "tiny.data").rename(tmp_path / "moved")
    assert "missing beside it" in _refusal(path)
    (tmp_path / "tiny.data").symlink_to(tmp_path / "moved")
    assert "link" in _refusal(path)


@pytest.mark.parametrize("place", ["../secret", "/etc/hostname", "sub/secret", "C:secret", "..", ""])
def test_weights_elsewhere_are_refused(tmp_path: Path, place: str) -> None:
    made = tiny_onnx.model(tiny_onnx.contract())
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    assert "refused" in _refusal(tmp_path / "model.onnx")


def test_weights_elsewhere_are_found_inside_subgraphs_and_functions() -> None:
    def hidden(name: str) -> onnx.NodeProto:
        tensor = numpy_helper.from_array(np.zeros(2, np.float32), name)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=name)
        return helper.make_node("Constant", [], [name], value=tensor)

    made = tiny_onnx.model(tiny_onnx.contract())
    inner = helper.make_graph([hidden("in-a-branch")], "branch", [], [])
    outer = helper.make_graph(
        [helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner)], "loop", [], []
    )
    made.graph.node.append(helper.make_node("Loop", ["m"], ["n"], body=outer))
    made.functions.append(helper.make_function("own", "f", [], [], [hidden("in-a-function")], []))
    sparse = made.graph.sparse_initializer.add()
    sparse.values.external_data.add(key="location", value="in-a-sparse-tensor")
    found = onnx_file.summarize(memoryview(made.SerializeToString()))
    assert found.external == set()
    assert found.hidden == {"in-a-branch", "in-a-function", "in-a-sparse-tensor"}
    assert json.loads(found.properties[KEY])["name"] == "tiny"


def test_weights_in_a_node_are_refused(tmp_path: Path) -> None:
    made = tiny_onnx.model(tiny_onnx.contract())
    tensor = made.graph.initializer.pop(0)
    (tmp_path / "w.data").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.data")
    made.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    assert "'w.data'" in _refusal(tmp_path / "model.onnx")


def test_what_takes_the_place_of_checked_weights_is_not_loaded(tmp_path: Path, generator: Generator) -> None:
    """Between the check of a model and its start, files change: all that is loaded goes through the same check."""
    path = _with_weights_beside(tmp_path / "large.onnx")
    data = tmp_path / "tiny.data"
    checked = onnx_file.read(path)
    content = data.read_bytes()
    path.write_bytes(b"another model")
    assert np.array_equal(
        Generator(open_session(checked, "cpu", 1), checked.contract).sample(2, 5), generator.sample(2, 5)
    )
    (tmp_path / "secret").write_bytes(content)
    for take_place in (lambda: data.symlink_to("secret"), lambda: os.link(tmp_path / "secret", data)):
        data.unlink()
        take_place()
        with pytest.raises(UserError, match="a link or no regular file"):
            open_session(checked, "cpu", 1)
    data.unlink()
    os.mkfifo(data)
    with pytest.raises(UserError, match="a link or no regular file"):
        open_session(checked, "cpu", 1)
    data.unlink()
    data.write_bytes(content[:-1])
    with pytest.raises(UserError, match="cannot load"):
        open_session(checked, "cpu", 1)


# --- devices and imports --------------------------------------------------------------------------------------------


def test_devices(model: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="auto, cpu or cuda"):
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


# --- pictures -------------------------------------------------------------------------------------------------------


def test_bytes_are_the_nearest_of_256_levels() -> None:
    assert quantize(np.array([-2, -1, 0.999, 1, 2, 3 / 127.5 - 1])).tolist() == [0, 0, 255, 255, 255, 3]
    levels = np.arange(256)
    samples = (levels / 127.5 - 1).astype(np.float32).reshape(1, 1, 16, 16)
    assert np.array_equal(to_uint8(samples)[0, ..., 0], levels.reshape(16, 16))
    assert to_uint8(np.array([[[-9.0, 9.0]]], np.float32)).ravel().tolist() == [0, 255]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_pictures_are_written_without_loss(tmp_path: Path, channels: int, mode: str, suffix: str) -> None:
    generator = _unconditional(tmp_path, channels=channels)
    pixels = to_uint8(generator.sample(1, 3))[0]
    image = generator.images(1, 3)[0]
    assert image.mode == mode
    save_image(image, tmp_path / f"a.{suffix}")
    with Image.open(tmp_path / f"a.{suffix}") as read:
        back = np.asarray(read.convert(mode)).reshape(pixels.shape)
    opaque = pixels[..., -1:] > 0 if mode == "RGBA" else np.ones_like(pixels[..., :1], bool)
    assert np.array_equal(back * opaque, pixels * opaque)


def test_grid_puts_each_picture_in_its_place() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (7, 4, 6, 3), dtype=np.uint8)
    sheet = np.asarray(grid(pixels, columns=3, gap=2))
    assert sheet.shape == (3 * 6 + 2, 3 * 8 + 2, 3)
    covered = np.zeros(sheet.shape[:2], bool)
    for index, picture in enumerate(pixels):
        top, left = 2 + 6 * (index // 3), 2 + 8 * (index % 3)
        assert np.array_equal(sheet[top : top + 4, left : left + 6], picture)
        covered[top : top + 4, left : left + 6] = True
    assert np.all(sheet[~covered] == 255)
    labelled = np.asarray(grid(pixels, columns=3, rows=["cat", "", "a name so long that it must be cut somewhere"]))
    assert labelled.shape[0] == sheet.shape[0]
    assert np.array_equal(labelled[:, -sheet.shape[1] :], sheet)
    assert labelled[:6, : -sheet.shape[1]].min() < 128


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 200), st.integers(1, 20))
def test_rows_by_class_hold_their_class_in_order(n: int, classes: int) -> None:
    pixels = np.arange(n, dtype=np.int64).reshape(n, 1, 1, 1).astype(np.uint8)
    rows, columns = by_class(pixels, classes)
    lines = len(rows) // columns // classes
    assert len(rows) == lines * columns * classes
    for number, row in enumerate(rows.reshape(classes, lines * columns)):
        members = np.arange(number, n, classes)
        assert row[: len(members)].tolist() == members.tolist()
        assert np.all(row[len(members) :] == 255)


def test_enlarging_repeats_pixels() -> None:
    pixels = np.arange(2 * 16 * 8 * 1, dtype=np.uint8).reshape(2, 16, 8, 1)
    large = enlarge(pixels, 64)
    assert large.shape == (2, 64, 32, 1)
    assert np.array_equal(large[:, ::4, ::4], pixels)
    assert np.array_equal(large[:, 3::4, 3::4], pixels)
    assert enlarge(large, 64) is not None
    assert enlarge(large, 64).shape == large.shape


def test_gif_holds_every_frame(tmp_path: Path) -> None:
    frames = np.zeros((5, 8, 8, 1), np.uint8) + np.arange(5, dtype=np.uint8)[:, None, None, None] * 50
    save_gif(frames, tmp_path / "a.gif", seconds=1.0)
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 5
        assert film.info["loop"] == 0
        for index in range(5):
            film.seek(index)
            assert film.info["duration"] == 200
            assert np.all(np.asarray(film.convert("L")) == index * 50)


# --- commands -------------------------------------------------------------------------------------------------------


def test_generate_writes_what_it_says(
    model: Path, generator: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "folder"
    assert run(["generate", str(model), "-n", "5", "--seed", "7", "--truncation", "0.7", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    names = [f"seed7-{i:04d}-{tiny_onnx.LABELS[i % 3]}.png" for i in range(5)]
    assert sorted(path.name for path in out.iterdir()) == [*names, "seed7-grid.png"]
    assert names[0] in said
    assert "seed7-grid.png" in said
    pixels = to_uint8(generator.sample(5, 7, truncation=0.7))
    for name, picture in zip(names, pixels, strict=True):
        with Image.open(out / name) as image:
            assert np.max(np.abs(np.asarray(image).astype(int) - picture)) <= 1


@pytest.mark.parametrize(("label", "words"), [("dog", ["dog"] * 3), ("bird,0", ["bird", "cat", "bird"])])
def test_generate_with_labels(model: Path, tmp_path: Path, label: str, words: list[str]) -> None:
    arguments = ["generate", str(model), "-n", "3", "--label", label, "--out", str(tmp_path), "--format", "webp"]
    assert run([*arguments, "--no-grid"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"seed0-{i:04d}-{word}.webp" for i, word in enumerate(words)
    ]


def test_generate_a_strip_and_a_gif(model: Path, tmp_path: Path) -> None:
    arguments = [
        "generate",
        str(model),
        "--interpolate",
        "7,8,9",
        "--steps",
        "4",
        "--label",
        "dog",
        "--out",
        str(tmp_path),
    ]
    assert run(arguments) == 0
    with Image.open(tmp_path / "seeds7-8-9-dog.gif") as film:
        assert film.n_frames == 12
    with Image.open(tmp_path / "seeds7-8-9-dog-strip.png") as strip:
        assert strip.width > strip.height


def test_more_pictures_than_one_part(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    arguments = ["generate", str(model), "-n", "7", "--label", "dog,cat", "--start", "2", "--out"]
    assert run([*arguments, str(whole)]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multigan.cli.generate.PART", 3)
        patch.setattr("multigan.cli.generate.LARGEST_GRID", 3)
        assert run([*arguments, str(parts)]) == 0
    assert "the first 3 in one" in capsys.readouterr().out
    assert sorted(each.name for each in parts.iterdir()) == sorted(each.name for each in whole.iterdir())
    for each in whole.glob("*-0*.png"):
        with Image.open(each) as left, Image.open(parts / each.name) as right:
            assert np.array_equal(np.asarray(left), np.asarray(right))


def test_no_class_leads_out_of_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for names in (
        ["../a/b", "..", "é ß"],
        ["/etc/x", "a\0b", "CON"],
        ["\U00010330" * 300, ". ", "C:\\x:y"],
        ["", "-", "~"],
    ):
        model = tiny_onnx.write(tmp_path / "odd.onnx", tiny_onnx.contract(labels=names))
        for arguments in (["-n", "3"], ["--interpolate", "1,2", "--steps", "2", "--label", names[0]]):
            assert run(["generate", str(model), "--out", str(out), *arguments]) == 0
        made = [path.name for path in out.iterdir() if path.is_file()]
        assert len(made) == 6
        assert all(re.fullmatch(r"seeds?\d[\w.-]*", name) for name in made), made
        assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.onnx", "out"]
        shutil.rmtree(out)


def test_a_way_through_many_seeds_has_a_name_that_fits(model: Path, tmp_path: Path) -> None:
    seeds = ",".join(str(10**18 + each) for each in range(20))
    assert run(["generate", str(model), "--interpolate", seeds, "--steps", "1", "--out", str(tmp_path)]) == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".gif", ".png"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["-n", "0"], "n 0"),
        (["--seed", "-1"], "seed"),
        (["--label", "bard"], "'bird'"),
        (["--truncation", "-1"], "truncation"),
        (["--format", "jpg"], "png or webp"),
        (["--no-grid", "--no-singles"], "--no-grid"),
        (["--interpolate", "7,x"], "7,x"),
        (["--interpolate", "7"], "2 seeds"),
        (["--device", "tpu"], "tpu"),
    ],
)
def test_generate_says_what_is_wrong(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    out = tmp_path / "out"
    assert run(["generate", str(model), "--out", str(out), *arguments]) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_a_folder_that_cannot_be_written(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run(["generate", str(model), "--out", str(tmp_path / "file")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "in the way"


def test_info_tells_the_contract(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(model)]) == 0
    said = capsys.readouterr().out
    for word in ("float32 [batch, 3, 4, 6] in [-1, 1]", "cat, dog, bird", "12,000 samples", "normal", "kind hinge"):
        assert word in said
    assert run(["info", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == tiny_onnx.LABELS


def test_to_image_keeps_grey_grey() -> None:
    assert to_image(np.zeros((2, 3, 1), np.uint8)).mode == "L"
