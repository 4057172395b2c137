"""What a source of sounds holds, by its list and the headers of a bounded sample, and what it suggests. No torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from multigan.audio.config import FASTEST, SLOWEST, AudioData
from multigan.audio.data.decode import header
from multigan.audio.data.medium import Source, open_source
from multigan.data.access import UnreadableError, insist
from multigan.data.numbers import range_of
from multigan.data.sampling import spread
from multigan.errors import UserError
from multigan.settings import NumberRange

HEADERS = 200
CPU_RATE = 16_000
"""On a CPU sounds are resampled to this rate at most: the cost of a second grows with it."""
LENGTHS = (4096, 8192, 16_384, 32_768, 65_536)
COVERED = 0.8
"""The suggested length holds so many of the files whole, where one does."""
_FEWEST_A_CLASS = 5


@dataclass(frozen=True)
class Survey:
    """What the data is. count: files. rates, widths: the rates and channel counts seen in `sampled` headers, with how
    often. seconds: the files' lengths in order. unreadable: those of the sample that could not be read."""

    place: str
    count: int
    classes: list[str] | None
    counts: list[int] | None
    rates: Counter[int]
    widths: Counter[int]
    seconds: list[float]
    unreadable: int
    notes: list[str] = field(default_factory=list)
    rows: bool = False
    """Whether they are the rows of a streamed table, of which each gives one slice in a pass."""
    numbers: NumberRange | None = None
    """The range of the numbers in `data.number_column`."""


def survey(source: Source, data: AudioData | None = None) -> Survey:
    """Look at a source. Raises UserError where none of the sampled files is a sound that can be read, or its numbers
    say nothing."""
    rates: Counter[int] = Counter()
    widths: Counter[int] = Counter()
    seconds, failures = [], []
    for index in spread(source, HEADERS):
        try:
            found = insist(partial(header, partial(source.open, index)), source.name(index), source.place)
        except UnreadableError as error:
            failures.append(f"{source.name(index)}: {error}")
            continue
        rates[found.rate] += 1
        widths[found.channels] += 1
        seconds.append(found.frames / found.rate)
    if not seconds:
        raise UserError(
            f"none of the {len(failures)} files of {source.place} that were tried can be read as a sound "
            f"({failures[0]}): choose another --data."
        )
    counts = None
    if source.classes is not None and source.labels is not None:
        counts = np.bincount(source.labels, minlength=len(source.classes)).tolist()
    return Survey(
        source.place, len(source), source.classes, counts, rates, widths, sorted(seconds), len(failures),
        list(source.notes), source.blocks is not None, range_of(source, data or AudioData()),
    )  # fmt: skip


def inspect(source: str | Path | None, data: AudioData) -> Survey:
    """Survey `source`; absent: what `data` names, or the embedded drums."""
    return survey(open_source(data, source), data)


def suggest_rate(seen: Survey, gpu: bool) -> tuple[int, str]:
    """Samples a second, one that a recipe can have, and why."""
    told, times = seen.rates.most_common(1)[0]
    rate = min(max(told, SLOWEST), FASTEST)
    files = len(seen.seconds)
    which = "all files" if times == files else f"{times} of {files} files looked at"
    what = f"{which} have it"
    if rate != told:
        what = f"the {'least' if rate > told else 'most'} that can be asked for, where {which} have {told:,}"
    if not gpu and rate > CPU_RATE:
        return CPU_RATE, (
            f"{CPU_RATE:,} Hz rather than {rate:,}: more takes a CPU hours; --set data.rate={rate} asks for it."
        )
    return rate, f"{rate:,} Hz: {what}."


def suggest_length(seen: Survey, rate: int, step: int = 1) -> tuple[int, str]:
    """Samples of a slice, and why: the least of LENGTHS that holds most files whole, else the largest, and from there
    the next multiple of `step`."""
    wanted = seen.seconds[min(int(COVERED * len(seen.seconds)), len(seen.seconds) - 1)] * rate
    length = next((each for each in LENGTHS if each >= wanted), LENGTHS[-1])
    length = -(-length // step) * step
    return length, f"{length:,} samples, {length / rate:.2g} seconds: {fitting(seen, rate, length)}."


def fitting(seen: Survey, rate: int, length: int) -> str:
    """How many files are no longer than a slice, in words."""
    whole = sum(each * rate <= length for each in seen.seconds) / len(seen.seconds)
    return f"{100 * whole:.0f}% of the files looked at fit in whole"


def suggest_channels(seen: Survey) -> tuple[int, str]:
    """1, unless most files have two channels or more."""
    stereo = sum(times for channels, times in seen.widths.items() if channels > 1)
    files = len(seen.seconds)
    if stereo > files / 2:
        return 2, f"2 channels: {stereo} of {files} files looked at have them; --set data.channels=1 mixes them."
    return 1, "1 channel."


def check_channels(seen: Survey, channels: int) -> list[str]:
    """A sentence where some files have fewer channels than the recipe. Raises UserError where all have."""
    single, files = seen.widths[1], len(seen.seconds)
    if channels == 1 or not single:
        return []
    if single == files:
        raise UserError(
            f"data.channels is {channels}, and the {files} sounds of {seen.place} that were looked at have one "
            "channel: set data.channels=1."
        )
    return [f"{single} of {files} files looked at have one channel, which is doubled."]


def suggest_conditional(seen: Survey) -> tuple[bool, str]:
    """Whether every class has enough files, and why."""
    if seen.classes is None or seen.counts is None:
        return False, "No classes: neither a folder nor a label column tells them."
    if len(seen.classes) < 2:
        return False, "Only one class, so a label would say nothing."
    fewest = min(seen.counts)
    if fewest < _FEWEST_A_CLASS:
        poor = seen.classes[seen.counts.index(fewest)]
        return False, f"{len(seen.classes)} classes, but {poor!r} has only {fewest} files."
    return True, f"{len(seen.classes)} classes of {fewest:,} to {max(seen.counts):,} files: a conditional generator."
