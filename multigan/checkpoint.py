"""Checkpoints: weights in safetensors with the recipe inside, and beside them what resuming needs. No pickle.

Order of writing: weights, then state, each under a temporary name, flushed and renamed. Each file holds a digest of its
content, and the state that of its weights: a file with a bit turned over, or one of another pair, is never used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
BASELINE = "baseline"
"""A generator that was trained another way on the same samples, for the comparison."""
LARGER = 64
"""Networks with more than so many times a file's values are not built for it."""


class DamagedError(UserError):
    """A file whose content is not what was written: no other reading will mend it."""


@dataclass
class Weights:
    """The contents of a weights file. networks: state dictionaries by name: generator, generator_ema, discriminator.
    count: how many samples the data had, if that was written down."""

    path: Path
    recipe: Recipe
    samples: int
    networks: dict[str, dict[str, Tensor]]
    digest: str
    count: int | None = None


@dataclass
class State:
    """What a training goes on from, beside the weights."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]


def save_weights(
    path: Path, recipe: Recipe, samples: int, networks: dict[str, nn.Module], count: int | None = None
) -> str:
    """Write the networks' weights to `path`, whole or not at all; give its digest. count: samples of the data."""
    tensors = {
        f"{name}.{key}": value for name, module in networks.items() for key, value in module.state_dict().items()
    }
    about = {"samples": str(samples), "recipe": recipe.model_dump_json()}
    return _save(path, tensors, about if count is None else {**about, "count": str(count)})


def save(
    run: Run, samples: int, recipe: Recipe, networks: dict[str, nn.Module], state: State, count: int | None = None
) -> None:
    """Write the pair of files that resuming after `samples` samples takes. count: samples of the data."""
    weights = save_weights(run.weights(samples), recipe, samples, networks, count)
    _save(run.state(samples), state.tensors, {"numbers": json.dumps(state.numbers), "weights": weights})


def _save(path: Path, tensors: dict[str, Tensor], about: dict[str, str]) -> str:
    # Cloned, since safetensors refuses tensors that share memory, and contiguous, since it stores no strides.
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    about = {"multigan": __version__, **about}
    digest = _digest(plain, about)
    with replacing(path) as temporary:
        temporary.touch()
        usual = temporary.stat().st_mode  # safetensors' own file could be read by its owner alone
        try:
            save_file(plain, temporary, {**about, "digest": digest})
        except SafetensorError as error:
            raise OSError(str(error)) from error
        temporary.chmod(usual)
    return digest


def _digest(tensors: dict[str, Tensor], about: dict[str, str]) -> str:
    """Of the metadata and of every tensor's name, type, shape and bytes: safetensors itself keeps no checksum."""
    digest = hashlib.blake2b(json.dumps(about, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file that `_save` wrote.

    Raises DamagedError where its content is damaged or another's, and another UserError where it cannot be read now,
    which says nothing of its content.
    """
    try:
        with path.open("rb") as whole:
            whole.read(1)
        with safe_open(path, framework="pt") as file:
            about, tensors = file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise UserError(f"{path} cannot be read now: {error.strerror or error}.") from error
    except MemoryError as error:
        raise UserError(f"{path} does not fit into this machine's memory.") from error
    except (SafetensorError, ValueError) as error:
        raise DamagedError(f"{path} is damaged or is no checkpoint ({error}): use another one.") from error
    if "digest" not in about:
        raise DamagedError(f"{path} is not a checkpoint of multigan.")
    if about["digest"] != _digest(tensors, {key: value for key, value in about.items() if key != "digest"}):
        raise DamagedError(f"{path} is damaged: its content is not what was written.")
    return about, tensors


def load(path: Path) -> Weights:
    """Read a weights file. Raises UserError where it is damaged or not multigan's."""
    about, tensors = _read(path)
    if "recipe" not in about:
        raise UserError(f"{path} has no recipe inside: give a weights file of a run.")
    try:
        recipe = parse(json.loads(about["recipe"]), f"the recipe inside {path}")
        samples = int(about.get("samples", "0"))
        count = int(about["count"]) if "count" in about else None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): use another checkpoint.") from error
    networks: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        network, _, key = name.partition(".")
        networks.setdefault(network, {})[key] = value
    return Weights(path, recipe, samples, networks, about["digest"], count)


def load_pair(run: Run, samples: int) -> tuple[Weights, State]:
    """Read the pair of files written after `samples` samples. Raises DamagedError where it is not whole, and another
    UserError as `load` does."""
    about, tensors = _read(run.state(samples))
    try:
        numbers, belongs = json.loads(about["numbers"]), about["weights"]
    except (KeyError, ValueError) as error:
        raise DamagedError(f"{run.state(samples)} is damaged ({error}).") from error
    weights = load(run.weights(samples))
    if weights.digest != belongs:
        raise DamagedError(f"{weights.path} is not what {run.state(samples).name} was written with.")
    return weights, State(tensors, numbers)


def fill(module: nn.Module, weights: Weights, name: str) -> None:
    """Give `module` the weights of the network `name`. Raises UserError where they do not fit."""
    if name not in weights.networks:
        raise UserError(f"{weights.path} holds no {name}: it holds {', '.join(weights.networks)}.")
    try:
        module.load_state_dict(weights.networks[name])
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{weights.path}: its {name} is of another architecture than the recipe's ({first})") from error


def start_from(module: nn.Module, weights: Weights, name: str) -> None:
    """Give `module` the weights of the network `name`, as `fill` does, but leave what knows the classes as it is where
    there is another number of them: a fine-tuned generator learns its own. One that is told no class begins at the mean
    of those that it was told."""
    own = module.state_dict()
    given = weights.networks.get(name, {})
    _mean_class(own, given)
    # What knows the classes is a table with a row for each, plain or with a parametrization around it.
    tables = tuple(f"{place}." for place, each in module.named_modules() if isinstance(each, nn.Embedding))
    for key, value in own.items():
        if key.startswith(tables) and key in given and given[key].shape != value.shape:
            given[key] = value
    fill(module, weights, name)


def _mean_class(own: Mapping[str, Tensor], given: dict[str, Tensor]) -> None:
    """Change the weights of a network that is told a class to those of one that is told none, if `own` are such.

    Beside the latent there was the class's embedding, as long: its mean becomes part of the next layer's bias. Without
    a bias, and in a discriminator, where the embedding is added to the logit, it is left out.
    """
    for place in (key for key in list(given) if key.endswith("embedding.weight") and key not in own):
        mean = given.pop(place).mean(0)
        for key, value in own.items():
            wide = given.get(key, value)
            if value.dim() == 2 and wide.dim() == 2 and wide.size(1) - value.size(1) == len(mean):
                latent, told, rest = wide.split((len(mean), len(mean), wide.size(1) - 2 * len(mean)), 1)
                given[key] = torch.cat((latent, rest), 1)
                bias = key.removesuffix("weight") + "bias"
                if bias in given:
                    given[bias] = given[bias] + told @ mean


def load_generator(path: Path, which: str = GENERATOR_EMA) -> tuple[Recipe, nn.Module, int]:
    """The recipe, the generator in evaluation mode on the CPU, and the samples seen, from a weights file.

    The generator takes the inputs of `heads.contract` and gives its output.
    """
    weights = load(path)
    _check_size(weights)
    generator, _ = heads.head(weights.recipe).networks()
    fill(generator, weights, which)
    whole = heads.exportable(weights.recipe, generator)
    return weights.recipe, whole.eval().requires_grad_(False), weights.samples


def load_detector(path: Path) -> tuple[Recipe, nn.Module, int]:
    """As `load_generator`, of the discriminator: samples to score and features (`heads.detector`). Raises UserError
    where the file holds no discriminator that was trained."""
    weights = load(path)
    _check_size(weights)
    generator, discriminator = heads.head(weights.recipe).networks()
    whole = heads.detector(weights.recipe, generator, discriminator)
    fill(discriminator, weights, "discriminator")
    if GENERATOR_EMA in weights.networks:  # what a discriminator looks at may be the generator's to know
        fill(generator, weights, GENERATOR_EMA)
    return weights.recipe, whole.eval().requires_grad_(False), weights.samples


def load_generators(path: Path) -> dict[str, nn.Module]:
    """The averaged generator of a weights file and, where it has one, the baseline beside it: by name, as networks."""
    weights = load(path)
    _check_size(weights)
    found = {}
    for name in (GENERATOR_EMA, BASELINE):
        if name in weights.networks:
            network, _ = heads.head(weights.recipe).networks()
            fill(network, weights, name)
            found[name] = network.eval().requires_grad_(False)
    return found


def _check_size(weights: Weights) -> None:
    """Raise UserError where the recipe's networks are far larger than the file: a file of a few kilobytes must not make
    this machine build, and fill, networks of terabytes. Nothing is allocated for it."""
    with torch.device("meta"):
        built = heads.head(weights.recipe).networks()
    wanted = sum(value.numel() for module in built for value in module.state_dict().values())
    there = sum(value.numel() for network in weights.networks.values() for value in network.values())
    if wanted > LARGER * there:  # a file may hold the generator alone
        raise UserError(
            f"{weights.path}: its recipe asks for networks of {wanted:,} values and the file holds {there:,}: use "
            "another checkpoint."
        )
