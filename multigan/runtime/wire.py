"""Messages between a process and one that it does not trust: a JSON object and arrays, their sizes checked.

Nothing that is read can be more than data: no pickles. Standard library and numpy.
"""

from __future__ import annotations

import json
import math
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_LARGEST_HEAD = 2**26
_DTYPES = {"float32", "int64", "uint8"}
Arrays = dict[str, NDArray[Any]]


class Broken(Exception):
    """The other side has ended, or says what it must not."""


def write(pipe: BinaryIO, head: dict[str, Any], arrays: Arrays) -> None:
    """Send an object and arrays by name. Raises OSError where nobody reads."""
    described = [[name, each.dtype.name, list(each.shape)] for name, each in arrays.items()]
    text = json.dumps({"head": head, "arrays": described}).encode()
    pipe.write(len(text).to_bytes(8, "little") + text)
    for each in arrays.values():
        pipe.write(np.ascontiguousarray(each).data.cast("B") if each.size else b"")
    pipe.flush()


def read(pipe: BinaryIO, most: int) -> tuple[dict[str, Any], Arrays]:
    """What `write` sent, with arrays of at most `most` bytes together. Raises Broken where it is no such thing."""
    text = _exactly(pipe, int.from_bytes(_exactly(pipe, 8, 8), "little"), _LARGEST_HEAD)
    try:
        raw = json.loads(text)
        head, described = raw["head"], raw["arrays"]
        if not isinstance(head, dict):
            raise Broken("the message has no head")
        arrays: Arrays = {}
        for name, dtype, shape in described:
            if not isinstance(name, str) or dtype not in _DTYPES or any(type(n) is not int or n < 0 for n in shape):
                raise Broken("the message holds no array")
            size = math.prod(shape) * np.dtype(dtype).itemsize
            content = _exactly(pipe, size, most)
            most -= size
            arrays[name] = np.frombuffer(content, dtype).reshape(shape)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Broken("the message is damaged") from error
    return head, arrays


def _exactly(pipe: BinaryIO, size: int, most: int) -> bytearray:
    if size > most:
        raise Broken(f"the message holds {size:,} bytes, and {most:,} are the most")
    content = bytearray(size)
    view, at = memoryview(content), 0
    while at < size:
        got = pipe.readinto(view[at:])  # type: ignore[attr-defined]
        if not got:
            raise Broken("the other side has ended")
        at += got
    return content
