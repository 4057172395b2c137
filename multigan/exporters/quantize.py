"""Convolutions in int8: static quantization with ranges from seeded latents, written as QuantizeLinear and
DequantizeLinear around each convolution, which onnxruntime runs as one int8 operator.

Weights are symmetric, a scale for each output channel, with 7 bits: processors without the instructions of AVX-512 VNNI
add pairs of products in 16 bits, which 8-bit weights overflow. Values between convolutions are uint8. What only moves
them (the interleaving of `polyphase`, padding, reshaping) moves the uint8: for that all that is moved together has one
range, so that the phases of a transposed convolution share theirs. onnxruntime's own quantizer gives each phase another
range and interleaves in float32; on WaveGAN it was 5% slower and 4 dB worse.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from multigan.exporters.polyphase import read_by, replace_nodes
from multigan.exporters.ranges import Feeds, Ranges, bounds, wide

PERCENTILES = (99.99, 99.999, 100.0)
"""Which one is best depends on the network: of pictures mostly the first, of sounds, whose peaks are few, the last."""
LIMIT = 63
"""The largest weight: 7 bits."""
_MOVING = {"Concat", "Pad", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}


@dataclass(frozen=True)
class _Scale:
    """A range as what QuantizeLinear takes: the names of its scale and zero point, and the scale."""

    names: tuple[str, str]
    scale: np.float32


BLOCK = 4
"""Channels of transposed convolutions that are rewritten come in blocks of so many; others, such as the last one of one
or three channels, stay as they are."""


def ranges(model: onnx.ModelProto, feeds: Feeds, percentiles: Sequence[float] = PERCENTILES) -> list[Ranges]:
    """Between which bounds the values before and behind each convolution lie that can be quantized, for `feeds`, by
    each percentile."""
    ends = _Ends(model.graph)
    chosen = convolutions(model.graph)
    names = dict.fromkeys([*(node.input[0] for node in chosen), *(ends.of(node) for node in chosen)])
    return bounds(model, list(names), feeds, percentiles)


def quantized(model: onnx.ModelProto, ranges: Ranges, spared: Collection[int] = ()) -> onnx.ModelProto:
    """`model` with its convolutions in int8, but the last one and those of `wide` range.

    ranges: those of the values, one of the above. spared: the numbers of other layers that stay in float32, too. So do
    transposed convolutions, for which onnxruntime has no int8 kernel (`polyphase` rewrites them before), and matrix
    products (`dense`).
    """
    made = copy.deepcopy(model)
    replace_nodes(made.graph, _Walk(made.graph, ranges, spared).nodes())
    del made.graph.value_info[:]
    return made


def convolutions(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Those that are quantized: without groups, with constant weights, of a narrow range, and not the last."""
    constants, outside = {each.name for each in graph.initializer}, wide(graph)
    last = _last(graph)
    return [
        node
        for node in graph.node
        if node.op_type == "Conv"
        and not constants.isdisjoint(node.input[1:2])
        and constants.issuperset(node.input[2:3])
        and not outside.intersection(node.output)
        and not last.intersection(node.output)
        and all(each.i == 1 for each in node.attribute if each.name == "group")
    ]


def _last(graph: onnx.GraphProto) -> set[str]:
    """The outputs of convolutions that no other one follows."""
    followed = {each.name for each in graph.output}
    found = set()
    for node in reversed(graph.node):
        if followed.intersection(node.output):
            if node.op_type in ("Conv", "ConvTranspose"):
                found.update(node.output)
            else:
                followed.update(node.input)
    return found


def layers(graph: onnx.GraphProto) -> int:
    """How many layers of convolutions can be quantized; the phases of a transposed convolution are one."""
    return len(_by_layer(graph, _Groups(graph)))


def _by_layer(graph: onnx.GraphProto, groups: _Groups) -> dict[str, list[onnx.NodeProto]]:
    """The convolutions that take the same values, by what leads these."""
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in convolutions(graph):
        found.setdefault(groups.leader(node.input[0]), []).append(node)
    return found


class _Groups:
    """Values that nodes only move, each group with one of them for its leader."""

    def __init__(self, graph: onnx.GraphProto):
        self._constants = {each.name for each in graph.initializer}
        self._leaders: dict[str, str] = {}
        for node in graph.node:
            if node.op_type in _MOVING:
                for name in self.moved(node):
                    self._leaders[self.leader(name)] = self.leader(node.output[0])

    def moved(self, node: onnx.NodeProto) -> list[str]:
        """The values that a moving node moves."""
        values = node.input if node.op_type == "Concat" else node.input[:1]
        return [name for name in values if name not in self._constants]

    def leader(self, name: str) -> str:
        """The leader of a value's group: itself where nothing moves it."""
        while self._leaders.get(name, name) != name:
            name = self._leaders[name]
        return name


class _Ends:
    """What each convolution gives, by way of the ReLU that alone reads it."""

    def __init__(self, graph: onnx.GraphProto):
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in read_by([node]):
                self._readers.setdefault(name, []).append(node)
        self._outputs = {each.name for each in graph.output}

    def relu(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        readers = self._readers.get(node.output[0], [])
        alone = len(readers) == 1 and readers[0].op_type == "Relu" and node.output[0] not in self._outputs
        return readers[0] if alone else None

    def of(self, node: onnx.NodeProto) -> str:
        """The name of what is quantized behind a convolution."""
        return (self.relu(node) or node).output[0]


class _Walk:
    """A walk over the nodes, in which values come to have a uint8 name beside that in float32."""

    def __init__(self, graph: onnx.GraphProto, ranges: Ranges, spared: Collection[int]):
        self.graph = graph
        self.weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self.outputs = {each.name for each in graph.output}
        self.groups, self.ends = _Groups(graph), _Ends(graph)
        layers = enumerate(_by_layer(graph, self.groups).values())
        self.chosen = {node.output[0]: node for index, layer in layers if index not in spared for node in layer}
        self.scales = self._scales(ranges)
        self.small: dict[str, str] = {}
        """The uint8 name of a value."""
        self.given: set[str] = {each.name for each in self.graph.input}
        """Values that are there in float32."""
        self.made: list[onnx.NodeProto] = []
        self.known: set[str] = set()

    def nodes(self) -> list[onnx.NodeProto]:
        taken: set[str] = set()
        for node in self.graph.node:
            if node.output[0] in self.chosen:
                relu = self.ends.relu(node)
                taken.update(relu.output if relu else ())
                self._convolve(node, relu)
            elif not taken.intersection(node.output):
                self._leave(node)
        for name in self.outputs - self.given:
            self._dequantize(name, name)
        return self.made

    # --- what is known before the walk ------------------------------------------------------------------------------

    def _scales(self, ranges: Ranges) -> dict[str, _Scale]:
        """The scale of each group of values that are moved together, by its leader."""
        outer: dict[str, tuple[float, float]] = {}
        for node in self.chosen.values():
            for name in (node.input[0], self.ends.of(node)):
                leader, (low, high) = self.groups.leader(name), ranges[name]
                before = outer.get(leader, (0.0, 0.0))
                outer[leader] = min(low, before[0]), max(high, before[1])
        return {name: self._scale(name, *found) for name, found in outer.items()}

    def _scale(self, name: str, low: float, high: float) -> _Scale:
        scale = np.float32(max(high - low, 1e-6) / 255)
        zero = np.uint8(np.clip(round(-low / float(scale)), 0, 255))
        return _Scale((self._constant(f"{name}.scale", scale), self._constant(f"{name}.zero", zero)), scale)

    # --- the walk ---------------------------------------------------------------------------------------------------

    def _leave(self, node: onnx.NodeProto) -> None:
        """A node in float32, or one that moves uint8."""
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        moved = self.groups.moved(node) if node.op_type in _MOVING else []
        if moved and self._moves_small(node, moved):
            for place, name in enumerate(node.input):
                copied.input[place] = self.small.get(name, name)
            copied.output[0] = self.small[node.output[0]] = f"{node.output[0]}.uint8"
            if node.op_type == "Pad":
                copied.input[2:] = [self.scales[self.groups.leader(node.output[0])].names[1]]
        else:
            for place, name in enumerate(node.input):
                if name in self.small and name not in self.given:
                    copied.input[place] = self._dequantize(name, f"{name}.float")
            self.given.update(node.output)
        self.made.append(copied)

    def _moves_small(self, node: onnx.NodeProto, moved: list[str]) -> bool:
        """Whether all that a node moves is there in uint8, and what it adds is zero."""
        fills = [self.weights.get(name) for name in node.input[2:3] if name] if node.op_type == "Pad" else []
        zero = all(value is not None and not value.any() for value in fills)
        padded = node.op_type != "Pad" or (zero and len(node.input) < 4 and not node.attribute)
        constant = node.op_type == "Concat" and len(moved) != len(node.input)
        return padded and not constant and all(name in self.small for name in moved)

    def _convolve(self, node: onnx.NodeProto, relu: onnx.NodeProto | None) -> None:
        source = node.input[0]
        if source not in self.small:
            self._quantize(source)
        inputs = [self._dequantize(source, f"{node.output[0]}.input"), self._kernel(node.input[1])]
        if node.input[2:3]:
            scale = self.scales[self.groups.leader(source)].scale
            inputs.append(self._bias(f"{node.output[0]}.bias", node.input[2], node.input[1], scale))
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        copied.input[:] = inputs
        self.made += [copied, *([relu] if relu else [])]
        self._quantize((relu or node).output[0])

    def _quantize(self, name: str) -> None:
        self.small[name] = f"{name}.uint8"
        self._node("QuantizeLinear", [name, *self.scales[self.groups.leader(name)].names], self.small[name])

    def _dequantize(self, name: str, called: str) -> str:
        if called not in self.known:
            self._node("DequantizeLinear", [self.small[name], *self.scales[self.groups.leader(name)].names], called)
        return called

    def _kernel(self, name: str) -> str:
        """The weights `[O, ...]` of a convolution."""
        called = f"{name}.float"
        if called not in self.known:
            weight, scale = self.weights[name], self._steps(name)
            whole = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
            self._stored(called, np.clip(whole, -LIMIT, LIMIT).astype(np.int8), scale)
        return called

    def _bias(self, called: str, name: str, kernel: str, scale: np.float32) -> str:
        """In the unit of the products, as onnxruntime adds it."""
        steps = scale * self._steps(kernel)
        whole = np.rint(self.weights[name].astype(np.float64) / steps)
        self._stored(called, np.clip(whole, -(2**31), 2**31 - 1).astype(np.int32), steps)
        return called

    def _steps(self, name: str) -> NDArray[np.float32]:
        """The scale of each output channel's weights."""
        weight = self.weights[name]
        largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)))
        return (np.maximum(largest, 1e-12) / LIMIT).astype(np.float32)

    def _stored(self, called: str, whole: NDArray[Any], scale: NDArray[np.float32]) -> None:
        """Whole numbers and the scale of each channel, as what they stand for."""
        names = [self._constant(f"{called}.whole", whole), self._constant(f"{called}.scale", scale)]
        names.append(self._constant(f"{called}.zero", np.zeros(len(scale), whole.dtype)))
        self._node("DequantizeLinear", names, called, axis=0)

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.known.add(output)
        self.made.append(helper.make_node(kind, inputs, [output], name=f"{output}.{kind}", **attributes))

    def _constant(self, name: str, value: Any) -> str:
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name
