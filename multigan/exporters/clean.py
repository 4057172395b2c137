"""Take out of an ONNX file what its maker's machine left in it."""

from __future__ import annotations

import onnx
from google.protobuf.message import Message

_TRACES = ("metadata_props", "doc_string")


def strip_traces(message: Message) -> None:
    """Clear every stack trace, source path and comment in `message` and all it contains, in place.

    torch writes them into nodes, values, functions, subgraphs and the graph itself, whatever the nesting: hence a walk
    over all fields and not a list of places.
    """
    for field, value in message.ListFields():
        if field.name in _TRACES:
            message.ClearField(field.name)
        elif field.type == field.TYPE_MESSAGE:
            for each in value if isinstance(value, _REPEATED) else [value]:
                strip_traces(each)


_REPEATED = type(onnx.GraphProto().node)
"""How protobuf holds repeated messages."""
