"""What an evaluation is asked for and what it says, whatever the modality."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from multigan.errors import printable
from multigan.files import write_text
from multigan.metrics.comparison import Diversity, Labels, Progress

if TYPE_CHECKING:
    from multigan.settings import Data

SEARCH = 5000
"""Real samples that are searched for the nearest ones, unless the evaluation itself uses more."""
REPORT = "report.json"
VARIETY, NEAREST, COPIES = "variance / data's", "distance to nearest real / real's", "share of near copies"
AGREEMENT, SCORE = "classified as the label", "inception score"


@dataclass(frozen=True)
class Told:
    """What a generator is told of samples: their labels and their numbers `[n]`, None where it is told none."""

    labels: Labels | None = None
    numbers: NDArray[np.float32] | None = None

    def at(self, rows: slice | NDArray[np.int64]) -> Told:
        """Of those samples alone."""
        labels = None if self.labels is None else self.labels[rows]
        return Told(labels, None if self.numbers is None else self.numbers[rows])


Sampler = Callable[[int, Told], Any]
"""Called with a count and what is told of as many samples; gives `[count, ...]`."""
Run = Callable[[int, int, int, Told], NDArray[np.float32]]
"""Called with (seed, start, count, told); gives samples `[count, ...]` as the contract says."""


@dataclass(frozen=True)
class Plan:
    """What is measured. count: samples. seed: of them and of the choice of real ones. measured_by: an extractor, or the
    name of one; absent: the modality's own. k: neighbours for precision and recall. search: real samples searched for
    copies. precision: the extractor's arithmetic. model, role: the generator, and how the data relates to it, in words.
    exported, networks: the opened generator (`multigan.runtime`), or a checkpoint's generators by name, for what a run
    alone does not tell. seen: real samples that they have been shown.
    """

    count: int = 2000
    seed: int = 0
    measured_by: Any = None
    k: int = 3
    search: int = SEARCH
    precision: str = "fp32"
    device: str = "cpu"
    model: str = ""
    role: str = ""
    progress: Progress | None = None
    exported: Any = None
    networks: Mapping[str, Any] = field(default_factory=dict)
    seen: int = 0

    def protocol(self, place: str, data: Data, shape: str) -> dict[str, Any]:
        """The report's first entries. place: where the real samples come from. shape: what is made of them."""
        split = "" if data.source is None else f", split {data.split}"
        return {"model": self.model, "data": f"{place}{split} ({self.role}), {shape}"}


@dataclass(frozen=True)
class Report:
    """figures: of the generator. floor: the same measures between real samples and other real ones, what no generator
    can be expected to beat. protocol: how they were made. notes: sentences about what limits them. headline: what
    matters most, in a sentence. baseline: the figures of what the generator has to beat, where there is one."""

    figures: dict[str, float]
    floor: dict[str, float]
    protocol: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    headline: str = ""
    baseline: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """The report as JSON, indented."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def to_text(self) -> str:
        """A table of the figures beside the floor, then the protocol and the notes, for a terminal."""
        width = max(map(len, self.figures))
        columns = {"generated": self.figures, "likelihood": self.baseline, "real/real": self.floor}
        if not self.baseline:
            del columns["likelihood"]
        lines = [self.headline, ""] if self.headline else []
        lines.append("  ".join([" " * width, *(f"{name:>10}" for name in columns)]))
        for name in self.figures:
            cells = [f"{found[name]:10.4g}" if name in found else f"{'-':>10}" for found in columns.values()]
            lines.append("  ".join([f"{name:{width}}", *cells]))
        label = max(map(len, self.protocol))
        lines += ["", *(f"{name:{label}}  {value}" for name, value in self.protocol.items())]
        lines += [line for note in self.notes for line in f"note: {note}".splitlines()]
        return "\n".join(map(printable, lines))  # class names and paths come from files

    def save(self, folder: Path) -> Path:
        """Write report.json into the folder; its path."""
        write_text(folder / REPORT, self.to_json())
        return folder / REPORT


class Evaluation(Protocol):
    """A report, and what a person looks at or listens to beside it."""

    @property
    def report(self) -> Report: ...

    def save(self, folder: Path) -> list[tuple[Path, str]]:
        """Write the report and what belongs to it; each file with what it shows, in words."""
        ...


def variety(
    found: Diversity | None, conditional: bool, names: list[str] | None, each: bool = False
) -> dict[str, float]:
    """The variance within a class over that of the real samples, and of the least varied class, or of `each`."""
    if found is None:
        return {}
    if not conditional:
        return {VARIETY: found.ratio}

    def named(number: int) -> str:
        return names[number] if names else str(number)

    if each:
        return {VARIETY: found.ratio} | {f"  of {named(number)}": ratio for number, ratio in found.ratios.items()}
    return {VARIETY: found.ratio, f"  of the least varied class ({named(found.worst_class)})": found.worst}


def limits(count: int, used: int, half: int, available: int, searched: int, many: str) -> list[str]:
    """Sentences on what too little data does to the figures. count: generated samples that were asked for, of which
    `used` are compared with as many real ones. many: what samples are called."""
    notes = []
    if used < count:
        notes.append(f"the data has {available} {many}, so {used} are compared instead of {count}.")
    if half < used:
        notes.append(
            f"two halves of {used} need {2 * used} real {many}; the floor uses {half} a side, and fewer {many} "
            "raise a Fréchet distance: it overstates the floor."
        )
    if searched < available:
        notes.append(f"copies of the {available - searched} real {many} that were not searched would not show.")
    return notes


class Stages:
    """One progress count over several stages of extraction."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._before = 0
        self._last = 0

    def next(self) -> Progress | None:
        """The callback for the next stage."""
        self._before, self._last = self._before + self._last, 0
        return self._report if self._progress else None

    def _report(self, done: int, of: int) -> None:
        self._last = done
        if self._progress:
            self._progress(self._before + done, self._total)
