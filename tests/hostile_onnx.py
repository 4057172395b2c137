"""Files that were made to do harm: the small exported file of `tiny_onnx` with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import tiny_onnx
from onnx import TensorProto, helper, numpy_helper

from multigan.contract import KEY, Output

Spoil = Callable[[onnx.ModelProto], None]
Node = onnx.NodeProto


def plain() -> onnx.ModelProto:
    return tiny_onnx.model(tiny_onnx.contract(conditional=False))


def _constant(model: onnx.ModelProto, name: str, value: np.ndarray) -> None:  # type: ignore[type-arg]
    model.graph.initializer.append(numpy_helper.from_array(value, name))


def _into_the_latent(model: onnx.ModelProto, nodes: list[Node], extra: str) -> None:
    """Put nodes before all others, and add the number `extra` that they make to the latent."""
    model.graph.node[0].input[0] = "more"
    for node in reversed([*nodes, helper.make_node("Add", ["latent", extra], ["more"])]):
        model.graph.node.insert(0, node)


def huge(model: onnx.ModelProto, side: int, from_latent: bool) -> None:
    """A tensor of `side` numbers: of constants alone, which could be computed while loading; or told by the latent."""
    _constant(model, "side", np.array([side], np.int64))
    _constant(model, "one", np.array([0], np.int64))
    nodes = [
        helper.make_node("ConstantOfShape", ["much"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0),
    ]
    if from_latent:
        shape = [
            helper.make_node("Shape", ["latent"], ["sides"]),
            helper.make_node("Gather", ["sides", "one"], ["rows"]),
        ]
        nodes = [*shape, helper.make_node("Mul", ["rows", "side"], ["much"]), *nodes]
    else:
        nodes[0].input[0] = "side"
    _into_the_latent(model, nodes, "total")


def large(path: Path, side: int) -> Path:
    """Write a small file that is in order, whose pictures are large: each of one colour."""
    output = Output("image", "float32", ["batch", 3, side, side], -1.0, 1.0)
    stored = {"axis": [1], "point": [-1, 1, 1, 1], "shape": [1, 3, side, side]}
    nodes = [
        helper.make_node("ReduceMean", ["latent", "axis"], ["mean"]),
        helper.make_node("Reshape", ["mean", "point"], ["colour"]),
        helper.make_node("Tanh", ["colour"], ["bounded"]),
        helper.make_node("Expand", ["bounded", "shape"], ["image"]),
    ]
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["batch", tiny_onnx.SIZE])],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, output.shape)],
        [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in stored.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(made, {KEY: tiny_onnx.contract(conditional=False, output=output).to_json()})
    path.write_bytes(made.SerializeToString())
    return path


def endless(model: onnx.ModelProto) -> None:
    """A loop that never ends."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Identity", ["value"], ["same"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("same", TensorProto.FLOAT, []),
        ],
    )
    _constant(model, "true", np.array(True))
    _constant(model, "zero", np.array(0, np.float32))
    _into_the_latent(model, [helper.make_node("Loop", ["", "true", "zero"], ["kept"], body=body)], "kept")


def one_long_operator(model: onnx.ModelProto) -> None:
    """One product of matrices that takes minutes, and cannot be interrupted."""
    _constant(model, "side", np.array([12000, 12000], np.int64))
    nodes = [
        helper.make_node("ConstantOfShape", ["side"], ["big"]),
        helper.make_node("MatMul", ["big", "big"], ["square"]),
        helper.make_node("MatMul", ["square", "big"], ["cube"]),
        helper.make_node("ReduceSum", ["cube"], ["total"], keepdims=0),
    ]
    _into_the_latent(model, nodes, "total")


def forged_sides(model: onnx.ModelProto) -> None:
    """Weights that say they have 2^40 rows."""
    model.graph.initializer[0].dims[0] = 2**40


def no_data(model: onnx.ModelProto) -> None:
    """A tensor of 2^40 numbers without any."""
    model.graph.initializer.append(onnx.TensorProto(name="none", data_type=TensorProto.FLOAT, dims=[2**40]))


def countless_axes(model: onnx.ModelProto) -> None:
    """A tensor of so many axes that the product of their sides alone would take an hour."""
    model.graph.initializer.append(onnx.TensorProto(name="none", data_type=TensorProto.FLOAT, dims=[2**62] * 2**19))


def negative_side(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -5


def sparse(model: onnx.ModelProto) -> None:
    """Four bytes that are 2^40 numbers once they are written out, which happens while loading."""
    values = numpy_helper.from_array(np.ones(1, np.float32), "wide")
    places = numpy_helper.from_array(np.zeros(1, np.int64), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [2**20, 2**20]))


def foreign_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("evil.example", 1))
    model.graph.node.append(helper.make_node("Run", ["latent"], ["ran"], domain="evil.example"))


def foreign_domain_in_a_branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([helper.make_node("Run", [], ["ran"], domain="evil.example")], "branch", [], [])
    _constant(model, "true", np.array(True))
    model.graph.node.append(helper.make_node("If", ["true"], ["out"], then_branch=inner, else_branch=inner))


def engine(model: onnx.ModelProto) -> None:
    """A program for a device, which a provider would load from a file."""
    model.graph.node.append(
        helper.make_node(
            "EPContext", ["latent"], ["ran"], domain="com.microsoft", ep_cache_context="/tmp/x", embed_mode=0
        )
    )


def laughs(model: onnx.ModelProto) -> None:
    """Functions of two calls of the next one, thirty times: a thousand million nodes once they are put in place."""
    for level in range(30):
        nodes = [helper.make_node(f"f{level + 1}", ["x"], ["y"], domain="own")] * 2
        if level == 29:
            nodes = [helper.make_node("Identity", ["x"], ["y"])]
        model.functions.append(helper.make_function("own", f"f{level}", ["x"], ["y"], nodes, []))
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node.append(helper.make_node("f0", ["latent"], ["ran"], domain="own"))


def many_nodes(model: onnx.ModelProto) -> None:
    for index in range(30_000):
        model.graph.node.append(helper.make_node("Neg", ["latent"], [f"unused{index}"]))


def slow_to_open(model: onnx.ModelProto) -> None:
    """A chain that onnxruntime optimizes in a time that grows with the square of its length."""
    before = "latent"
    for index in range(18_000):
        model.graph.node.append(helper.make_node("Add", [before, before], [f"sum{index}"]))
        before = f"sum{index}"


def elsewhere(place: str) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": place, "offset": "0", "length": str(size)}.items():
            tensor.external_data.add(key=key, value=value)

    return spoil
