"""`export/run_standalone.py`: the samples of multigan.runtime, bit for bit, with numpy and onnxruntime alone."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_onnx
from PIL import Image

from multigan.contract import Contract, Input, Output
from multigan.runtime import load, to_uint8
from multigan.sounds import pcm

SCRIPT = Path(__file__).parent.parent / "export" / "run_standalone.py"

ALONE = """
import runpy, sys

class Others:
    "Finds nothing of what only multigan needs."
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"multigan", "torch", "onnx", "PIL", "soundfile", "pydantic", "typer", "yaml"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Others())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _run(model: Path, count: int, seed: int, out: Path) -> str:
    command = [
        sys.executable,
        "-I",
        "-W",
        "error",
        "-c",
        ALONE,
        str(SCRIPT),
        str(model),
        str(count),
        str(seed),
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _number() -> Input:
    return Input("number", "condition", "float32", ["batch"], default=47.0, minimum=36.0, maximum=59.5)


def _told_a_number(path: Path) -> Path:
    """The tiny model, whose picture also depends on a number, and on two other noises, one of each distribution."""
    said = tiny_onnx.contract()
    other = Input("phase", "noise", "float32", ["batch", 2, 1], "uniform")
    more = Input("grain", "noise", "float32", ["batch", 3], "normal")
    contract = tiny_onnx.contract(inputs=[*said.inputs, other, _number(), more])
    model = tiny_onnx.model(said)
    helper = onnx.helper
    for name, shape in (("phase", ["batch", 2, 1]), ("number", ["batch"]), ("grain", ["batch", 3])):
        model.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    last = model.graph.node[-1]
    last.output[0] = "base"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 1, 1, 1]), "ones"))
    model.graph.node.extend(
        [
            helper.make_node("ReduceSum", ["phase"], ["phases"], keepdims=0, noop_with_empty_axes=0),
            helper.make_node("ReduceSum", ["grain"], ["grains"], keepdims=0, noop_with_empty_axes=0),
            helper.make_node("Reshape", ["number", "ones"], ["numbers"]),
            helper.make_node("Sin", ["numbers"], ["wave"]),
            helper.make_node("Mul", ["base", "wave"], ["waved"]),
            helper.make_node("Add", ["waved", "phases"], ["phased"]),
            helper.make_node("Add", ["phased", "grains"], ["all"]),
            helper.make_node("Tanh", ["all"], ["image"]),
        ]
    )
    model.metadata_props[0].value = contract.to_json()
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
def test_pictures_with_classes_and_numbers(tmp_path: Path, seed: int) -> None:
    model = _told_a_number(tmp_path / "model.onnx")
    _run(model, 23, seed, tmp_path / "made")
    wanted = load(model, "cpu").sample(23, seed, batch=23)
    assert np.array_equal(np.load(tmp_path / "made.npy"), wanted)
    for index, pixels in enumerate(to_uint8(wanted)):
        with Image.open(tmp_path / f"made-{index}.ppm") as picture:
            assert np.array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_pictures(tmp_path: Path, channels: int) -> None:
    model = tiny_onnx.write(tmp_path / "model.onnx", tiny_onnx.contract(channels, "uniform", conditional=False))
    _run(model, 2, 3, tmp_path / "made")
    wanted = load(model, "cpu").sample(2, 3)
    assert np.array_equal(np.load(tmp_path / "made.npy"), wanted)
    with Image.open(tmp_path / "made-1.ppm") as picture:
        shown = np.asarray(picture)
    pixels = to_uint8(wanted)[1]
    assert np.array_equal(shown, pixels.repeat(3, axis=-1) if channels == 1 else pixels[..., :3])


def test_sounds(tmp_path: Path) -> None:
    said = tiny_onnx.contract(
        modality="audio", output=Output("image", "float32", ["batch", 2, 36], -1.0, 1.0), extra={"sample_rate": 8000}
    )
    model = tiny_onnx.model(tiny_onnx.contract())
    shape = next(each for each in model.graph.initializer if each.name == "shape")
    shape.CopyFrom(onnx.numpy_helper.from_array(np.array([-1, 2, 36]), "shape"))
    output = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["batch", 2, 36])
    model.graph.output[0].CopyFrom(output)
    model.metadata_props[0].value = said.to_json()
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    _run(tmp_path / "model.onnx", 3, 5, tmp_path / "made")
    wanted = load(tmp_path / "model.onnx", "cpu").sample(3, 5)
    assert np.array_equal(np.load(tmp_path / "made.npy"), wanted)
    with wave.open(str(tmp_path / "made-2.wav"), "rb") as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        assert file.readframes(99) == pcm(wanted[2:])


def _texts(path: Path, kind: str) -> Path:
    """A model whose symbols are the noise in steps, of three classes; 0 ends a text."""
    symbols = ["<end>", "<unk>", *([f"w{n}" for n in range(8)] if kind == "words" else "abcdefgh")]
    highest = len(symbols) - 1
    contract = Contract(
        "text",
        "tiny",
        [
            Input("noise", "noise", "float32", ["batch", "length"], "uniform"),
            Input("prefix", "prefix", "int64", ["batch", "length"], minimum=-1, maximum=highest, default=-1),
            Input("temperature", "scalar", "float32", [], default=1.0, minimum=0.0, maximum=100.0),
            Input("top_k", "scalar", "int64", [], default=0, minimum=0, maximum=len(symbols)),
            Input("top_p", "scalar", "float32", [], default=1.0, minimum=0.0, maximum=1.0),
        ],
        Output("text", "int64", ["batch", "length"], 0, highest),
        extra={
            "vocabulary": {"kind": kind, "symbols": symbols, "end": True, "merges": []},
            "length": 9,
            "log_probability": "log_probability",
        },
    )
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Abs", ["noise"], ["size"]),
        helper.make_node("Mul", ["size", "steps"], ["stretched"]),
        helper.make_node("Mul", ["stretched", "temperature"], ["warm"]),
        helper.make_node("Mul", ["warm", "top_p"], ["cut"]),
        helper.make_node("Cast", ["cut"], ["floor"], to=kinds.INT64),
        helper.make_node("Add", ["floor", "top_k"], ["moved"]),
        helper.make_node("Max", ["moved", "prefix"], ["text"]),
        helper.make_node("Neg", ["size"], ["log_probability"]),
    ]
    table = ["batch", "length"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("noise", kinds.FLOAT, table),
            helper.make_tensor_value_info("prefix", kinds.INT64, table),
            helper.make_tensor_value_info("temperature", kinds.FLOAT, []),
            helper.make_tensor_value_info("top_k", kinds.INT64, []),
            helper.make_tensor_value_info("top_p", kinds.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("text", kinds.INT64, table),
            helper.make_tensor_value_info("log_probability", kinds.FLOAT, table),
        ],
        [onnx.numpy_helper.from_array(np.array(9.99, np.float32), "steps")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"multigan": contract.to_json()})
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_texts(tmp_path: Path, kind: str) -> None:
    model = _texts(tmp_path / "model.onnx", kind)
    said = _run(model, 40, 11, tmp_path / "made")
    generator = load(model, "cpu")
    assert np.array_equal(np.load(tmp_path / "made.npy"), generator.sample(40, 11))
    assert said.splitlines() == generator.texts(40, 11)
    assert len({len(line) for line in said.splitlines()}) > 3  # some of them ended


def test_it_is_short() -> None:
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) < 80
