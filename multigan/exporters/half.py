"""A graph in float16, half the size. Its inputs and outputs stay float32."""

from __future__ import annotations

import copy

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from multigan.exporters.polyphase import replace_nodes
from multigan.exporters.ranges import wide

_KEPT = {"Resize": (1, 2)}
"""Inputs that an operator wants in float32 whatever its values are: Resize's region and its scales."""


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with its weights and what is computed of them in float16, save what has a `wide` range."""
    made = copy.deepcopy(model)
    replace_nodes(made.graph, _Halving(made.graph, shape_inference.infer_shapes(made).graph).nodes())
    del made.graph.value_info[:]
    return made


def stored_in_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with its weights stored in float16 and everything computed in float32.

    For graphs with a loop inside, whose running sums over a vocabulary need float32: a Cast stands before the loop.
    """
    made = copy.deepcopy(model)
    casts = []
    for each in made.graph.initializer:
        if each.data_type == TensorProto.FLOAT and len(each.dims):
            casts.append(helper.make_node("Cast", [f"{each.name}.half"], [each.name], to=TensorProto.FLOAT))
            value = numpy_helper.to_array(each).astype(np.float16)
            each.CopyFrom(numpy_helper.from_array(value, f"{each.name}.half"))
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


class _Halving:
    """A walk over the nodes of `graph`; `known` has the types of its values."""

    def __init__(self, graph: onnx.GraphProto, known: onnx.GraphProto):
        self.graph = graph
        self.wide = wide(graph)
        self.weights = {each.name: each for each in graph.initializer}
        values = [*known.input, *known.value_info, *known.output]
        types = {each.name: each.type.tensor_type.elem_type for each in values}
        types |= {name: each.data_type for name, each in self.weights.items()}
        self.floats = {name for name, kind in types.items() if kind == TensorProto.FLOAT}
        self.here: dict[str, dict[int, str]] = {}
        """The names of each value, by its type."""
        self.made: list[onnx.NodeProto] = []

    def nodes(self) -> list[onnx.NodeProto]:
        for each in self.graph.input:
            self.here[each.name] = {TensorProto.FLOAT: each.name}
        for node in self.graph.node:
            self._take(node, TensorProto.FLOAT if self.wide.intersection(node.output) else TensorProto.FLOAT16)
        for each in self.graph.output:
            if each.name in self.floats and TensorProto.FLOAT not in self.here[each.name]:
                self._cast(each.name, TensorProto.FLOAT, each.name)
        return self.made

    def _take(self, node: onnx.NodeProto, kind: int) -> None:
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        if kind == TensorProto.FLOAT16:
            _set_types(copied)
        for place, name in enumerate(node.input):
            if name in self.floats:
                kept = place in _KEPT.get(node.op_type, ())
                copied.input[place] = self._as(name, TensorProto.FLOAT if kept else kind)
        for place, name in enumerate(node.output):
            if name in self.floats:
                copied.output[place] = f"{name}.half" if kind == TensorProto.FLOAT16 else name
                self.here[name] = {kind: copied.output[place]}
        self.made.append(copied)

    def _as(self, name: str, kind: int) -> str:
        """The name of a value in that type."""
        found = self.here.setdefault(name, {TensorProto.FLOAT: name} if name in self.weights else {})
        if kind not in found:
            if name in self.weights:
                value = numpy_helper.to_array(self.weights[name]).astype(np.float16)
                self.graph.initializer.append(numpy_helper.from_array(value, f"{name}.half"))
                found[kind] = f"{name}.half"
            else:
                self._cast(name, kind, f"{name}.half" if kind == TensorProto.FLOAT16 else name)
        return found[kind]

    def _cast(self, name: str, kind: int, called: str) -> None:
        (source,) = self.here[name].values()
        self.made.append(helper.make_node("Cast", [source], [called], name=f"{called}.cast", to=kind))
        self.here[name][kind] = called


def _set_types(node: onnx.NodeProto) -> None:
    """What the node says of float32 in its attributes, of float16."""
    for each in node.attribute:
        if node.op_type == "Cast" and each.name == "to" and each.i == TensorProto.FLOAT:
            each.i = TensorProto.FLOAT16
        elif each.type == onnx.AttributeProto.TENSOR and each.t.data_type == TensorProto.FLOAT:
            each.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(each.t).astype(np.float16), each.t.name))
