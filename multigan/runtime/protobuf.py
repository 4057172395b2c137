"""Walk the fields of a protobuf message without a schema and without copying it. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator

MOST_FIELDS = 2**20
"""Of one file, so that reading one takes a second or two at most."""

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5


class DamagedError(Exception):
    """The bytes are not a whole protobuf message."""


class Walker:
    """Walks messages of one file, and counts their fields."""

    def __init__(self) -> None:
        self.left = MOST_FIELDS

    def fields(self, message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """The fields of a message in order: their number, and the value of a varint or the bytes of any other.

        Raises DamagedError where the message is not whole, and where the file's fields are too many.
        """
        at, end = 0, len(message)
        while at < end:
            self._count()
            tag, at = varint(message, at)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise DamagedError("it holds a field of unknown type")
            if wire == VARINT:
                value, at = varint(message, at)
                yield number, value
                continue
            if wire == LENGTH:
                length, at = varint(message, at)
            elif wire in (EIGHT_BYTES, FOUR_BYTES):
                length = 8 if wire == EIGHT_BYTES else 4
            else:
                raise DamagedError("it holds a field of unknown type")
            if at + length > end:
                raise DamagedError("it ends too early")
            yield number, message[at : at + length]
            at += length

    def messages(self, message: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Those of the fields that have bytes."""
        for number, value in self.fields(message):
            if not isinstance(value, int):
                yield number, value

    def varints(self, packed: memoryview) -> Iterator[int]:
        """The numbers of a packed field."""
        at = 0
        while at < len(packed):
            self._count()
            value, at = varint(packed, at)
            yield value

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise DamagedError(f"it has more than {MOST_FIELDS:,} fields")


def varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
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
