"""Read what an ONNX file says of itself, without running any of it: the contract, and the files that it refers to.

An ONNX file is one protobuf message. Its fields are walked here directly: no `onnx` package is needed, weights are
skipped without a copy, and a file that is not multigan's is refused before onnxruntime sees it.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from multigan.contract import KEY, Contract
from multigan.errors import UserError

LARGEST = 2**31 - 1
"""Bytes of a file that protobuf can hold."""
_DEEPEST = 64
LONGEST = 2**16
"""Symbols of one text."""
_LARGEST_DRAW = 2**24
"""Values of noise for one sample."""

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5

_MODEL_PROPERTIES = 14
_EXTERNAL, _KEY, _VALUE = 13, 1, 2
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Which fields of which messages lead to a tensor, and so perhaps to another file (onnx.proto)."""


class DamagedError(Exception):
    """The bytes are not a whole protobuf message."""


@dataclass
class Summary:
    """properties: the model's metadata. external: the names of other files that initializers of its graph lie in.

    hidden: those that tensors anywhere else name: in nodes, branches, functions, sparse tensors.
    """

    properties: dict[str, str] = field(default_factory=dict)
    external: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class OnnxFile:
    """A checked file of multigan's: its bytes, its contract, and the names of the files beside it with its weights."""

    path: Path
    content: bytes
    contract: Contract
    external: frozenset[str]

    def weights(self) -> dict[str, bytes]:
        """What those files hold, by name; see `read` for what is refused."""
        found = {}
        for name in sorted(self.external):
            with _open_beside(self.path, name) as file:
                found[name] = file.read()
        return found


def read(path: str | Path) -> OnnxFile:
    """Read and check a file that `multigan export` wrote.

    Raises UserError where it is missing, too large, not ONNX, truncated, not multigan's, of a newer format, or names
    weights in anything but a regular file of its own folder.
    """
    path = Path(path)
    content = _content(path)
    try:
        summary = summarize(memoryview(content))
    except (DamagedError, UnicodeDecodeError) as error:
        if content[:1] == b"\x08" and len(content) > 16:
            raise UserError(f"{path} is truncated or damaged ({error}): export or copy it again.") from error
        raise UserError(f"{path} is not an ONNX file: give the .onnx that multigan export wrote.") from error
    if KEY not in summary.properties:
        raise UserError(f"{path} was not exported by multigan (it holds no contract): export one with multigan export.")
    for name in summary.hidden:
        raise UserError(f"{path} keeps part of a node in the file {name!r}, which multigan export never does: refused.")
    for name in summary.external:
        _open_beside(path, name).close()
    contract = Contract.from_json(summary.properties[KEY])
    if not _sound(contract):
        raise UserError(f"{path} holds a contract that contradicts itself: export it again.")
    return OnnxFile(path, content, contract, frozenset(summary.external))


def _sound(contract: Contract) -> bool:
    """Whether the contract's parts agree, and ask for no more noise than a machine can draw."""
    longest = max(contract.extra["length"], contract.extra.get("longest", 0)) if _has_lengths(contract) else None
    drawn = [
        [longest if axis == "length" else axis for axis in each.shape[1:]]
        for each in contract.inputs
        if each.kind in ("latent", "noise")
    ]
    return (
        (bool(contract.labels) or contract.input("label") is None)
        and all(isinstance(axis, int) for shape in drawn for axis in shape)
        and all(math.prod(int(axis or 0) for axis in shape) <= _LARGEST_DRAW for shape in drawn)
    )


def _has_lengths(contract: Contract) -> bool:
    """Whether the contract says how long its samples are: `length`, and no more than `longest` where that is there."""
    length, longest = contract.extra.get("length"), contract.extra.get("longest", LONGEST)
    return type(length) is int and type(longest) is int and 1 <= length <= longest <= LONGEST


def summarize(content: memoryview) -> Summary:
    """Walk an ONNX model's bytes. Raises DamagedError where they are not a whole message."""
    summary = Summary()
    for number, value in _fields(content):
        if number == _MODEL_PROPERTIES:
            key, text = _pair(value)
            summary.properties[key] = text
    _collect(content, "model", summary, 0)
    return summary


_INITIALIZER = 2
"""The depth of the graph's own initializers, where no other tensor lies: model, graph, tensor."""


def _collect(message: memoryview, kind: str, summary: Summary, depth: int) -> None:
    """Add to `summary` the location that each tensor inside `message` names."""
    if depth > _DEEPEST:
        raise DamagedError("its graphs are nested too deeply")
    inside = _MESSAGES[kind]
    for number, value in _fields(message):
        if kind == "tensor" and number == _EXTERNAL:
            key, text = _pair(value)
            if key == "location":
                (summary.external if depth == _INITIALIZER else summary.hidden).add(text)
        elif number in inside:
            _collect(value, inside[number], summary, depth + 1)


def _pair(message: memoryview) -> tuple[str, str]:
    found = {number: bytes(value).decode() for number, value in _fields(message)}
    return found.get(_KEY, ""), found.get(_VALUE, "")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The length-delimited fields of a protobuf message: number and bytes. Numbers are skipped."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            _, at = _varint(message, at)
            continue
        if wire == _LENGTH:
            length, at = _varint(message, at)
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if wire == _EIGHT_BYTES else 4
        else:
            raise DamagedError("it holds a field of unknown type")
        if number == 0 or at + length > end:
            raise DamagedError("it ends too early")
        if wire == _LENGTH:
            yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise DamagedError("it ends too early")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DamagedError("it holds a number that is too long")


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder: give the .onnx file that multigan export wrote.")
        size = path.stat().st_size
        if size > LARGEST:
            raise UserError(f"{path} has {size / 1e9:.1f} GB, more than an ONNX file can: it is not one.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: give the .onnx file that multigan export wrote.") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}.") from error


def _open_beside(path: Path, name: str) -> BinaryIO:
    """Open a file with weights: a regular file in the model's own folder that has no other name.

    The file that is read is the one that was checked, whatever takes its place meanwhile. Raises UserError for others.
    """
    beside = path.parent / name
    if not name or Path(name).name != name or any(letter in name for letter in "\\:\0"):
        raise UserError(f"{path} keeps weights in {name!r}, outside its own folder: that is refused.")
    try:
        found = beside.lstat()
        if _is_plain(found):
            file = os.fdopen(os.open(beside, _READ), "rb")
            opened = os.fstat(file.fileno())
            if _is_plain(opened) and os.path.samestat(found, opened):
                return file
            file.close()
    except FileNotFoundError as error:
        raise UserError(f"{path} keeps weights in {name}, which is missing beside it: copy both files.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} keeps weights in {name}, which cannot be read: {error}.") from error
    raise UserError(f"{path} keeps weights in {name}, which is a link or no regular file: that is refused.")


_READ = os.O_RDONLY
for _flag in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):  # whatever of them the system has
    _READ |= getattr(os, _flag, 0)


def _is_plain(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1
