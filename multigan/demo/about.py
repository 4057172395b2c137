"""What a model's file says of itself, for a visitor."""

from __future__ import annotations

from multigan.demo import cards
from multigan.demo.asked import Drawn
from multigan.demo.served import Served

SHOWN = 12
"""Labels that are named."""


def about(served: Served) -> str:
    """As HTML."""
    return cards.facts(rows(served))


def rows(served: Served) -> list[tuple[str, str]]:
    """Names and values."""
    contract, drawn = served.contract, Drawn.of(served)
    found = [
        ("Name", contract.name),
        ("File", f"{served.path.name}, {served.size}"),
        ("Makes", makes(served)),
        ("Trained on", f"{contract.samples_seen:,} samples"),
        ("Written by", f"multigan {contract.version or 'of unknown version'}"),
        ("Runs on", served.generator.device),
    ]
    if drawn.labels:
        more = f" and {len(drawn.labels) - SHOWN} more" if len(drawn.labels) > SHOWN else ""
        found.insert(3, (f"{len(drawn.labels)} labels", ", ".join(drawn.labels[:SHOWN]) + more))
    if drawn.low is not None and drawn.high is not None:
        found.insert(3, ("Number", f"{drawn.column or 'number'}, {drawn.low:g} to {drawn.high:g}"))
    return found


def makes(served: Served) -> str:
    """What its samples are."""
    contract, shape = served.contract, served.contract.output.shape
    if served.modality == "image":
        channels = {1: "grey", 3: "colour", 4: "colour with transparency"}.get(int(shape[1]), "")
        return f"pictures of {shape[3]} x {shape[2]}, {channels}"
    if served.modality == "audio":
        rate = contract.extra.get("sample_rate")
        seconds = f"{int(shape[2]) / rate:.2f} s" if isinstance(rate, int) and rate else "unknown length"
        return f"sounds of {seconds} at {rate} Hz"
    vocabulary = served.generator.language.vocabulary
    return f"texts of {served.generator.language.length} symbols out of {len(vocabulary):,} {vocabulary.kind}"
