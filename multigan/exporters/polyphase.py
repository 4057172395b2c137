"""Transposed convolutions as ordinary ones, for which onnxruntime has the faster kernels on a processor.

Along each axis the output of a transposed convolution of stride s falls into s phases: y[s i + b] is the sum over j of
x[j] w[s i + b + p - s j], p being the padding before. Only the taps r, r + s, ... with r = (b + p) mod s meet the input
there, so that a phase is a convolution of stride 1 with those taps in reverse order, and no product is computed twice
or with a zero. The phases are interleaved by concatenation along new axes, which onnxruntime does faster than
DepthToSpace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

BLOCK = 16
"""Channels that onnxruntime's blocked kernels take at once: with others the transposed convolution stays."""

LARGEST = 2**31 - 2**20
"""Bytes of weights that fit into one protobuf message."""


@dataclass(frozen=True)
class Phase:
    """One phase along one axis: the kernel's taps in the order of the input, and the padding of their convolution."""

    index: int
    taps: list[int]
    before: int
    after: int


def phases(kernel: int, stride: int, padding: int) -> list[Phase] | None:
    """The phases along one axis, for an output `stride` times as long as the input; None where one has no taps or would
    cut the input."""
    found = []
    for index in range(stride):
        shift, first = divmod(index + padding, stride)
        taps = list(range(first, kernel, stride))[::-1]
        before = len(taps) - 1 - shift
        if not taps or before < 0:
            return None
        found.append(Phase(index, taps, before, shift))
    return found


def polyphase(model: onnx.ModelProto) -> int:
    """Rewrite in place each transposed convolution that gains by it; how many were rewritten.

    Those of pictures, with constant weights, without groups or dilation, whose sides are known and grow `stride` times,
    and whose channels come in blocks of 16. A ReLU that follows moves before the interleaving, where onnxruntime makes
    it part of the convolution. A model that is too large for one protobuf message stays whole: shapes are inferred by
    way of one.
    """
    if sum(len(each.raw_data) for each in model.graph.initializer) > LARGEST:
        return 0
    rewriter = _Rewriter(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.output[0] not in rewriter.done:
            nodes += rewriter.rewritten(node) or [node]
    if rewriter.count:
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        used = set(_read(nodes)) | {each.name for each in model.graph.output}
        kept = [each for each in model.graph.initializer if each.name in used]
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
    return rewriter.count


def _read(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """What the nodes read, also inside of their subgraphs (the branches of an If, the body of a Loop or Scan)."""
    for node in nodes:
        yield from node.input
        for each in node.attribute:
            for graph in [*each.graphs, *([each.g] if each.HasField("g") else [])]:
                yield from _read(graph.node)
                yield from (output.name for output in graph.output)


class _Rewriter:
    """What is known of the graph while it is walked."""

    def __init__(self, model: onnx.ModelProto):
        graph = shape_inference.infer_shapes(model).graph
        self.initializers = {each.name: each for each in model.graph.initializer}
        self.add = model.graph.initializer.append
        self.shapes = {each.name: _sizes(each) for each in [*graph.input, *graph.value_info]}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in _read([node]):
                self.readers.setdefault(name, []).append(node)
        self.outputs = {each.name for each in model.graph.output}
        self.done: set[str] = set()
        """Outputs of nodes that a rewriting has taken in."""
        self.count = 0

    def rewritten(self, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        """The nodes that stand for a transposed convolution, or None where it stays."""
        if node.op_type != "ConvTranspose" or any(name not in self.initializers for name in node.input[1:]):
            return None
        weight = numpy_helper.to_array(self.initializers[node.input[1]])  # [C, O, height, width]
        size = self.shapes.get(node.input[0], [])[2:]
        axes = _axes(node, weight.shape[2:])
        if axes is None or None in size or any(channels % BLOCK for channels in weight.shape[:2]):
            return None
        self.count += 1
        relu = self._relu_behind(node.output[0])
        if relu is not None:
            self.done.add(relu.output[0])
        parts = _Parts(node.output[0], weight.shape[1], self._constant)
        inputs = [node.input[0], *node.input[2:3]]
        rows, columns = axes
        found = [[parts.convolve(inputs, weight, row, each, relu is not None) for each in columns] for row in rows]
        height, width = (int(side or 0) for side in size)
        parts.interleave(found, height, width, (relu or node).output[0])
        return parts.nodes

    def _relu_behind(self, name: str) -> onnx.NodeProto | None:
        """The ReLU that alone reads `name`."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and readers[0].op_type == "Relu" and name not in self.outputs else None

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self.add(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


class _Parts:
    """The nodes of one rewriting, whose names begin with `name`; `channels` leave it."""

    def __init__(self, name: str, channels: int, constant: Callable[[str, NDArray[Any]], str]):
        self.name, self.channels, self.constant = name, channels, constant
        self.nodes: list[onnx.NodeProto] = []

    def node(self, kind: str, inputs: Sequence[str], suffix: str, **attributes: Any) -> str:
        output = f"{self.name}_{suffix}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"node_{output}", **attributes))
        return output

    def convolve(self, inputs: list[str], weight: NDArray[Any], row: Phase, column: Phase, relu: bool) -> str:
        """One phase: the convolution of inputs (images and, if any, bias) with its taps, and the ReLU."""
        here = f"{row.index}{column.index}"
        taps = weight[:, :, row.taps][:, :, :, column.taps].swapaxes(0, 1)
        named = self.constant(f"{self.name}_weight{here}", taps)
        pads = [row.before, column.before, row.after, column.after]
        inputs = [inputs[0], named, *inputs[1:]]
        found = self.node("Conv", inputs, f"phase{here}", kernel_shape=taps.shape[2:], pads=pads, strides=[1, 1])
        return self.node("Relu", [found], f"relu{here}") if relu else found

    def interleave(self, phases: list[list[str]], height: int, width: int, output: str) -> None:
        """Bring together the phases, a list for each row phase, each `[B, C, height, width]`, to `output`."""
        axis = self.constant(f"{self.name}_axis", np.array([4]))
        width *= len(phases[0])
        rows = []
        for index, columns in enumerate(phases):
            apart = [self.node("Unsqueeze", [each, axis], f"apart{index}{at}") for at, each in enumerate(columns)]
            pixels = self.node("Concat", apart, f"pixels{index}", axis=4)
            rows.append(self._shaped(pixels, height, width, f"row{index}"))
        # A row of phase 0 beside the row of phase 1 that comes below it: they are in order already.
        self._shaped(self.node("Concat", rows, "rows", axis=3), height * len(rows), width, "whole")
        self.nodes[-1].output[0] = output

    def _shaped(self, value: str, height: int, width: int, suffix: str) -> str:
        shape = self.constant(f"{self.name}_{suffix}_shape", np.array([0, self.channels, height, width]))
        return self.node("Reshape", [value, shape], suffix)


def _axes(node: onnx.NodeProto, kernel: Sequence[int]) -> list[list[Phase]] | None:
    """The phases of each axis, or None where the convolution is of another kind than is rewritten."""
    given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    if len(kernel) != 2:
        return None
    strides, pads = given.get("strides", [1, 1]), given.get("pads", [0, 0, 0, 0])
    extra = given.get("output_padding", [0, 0])
    plain = given.get("group", 1) == 1 and set(given.get("dilations", [1])) == {1}
    named = given.get("auto_pad", b"NOTSET") != b"NOTSET" or "output_shape" in given
    if not plain or named or min(strides) < 2:
        return None
    axes = []
    for axis, size in enumerate(kernel):
        before, after = pads[axis], pads[axis + 2]
        found = phases(size, strides[axis], before)
        if found is None or size - before - after + extra[axis] != strides[axis]:
            return None
        axes.append(found)
    return axes


def _sizes(value: onnx.ValueInfoProto) -> list[int | None]:
    """Each dimension, None where it is not fixed."""
    dimensions = value.type.tensor_type.shape.dim
    return [each.dim_value if each.HasField("dim_value") else None for each in dimensions]
