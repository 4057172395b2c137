"""Checkpoints: weights in safetensors with the recipe inside, and beside them what resuming needs. No pickle.

Order of writing: weights, then state, each under a temporary name, flushed and renamed. The state holds the digests of
the weights it belongs to and of its own tensors: a pair is trusted only if both files are whole and belong together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from multigan import __version__, heads
from multigan.errors import UserError
from multigan.files import replacing
from multigan.recipe import Recipe, parse
from multigan.runs import Run

GENERATOR_EMA = "generator_ema"
"""The averaged generator: the one that is previewed and exported."""


@dataclass
class Weights:
    """The contents of a weights file. networks: state dictionaries by name: generator, generator_ema, discriminator."""

    path: Path
    recipe: Recipe
    samples: int
    networks: dict[str, dict[str, Tensor]]


@dataclass
class State:
    """What a training goes on from, beside the weights."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]


def save_weights(path: Path, recipe: Recipe, samples: int, networks: dict[str, nn.Module]) -> None:
    """Write the networks' weights to `path`, whole or not at all."""
    tensors = {
        f"{name}.{key}": value for name, module in networks.items() for key, value in module.state_dict().items()
    }
    metadata = {"multigan": __version__, "samples": str(samples), "recipe": recipe.model_dump_json()}
    _save(path, tensors, metadata)


def save(run: Run, samples: int, recipe: Recipe, networks: dict[str, nn.Module], state: State) -> None:
    """Write the pair of files that resuming after `samples` samples takes."""
    weights = run.weights(samples)
    save_weights(weights, recipe, samples, networks)
    numbers = json.dumps(state.numbers, sort_keys=True)
    metadata = {"multigan": __version__, "numbers": numbers, "weights": _digest(weights)}
    _save(run.state(samples), state.tensors, {**metadata, "state": _digest_state(state.tensors, metadata)})


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    # Cloned, since safetensors refuses tensors that share memory, and contiguous, since it stores no strides.
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _digest_state(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """Of the numbers and of every tensor's name, type, shape and bytes: safetensors itself keeps no checksum."""
    digest = hashlib.blake2b(json.dumps([metadata["numbers"], metadata["weights"]]).encode())
    for name, value in sorted(tensors.items()):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)};".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file. Raises UserError where it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged or is no checkpoint ({error}): use another one.") from error


def load(path: Path) -> Weights:
    """Read a weights file. Raises UserError where it is damaged or not multigan's."""
    metadata, tensors = _read(path)
    if "recipe" not in metadata:
        raise UserError(f"{path} is not a checkpoint of multigan: it has no recipe inside.")
    try:
        recipe = parse(json.loads(metadata["recipe"]), f"the recipe inside {path}")
        samples = int(metadata.get("samples", "0"))
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): use another checkpoint.") from error
    networks: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        network, _, key = name.partition(".")
        networks.setdefault(network, {})[key] = value
    return Weights(path, recipe, samples, networks)


def load_pair(run: Run, samples: int) -> tuple[Weights, State]:
    """Read the pair of files written after `samples` samples. Raises UserError where it is not whole."""
    metadata, tensors = _read(run.state(samples))
    path = run.weights(samples)
    try:
        whole = metadata["state"] == _digest_state(tensors, metadata)
        numbers = json.loads(metadata["numbers"])
    except (KeyError, ValueError) as error:
        raise UserError(f"{run.state(samples)} is damaged ({error}).") from error
    if not whole:
        raise UserError(f"{run.state(samples)} is damaged: its content is not what was written.")
    if metadata["weights"] != _digest(path):
        raise UserError(f"{path} is damaged: its content is not what was written.")
    return load(path), State(tensors, numbers)


def fill(module: nn.Module, weights: Weights, name: str) -> None:
    """Give `module` the weights of the network `name`. Raises UserError where they do not fit."""
    if name not in weights.networks:
        raise UserError(f"{weights.path} holds no {name}: it holds {', '.join(weights.networks)}.")
    try:
        module.load_state_dict(weights.networks[name])
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{weights.path}: its {name} is of another architecture than the recipe's ({first})") from error


def load_generator(path: Path, which: str = GENERATOR_EMA) -> tuple[Recipe, nn.Module, int]:
    """The recipe, the generator in evaluation mode on the CPU, and the samples seen, from a weights file."""
    weights = load(path)
    generator, _ = heads.head(weights.recipe).networks()
    fill(generator, weights, which)
    return weights.recipe, generator.eval().requires_grad_(False), weights.samples
