"""Files that are handed to the runtime: damaged, hostile, another's, lying: read, or refused in a sentence."""

from __future__ import annotations

import json
import os
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

from multigan.cli import run
from multigan.contract import FORMAT, KEY, Contract, Input, Output
from multigan.errors import UserError
from multigan.runtime import Generator, load, onnx_file
from multigan.runtime.graph import summarize
from multigan.runtime.session import open_session


def _refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        Generator.load(path, device="cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_not_exported_models(tmp_path: Path, model: Path) -> None:
    assert "does not exist" in _refusal(tmp_path / "none.onnx")
    assert "folder" in _refusal(tmp_path)
    for name, content in {
        "text": b"hello, this is a text " * 9,
        "zip": b"PK\x03\x04" + bytes(99),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert "is not an ONNX file" in _refusal(tmp_path / name) or "not exported by multigan" in _refusal(
            tmp_path / name
        )
    (tmp_path / "empty").touch()
    assert "is empty" in _refusal(tmp_path / "empty")
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


def test_names_of_millions_of_letters_do_not_fill_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "n" * 1_000_000
    said = tiny_onnx.contract(labels=[long, "b", "c"], name=long, recipe={long: long, "data": {long: long}})
    path = _holding(tmp_path / "long.onnx", said.to_json())
    for arguments in (["info", str(path)], ["generate", str(path), "--label", "none"]):
        assert run(arguments) == 2 * ("none" in arguments)
        assert 3000 < len("".join(capsys.readouterr())) < 20_000
    made = tiny_onnx.model(tiny_onnx.contract())
    made.graph.node[0].name = made.graph.node[0].op_type = long
    path.write_bytes(made.SerializeToString())
    assert len(_refusal(path)) < 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": "cat"},
        {"labels": [1, 2]},
        {"labels": []},
        {"recipe": 3},
        {"inputs": [Input("latent", "latent", "float32", ["batch", "Z"], "normal")]},
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


def _with_weights_beside(path: Path, name: str = "large.onnx.data") -> Path:
    onnx.save_model(
        tiny_onnx.model(tiny_onnx.contract()), str(path), save_as_external_data=True, location=name, size_threshold=200
    )
    return path


def test_weights_beside_the_model(tmp_path: Path, generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _with_weights_beside(tmp_path / "large.onnx")
    monkeypatch.chdir("/")
    assert np.array_equal(load(path, device="cpu", threads=1).sample(4, 5), generator.sample(4, 5))
    os.link(tmp_path / "large.onnx.data", tmp_path / "second-name")
    assert "link" in _refusal(path)
    (tmp_path / "second-name").unlink()
    (tmp_path / "large.onnx.data").rename(tmp_path / "moved")
    assert "missing beside it" in _refusal(path)
    (tmp_path / "large.onnx.data").symlink_to(tmp_path / "moved")
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
    found = summarize(memoryview(made.SerializeToString()))
    assert found.external == {}
    assert found.hidden == {"in-a-branch", "in-a-function", "in-a-sparse-tensor"}
    assert {name for _, name in found.operators} >= {"Constant", "If", "Loop", "MatMul"}
    assert (found.functions, found.sparse) == (1, 1)
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
    data = tmp_path / "large.onnx.data"
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
    with pytest.raises(UserError, match="less than the model needs"):
        open_session(checked, "cpu", 1)
