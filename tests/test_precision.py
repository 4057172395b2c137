"""Graphs in float16 and in int8: near the original by measure, smaller, and refused where they are too far from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import transposed
import untrained
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from multigan import load
from multigan.cli import run
from multigan.contract import Contract
from multigan.errors import UserError
from multigan.exporters import Choices, export, quantize
from multigan.exporters.half import halved
from multigan.exporters.parity import compared
from multigan.exporters.polyphase import phases, polyphase
from multigan.exporters.quantize import LIMIT, quantized, ranges
from multigan.exporters.ranges import bounds, wide

Geometry = tuple[int, ...]


def _snr(made: np.ndarray, exact: np.ndarray) -> float:
    return compared(made, exact).snr


def _followed(model: onnx.ModelProto) -> onnx.ModelProto:
    """With a convolution behind it, so that the one before is not the last."""
    channels = model.graph.initializer[0].dims[1]
    rank = len(model.graph.initializer[0].dims)
    value = transposed.weight(2, channels, *[1] * (rank - 2)) / np.float32(np.sqrt(channels))
    model.graph.initializer.append(numpy_helper.from_array(value, "last"))
    name = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Conv", [name, "last"], ["end"], name="end"))
    model.graph.output[0].name = "end"
    return model


def _quantized(model: onnx.ModelProto, images: np.ndarray, **options: Any) -> onnx.ModelProto:
    rewritten = onnx.ModelProto.FromString(model.SerializeToString())
    polyphase(rewritten, quantize.BLOCK)
    (found,) = ranges(rewritten, lambda: [{"image": images}], [100.0])
    return quantized(rewritten, found, **options)


@settings(max_examples=30, deadline=None)
@given(
    rows=transposed.axis(), columns=transposed.axis(), side=st.integers(2, 5), relu=st.booleans(), bias=st.booleans()
)
def test_int8_pictures_are_near_the_transposed_convolutions(
    rows: Geometry, columns: Geometry, side: int, relu: bool, bias: bool
) -> None:
    kernel, strides, before, after, extra = zip(rows, columns, strict=True)
    model = transposed.model(
        transposed.weight(8, 12, *kernel),
        (side, side + 1),
        bias,
        ("Relu",) if relu else (),
        strides=strides,
        pads=before + after,
        output_padding=extra,
    )
    possible = all(phases(kernel[axis], strides[axis], before[axis]) is not None for axis in (0, 1))
    _near(_followed(model), np.random.default_rng(2).standard_normal((4, 8, side, side + 1), np.float32), possible)


@settings(max_examples=30, deadline=None)
@given(axis=transposed.axis(), length=st.integers(2, 90), relu=st.booleans(), bias=st.booleans())
def test_int8_sounds_are_near_the_transposed_convolutions(axis: Geometry, length: int, relu: bool, bias: bool) -> None:
    """As pictures of height 1, some of them padded by themselves: the padding is uint8, too."""
    kernel, stride, before, after, extra = axis
    geometry = {"strides": [stride], "pads": [before, after], "output_padding": [extra]}
    model = transposed.model(transposed.weight(8, 12, kernel), (length,), bias, ("Relu",) if relu else (), **geometry)
    sounds = np.random.default_rng(2).standard_normal((4, 8, length), np.float32)
    _near(_followed(model), sounds, phases(kernel, stride, before) is not None)


def _near(model: onnx.ModelProto, images: np.ndarray, possible: bool) -> None:
    rewritten = onnx.ModelProto.FromString(model.SerializeToString())
    polyphase(rewritten, quantize.BLOCK)
    assert quantize.layers(rewritten.graph) == int(possible)
    if not possible:
        return
    made = _quantized(model, images)
    (expected,), (found,) = transposed.run(model, images), transposed.run(made, images)
    assert found.shape == expected.shape
    assert 28 < _snr(found, expected) < 90  # rounded, and no more than that
    whole = {each.name: each.data_type for each in made.graph.initializer}
    assert TensorProto.INT8 in whole.values()


def _chain(*behind: str) -> onnx.ModelProto:
    """Two transposed convolutions with ReLUs and a last convolution."""
    model = transposed.model(
        transposed.weight(16, 16, 4, 4) / 8, (4, 4), behind=("Relu",), strides=[2, 2], pads=[1, 1, 1, 1]
    )
    value = numpy_helper.from_array(transposed.weight(16, 16, 4, 4) / np.float32(8), "second")
    model.graph.initializer.append(value)
    model.graph.node.append(
        helper.make_node("ConvTranspose", ["value0", "second"], ["deeper"], name="second", strides=[2, 2], pads=[1] * 4)
    )
    for kind, source, output in zip(behind, ["deeper", *behind], behind, strict=False):
        model.graph.node.append(helper.make_node(kind, [source], [output], name=output))
    model.graph.output[0].name = behind[-1] if behind else "deeper"
    return _followed(model)


def test_what_is_moved_between_convolutions_is_moved_in_uint8() -> None:
    """Both layers, with the ReLU between: no float32 value is interleaved, and the phases share one range."""
    images = transposed.weight(6, 16, 4, 4)
    model = _chain("Relu")
    made = _quantized(model, images)
    kinds = {output: node.op_type for node in made.graph.node for output in node.output}
    moved = [node for node in made.graph.node if node.op_type in ("Concat", "Unsqueeze")]
    assert len(moved) == 2 * (4 + 3)
    assert all(kinds[node.input[0]] in {"QuantizeLinear", "Unsqueeze", "Concat", "Reshape"} for node in moved)
    assert _snr(transposed.run(made, images)[0], transposed.run(model, images)[0]) > 30
    assert Counter(kinds.values())["QuantizeLinear"] == 1 + 4 + 4


def test_int8_convolutions_are_what_onnxruntime_runs(tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    content = _quantized(_chain("Relu"), transposed.weight(6, 16, 4, 4)).SerializeToString()
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert kinds["QLinearConv"] == 8
    assert kinds["Conv"] + kinds["FusedConv"] == 1  # the last one


def test_weights_have_seven_bits_and_a_scale_for_each_channel() -> None:
    """So that pairs of products fit into 16 bits, where processors add them so."""
    model = _followed(transposed.model(transposed.weight(8, 12, 4, 4), (3, 3), strides=[2, 2], pads=[1] * 4))
    made = _quantized(model, transposed.weight(2, 8, 3, 3))
    whole = [numpy_helper.to_array(each) for each in made.graph.initializer if each.data_type == TensorProto.INT8]
    kernels = [each for each in whole if each.ndim > 1]
    assert len(kernels) == 4
    assert all(np.abs(each).max(axis=(1, 2, 3)).tolist() == [LIMIT] * 12 for each in kernels)


def test_spared_layers_stay_in_float32() -> None:
    images = transposed.weight(6, 16, 4, 4)
    model = _chain("Relu")
    exact = transposed.run(model, images)[0]
    found = [_quantized(model, images, spared=spared) for spared in ((), (0,), (1,), (0, 1))]
    counts = [Counter(node.op_type for node in each.graph.node)["QuantizeLinear"] for each in found]
    assert counts == [9, 5, 5, 0]
    noises = [compared(transposed.run(each, images)[0], exact).noise for each in found]
    assert noises[3] < 1e-3 * min(noises[:3])
    assert max(noises[1:3]) < noises[0]


def test_a_value_that_others_read_in_float32_is_given_to_them() -> None:
    """The first layer's values are read by the second layer, and by what scales its output."""
    model = _chain()
    last = model.graph.node.pop()
    scale = [
        helper.make_node("Abs", ["value0"], ["aside"], name="aside"),
        helper.make_node("ReduceMax", ["aside"], ["most"], name="most"),
        helper.make_node("Mul", ["deeper", "most"], ["scaled"], name="scaled"),
    ]
    last.input[0] = "scaled"
    model.graph.node.extend([*scale, last])
    images = transposed.weight(6, 16, 4, 4)
    made = _quantized(model, images)
    assert Counter(node.op_type for node in made.graph.node)["QuantizeLinear"] == 9
    assert 28 < _snr(transposed.run(made, images)[0], transposed.run(model, images)[0]) < 60


def test_bounds_leave_out_what_lies_outermost() -> None:
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Mul", ["image", "two"], ["twice"]), helper.make_node("Neg", ["twice"], ["end"])],
            "graph",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch"])],
            [helper.make_tensor_value_info("end", TensorProto.FLOAT, ["batch"])],
            [numpy_helper.from_array(np.float32(2), "two")],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    values = np.random.default_rng(0).standard_normal((5, 20_000), np.float32)
    percentiles = (99.0, 99.9)
    found = bounds(model, ["twice"], lambda: ({"image": each} for each in values), percentiles)
    for percentile, each in zip(percentiles, found, strict=True):
        wanted = np.percentile(2 * values, [100 - percentile, percentile])
        assert np.abs(np.array(each["twice"]) - wanted).max() < 0.03
    assert bounds(model, ["twice"], lambda: [{"image": np.zeros(3, np.float32)}], [99.0]) == [{"twice": (0.0, 0.0)}]
    assert bounds(model, ["twice"], lambda: [{"image": np.ones(3, np.float32)}], [100.0]) == [{"twice": (0.0, 2.0)}]


# --- float16 --------------------------------------------------------------------------------------------------------


def test_float16_inside_and_float32_outside() -> None:
    model = _chain("Relu")
    made = halved(model)
    images = transposed.weight(6, 16, 4, 4)
    (found,), (expected,) = transposed.run(made, images), transposed.run(model, images)
    assert found.dtype == np.float32
    assert 50 < _snr(found, expected) < 80
    types = Counter(each.data_type for each in made.graph.initializer)
    assert types == {TensorProto.FLOAT16: len(made.graph.initializer)}
    assert 0.45 < made.ByteSize() / model.ByteSize() < 0.55


def test_what_is_behind_an_exponential_or_before_a_logarithm_keeps_its_range() -> None:
    """exp(10 + x) is far above what float16 holds; log(x 1e-9 + 1e-12) far below what it tells apart."""
    constants = {"ten": 10.0, "tiny": 1e-9, "least": 1e-12, "eighth": 0.125}
    nodes = [
        helper.make_node("Mul", ["image", "tiny"], ["small"]),
        helper.make_node("Add", ["small", "least"], ["floored"]),
        helper.make_node("Log", ["floored"], ["level"]),
        helper.make_node("Mul", ["level", "eighth"], ["inside"]),
        helper.make_node("Add", ["inside", "ten"], ["raised"]),
        helper.make_node("Exp", ["raised"], ["power"]),
        helper.make_node("Mul", ["power", "power"], ["end"]),
    ]
    shape = ["batch", 4]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("end", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.float32(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert wide(model.graph) == {"small", "floored", "level", "power", "end"}
    images = np.random.default_rng(0).random((5, 4), np.float32)
    (found,), (expected,) = transposed.run(halved(model), images), transposed.run(model, images)
    assert expected.min() > 65504
    assert _snr(found, expected) > 25  # of what is in float16, enlarged by the exponential
    assert Counter(node.op_type for node in halved(model).graph.node)["Cast"] == 2


# --- whole exports --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(untrained.KINDS))
@pytest.mark.parametrize(("precision", "least"), [("fp16", 50.0), ("int8", 30.0)])
def test_a_generator_of_less_precision(kind: str, precision: Any, least: float, tmp_path: Path) -> None:
    weights, out = untrained.pictures(kind, tmp_path), tmp_path / "made" / "model.onnx"
    report = export(weights, out, choices=Choices(precision))
    assert [each.name for each in report.columns] == [precision, "fp32"]
    assert report.snr >= least
    assert report.columns[1].total.snr > 90
    assert all(set(times) == {precision, "fp32", "torch"} for times in report.latencies.values())
    assert [each.name for each in out.parent.iterdir()] == ["model.onnx"]
    assert report.size == out.stat().st_size
    generator = load(out, device="cpu", threads=1)
    assert generator.contract.precision == precision
    export(weights, tmp_path / "exact.onnx")
    exact = load(tmp_path / "exact.onnx", device="cpu", threads=1)
    made, wanted = (each.sample(24, seed=77) for each in (generator, exact))  # of a seed that nothing was chosen by
    assert _snr(made, wanted) > least - 3


def test_what_is_too_far_is_not_written(tmp_path: Path) -> None:
    weights, out = untrained.pictures("dcgan", tmp_path), tmp_path / "made" / "model.onnx"
    with pytest.raises(UserError, match=r"signal-to-noise ratio of .* less than 80 dB.* --snr accepts less"):
        export(weights, out, choices=Choices("int8", snr=80))
    assert list(out.parent.iterdir()) == []


def test_the_command_writes_each_precision_and_refuses_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, out = untrained.pictures("dcgan", tmp_path), tmp_path / "made" / "model.onnx"
    for flag in ("--fp16", "--int8"):
        assert run(["export", str(weights), flag, "--no-card", "--out", str(out)]) == 0
        said = capsys.readouterr().out
        assert all(word in said for word in (flag[2:], "fp32", "torch", " dB", " MB", "batch of 1", "batch of 16")), (
            said
        )
    out.unlink()
    for arguments in (
        ["--fp16", "--int8"],
        ["--snr", "20"],
        ["--int8", "--snr", "0"],
        ["--fp16", "--snr", "119"],
        ["--opset", "12"],
        ["--opset", "99"],
    ):
        assert run(["export", str(weights), *arguments, "--out", str(out)]) == 2, arguments
        assert capsys.readouterr().err.count("\n") == 1
    assert list(out.parent.iterdir()) == []


def test_the_report_says_where_int8_gains_nothing(tmp_path: Path) -> None:
    report = export(untrained.pictures("dcgan", tmp_path), tmp_path / "model.onnx", choices=Choices("int8"))
    words = "int8 is no faster than float32"
    for times, said in (((2.0, 1.0, 9.0), True), ((1.0, 1.0, 9.0), True), ((0.5, 1.0, 9.0), False)):
        mixed = dict(zip(("int8", "fp32", "torch"), times, strict=True))
        slow = {"int8": 3.0, "fp32": 1.0, "torch": 4.0}
        assert (words in str(replace(report, latencies={1: slow, 16: mixed}))) == said
    assert words not in str(replace(report, latencies={}, columns=report.columns[1:]))


def test_older_contracts_have_the_full_precision(tmp_path: Path) -> None:
    assert (
        Contract.from_json(
            '{"modality": "image", "name": "x", "inputs": [], "output": {"name": "y", "dtype": '
            '"float32", "shape": []}, "format": 1}'
        ).precision
        == "fp32"
    )
