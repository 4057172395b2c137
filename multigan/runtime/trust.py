"""How far a model's file is trusted: what it may be, and what running it may cost. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, fields

from multigan.errors import UserError
from multigan.memory import memory

LONGEST = 2**16
"""Symbols of one text."""


@dataclass(frozen=True)
class Trust:
    """Limits for one model's file. What goes beyond one is refused, or stopped, with a UserError.

    file: bytes of the .onnx. weights: bytes of a second file beside it, 0 for none. nodes: of the graph. batch: samples
    that go through the graph at once. length: symbols of one text. values: numbers that one sample consists of, and
    that it is made of.
    seconds: of one call of the graph, and of opening it. memory: bytes that the graph may take for what it computes;
    None: three quarters of what is free. isolated: the graph is opened and run in a process of its own, which is ended
    when it breaks a limit: nothing that it does then stops or fills this process. Raises UserError for a limit that is
    no number above 0.
    """

    file: int = 2**31 - 1
    weights: int = 2**36
    nodes: int = 20_000
    batch: int = 4096
    length: int = LONGEST
    values: int = 2**26
    seconds: float = 60.0
    memory: int | None = None
    isolated: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            lowest = 0 if each.name in ("weights", "isolated") else None
            if value is not None and not (value > 0 or value == lowest):
                raise UserError(f"the limit {each.name} {value} is out of range: choose a number above 0.")

    @property
    def bytes(self) -> int:
        """The limit on memory in numbers."""
        if self.memory is not None:
            return self.memory
        found = memory()
        return _UNTOLD if found is None else max(found.free // 4 * 3, _LEAST)


_UNTOLD, _LEAST = 4 * 2**30, 2**28
"""The memory of a system that tells nothing; and what is allowed where hardly any is free."""

DEFAULT = Trust()
"""For files of one's own and of people one knows: mistakes and accidents."""

UPLOADED = Trust(file=2**28, weights=0, batch=64, length=4096, values=2**23, seconds=10.0, memory=2**31, isolated=True)
"""For files of strangers."""
