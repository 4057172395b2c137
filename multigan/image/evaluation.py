"""The whole evaluation of an image generator: its figures, their protocol, and the pictures nearest to its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from multigan.errors import UserError
from multigan.files import replacing
from multigan.image.config import ImageRecipe
from multigan.image.data import open_stream
from multigan.image.extractors import Extractor, Features, Pictures, Progress, extractor
from multigan.image.extractors import check as check_extractor
from multigan.metrics import DENSITY_K, Labels, Plan, Report, Told, check_count, compare, diversity, novelty
from multigan.metrics.picture import neighbours_picture
from multigan.metrics.report import COPIES, NEAREST, SEARCH, VARIETY, Run, Sampler, Stages, limits, variety
from multigan.pictures import quantize

CHUNK = 256
BATCH = 64
EXTRACTOR = "efflite0"
NEIGHBOURS = "neighbours.png"


class Real(Protocol):
    """Real pictures by index."""

    def __len__(self) -> int: ...

    def pictures(self, indices: NDArray[np.int64]) -> Pictures:
        """Those pictures, uint8 `[n, C, H, W]`."""
        ...

    def labels(self, indices: NDArray[np.int64]) -> Labels | None:
        """Their class numbers, or None where the data has no classes."""
        ...

    def numbers(self, indices: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Their numbers, or None where the generator is told none."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """The report; the generated pictures uint8 `[n, C, H, W]` with their labels; and the picture of neighbours."""

    report: Report
    generated: Pictures
    labels: Labels | None
    neighbours: Image.Image

    def save(self, folder: Path) -> list[tuple[Path, str]]:
        """Write report.json and neighbours.png into `folder`; each file with what it shows."""
        report, picture = self.report.save(folder), folder / NEIGHBOURS
        with replacing(picture) as temporary:
            self.neighbours.save(temporary)
        return [(report, "the report"), (picture, "samples beside the nearest real pictures")]


def check(plan: Plan) -> None:
    """Raise UserError where the plan asks for an extractor that there is not."""
    if plan.measured_by is None or isinstance(plan.measured_by, str):
        check_extractor(plan.measured_by or EXTRACTOR)


def measure(recipe: ImageRecipe, run: Run, plan: Plan) -> Evaluation:
    """Evaluate the generator that `run` runs against the pictures of its recipe. Raises UserError as `evaluate`."""
    measured = plan.measured_by or EXTRACTOR
    if isinstance(measured, str):
        measured = extractor(measured, plan.device, plan.precision)  # type: ignore[arg-type]
    real = _Stream(recipe, plan.device)

    shape = f"{'x'.join(map(str, recipe.data.size or ()))}, fit {recipe.data.fit}"
    try:
        found = evaluate(
            lambda count, told: pictures(run, count, plan.seed, told),
            real,
            measured,
            count=plan.count,
            seed=plan.seed,
            k=plan.k,
            search=plan.search,
            conditional=recipe.conditional,
            class_names=recipe.data.classes,
            protocol=plan.protocol(real.place, recipe.data, shape),
            progress=plan.progress,
        )
    finally:
        real.close()
    found.report.notes.extend(real.notes())
    return found


def pictures(run: Run, count: int, seed: int, told: Told) -> Pictures:
    """Samples 0 to `count` of a seed as uint8 `[count, C, H, W]`, a batch at a time: as float32 they would take four
    times the memory."""
    parts = []
    for start in range(0, count, BATCH):
        stop = min(start + BATCH, count)
        parts.append(quantize(run(seed, start, stop - start, told.at(slice(start, stop)))))
    return np.concatenate(parts)


class _Stream:
    """The data of a recipe as `Real`."""

    def __init__(self, recipe: ImageRecipe, device: str) -> None:
        # Nothing is kept in memory: each picture is read once or twice.
        data = recipe.data.model_copy(update={"cache": "none"})
        self._stream = open_stream(recipe.model_copy(update={"data": data}), torch.device(device), 1)
        self.place = self._stream.survey.place

    def __len__(self) -> int:
        return len(self._stream)

    def pictures(self, indices: NDArray[np.int64]) -> Pictures:
        """Those pictures, uint8 `[n, C, H, W]`."""
        return self._stream.samples(indices).numpy()

    def labels(self, indices: NDArray[np.int64]) -> Labels | None:
        """Their class numbers, or None."""
        labels = self._stream.labels
        return None if labels is None else labels.numpy()[indices]

    def numbers(self, indices: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Their numbers, or None."""
        numbers = self._stream.numbers
        return None if numbers is None else numbers.numpy()[indices]

    def notes(self) -> list[str]:
        """What could not be read."""
        return [str(self._stream.report)] if self._stream.report.count else []

    def close(self) -> None:
        self._stream.close()


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
    `conditional` the generated pictures have the labels of the real ones, and the numbers where they have any.
    protocol: entries that come first in the report's. Raises UserError where there are too few pictures.
    """
    used = min(count, len(real))
    check_count(used, k)
    check_count(len(real) // 2, k)
    half = min(used, len(real) // 2)
    order = np.random.default_rng(seed).permutation(len(real)).astype(np.int64)
    searched = order[: max(2 * used, search)]
    reference = _Group(real.pictures(order[:used]), real.labels(order[:used]) if conditional else None)
    told = Told(reference.labels, real.numbers(order[:used]))
    made = _Group(sampler(used, told), reference.labels)
    if made.pictures.shape != reference.pictures.shape:
        raise UserError(
            f"the generator makes pictures of [channels, height, width] {list(made.pictures.shape[1:])} and the data's "
            f"are {list(reference.pictures.shape[1:])}: give the data that it was trained on."
        )
    done = Stages(progress, len(searched) + used)
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
    notes = limits(count, used, half, len(real), len(searched), "pictures")
    if VARIETY not in figures:
        notes.append("no class has enough pictures to compare the variance within it: raise --samples.")
    report = Report(figures, {name: floor[name] for name in figures if name in floor}, (protocol or {}) | stated, notes)
    picture = neighbours_picture(made.pictures, new, lambda rows: real.pictures(searched[rows]))
    return Evaluation(report, made.pictures, made.labels, picture)


class _Group(NamedTuple):
    pictures: Pictures
    labels: Labels | None


def _variety(made: _Group, real: _Group, names: list[str] | None) -> dict[str, float]:
    found = diversity(made.pictures, made.labels, real.pictures, real.labels)
    return variety(found, made.labels is not None, names)


def _real_features(real: Real, indices: NDArray[np.int64], extractor: Extractor, done: Stages) -> Features:
    """The features of those pictures, read a chunk at a time."""
    parts = [
        extractor(real.pictures(indices[start : start + CHUNK]), done.next()) for start in range(0, len(indices), CHUNK)
    ]
    return np.concatenate(parts)
