"""Transposed convolutions rewritten as ordinary ones: the same numbers, where it is done and where it is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import transposed
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from multigan.exporters.polyphase import phases, polyphase


@settings(max_examples=60, deadline=None)
@given(
    rows=transposed.axis(),
    columns=transposed.axis(),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    relu=st.booleans(),
    bias=st.booleans(),
)
def test_the_rewritten_graph_gives_the_same_pictures(
    rows: tuple[int, ...], columns: tuple[int, ...], height: int, width: int, relu: bool, bias: bool
) -> None:
    kernel, strides, before, after, extra = zip(rows, columns, strict=True)
    model = transposed.model(
        transposed.weight(16, 32, *kernel),
        (height, width),
        bias,
        ("Relu", "Tanh") if relu else ("Tanh",),
        strides=strides,
        pads=before + after,
        output_padding=extra,
    )
    images = np.random.default_rng(2).standard_normal((3, 16, height, width), np.float32)
    rewritten = transposed.rewritten(model)
    possible = all(phases(kernel[axis], strides[axis], before[axis]) is not None for axis in (0, 1))
    assert ("ConvTranspose" not in transposed.kinds(rewritten)) == possible
    (expected,), (found,) = transposed.run(model, images), transposed.run(rewritten, images)
    assert expected.shape == (3, 32, height * strides[0], width * strides[1])
    assert np.max(np.abs(found - expected)) < 1e-5


@settings(max_examples=40, deadline=None)
@given(axis=transposed.axis(), length=st.integers(1, 150), relu=st.booleans(), bias=st.booleans())
def test_the_rewritten_graph_gives_the_same_sounds(axis: tuple[int, ...], length: int, relu: bool, bias: bool) -> None:
    """As pictures of height 1, padded by themselves where they are short."""
    kernel, stride, before, after, extra = axis
    geometry = {"strides": [stride], "pads": [before, after], "output_padding": [extra]}
    model = transposed.model(
        transposed.weight(16, 32, kernel), (length,), bias, ("Relu", "Tanh") if relu else ("Tanh",), **geometry
    )
    sounds = np.random.default_rng(2).standard_normal((3, 16, length), np.float32)
    rewritten = transposed.rewritten(model)
    made = phases(kernel, stride, before)
    assert ("ConvTranspose" not in transposed.kinds(rewritten)) == (made is not None)
    padded = made is not None and any((each.before + each.after) * 16 > length for each in made)
    assert ("Pad" in transposed.kinds(rewritten)) == padded
    (expected,), (found,) = transposed.run(model, sounds), transposed.run(rewritten, sounds)
    assert expected.shape == (3, 32, length * stride)
    assert np.max(np.abs(found - expected)) < 1e-5


def test_the_phases_of_the_usual_upsampling() -> None:
    """4 taps, stride 2, padding 1: each output pixel has two taps, and the two phases look to different sides."""
    found = phases(4, 2, 1)
    assert found is not None
    assert [(each.taps, each.before, each.after) for each in found] == [([3, 1], 1, 0), ([2, 0], 0, 1)]


def test_the_relu_becomes_part_of_the_convolutions_and_unused_constants_go() -> None:
    rewritten = transposed.rewritten(
        transposed.model(transposed.weight(16, 16, 4, 4), (4, 4), behind=("Relu",), strides=[2, 2], pads=[1] * 4)
    )
    kinds = transposed.kinds(rewritten)
    assert kinds[:8] == ["Conv", "Relu"] * 4
    assert "Relu" not in kinds[8:]
    assert "weight" not in {each.name for each in rewritten.graph.initializer}
    assert [each.name for each in rewritten.graph.output] == ["value0"]


@pytest.mark.parametrize("grows", [False, True])
def test_what_only_a_subgraph_reads_stays(grows: bool) -> None:
    """The branches of an If read a weight of the graph around them; with and without a rewriting before it."""
    model = transposed.model(transposed.weight(16, 16, 4, 4), (4, 4), **(UPSAMPLING if grows else {"strides": [2, 2]}))
    shift = numpy_helper.from_array(np.ones(1, np.float32), "shift")
    yes = numpy_helper.from_array(np.array(True), "yes")
    free = ["batch", 16, "height", "width"]
    value = helper.make_tensor_value_info("shifted", TensorProto.FLOAT, free)
    body = helper.make_graph([helper.make_node("Add", ["grown", "shift"], ["shifted"])], "body", [], [value])
    model.graph.node.append(helper.make_node("If", ["yes"], ["chosen"], then_branch=body, else_branch=body))
    model.graph.initializer.extend([shift, yes])
    model.graph.output.append(helper.make_tensor_value_info("chosen", TensorProto.FLOAT, free))
    images = transposed.weight(2, 16, 4, 4)
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    assert polyphase(rewritten) == int(grows)
    onnx.checker.check_model(rewritten)
    for expected, found in zip(transposed.run(model, images), transposed.run(rewritten, images), strict=True):
        assert np.max(np.abs(found - expected)) < 1e-5


def test_a_value_that_others_read_keeps_its_relu_behind_it() -> None:
    model = transposed.model(
        transposed.weight(16, 16, 4, 4), (4, 4), behind=("Relu",), shown=("grown",), strides=[2, 2], pads=[1] * 4
    )
    rewritten = transposed.rewritten(model)
    assert transposed.kinds(rewritten)[-1] == "Relu"
    images = transposed.weight(2, 16, 4, 4)
    for expected, found in zip(transposed.run(model, images), transposed.run(rewritten, images), strict=True):
        assert np.max(np.abs(found - expected)) < 1e-5


UPSAMPLING: dict[str, Any] = {"strides": [2, 2], "pads": [1, 1, 1, 1]}


@pytest.mark.parametrize(
    ("shape", "size", "attributes"),
    [
        pytest.param((16, 3, 4, 4), (4, 4), UPSAMPLING, id="channels that are no block"),
        pytest.param((16, 16, 4, 4), (4, 4), {**UPSAMPLING, "group": 2}, id="groups"),
        pytest.param((16, 16, 4, 4), (4, 4), {**UPSAMPLING, "dilations": [2, 1]}, id="dilation"),
        pytest.param((16, 16, 3, 3), (4, 4), {"strides": [1, 1], "pads": [1, 1, 1, 1]}, id="no stride"),
        pytest.param((16, 16, 4, 4), (4, 4), {"strides": [2, 2]}, id="larger than the stride makes it"),
        pytest.param((16, 16, 4, 4), (4, 4), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, id="padding by name"),
        pytest.param((16, 1, 4), (4,), {"strides": [2], "pads": [1, 1]}, id="sound of one channel"),
        pytest.param((16, 16, 4, 4, 4), (4, 4, 4), {"strides": [2] * 3, "pads": [1] * 6}, id="three axes"),
    ],
)
def test_what_does_not_gain_stays_as_it_is(
    shape: tuple[int, ...], size: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    model = transposed.model(transposed.weight(*shape), size, **attributes)
    before = model.SerializeToString(deterministic=True)
    assert polyphase(model) == 0
    assert model.SerializeToString(deterministic=True) == before
    transposed.run(model, transposed.weight(2, shape[0], *size))


def test_pictures_of_unknown_size_stay_as_they_are() -> None:
    model = transposed.model(transposed.weight(16, 16, 4, 4), (4, 4), **UPSAMPLING)
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"
    assert polyphase(model) == 0
