"""A generator of text as one ONNX graph, with the loop over its symbols inside.

torch exports one turn of the loop; here it becomes the body of a Scan over the length. The ways to draw a symbol are
branches of Ifs inside it: what is not asked for costs nothing. The network itself is in none of them, since onnxruntime
lays out weights for its matrix products beforehand where they are read one graph deep, and in no deeper ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import onnx
import torch
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import Tensor, nn

from multigan.contract import Contract
from multigan.exporters.graph import OPSET, finished, traced
from multigan.text.networks.policy import State
from multigan.text.networks.sampler import Sampler, Way

_ROWS = 2
"""Texts of the trace: torch would take one for a constant."""
SCANNED = ("noise", "prefix")
SCALARS = ("temperature", "top_k", "top_p")
DRAWN = ("symbol", "living", "chance")
"""What each way gives."""


class _Parts(nn.Module):
    """What the graph is made of, in one trace: the beginning, and a turn in each way."""

    def __init__(self, sampler: Sampler):
        super().__init__()
        self.sampler = sampler

    def forward(
        self,
        noise: Tensor,
        prefix: Tensor,
        symbol: Tensor,
        living: Tensor,
        state: State,
        temperature: Tensor,
        top_k: Tensor,
        top_p: Tensor,
        label: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        *begun, memory = self.sampler.begin(noise.shape[0], label)
        logits, after = self.sampler.foretell(symbol, state)
        found = [*begun, *memory, *after, logits]
        for way in get_args(Way):
            drawn, total = self.sampler.choose(logits, noise, temperature, top_k, top_p, way)
            found += self.sampler.settle(logits, total, drawn, prefix, living)
        return tuple(found)


def loop_to_onnx(sampler: Sampler, contract: Contract, opset: int = OPSET) -> onnx.ModelProto:
    """The ONNX model of a `frozen` sampler of texts.

    It takes the contract's inputs, which have the names of the sampler's arguments, with batch and length of any size,
    and gives the contract's output and, under the name in `contract.extra["log_probability"]`, that of each symbol,
    `[batch, length]`, in the weights' type. Opset, version and metadata as `to_onnx`. Raises UserError where torch
    cannot export it.
    """
    found = pieces(sampler, contract, opset)
    equal = helper.make_node("Equal", ["temperature", "one"], ["is_plain"])
    takes = [value(each.name, found.types[each.name], [str(axis) for axis in each.shape]) for each in contract.inputs]
    gives = [value(name, found.types[f"plain.{each}"], ["batch", "length"]) for name, each in found.results.items()]
    graph = helper.make_graph([*found.nodes, equal, _loop(found)], "main_graph", takes, gives, found.shared)
    return finished(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="multigan"), contract
    )


@dataclass(frozen=True)
class Pieces:
    """What a graph with the loop and one without it are made of.

    parts: the trace. held: what a turn hands to the next. results: what each of the graph's outputs is of DRAWN. types:
    of the trace's inputs and results. named: each weight's name in the graph. nodes: what makes the beginning and
    `is_cut`. begun: the beginning's names, as `held`. shared: weights and constants.
    """

    parts: GraphProto
    held: list[str]
    results: dict[str, str]
    types: dict[str, int]
    named: dict[str, str]
    nodes: list[NodeProto]
    begun: list[str]
    shared: list[TensorProto]


def pieces(sampler: Sampler, contract: Contract, opset: int) -> Pieces:
    """The pieces of a `frozen` sampler under its contract."""
    parts, held = trace(sampler, contract.input("label") is not None, opset)
    results = {contract.output.name: "symbol", str(contract.extra["log_probability"]): "chance"}
    types = {each.name: each.type.tensor_type.elem_type for each in (*parts.input, *parts.output)}
    weights = {each.name: each for each in parts.initializer}
    named = by_content(weights.values())
    nodes, begun = begin(parts, held, named)
    nodes += [
        helper.make_node("Greater", ["top_k", "none"], ["is_few"]),
        helper.make_node("Less", ["top_p", "one"], ["is_likely"]),
        helper.make_node("Or", ["is_few", "is_likely"], ["is_cut"]),
    ]
    shared = [weights[name] for name in dict.fromkeys(named.values())]
    shared += [scalar("none", types["top_k"], 0), scalar("one", types["temperature"], 1)]
    return Pieces(parts, held, results, types, named, nodes, begun, shared)


def begin(parts: GraphProto, held: Sequence[str], named: Mapping[str, str]) -> tuple[list[NodeProto], list[str]]:
    """The nodes that make what a text begins with, and the names of what is `held`."""
    # They are told the rows and labels alone: whatever else they read, they count the rows.
    rows = {each.name: each.name if each.name == "label" else "noise" for each in parts.input}
    nodes = part(parts, [(f"begun.{each}", f"begun.{each}") for each in held], rows | dict(named), "begun")
    return nodes, _merged(nodes, [f"begun.{each}" for each in held])


def trace(sampler: Sampler, conditional: bool, opset: int = OPSET) -> tuple[GraphProto, list[str]]:
    """The graph of `_Parts`, and the names of what a turn hands to the next.

    Its results are called `begun.NAME` of all those, `after.NAME` of the network's memory among them, `logits`, and
    `WAY.NAME` of DRAWN.
    """
    label = torch.zeros(_ROWS, dtype=torch.long)
    symbol, living, begun = sampler.begin(_ROWS, label)
    # A tensor of its own for each: torch takes one that is there twice for one argument.
    state = tuple(each.clone() for each in begun)
    temperature, top_p, noise = (torch.ones(shape, dtype=sampler.policy.dtype) for shape in ((), (), _ROWS))
    top_k, prefix = torch.zeros((), dtype=torch.long), torch.full((_ROWS,), -1)
    arguments: tuple[Any, ...] = (noise, prefix, symbol, living, state, temperature, top_k, top_p)
    memory = [f"state.{place}" for place in range(len(state))]
    held = ["symbol", "living", *memory]
    names = [*SCANNED, *held, *SCALARS]
    rows = {0: torch.export.Dim.DYNAMIC}
    shapes: tuple[Any, ...] = (rows, rows, rows, rows, tuple(rows for _ in state), None, None, None)
    results = [f"begun.{each}" for each in held] + [f"after.{each}" for each in memory]
    results += ["logits", *(f"{way}.{each}" for way in get_args(Way) for each in DRAWN)]
    if conditional:
        arguments, names, shapes = (*arguments, label), [*names, "label"], (*shapes, rows)
    return traced(_Parts(sampler).eval(), arguments, {}, names, results, shapes, opset).graph, held


def _loop(found: Pieces) -> NodeProto:
    """The turns over the length, from what is begun, on the noise and the prefix around them."""
    return helper.make_node(
        "Scan",
        [*found.begun, *SCANNED],
        [*(f"last.{each}" for each in found.held), *found.results],
        body=_body(found),
        num_scan_inputs=len(SCANNED),
        scan_input_axes=[1] * len(SCANNED),
        scan_output_axes=[1] * len(found.results),
    )


def _body(found: Pieces) -> GraphProto:
    """One turn as a Scan's body, which sees the scalars and the weights around it."""
    parts, held, results = found.parts, found.held, found.results
    types = {each.name: each.type.tensor_type for each in (*parts.input, *parts.output)}
    known = {each: f"before.{each}" for each in (*held, *SCANNED)} | {each: each for each in SCALARS} | found.named
    wanted = [(f"after.{each}", f"after.{each}") for each in held if each.startswith("state")]
    nodes = part(parts, [*wanted, ("logits", "logits")], known, "turn")
    nodes.append(_drawn(parts, known | {"logits": "logits"}, types))
    nodes += [helper.make_node("Identity", [f"after.{each}"], [f"next.{name}"]) for name, each in results.items()]
    takes = [_like(f"before.{each}", types[each]) for each in (*held, *SCANNED)]
    gives = [_like(f"after.{each}", types[each]) for each in held]
    gives += [_like(f"next.{name}", types[f"plain.{each}"]) for name, each in results.items()]
    return helper.make_graph(nodes, "turn", takes, gives)


def _drawn(parts: GraphProto, known: Mapping[str, str], types: Mapping[str, onnx.TypeProto.Tensor]) -> NodeProto:
    """The Ifs that draw a symbol of the logits in the way that is asked for."""

    def branch(nodes: list[NodeProto], way: str) -> GraphProto:
        return helper.make_graph(nodes, way, [], [_like(f"{way}.{each}", types[f"plain.{each}"]) for each in DRAWN])

    ways = {
        way: branch(part(parts, [(f"{way}.{each}", f"{way}.{each}") for each in DRAWN], known, way), way)
        for way in get_args(Way)
    }

    def either(condition: str, then: GraphProto, other: GraphProto, name: str) -> NodeProto:
        gives = [f"{name}.{each}" for each in DRAWN]
        return helper.make_node("If", [condition], gives, then_branch=then, else_branch=other)

    calm = branch([either("is_plain", ways["plain"], ways["warm"], "calm")], "calm")
    return either("is_cut", ways["cut"], calm, "after")


def part(
    parts: GraphProto, wanted: Sequence[tuple[str, str]], known: Mapping[str, str], prefix: str
) -> list[NodeProto]:
    """Copies of the nodes that make what is `wanted`, pairs of its name in `parts` and here. known: the names here of
    inputs and weights; all else is named by its `prefix`, so that no name is twice in a graph and what it contains."""
    needed, nodes = {each for each, _ in wanted}, []
    for node in reversed(parts.node):
        if needed.intersection(node.output).difference(known):
            needed.update(node.input)
            nodes.append(node)
    names = dict(reversed(wanted)) | {"": ""} | dict(known)
    found = []
    for node in reversed(nodes):
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name = f"{prefix}.{node.name}"
        for field in (copy.input, copy.output):
            field[:] = [names.get(each, f"{prefix}.{each}") for each in field]
        found.append(copy)
    made = {each for node in found for each in node.output}
    found += [helper.make_node("Identity", [names[old]], [new]) for old, new in wanted if new not in made]
    return found


def _merged(nodes: list[NodeProto], wanted: Sequence[str]) -> list[str]:
    """Leave one of several equal nodes, in place, and say what the `wanted` values are then called: onnxruntime would
    do it, with a warning where a loop takes both."""
    first: dict[tuple[str, tuple[str, ...], bytes], Sequence[str]] = {}
    names: dict[str, str] = {}
    for node in list(nodes):
        node.input[:] = [names.get(each, each) for each in node.input]
        settings = onnx.NodeProto(attribute=node.attribute).SerializeToString(deterministic=True)
        kept = first.setdefault((node.op_type, tuple(node.input), settings), node.output)
        if node.op_type == "Identity":
            kept = node.input
        if kept is not node.output:
            names.update(zip(node.output, kept, strict=True))
            nodes.remove(node)
    return [names.get(each, each) for each in wanted]


def by_content(weights: Iterable[TensorProto]) -> dict[str, str]:
    """The name of the first of those with the same content, for each."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    contents = ((each, numpy_helper.to_array(each).tobytes()) for each in weights)
    return {each.name: first.setdefault((each.data_type, tuple(each.dims), held), each.name) for each, held in contents}


def _like(name: str, kind: onnx.TypeProto.Tensor) -> ValueInfoProto:
    """A value of another's type and shape."""
    value = ValueInfoProto(name=name)
    value.type.tensor_type.CopyFrom(kind)
    return value


def value(name: str, kind: int, shape: Sequence[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def scalar(name: str, kind: int, value: int) -> TensorProto:
    return helper.make_tensor(name, kind, [], [value])
