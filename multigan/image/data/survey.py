"""What a source of pictures holds, by its list and the headers of a bounded sample, and what it suggests. No torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from multigan.data.access import UnreadableError, insist
from multigan.data.numbers import range_of
from multigan.data.sampling import spread
from multigan.errors import UserError
from multigan.image.config import LARGEST, SMALLEST, ImageData
from multigan.image.data import decode
from multigan.image.data.medium import Source, open_source
from multigan.settings import NumberRange

_HEADERS = 400
_PEEKED = 48
"""So many of the sample are decoded, to see whether colour and transparency are really used."""
_PEEK_SIZE = (32, 32)
_MOST_CLASSES = 1000
_FEWEST_A_CLASS = 20


@dataclass(frozen=True)
class Survey:
    """What the data is. count: pictures. classes, counts: their names and how many of each, or None.
    sizes, modes: (height, width) and pillow modes seen in `sampled` headers, with how often. unreadable: those of the
    sample that could not be read. size, channels, conditional: what this suggests; reasons: why, a sentence each.
    """

    place: str
    count: int
    classes: list[str] | None
    counts: list[int] | None
    sizes: Counter[tuple[int, int]]
    modes: Counter[str]
    sampled: int
    unreadable: int
    size: tuple[int, int]
    channels: int
    conditional: bool
    reasons: list[str] = field(default_factory=list)
    numbers: NumberRange | None = None
    """The range of the numbers in `data.number_column`."""


def inspect(source: str | Path | None, data: ImageData) -> Survey:
    """Survey `source` (absent: what `data` names, or the embedded digits). Raises UserError as `open_source` does, and
    where none of the sampled files is a picture that can be read."""
    return survey(open_source(data, source), data)


def enough(seen: Survey, batch: int) -> None:
    """Raise UserError where the data is less than a batch."""
    if seen.count < batch:
        raise UserError(
            f"{seen.place} holds {seen.count:,} pictures, fewer than a batch of {batch}: add pictures or set "
            f"training.batch={max(1, seen.count)} at most."
        )


def survey(source: Source, data: ImageData) -> Survey:
    """Survey an open source."""
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    failures: list[str] = []
    colored, clear, peeked = 0, 0, 0
    sample = spread(source, _HEADERS)
    for index in sample:
        try:
            size, mode, pixels = insist(
                partial(_look, source, index, peeked < _PEEKED), source.name(index), source.place
            )
            sizes[size] += 1
            modes[mode] += 1
            if pixels is not None:
                peeked += 1
                colored += _is_colored(pixels)
                clear += bool((pixels[3] < 250).mean() > 0.01)
        except UnreadableError as error:
            failures.append(f"{source.name(index)}: {error}")
    if not sizes or not peeked:
        raise UserError(
            f"none of the {len(sample)} files of {source.place} that were tried can be read as a picture "
            f"({failures[0]}): choose another --data."
        )
    size, why_size = suggest_size(sizes)
    channels, why_channels = _suggest_channels(colored, clear, peeked, modes)
    counts = None
    if source.classes is not None and source.labels is not None:
        counts = np.bincount(source.labels, minlength=len(source.classes)).tolist()
    conditional, why_conditional = _suggest_conditional(source.classes, counts)
    if data.label_column is not None and source.classes is not None and not conditional:
        conditional, why_conditional = True, f"{len(source.classes)} classes, as data.label_column asks."
    return Survey(
        place=source.place,
        count=len(source),
        classes=source.classes,
        counts=counts,
        sizes=sizes,
        modes=modes,
        sampled=len(sample),
        unreadable=len(failures),
        size=size,
        channels=channels,
        conditional=conditional,
        reasons=[*source.notes, why_size, why_channels, why_conditional],
        numbers=range_of(source, data),
    )


def _look(source: Source, index: int, peek: bool) -> tuple[tuple[int, int], str, decode.Pixels | None]:
    """A picture's (height, width) and mode, and where wanted its pixels, few and with their transparency."""
    opener = partial(source.open, index)
    with decode.opened(opener) as image:
        size, mode = decode.upright_size(image), image.mode
    return size, mode, decode.decode(opener, _PEEK_SIZE, 4, "stretch") if peek else None


def _is_colored(pixels: np.ndarray) -> bool:
    """More than JPEG's noise between the colours, where the picture is not clear."""
    rgb = pixels[:3].astype(np.int16)
    return bool(((rgb.max(axis=0) - rgb.min(axis=0) > 16) & (pixels[3] > 0)).mean() > 0.005)


def nearest_side(side: float) -> int:
    """The nearest side that a network can make: a multiple of 8 from 16 to 256."""
    return min(max(int(side / 8 + 0.5) * 8, SMALLEST), LARGEST)


def suggest_size(sizes: Counter[tuple[int, int]]) -> tuple[tuple[int, int], str]:
    """The (height, width) for pictures of these sizes, and why: their own shape where most share one, else square."""
    shapes = list(sizes.elements())
    (height, width), most = sizes.most_common(1)[0]
    aspects = sorted(h / w for h, w in shapes)
    low, high = (aspects[int(share * (len(aspects) - 1))] for share in (0.1, 0.9))
    same = "all" if most == len(shapes) else "most"
    if high / low < 1.1:
        tall, wide = median(h for h, _ in shapes), median(w for _, w in shapes)
        scale = min(1.0, LARGEST / max(tall, wide))
        size = (nearest_side(tall * scale), nearest_side(wide * scale))
        what = f"{same} are {width}x{height}" if most > len(shapes) / 2 else f"they are about {wide:.0f}x{tall:.0f}"
    else:
        side = nearest_side(median(min(h, w) for h, w in shapes))
        size = (side, side)
        what = f"their shapes differ (from {1 / high:.2f} to {1 / low:.2f} wide for 1 high), so a square"
    return size, f"Size {size[1]}x{size[0]} (width x height): {what}; the nearest that can be made."


def _suggest_channels(colored: int, clear: int, peeked: int, modes: Counter[str]) -> tuple[int, str]:
    if clear > peeked / 2:
        return 4, f"4 channels: {clear} of {peeked} pictures looked at are partly transparent."
    if colored == 0:
        stored = "" if set(modes) <= {"L", "1", "I;16", "I", "F", "LA"} else ", although some are stored in colour"
        return 1, f"1 channel: all {peeked} pictures looked at are grey{stored}."
    return 3, f"3 channels: {colored} of {peeked} pictures looked at have colour."


def _suggest_conditional(classes: list[str] | None, counts: list[int] | None) -> tuple[bool, str]:
    if classes is None or counts is None:
        return False, "No classes: neither a folder nor a label column tells them."
    if len(classes) < 2:
        return False, "Only one class, so a label would say nothing."
    if len(classes) > _MOST_CLASSES:
        return False, f"{len(classes):,} classes are too many to learn one by one."
    if all(name.isdigit() and len(name) >= 4 for name in classes):
        return False, f"The {len(classes)} folders are numbered like shards, so they are not taken as classes."
    fewest = min(counts)
    if fewest < _FEWEST_A_CLASS:
        return False, f"{len(classes)} classes, but {classes[counts.index(fewest)]!r} has only {fewest} pictures."
    return (
        True,
        f"{len(classes)} classes of {fewest:,} to {max(counts):,} pictures: enough for a conditional generator.",
    )
