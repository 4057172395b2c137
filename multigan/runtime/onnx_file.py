"""Read and check an exported file before onnxruntime sees it: its contract, its operators, the files it refers to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from multigan.contract import KEY, Contract
from multigan.errors import UserError
from multigan.runtime.graph import Summary, summarize
from multigan.runtime.opening import check_weights, content_of, weights_of
from multigan.runtime.protobuf import DamagedError
from multigan.runtime.trust import DEFAULT, LONGEST, Trust

__all__ = ["DEFAULT", "LONGEST", "OnnxFile", "read"]

DOMAINS = {"", "ai.onnx", "com.microsoft"}
"""Whose operators a file may use."""
CONTROL = {"If", "Loop", "Scan"}
_FOREIGN = {"EPContext"}
"""Operators that hold something else than ONNX: a device's own program."""
_MOST_LABELS = 100_000


@dataclass(frozen=True)
class OnnxFile:
    """A checked file of multigan's: its bytes and its contract.

    external: the names of the files beside it with its weights, and the bytes of each that are needed. nodes: of its
    graph. branches: whether it has control flow. trust: the limits that it was read under.
    """

    path: Path
    content: bytes
    contract: Contract
    external: Mapping[str, int] = field(default_factory=dict)
    nodes: int = 0
    branches: bool = False
    trust: Trust = DEFAULT

    def weights(self) -> dict[str, bytes]:
        """What those files hold, by name; see `read` for what is refused."""
        return {
            name: weights_of(self.path, name, reach, self.trust.weights)
            for name, reach in sorted(self.external.items())
        }


def read(path: str | Path, trust: Trust = DEFAULT) -> OnnxFile:
    """Read and check a file that `multigan export` wrote.

    Raises UserError where it is missing, beyond a limit of `trust`, not ONNX, truncated, not multigan's, of a newer
    format, contradicts itself, uses operators of others, or names weights in anything but a regular file of its own
    folder that is called as itself with `.data` behind.
    """
    path = Path(path)
    content = content_of(path, trust.file)
    if not content:
        raise UserError(f"{path} is empty: export or copy it again.")
    try:
        summary = summarize(memoryview(content))
    except (DamagedError, UnicodeDecodeError) as error:
        if content[:1] == b"\x08" and len(content) > 16:
            raise UserError(f"{path} is truncated or damaged ({error}): export or copy it again.") from error
        raise UserError(f"{path} is not an ONNX file: give the .onnx that multigan export wrote.") from error
    if KEY not in summary.properties:
        raise UserError(f"{path} was not exported by multigan (it holds no contract): export one with multigan export.")
    _check_parts(path, summary, trust)
    for name, reach in summary.external.items():
        check_weights(path, name, reach, trust.weights)
    contract = Contract.from_json(summary.properties[KEY])
    _check_contract(path, contract, trust)
    branches = any(name in CONTROL for _, name in summary.operators)
    return OnnxFile(path, content, contract, summary.external, summary.nodes, branches, trust)


def _check_parts(path: Path, summary: Summary, trust: Trust) -> None:
    """Raise UserError where the graph is made of what multigan never writes."""
    for name in summary.hidden:
        raise UserError(
            f"{path} keeps part of a node in the file {name[:80]!r}, which multigan export never does: refused."
        )
    for domain in sorted({domain for domain, _ in summary.operators} | summary.domains):
        if domain not in DOMAINS:
            raise UserError(f"{path} uses operators of {domain[:80]!r}, which multigan export never does: refused.")
    if _FOREIGN & {name for _, name in summary.operators}:
        raise UserError(f"{path} holds a program for a device, which multigan export never does: refused.")
    if summary.functions or summary.sparse:
        what = "functions of its own" if summary.functions else "sparse tensors"
        raise UserError(f"{path} has {what}, which multigan export never writes: refused.")
    if summary.lies:
        raise UserError(f"{path} is damaged: it holds {summary.lies}: export or copy it again.")
    if summary.nodes > trust.nodes:
        raise UserError(f"{path} has {summary.nodes:,} nodes, more than the limit of {trust.nodes:,}: it is refused.")


def _check_contract(path: Path, contract: Contract, trust: Trust) -> None:
    """Raise UserError where the contract's parts disagree, or ask for more than the limits."""
    length, drawn = longest_of(contract), taken_by(contract)
    sound = (
        (bool(contract.labels) or contract.input("label") is None)
        and len(contract.labels) <= _MOST_LABELS
        and drawn is not None
        and (contract.modality != "text" or length is not None)
    )
    if not sound:
        raise UserError(f"{path} holds a contract that contradicts itself: export it again.")
    values = math.prod(axis for axis in contract.output.shape[1:] if isinstance(axis, int))
    for what, count in (("makes samples of", values), ("takes for each sample", drawn or 0)):
        if count > trust.values:
            raise UserError(f"{path} {what} {count:,} numbers, more than the limit of {trust.values:,}: it is refused.")
    if contract.modality == "text" and contract.extra["length"] > trust.length:
        raise UserError(
            f"{path} makes texts of {contract.extra['length']:,} symbols, more than the limit of {trust.length:,}: it "
            "is refused."
        )


def taken_by(contract: Contract) -> int | None:
    """How many numbers one sample is made of, latents, noise and given symbols together, texts at their longest; None
    where the contract does not say how many."""
    length = longest_of(contract)
    shapes = [each.shape[1:] for each in contract.inputs if each.kind in ("latent", "noise", "prefix")]
    sizes = [[length if axis == "length" else axis for axis in shape] for shape in shapes]
    if not all(isinstance(axis, int) for shape in sizes for axis in shape):
        return None
    return sum(math.prod(int(axis or 0) for axis in shape) for shape in sizes)


def longest_of(contract: Contract) -> int | None:
    """The longest that samples may be, where the contract says how long they are; None where it does not, or where
    `length` is more than `longest`."""
    length, longest = contract.extra.get("length"), contract.extra.get("longest", LONGEST)
    good = type(length) is int and type(longest) is int and 1 <= length <= longest <= LONGEST
    return max(length, contract.extra.get("longest", 0)) if good else None
