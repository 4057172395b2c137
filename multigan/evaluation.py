"""From a file to a report: opens a generator and the real pictures that it is measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from multigan import checkpoint, heads, noise
from multigan.contract import Contract
from multigan.errors import UserError
from multigan.files import replacing, write_text
from multigan.image import evaluation
from multigan.image.config import ImageRecipe
from multigan.image.data import open_stream
from multigan.image.evaluation import SEARCH, Evaluation, Report
from multigan.image.extractors import Extractor, Pictures, Precision, Progress, check, extractor
from multigan.image.metrics import Labels
from multigan.pictures import quantize
from multigan.recipe import Recipe, parse
from multigan.runtime import Generator

BATCH = 64
REPORT, NEIGHBOURS = "report.json", "neighbours.png"


@dataclass(frozen=True)
class Model:
    """An opened generator. run: called with (seed, start, count, labels), gives float32 `[count, C, H, W]`.

    kind: in words, for the report.
    """

    kind: str
    contract: Contract
    recipe: ImageRecipe
    run: Callable[[int, int, int, Labels | None], NDArray[np.float32]]

    def sample(self, count: int, seed: int, labels: Labels | None) -> Pictures:
        """Samples 0 to `count` of `seed` as uint8 `[count, C, H, W]`, a batch at a time."""
        parts = []
        for start in range(0, count, BATCH):
            stop = min(start + BATCH, count)
            parts.append(quantize(self.run(seed, start, stop - start, None if labels is None else labels[start:stop])))
        return np.concatenate(parts)


def open_model(path: Path, device: str = "cpu") -> Model:
    """An exported .onnx file, through onnxruntime; or a checkpoint's averaged weights, through torch.

    Both draw the same latents from a seed. Raises UserError where the file is neither, or has no recipe of pictures.
    """
    if path.suffix == ".onnx":
        generator = Generator.load(path)
        if generator.contract.modality != "image" or not generator.contract.recipe:
            raise UserError(f"{path} holds no image generator with its recipe: it cannot be evaluated.")

        def run_onnx(seed: int, start: int, count: int, labels: Labels | None) -> NDArray[np.float32]:
            classes = None if labels is None else [int(each) for each in labels]
            return generator.sample(count, seed, classes, batch=BATCH, start=start)

        recipe = _of_pictures(parse(generator.contract.recipe, f"the recipe inside {path}"), path)
        return Model(f"exported model, on {generator.device}", generator.contract, recipe, run_onnx)

    read, network, samples = checkpoint.load_generator(path)
    recipe = _of_pictures(read, path)
    network.to(device)
    contract = heads.contract(recipe, samples)

    @torch.inference_mode()
    def run_torch(seed: int, start: int, count: int, labels: Labels | None) -> NDArray[np.float32]:
        drawn = noise.inputs(contract, seed, start, count, None, labels)
        inputs = {name: torch.from_numpy(value).to(device) for name, value in drawn.items()}
        made: NDArray[np.float32] = network(**inputs).float().cpu().numpy()
        return made

    return Model(f"averaged weights (EMA), torch on {device}", contract, recipe, run_torch)


def _of_pictures(recipe: Recipe, path: Path) -> ImageRecipe:
    """Raise UserError for another modality's recipe."""
    if not isinstance(recipe, ImageRecipe):
        raise UserError(f"{path} makes {recipe.modality}: multigan evaluate measures pictures only.")
    return recipe


class _Stream:
    """The data of a recipe as `multigan.image.evaluation.Real`."""

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

    def notes(self) -> list[str]:
        """What could not be read."""
        return [str(self._stream.report)] if self._stream.report.count else []

    def close(self) -> None:
        self._stream.close()


def evaluate(
    path: Path,
    source: str | None = None,
    *,
    count: int = 2000,
    seed: int = 0,
    measured_by: str | Extractor = "efflite0",
    k: int = 3,
    search: int = SEARCH,
    precision: Precision = "fp32",
    device: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model file (.onnx, or a checkpoint's .safetensors) against real pictures.

    source: a folder, table or hub name; absent: what the model was trained on. measured_by: an extractor, or the name
    of one, which then computes with `precision`. device: absent: the GPU if there is one. The rest as in
    `multigan.image.evaluation.evaluate`. Raises UserError for what is missing or too small.
    """
    if isinstance(measured_by, str):
        check(measured_by)
    if not 2 <= count <= 1_000_000:
        raise UserError(f"--samples {count} is out of range: choose from 2 to 1000000.")
    if not 0 <= seed < noise.SEEDS:
        raise UserError(f"--seed {seed} is out of range: choose from 0 to {noise.SEEDS - 1}.")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = open_model(path, device)
    recipe = model.recipe
    if source is None and path.suffix == ".onnx" and recipe.data.source is not None:
        raise UserError(f"{path} does not say where its data ({recipe.data.source}) lies: name the place with --data.")
    if source is not None:
        classes = recipe.data.classes if recipe.conditional else None
        update = {"source": source, "classes": classes, "image_column": None, "label_column": None}
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=update)})
    measured = extractor(measured_by, device, precision) if isinstance(measured_by, str) else measured_by
    real = _Stream(recipe, device)
    try:
        found = evaluation.evaluate(
            lambda wanted, labels: model.sample(wanted, seed, labels),
            real,
            measured,
            count=count,
            seed=seed,
            k=k,
            search=search,
            conditional=recipe.conditional,
            class_names=recipe.data.classes,
            protocol=_protocol(path, model, recipe, real.place, source),
            progress=progress,
        )
    finally:
        real.close()
    found.report.notes.extend(real.notes())
    return found


def _protocol(path: Path, model: Model, recipe: ImageRecipe, place: str, source: str | None) -> dict[str, Any]:
    role = "the data that it was trained on" if source is None else "given with --data"
    split = "" if recipe.data.source is None else f", split {recipe.data.split}"
    size = "x".join(map(str, recipe.data.size or ()))
    return {
        "model": f"{path.name}: {model.kind}, after {model.contract.samples_seen:,} real pictures shown",
        "data": f"{place}{split} ({role}), {size}, fit {recipe.data.fit}",
    }


def save(found: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write report.json and neighbours.png into `folder`; their paths."""
    report, picture = folder / REPORT, folder / NEIGHBOURS
    write_text(report, found.report.to_json())
    with replacing(picture) as temporary:
        found.neighbours.save(temporary)
    return report, picture


__all__ = ["Evaluation", "Model", "Report", "evaluate", "open_model", "save"]
