"""From a file to a report: opens a generator and has its modality measure it against real samples."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from multigan import checkpoint, heads, noise
from multigan.contract import Contract
from multigan.errors import AbsentColumnError, UserError
from multigan.metrics import Evaluation, Plan, Progress, Told
from multigan.metrics.report import SEARCH, Run
from multigan.recipe import Recipe, parse
from multigan.runtime import Generator

BATCH = 64
LABEL = "label_column"
"""Of a recipe's data: kept for other data that has it."""


@dataclass(frozen=True)
class Model:
    """An opened generator. run: called with (seed, start, count, told), gives float32 samples `[count, ...]`.

    kind: in words, for the report. exported: the opened file, networks: a checkpoint's generators by name; one of them.
    """

    kind: str
    contract: Contract
    recipe: Recipe
    run: Run
    exported: Generator | None = None
    networks: Mapping[str, Any] = field(default_factory=dict)


def open_model(path: Path, device: str = "cpu") -> Model:
    """An exported .onnx file, through onnxruntime; or a checkpoint's averaged weights, through torch.

    Both draw the same latents from a seed. Raises UserError where the file is neither, or has no recipe.
    """
    if path.suffix == ".onnx":
        generator = Generator.load(path)
        if not generator.contract.recipe:
            raise UserError(f"{path} holds no generator with its recipe: it cannot be evaluated.")

        def run_onnx(seed: int, start: int, count: int, told: Told) -> NDArray[np.float32]:
            classes = None if told.labels is None else [int(each) for each in told.labels]
            numbers = None if told.numbers is None else [float(each) for each in told.numbers]
            return generator.sample(count, seed, classes, batch=BATCH, start=start, number=numbers)

        recipe = parse(generator.contract.recipe, f"the recipe inside {path}")
        return Model(f"exported model, on {generator.device}", generator.contract, recipe, run_onnx, generator)

    recipe, network, samples = checkpoint.load_generator(path)
    networks = checkpoint.load_generators(path) if recipe.modality == "text" else {}
    network.to(device)
    contract = heads.contract(recipe, samples)

    @torch.inference_mode()
    def run_torch(seed: int, start: int, count: int, told: Told) -> NDArray[np.float32]:
        drawn = noise.inputs(contract, seed, start, count, None, told.labels, told.numbers)
        inputs = {name: torch.from_numpy(value).to(device) for name, value in drawn.items()}
        made: NDArray[np.float32] = network(**inputs).float().cpu().numpy()
        return made

    return Model(f"averaged weights (EMA), torch on {device}", contract, recipe, run_torch, None, networks)


def evaluate(
    path: Path,
    source: str | None = None,
    *,
    count: int = 2000,
    seed: int = 0,
    measured_by: Any = None,
    k: int = 3,
    search: int = SEARCH,
    precision: str = "fp32",
    device: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model file (.onnx, or a checkpoint's .safetensors) against real samples.

    source: a folder, table or hub name; absent: what the model was trained on. measured_by: an extractor of the
    modality, or the name of one, which then computes with `precision`; absent: the modality's own. device: absent: the
    GPU if there is one. The rest as in `multigan.metrics.Plan`. Raises UserError for what is missing or too small.
    """
    if not 2 <= count <= 1_000_000:
        raise UserError(f"--samples {count} is out of range: choose from 2 to 1000000.")
    if not 0 <= seed < noise.SEEDS:
        raise UserError(f"--seed {seed} is out of range: choose from 0 to {noise.SEEDS - 1}.")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = open_model(path, device)
    recipe = model.recipe
    if source is None and path.suffix == ".onnx" and recipe.data.source is not None:
        raise UserError(f"{path} does not say where its data ({recipe.data.source}) lies: name the place with --data.")
    said = f"{path.name}: {model.kind}, after {model.contract.samples_seen:,} real samples shown"
    role = "the data that it was trained on" if source is None else "given with --data"
    plan = Plan(
        count,
        seed,
        measured_by,
        k,
        search,
        precision,
        device,
        said,
        role,
        progress,
        model.exported,
        model.networks,
        model.contract.samples_seen,
    )
    room = importlib.import_module(f"multigan.{recipe.modality}.evaluation")
    room.check(plan)
    try:
        found: Evaluation = room.measure(recipe if source is None else _elsewhere(recipe, source), model.run, plan)
    except AbsentColumnError as error:
        if source is None or error.key != LABEL:
            raise
        found = room.measure(_elsewhere(recipe, source, {LABEL: None}), model.run, plan)
    return found


def before_and_after(
    weights: Path, source: str | None = None, count: int = 2000, progress: Progress | None = None
) -> Callable[[Path], list[list[str]]]:
    """Evaluate a checkpoint's generator, and give what evaluates the file that is exported from it and makes a table:
    each figure before, after, and of real samples.

    Both on the same seeds and against the same real samples: `source`, or what the checkpoint's recipe names, of which
    `count` are searched for copies. Raises UserError as `evaluate` does, before anything is exported.
    """
    source = source or checkpoint.load(weights).recipe.data.source
    before = evaluate(weights, source, count=count, search=count, progress=progress).report

    def table(exported: Path) -> list[list[str]]:
        after = evaluate(exported, source, count=count, search=count, progress=progress).report
        rows = [[f"of {count:,} samples", "before", "after", "real/real"]]
        for name, value in before.figures.items():
            found = (value, after.figures.get(name), before.floor.get(name))
            rows.append([name, *("" if each is None else f"{each:.4g}" for each in found)])
        return rows

    return table


def _elsewhere(recipe: Recipe, source: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe with other data: whose columns but that of labels are found anew, and whose classes, if they matter,
    are the recipe's."""
    columns = [name for name in type(recipe.data).model_fields if name.endswith("_column") and name != LABEL]
    update: dict[str, Any] = dict.fromkeys([*columns, "number_range"])
    update |= {"source": source, "classes": recipe.data.classes if recipe.conditional else None, **(changes or {})}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=update)})


__all__ = ["Evaluation", "Model", "before_and_after", "evaluate", "open_model"]
