"""The whole evaluation of an image generator: its figures, their protocol, and the pictures nearest to its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from multigan.errors import UserError, printable
from multigan.image.extractors import Extractor, Features, Pictures, Progress
from multigan.image.metrics import DENSITY_K, Labels, Novelty, check_count, compare, diversity, novelty

CHUNK = 256
SEARCH = 5000
"""Real pictures that are searched for the nearest ones, unless the evaluation itself uses more."""


class Real(Protocol):
    """Real pictures by index."""

    def __len__(self) -> int: ...

    def pictures(self, indices: NDArray[np.int64]) -> Pictures:
        """Those pictures, uint8 `[n, C, H, W]`."""
        ...

    def labels(self, indices: NDArray[np.int64]) -> Labels | None:
        """Their class numbers, or None where the data has no classes."""
        ...


Sampler = Callable[[int, Labels | None], Pictures]
"""Called with a count and the labels `[count]` wanted (None: no classes); gives uint8 `[count, C, H, W]`."""


@dataclass(frozen=True)
class Report:
    """figures: of the generator. floor: the same measures between real pictures and other real ones, what no generator
    can be expected to beat. protocol: how they were made. notes: sentences about what limits them."""

    figures: dict[str, float]
    floor: dict[str, float]
    protocol: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The report as JSON, indented."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def to_text(self) -> str:
        """A table of the figures beside the floor, then the protocol and the notes, for a terminal."""
        width = max(map(len, self.figures))
        lines = [f"{'':{width}}  {'generated':>10}  {'real/real':>10}"]
        for name, value in self.figures.items():
            floor = f"{self.floor[name]:10.4g}" if name in self.floor else f"{'-':>10}"
            lines.append(f"{name:{width}}  {value:10.4g}  {floor}")
        label = max(map(len, self.protocol))
        lines += ["", *(f"{name:{label}}  {value}" for name, value in self.protocol.items())]
        lines += [line for note in self.notes for line in f"note: {note}".splitlines()]
        return "\n".join(map(printable, lines))  # class names and paths come from files


@dataclass(frozen=True)
class Evaluation:
    """The report; the generated pictures uint8 `[n, C, H, W]` with their labels; and the picture of neighbours."""

    report: Report
    generated: Pictures
    labels: Labels | None
    neighbours: Image.Image


def evaluate(
    sampler: Sampler,
    real: Real,
    extractor: Extractor,
    *,
    count: int = 2000,
    seed: int = 0,
    k: int = 3,
    search: int = SEARCH,
    conditional: bool = False,
    class_names: list[str] | None = None,
    protocol: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure `count` generated pictures against `count` real ones; see `Report` and `neighbours_picture`.

    The real pictures are drawn by `seed` without replacement; the floor compares them with as many others. With
    `conditional` the generated pictures have the labels of the real ones. protocol: entries that come first in the
    report's. Raises UserError where there are too few pictures.
    """
    used = min(count, len(real))
    check_count(used, k)
    check_count(len(real) // 2, k)
    half = min(used, len(real) // 2)
    order = np.random.default_rng(seed).permutation(len(real)).astype(np.int64)
    searched = order[: max(2 * used, search)]
    reference = _Group(real.pictures(order[:used]), real.labels(order[:used]) if conditional else None)
    made = _Group(sampler(used, reference.labels), reference.labels)
    if made.pictures.shape != reference.pictures.shape:
        raise UserError(
            f"the generator makes pictures of [channels, height, width] {list(made.pictures.shape[1:])} and the data's "
            f"are {list(reference.pictures.shape[1:])}: give the data that it was trained on."
        )
    done = _Stages(progress, len(searched) + used)
    known = _real_features(real, searched, extractor, done)
    features = extractor(made.pictures, done.next())

    others = order[half : 2 * half]
    other = _Group(real.pictures(others), real.labels(others) if conditional else None)
    new = novelty(features, known, min(5, len(known)))
    figures = compare(extractor.metric, known[:used], features, k) | _variety(made, reference, class_names)
    floor = compare(extractor.metric, known[:half], known[half : 2 * half], k) | _variety(other, reference, class_names)
    figures |= {NEAREST: new.distance_ratio, COPIES: new.near_copies}
    floor |= {NEAREST: 1.0, COPIES: 0.01}
    stated = {
        "generated": f"{used} samples, seed {seed}" + (", with the real pictures' labels" if conditional else ""),
        "real": f"{used} of {len(real)} pictures, drawn with seed {seed}",
        "floor (real/real)": f"{half} real pictures against {half} others",
        "extractor": f"{extractor.protocol}, {extractor.precision}",
        "neighbours": f"precision and recall {k}, density and coverage {DENSITY_K}",
        "nearest real": f"searched among {len(searched)} of {len(real)} pictures, in the extractor's features",
    }
    notes = _notes(count, used, half, len(real), len(searched))
    if VARIETY not in figures:
        notes.append("no class has enough pictures to compare the variance within it: raise --samples.")
    report = Report(figures, {name: floor[name] for name in figures if name in floor}, (protocol or {}) | stated, notes)
    picture = neighbours_picture(made.pictures, new, lambda rows: real.pictures(searched[rows]))
    return Evaluation(report, made.pictures, made.labels, picture)


VARIETY, NEAREST, COPIES = "variance / data's", "distance to nearest real / real's", "share of near copies"


class _Group(NamedTuple):
    pictures: Pictures
    labels: Labels | None


def _variety(made: _Group, real: _Group, names: list[str] | None) -> dict[str, float]:
    """The variance within a class over that of the real pictures, and of the least varied class; see `diversity`."""
    found = diversity(made.pictures, made.labels, real.pictures, real.labels)
    if found is None:
        return {}
    if made.labels is None:
        return {VARIETY: found.ratio}
    name = names[found.worst_class] if names else str(found.worst_class)
    return {VARIETY: found.ratio, f"  of the least varied class ({name})": found.worst}


def _notes(count: int, used: int, half: int, available: int, searched: int) -> list[str]:
    notes = []
    if used < count:
        notes.append(f"the data has {available} pictures, so {used} are compared instead of {count}.")
    if half < used:
        notes.append(
            f"two halves of {used} need {2 * used} real pictures; the floor uses {half} a side, and fewer pictures "
            "raise a Fréchet distance: it overstates the floor."
        )
    if searched < available:
        notes.append(f"copies of the {available - searched} real pictures that were not searched would not show.")
    return notes


class _Stages:
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


def _real_features(real: Real, indices: NDArray[np.int64], extractor: Extractor, done: _Stages) -> Features:
    """The features of those pictures, read a chunk at a time."""
    parts = [
        extractor(real.pictures(indices[start : start + CHUNK]), done.next()) for start in range(0, len(indices), CHUNK)
    ]
    return np.concatenate(parts)


# --- the picture of neighbours --------------------------------------------------------------------------------------

_GAP, _TEXT = 6, 14


def neighbours_picture(
    generated: Pictures, found: Novelty, real: Callable[[NDArray[np.int64]], Pictures], rows: int = 8
) -> Image.Image:
    """Generated pictures, each followed by its nearest real ones with their distances (1 = usual among real pictures).

    On the left the first `rows` samples; on the right those that are nearest to a real picture, where memorising would
    show. real: gives the real pictures `[n, C, H, W]` of the indices in `found`.
    """
    rows = min(rows, len(generated))
    blocks = [
        ("first samples, then the nearest real ones", np.arange(rows)),
        ("samples nearest to a real one", np.argsort(found.distances[:, 0], kind="stable")[:rows]),
    ]
    side = max(generated.shape[2:])
    scale = max(1, -(-64 // side))
    height, width = generated.shape[2] * scale, generated.shape[3] * scale
    columns = 1 + found.indices.shape[1]
    block_width = columns * (width + _GAP) + 3 * _GAP
    canvas = Image.new(
        "RGB", (len(blocks) * block_width + _GAP, rows * (height + _TEXT + _GAP) + _TEXT + 2 * _GAP), "white"
    )
    draw = ImageDraw.Draw(canvas)
    for number, (title, samples) in enumerate(blocks):
        left = _GAP + number * block_width
        draw.text((left, 2), title, fill="black")
        for row, sample in enumerate(samples):
            top = _TEXT + _GAP + row * (height + _TEXT + _GAP)
            tiles = [generated[sample], *real(found.indices[sample])]
            captions = ["generated", *(f"{distance:.2f}" for distance in found.distances[sample])]
            for column, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
                corner = (left + column * (width + _GAP) + (2 * _GAP if column else 0), top)
                canvas.paste(_tile(tile).resize((width, height), Image.Resampling.NEAREST), corner)
                draw.text((corner[0], top + height + 1), caption, fill="black")
    return canvas


def _tile(picture: Pictures) -> Image.Image:
    """uint8 `[C, H, W]` as an RGB picture, alpha laid on white."""
    if len(picture) == 1:
        return Image.fromarray(picture[0]).convert("RGB")
    pixels = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    if len(picture) == 4:
        pixels = Image.alpha_composite(Image.new("RGBA", pixels.size, "white"), pixels)
    return pixels.convert("RGB")
