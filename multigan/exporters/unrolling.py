"""A generator of text as one ONNX graph without control flow: a fixed number of turns, one after the other.

For runtimes that know no Scan and no If. Every turn computes both ways to draw a symbol, with and without a cut, and
takes one of them: it draws what the graph with the loop draws, and takes longer for it.
"""

from __future__ import annotations

from dataclasses import replace

import onnx
from onnx import helper

from multigan.contract import Contract
from multigan.errors import UserError
from multigan.exporters.graph import OPSET, finished
from multigan.exporters.looping import DRAWN, SCALARS, SCANNED, part, pieces, scalar, value
from multigan.text.networks.sampler import Sampler

_WAYS = ("warm", "cut")
"""At temperature 1 the warm way is the plain one."""


def fixed(contract: Contract, length: int | None = None) -> Contract:
    """The contract of a generator whose texts have `length` symbols; None: the model's length. Raises UserError where
    the model makes none so long."""
    whole = int(contract.extra["length"])
    longest, length = contract.extra.get("longest"), whole if length is None else length
    if not 1 <= length <= (longest or 4 * whole):
        raise UserError(f"length {length} is out of range: choose 1 to {longest or 4 * whole} symbols.")

    def sized(shape: list[int | str]) -> list[int | str]:
        return [length if axis == "length" else axis for axis in shape]

    return replace(
        contract,
        inputs=[replace(each, shape=sized(each.shape)) for each in contract.inputs],
        output=replace(contract.output, shape=sized(contract.output.shape)),
        extra={**contract.extra, "length": length, "longest": length},
    )


def unrolled_to_onnx(sampler: Sampler, contract: Contract, opset: int = OPSET) -> onnx.ModelProto:
    """The ONNX model of a `frozen` sampler of texts, under a contract that is `fixed`. As `loop_to_onnx`, except that
    the length is that of the contract."""
    found = pieces(sampler, contract, opset)
    parts, held, named, types = found.parts, found.held, found.named, found.types
    nodes = [*found.nodes, helper.make_node("Not", ["is_cut"], ["is_whole"])]
    now = dict(zip(held, found.begun, strict=True))
    length = int(contract.extra["length"])
    made: dict[str, list[str]] = {each: [] for each in found.results.values()}
    for turn in range(length):
        at = f"turn{turn}"
        nodes += [helper.make_node("Gather", [each, f"place{turn}"], [f"{at}.{each}"], axis=1) for each in SCANNED]
        known = now | {each: f"{at}.{each}" for each in SCANNED} | {each: each for each in SCALARS} | named
        memory = [each for each in held if each.startswith("state")]
        wanted = [(f"{way}.{each}", f"{at}.{way}.{each}") for way in _WAYS for each in DRAWN]
        wanted += [(f"after.{each}", f"{at}.after.{each}") for each in memory]
        nodes += part(parts, wanted, known, at)
        nodes += [
            helper.make_node("Where", ["is_cut", f"{at}.cut.{each}", f"{at}.warm.{each}"], [f"{at}.after.{each}"])
            for each in ("symbol", "chance")
        ]
        # onnxruntime's Where knows no truth values.
        nodes.append(helper.make_node("And", ["is_cut", f"{at}.cut.living"], [f"{at}.cut.goes_on"]))
        nodes.append(helper.make_node("And", ["is_whole", f"{at}.warm.living"], [f"{at}.warm.goes_on"]))
        nodes.append(helper.make_node("Or", [f"{at}.cut.goes_on", f"{at}.warm.goes_on"], [f"{at}.after.living"]))
        now = {each: f"{at}.after.{each}" for each in held}
        for each, columns in made.items():
            columns.append(f"{at}.column.{each}")
            nodes.append(helper.make_node("Unsqueeze", [f"{at}.after.{each}", "along"], columns[-1:]))
    nodes += [helper.make_node("Concat", made[each], [name], axis=1) for name, each in found.results.items()]
    shared = list(found.shared)
    shared += [scalar(f"place{turn}", onnx.TensorProto.INT64, turn) for turn in range(length)]
    shared.append(helper.make_tensor("along", onnx.TensorProto.INT64, [1], [1]))
    takes = [value(each.name, types[each.name], each.shape) for each in contract.inputs]
    gives = [value(name, types[f"plain.{each}"], ["batch", length]) for name, each in found.results.items()]
    graph = helper.make_graph(nodes, "main_graph", takes, gives, shared)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="multigan")
    return finished(model, contract)
