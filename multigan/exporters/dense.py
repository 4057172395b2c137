"""Large matrix products in int8, for a generator's first layer, which does nothing but read its many weights.

A latent has few numbers, and 8 bits of each are too few: their noise goes through all layers. So each number is split
into two of 8 bits, x = step * (256 * high + low), which have nearly 16, and both go through one integer product as rows
of it. For one sample the time is that of reading the weights, a quarter of float32's. Weights as in `quantize`.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from multigan.exporters.polyphase import replace_nodes
from multigan.exporters.quantize import LIMIT
from multigan.exporters.ranges import Feeds, Ranges, bounds, wide

LEAST = 2**18
"""Weights from which on it is worth while: what splits the input takes as long as a product of some thousands."""
MARGIN = 2.0
"""Values may be so many times as large as the largest that was seen; what lies beyond is clipped."""
HIGHEST = 32639
"""The largest whole number of two parts that both lie between -128 and 127."""


def products(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Those that are quantized: of a constant matrix of LEAST weights or more, of a narrow range."""
    sizes = {each.name: int(np.prod(each.dims)) for each in graph.initializer}
    outside = wide(graph)

    def fits(node: onnx.NodeProto) -> bool:
        given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        plain = given.get("alpha", 1.0) == given.get("beta", 1.0) == 1.0 and not given.get("transA", 0)
        constant = sizes.get(node.input[1], 0) >= LEAST and sizes.keys() >= set(node.input[2:])
        return plain and constant and not outside.intersection(node.output)

    return [node for node in graph.node if node.op_type == "Gemm" and fits(node)]


def ranges(model: onnx.ModelProto, feeds: Feeds) -> Ranges:
    """Between which bounds the inputs of the products lie, for `feeds`."""
    names = list(dict.fromkeys(node.input[0] for node in products(model.graph)))
    return bounds(model, names, feeds, [100.0])[0] if names else {}


def quantized(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """`model` with its large products in int8. ranges: those of their inputs, as above."""
    made = copy.deepcopy(model)
    chosen = {node.output[0] for node in products(made.graph)}
    weights = {each.name: numpy_helper.to_array(each) for each in made.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in made.graph.node:
        if node.output[0] in chosen:
            product = _Product(made.graph, node.output[0])
            nodes += product.nodes(node, weights, max(map(abs, ranges[node.input[0]])) * MARGIN)
        else:
            nodes.append(node)
    replace_nodes(made.graph, nodes)
    return made


class _Product:
    """The nodes that stand for one product, whose names begin with `name`."""

    def __init__(self, graph: onnx.GraphProto, name: str):
        self.graph, self.name = graph, name
        self.made: list[onnx.NodeProto] = []

    def nodes(self, node: onnx.NodeProto, weights: dict[str, NDArray[Any]], largest: float) -> list[onnx.NodeProto]:
        """largest: of the absolute values that the input may have."""
        matrix = weights[node.input[1]]  # [O, I], or [I, O]
        rows = matrix if any(each.i for each in node.attribute if each.name == "transB") else matrix.T
        step = np.float32(max(largest, 1e-6) / HIGHEST)
        scale = (np.maximum(np.abs(rows).max(axis=1), 1e-12) / LIMIT).astype(np.float32)
        whole = np.clip(np.rint(rows / scale[:, None]), -LIMIT, LIMIT).astype(np.int8).T
        small = self._split(node.input[0], step)
        inputs = [small, self._constant("whole", np.ascontiguousarray(whole)), self._constant("middle", np.uint8(128))]
        sums = self._node("Cast", [self._node("MatMulInteger", inputs, "sums")], "real", to=TensorProto.FLOAT)
        high, low = f"{self.name}.high_sum", f"{self.name}.low_sum"
        self.made.append(helper.make_node("Split", [sums], [high, low], name=f"{high}.Split", axis=0, num_outputs=2))
        both = self._node("Add", [self._node("Mul", [high, self._number(256)], "high_part"), low], "both")
        found = self._node("Mul", [both, self._constant("scale", scale * step)], "product")
        if node.input[2:3]:
            self._node("Add", [found, node.input[2]], "whole_product")
        self.made[-1].output[0] = node.output[0]
        return self.made

    def _split(self, value: str, step: np.float32) -> str:
        """The high parts of `[B, I]` and below them the low ones, uint8 around 128."""
        scaled = self._node("Mul", [value, self._constant("steps", 1 / step)], "scaled")
        ends = [self._number(-HIGHEST), self._number(HIGHEST)]
        number = self._node("Clip", [self._node("Round", [scaled], "rounded"), *ends], "number")
        moved = self._node("Add", [number, self._number(128)], "moved")
        high = self._node("Floor", [self._node("Mul", [moved, self._number(1 / 256)], "shifted")], "high")
        low = self._node("Sub", [number, self._node("Mul", [high, self._number(256)], "of_high")], "low")
        rows = self._node("Concat", [high, low], "rows", axis=0)
        return self._node(
            "Cast", [self._node("Add", [rows, self._number(128)], "raised")], "bytes", to=TensorProto.UINT8
        )

    def _node(self, kind: str, inputs: list[str], suffix: str, **attributes: Any) -> str:
        output = f"{self.name}.{suffix}"
        self.made.append(helper.make_node(kind, inputs, [output], name=f"{output}.{kind}", **attributes))
        return output

    def _number(self, value: float) -> str:
        return self._constant(f"{value:g}", np.float32(value))

    def _constant(self, suffix: str, value: Any) -> str:
        name = f"{self.name}.{suffix}"
        if all(each.name != name for each in self.graph.initializer):
            self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name
