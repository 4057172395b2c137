"""Transposed convolutions as ordinary ones, for which onnxruntime has the faster kernels on a processor.

Along each axis the output of a transposed convolution of stride s falls into s phases: y[s i + b] is the sum over j of
x[j] w[s i + b + p - s j], p being the padding before. Only the taps r, r + s, ... with r = (b + p) mod s meet the input
there, so that a phase is a convolution of stride 1 with those taps in reverse order, and no product is computed twice
or with a zero. The phases are interleaved by concatenation along new axes, which onnxruntime does faster than
DepthToSpace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

BLOCK = 16
"""Channels that onnxruntime's blocked kernels take at once: with others the transposed convolution stays."""

SHORT = 16
"""A sound that is shorter than so many times its padding is padded by itself: a blocked kernel makes each place that
meets the padding alone, reading all weights for it."""

LARGEST = 2**31 - 2**20
"""Bytes of weights that fit into one protobuf message."""


@dataclass(frozen=True)
class Phase:
    """One phase along one axis: the kernel's taps in the order of the input, and the padding of their convolution."""

    index: int
    taps: list[int]
    before: int
    after: int


ONE = Phase(0, [0], 0, 0)
"""Along an axis of one place, where nothing is transposed."""


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


def polyphase(model: onnx.ModelProto, block: int = BLOCK) -> int:
    """Rewrite in place each transposed convolution that gains by it; how many were rewritten.

    Those of pictures and of sounds, with constant weights, without groups or dilation, whose sides are known and grow
    `stride` times, and whose channels come in blocks of 16, or of `block`. A ReLU that follows moves before the
    interleaving, where onnxruntime makes it part of the convolution. A model that is too large for one protobuf message
    stays whole: shapes are inferred by way of one.

    onnxruntime's blocked kernels are for pictures, so that a sound becomes one of height 1.
    """
    if sum(len(each.raw_data) for each in model.graph.initializer) > LARGEST:
        return 0
    rewriter = _Rewriter(model, block)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.output[0] not in rewriter.done:
            nodes += rewriter.rewritten(node) or [node]
    if rewriter.count:
        replace_nodes(model.graph, nodes)
    return rewriter.count


def replace_nodes(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Put `nodes` in the place of the graph's, in place; constants that nobody reads go."""
    del graph.node[:]
    graph.node.extend(nodes)
    used = set(read_by(nodes)) | {each.name for each in graph.output}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def read_by(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """What the nodes read, also inside of their subgraphs (the branches of an If, the body of a Loop or Scan)."""
    for node in nodes:
        yield from node.input
        for each in node.attribute:
            for graph in [*each.graphs, *([each.g] if each.HasField("g") else [])]:
                yield from read_by(graph.node)
                yield from (output.name for output in graph.output)


class _Rewriter:
    """What is known of the graph while it is walked."""

    def __init__(self, model: onnx.ModelProto, block: int):
        self.block = block
        graph = shape_inference.infer_shapes(model).graph
        self.initializers = {each.name: each for each in model.graph.initializer}
        self.add = model.graph.initializer.append
        self.shapes = {each.name: _sizes(each) for each in [*graph.input, *graph.value_info]}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in read_by([node]):
                self.readers.setdefault(name, []).append(node)
        self.outputs = {each.name for each in model.graph.output}
        self.done: set[str] = set()
        """Outputs of nodes that a rewriting has taken in."""
        self.count = 0

    def rewritten(self, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        """The nodes that stand for a transposed convolution, or None where it stays."""
        if node.op_type != "ConvTranspose" or any(name not in self.initializers for name in node.input[1:]):
            return None
        weight = numpy_helper.to_array(self.initializers[node.input[1]])  # [C, O, height, width] or [C, O, length]
        channels, made, *kernel = weight.shape
        sides = self.shapes.get(node.input[0], [])[2:]
        axes = _axes(node, kernel)
        if axes is None or None in sides or channels % self.block or made % self.block:
            return None
        self.count += 1
        relu = self._relu_behind(node.output[0])
        if relu is not None:
            self.done.add(relu.output[0])
        grown = [int(side or 0) * len(phases) for side, phases in zip(sides, axes, strict=True)]
        parts = _Parts(node.output[0], self._constant, relu is not None)
        images, bias = node.input[0], list(node.input[2:3])
        if len(axes) == 1:
            shape, columns = [channels, int(sides[0] or 0)], axes[0]
            pairs = [parts.picture(images, shape, each) for each in columns]
            found = [[parts.convolve(each, bias, weight[:, :, None], ONE, phase) for each, phase in pairs]]
        else:
            rows, columns = axes
            found = [[parts.convolve(images, bias, weight, row, each) for each in columns] for row in rows]
        parts.interleave(found, [made, *grown], (relu or node).output[0])
        return parts.nodes

    def _relu_behind(self, name: str) -> onnx.NodeProto | None:
        """The ReLU that alone reads `name`."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and readers[0].op_type == "Relu" and name not in self.outputs else None

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self.add(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


class _Parts:
    """The nodes of one rewriting, whose names begin with `name`. relu: whether one follows each convolution."""

    def __init__(self, name: str, constant: Callable[[str, NDArray[Any]], str], relu: bool):
        self.name, self.constant, self.relu = name, constant, relu
        self.nodes: list[onnx.NodeProto] = []
        self.pictures: dict[tuple[int, int], str] = {}
        """Sounds as pictures, by how they are padded."""

    def node(self, kind: str, inputs: Sequence[str], suffix: str, **attributes: Any) -> str:
        output = f"{self.name}_{suffix}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"node_{output}", **attributes))
        return output

    def picture(self, sounds: str, shape: list[int], phase: Phase) -> tuple[str, Phase]:
        """Sounds `[B, *shape]` as pictures of height 1 for a phase, and the phase with the padding that is left."""
        channels, length = shape
        ends = (phase.before, phase.after)
        if sum(ends) * SHORT <= length:
            ends = (0, 0)
        else:
            phase = replace(phase, before=0, after=0)
        if ends not in self.pictures:
            name = f"padded{ends[0]}_{ends[1]}"
            if any(ends):
                pads = self.constant(f"{self.name}_{name}_pads", np.array([0, 0, ends[0], 0, 0, ends[1]]))
                sounds = self.node("Pad", [sounds, pads], name)
            self.pictures[ends] = self.shaped(sounds, [channels, 1, length + sum(ends)], f"{name}_picture")
        return self.pictures[ends], phase

    def convolve(self, images: str, bias: list[str], weight: NDArray[Any], row: Phase, column: Phase) -> str:
        """One phase: the convolution of the images with its taps, and the ReLU. weight: `[C, O, height, width]`."""
        here = f"{row.index}{column.index}"
        taps = weight[:, :, row.taps][:, :, :, column.taps].swapaxes(0, 1)
        named = self.constant(f"{self.name}_weight{here}", taps)
        pads = [row.before, column.before, row.after, column.after]
        inputs = [images, named, *bias]
        found = self.node("Conv", inputs, f"phase{here}", kernel_shape=taps.shape[2:], pads=pads, strides=[1, 1])
        return self.node("Relu", [found], f"relu{here}") if self.relu else found

    def interleave(self, phases: list[list[str]], whole: list[int], output: str) -> None:
        """Bring together the phases, a list for each row phase, to `output` `[B, *whole]`."""
        axis = self.constant(f"{self.name}_axis", np.array([4]))
        rows = []
        for index, columns in enumerate(phases):
            apart = [self.node("Unsqueeze", [each, axis], f"apart{index}{at}") for at, each in enumerate(columns)]
            rows.append(self.node("Concat", apart, f"pixels{index}", axis=4))
        if len(rows) > 1:
            # A row of phase 0 beside the row of phase 1 that comes below it: they are in order already.
            channels, height, width = whole
            shape = [channels, height // len(rows), width]
            beside = [self.shaped(row, shape, f"row{index}") for index, row in enumerate(rows)]
            rows = [self.node("Concat", beside, "rows", axis=3)]
        self.shaped(rows[0], whole, "whole")
        self.nodes[-1].output[0] = output

    def shaped(self, value: str, shape: list[int], suffix: str) -> str:
        """`value` as `[B, *shape]`."""
        return self.node(
            "Reshape", [value, self.constant(f"{self.name}_{suffix}_shape", np.array([0, *shape]))], suffix
        )


def _axes(node: onnx.NodeProto, kernel: Sequence[int]) -> list[list[Phase]] | None:
    """The phases of each axis, or None where the convolution is of another kind than is rewritten."""
    given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    sides = len(kernel)
    if sides not in (1, 2):
        return None
    strides, pads = given.get("strides", [1] * sides), given.get("pads", [0] * 2 * sides)
    extra = given.get("output_padding", [0] * sides)
    plain = given.get("group", 1) == 1 and set(given.get("dilations", [1])) == {1}
    named = given.get("auto_pad", b"NOTSET") != b"NOTSET" or "output_shape" in given
    if not plain or named or min(strides) < 2:
        return None
    axes = []
    for axis, size in enumerate(kernel):
        before, after = pads[axis], pads[axis + sides]
        found = phases(size, strides[axis], before)
        if found is None or size - before - after + extra[axis] != strides[axis]:
            return None
        axes.append(found)
    return axes


def _sizes(value: onnx.ValueInfoProto) -> list[int | None]:
    """Each dimension, None where it is not fixed."""
    dimensions = value.type.tensor_type.shape.dim
    return [each.dim_value if each.HasField("dim_value") else None for each in dimensions]
