"""Graphs of one transposed convolution, made by hand, and the geometries that are rewritten."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from hypothesis import assume
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from multigan.exporters.polyphase import polyphase

FLOAT = TensorProto.FLOAT


def model(
    weight: np.ndarray,
    size: tuple[int, ...],
    bias: bool = True,
    behind: tuple[str, ...] = (),
    shown: tuple[str, ...] = (),
    **attributes: Any,
) -> onnx.ModelProto:
    """image `[batch, C, *size]` through a transposed convolution and the operators `behind` it."""
    draw = np.random.default_rng(1)
    constants = [numpy_helper.from_array(weight, "weight")]
    if bias:
        groups = attributes.get("group", 1)
        constants.append(numpy_helper.from_array(draw.standard_normal(weight.shape[1] * groups, np.float32), "bias"))
    names = ["grown", *(f"value{index}" for index in range(len(behind)))]
    nodes = [helper.make_node("ConvTranspose", ["image", *(each.name for each in constants)], ["grown"], **attributes)]
    nodes += [helper.make_node(kind, [names[at]], [names[at + 1]]) for at, kind in enumerate(behind)]
    image = helper.make_tensor_value_info("image", FLOAT, ["batch", weight.shape[0], *size])
    free = ["batch", *(f"side{axis}" for axis in range(weight.ndim - 1))]
    outputs = [helper.make_tensor_value_info(name, FLOAT, free) for name in (names[-1], *shown)]
    graph = helper.make_graph(nodes, "grow", [image], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto, images: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})


def rewritten(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    polyphase(copy)
    return copy


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def weight(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


@st.composite
def axis(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    """Kernel, stride, padding before and after, output padding: the output is `stride` times as long as the input."""
    stride = draw(st.integers(2, 4))
    kernel = draw(st.integers(1, 9))
    extra = draw(st.integers(0, stride - 1))
    both = kernel + extra - stride
    assume(both >= 0)
    before = draw(st.integers(0, both))
    return kernel, stride, before, both - before, extra
