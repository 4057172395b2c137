"""What an ONNX model is made of, read from its bytes without running any of it: metadata, operators, tensors.

A model is one protobuf message (onnx.proto). No `onnx` package is needed, and weights are skipped without a copy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from multigan.runtime.protobuf import DamagedError, Walker

DEEPEST = 64
"""Messages inside one another."""
MOST_AXES = 64
"""Of a tensor: the product of a million of them would take an hour."""
LARGEST_TEXT = 2**24
"""Bytes of an entry of the metadata: of these a contract with the largest vocabulary has half."""

_PROPERTIES, _KEY, _VALUE = 14, 1, 2
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
    "opset": {},
}
"""Which fields of which messages lead to what is looked at."""

_INITIALIZER = 2
"""The depth of the graph's own initializers, where no other tensor lies: model, graph, tensor."""
_OP_TYPE, _NODE_DOMAIN, _OPSET_DOMAIN = 4, 7, 1
_DIMS, _DATA_TYPE, _RAW, _EXTERNAL = 1, 2, 9, 13
_HALVES = {1: 8, 2: 2, 3: 2, 4: 4, 5: 4, 6: 8, 7: 16, 9: 2, 10: 4, 11: 16, 12: 8, 13: 16, 14: 16, 15: 32, 16: 4} | {
    17: 2, 18: 2, 19: 2, 20: 2, 21: 1, 22: 1, 23: 1, 24: 2
}  # fmt: skip
"""Of each type of tensor but texts: the halves of a byte that one number takes."""


@dataclass
class Summary:
    """properties: the model's metadata. external: the names of other files that initializers of its graph lie in, with
    the bytes of each that they reach to. hidden: those that tensors anywhere else name: in nodes, branches, functions.

    operators: domain and name of all nodes, also inside others. domains: that the model imports. nodes: how many.
    functions, sparse: how many functions of its own and sparse tensors it has. lies: in words, a tensor whose size is
    not that of its data.
    """

    properties: dict[str, str] = field(default_factory=dict)
    external: dict[str, int] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    operators: set[tuple[str, str]] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    nodes: int = 0
    functions: int = 0
    sparse: int = 0
    lies: str = ""


def summarize(content: memoryview) -> Summary:
    """Walk an ONNX model's bytes. Raises DamagedError where they are not a whole message, or are nested too deeply."""
    reader = _Reader()
    reader.read(content, "model", 0)
    return reader.summary


class _Reader:
    def __init__(self) -> None:
        self.summary, self.walker = Summary(), Walker()

    def read(self, message: memoryview, kind: str, depth: int) -> None:
        """Add to the summary what `message` and all inside it say."""
        if depth > DEEPEST:
            raise DamagedError("its graphs are nested too deeply")
        if kind == "tensor":
            self._tensor(message, depth == _INITIALIZER)
            return
        summary, inside = self.summary, _MESSAGES[kind]
        summary.functions += kind == "function"
        summary.sparse += kind == "sparse"
        name = domain = ""
        for number, value in self.walker.messages(message):
            if number in inside:
                self.read(value, inside[number], depth + 1)
            elif kind == "node" and number == _OP_TYPE:
                name = _text(value)
            elif (kind, number) in (("node", _NODE_DOMAIN), ("opset", _OPSET_DOMAIN)):
                domain = _text(value)
            elif kind == "model" and number == _PROPERTIES:
                key, text = self._pair(value)
                summary.properties[key] = text
        if kind == "node":
            summary.nodes += 1
            summary.operators.add((domain, name))
        elif kind == "opset":
            summary.domains.add(domain)

    def _tensor(self, message: memoryview, initializer: bool) -> None:
        dims: list[int] = []
        kind, raw = 0, -1
        external: dict[str, str] = {}
        for number, value in self.walker.fields(message):
            if number == _DIMS:
                dims += [value] if isinstance(value, int) else self.walker.varints(value)
            elif number == _DATA_TYPE and isinstance(value, int):
                kind = value
            elif number == _RAW and not isinstance(value, int):
                raw = len(value)
            elif number == _EXTERNAL and not isinstance(value, int):
                key, text = self._pair(value)
                external[key] = text
        if len(dims) > MOST_AXES:
            raise DamagedError(f"it holds a tensor of more than {MOST_AXES} axes")
        count = math.prod(dims)
        size = -(-count * _HALVES.get(kind, 0) // 2)
        if "location" in external:
            end = _whole(external.get("offset", "0")) + (_whole(external["length"]) if "length" in external else size)
            if initializer:
                reach = self.summary.external.get(external["location"], 0)
                self.summary.external[external["location"]] = max(reach, end)
            else:
                self.summary.hidden.add(external["location"])
            raw = _whole(external["length"]) if "length" in external else size
        # Without raw data each number takes half a byte at least, whatever its type.
        if raw != size if raw >= 0 else count > 2 * len(message):
            shape = "x".join(map(str, dims[:8]))
            self.summary.lies = f"a tensor of {shape} numbers where there is data for another count"

    def _pair(self, message: memoryview) -> tuple[str, str]:
        found = {number: _text(value) for number, value in self.walker.messages(message) if number in (_KEY, _VALUE)}
        return found.get(_KEY, ""), found.get(_VALUE, "")


def _text(value: memoryview) -> str:
    if len(value) > LARGEST_TEXT:
        raise DamagedError("it holds a text that is too long")
    return bytes(value).decode()


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise DamagedError("it holds a place in another file that is no number")
    return int(text)
