"""From a request to files: samples of a seed, variations of one, ways between two, steps of a walk."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from multigan import noise
from multigan.demo import places, writing
from multigan.demo.cache import Cache
from multigan.demo.places import Place
from multigan.demo.results import Item, Made, pack
from multigan.demo.served import Served
from multigan.errors import UserError
from multigan.files import digest
from multigan.making import Options, maker_of
from multigan.making.maker import FileMaker, plain
from multigan.making.texts import Texts
from multigan.runtime import numbers
from multigan.runtime.interpolation import path
from multigan.runtime.labels import resolve

MOST = {"image": 64, "audio": 32, "text": 256}
"""Samples in one request."""
MOST_STEPS = 48
"""Of the way between two seeds."""
ROOM = 2**25
"""Numbers that all samples of one request consist of. They take twelve bytes each until they are written."""
LONGEST = 4096
"""Symbols of a text in one request."""


@dataclass(frozen=True)
class Walk:
    """Where a walk has come to: `share` of the way from `start` to `towards`, and then each of `steps` (-1 to 1) along
    a direction of the seed `directions`."""

    start: Place
    towards: Place
    share: float = 0.0
    directions: int = 0
    steps: tuple[float, ...] = ()
    label: str | None = None
    told: float | None = None
    truncation: float | None = None


class Studio:
    """Makes samples of served models, each request once, in `cache`."""

    def __init__(self, cache: Cache):
        self.cache = cache

    def samples(self, served: Served, n: int, options: Options) -> Made:
        """Samples `start` to `start + n` of a seed. options: what a command line asks for; `out` and `format` are not
        looked at. Raises UserError where something is out of range or unknown."""
        _check(f"n {n}", n, most_of(served), served.many)
        if options.length is not None:
            _check(f"length {options.length}", options.length, LONGEST, "symbols")
        maker = maker_of(served.generator, replace(options, out=None, format=None, score=None))

        def make(folder: Path) -> None:
            began = time.perf_counter()
            stem = f"{plain(served.contract.name)}-seed{options.seed}"
            joined = None
            if isinstance(maker, Texts):
                items, took = _texts(maker, n, began)
                joined = writing.join(items, folder, stem)
            else:
                items, took = self._files(served, cast(FileMaker, maker), n, folder, began)
            archive = pack(folder, f"{stem}-{n}-{served.many}.zip")
            Made(folder, served.modality, items, took, archive, joined).save()

        return self._made(served, make, "samples", n, _told(options))

    def _files(self, served: Served, maker: FileMaker, n: int, folder: Path, began: float) -> tuple[list[Item], float]:
        contract, options = served.contract, maker.options
        start = options.start
        told = None if maker.number is None else maker.number.of(np.arange(n), n)
        labels = None if maker.classes is None else [maker.classes[i % len(maker.classes)] for i in range(n)]
        samples = served.generator.sample(n, options.seed, labels, options.truncation, maker.batch, start, told)
        took = 1000 * (time.perf_counter() - began)
        classes = resolve(contract, labels, n, start)
        if told is None:
            told = _numbers_in_turn(served, start, n)
        items = [
            Item(
                str(Place(options.seed, start + index)),
                options.seed,
                start + index,
                None if classes is None else contract.labels[classes[index]],
                None if told is None else _short(told[index]),
            )
            for index in range(n)
        ]
        return writing.write(served, maker.finished(samples), items, folder), took

    def places(
        self,
        served: Served,
        around: Sequence[Place],
        label: str | None = None,
        told: float | None = None,
        truncation: float | None = None,
        name: str = "places",
    ) -> Made:
        """Samples of places. label: a class, the first where it is None; told: the number of all. name: of the
        archive."""
        label = _one_label(served, label)
        numbers.resolve(served.contract, told, 1)

        def make(folder: Path) -> None:
            began = time.perf_counter()
            found = places.latents(served.generator, around, truncation)
            samples = served.generator.of_latents(found, label, told, around[0].seed)
            took = 1000 * (time.perf_counter() - began)
            items = [Item(str(place), place.seed, place.index, label, told) for place in around]
            items = writing.write(served, samples, items, folder)
            archive = pack(folder, f"{plain(served.contract.name)}-{name}.zip")
            Made(folder, served.modality, items, took, archive).save()

        return self._made(served, make, "places", [str(each) for each in around], label, told, truncation)

    def variations(
        self,
        served: Served,
        place: Place,
        strength: float,
        n: int,
        label: str | None = None,
        told: float | None = None,
        truncation: float | None = None,
    ) -> Made:
        """A place and `n - 1` others about it: the share `strength` of the way to seeded latents."""
        _check(f"n {n}", n, most_of(served), served.many)
        if not 0 < strength <= 1:
            raise UserError(f"strength {strength:g} is out of range: choose a number above 0 and at most 1.")
        if len(place.steps) >= places.DEEPEST:
            raise UserError(f"{place} has been varied {places.DEEPEST} times, which is the most: choose another.")
        around = [place, *(place.varied(number, strength) for number in range(1, n))]
        return self.places(served, around, label, told, truncation, f"variations-{place.stem}")

    def way(
        self,
        served: Served,
        ends: Sequence[Place],
        steps: int,
        label: str | None = None,
        told: float | None = None,
        truncation: float | None = None,
    ) -> Made:
        """The way between two places: an animation there and back of pictures, one sound of all of sounds."""
        _check(f"steps {steps}", steps, min(MOST_STEPS, max(1, fitting(served) - 1)), "steps")
        label, latent = _one_label(served, label), places.latent_of(served.generator)
        numbers.resolve(served.contract, told, 1)

        def make(folder: Path) -> None:
            began = time.perf_counter()
            points = places.latents(served.generator, ends, truncation)
            samples = served.generator.of_latents(path(points, steps, latent), label, told, ends[0].seed)
            took = 1000 * (time.perf_counter() - began)
            stem = f"{plain(served.contract.name)}-{'-to-'.join(place.stem for place in ends)}"
            joined, item = writing.film(served, samples, folder, stem, label)
            Made(folder, served.modality, [item], took, None, joined).save()

        return self._made(served, make, "way", [str(each) for each in ends], steps, label, told, truncation)

    def walk(self, served: Served, asked: Walk) -> Made:
        """One sample: a share of the way between two places, and from there along seeded directions."""
        label, latent = _one_label(served, asked.label), places.latent_of(served.generator)
        if not 0 <= asked.share <= 1 or not all(-1 <= step <= 1 for step in asked.steps):
            raise UserError("a step of the walk is out of range: the share is 0 to 1, a direction -1 to 1.")

        def make(folder: Path) -> None:
            began = time.perf_counter()
            both = places.latents(served.generator, [asked.start, asked.towards], asked.truncation)
            between = path(both, 100, latent)[round(100 * asked.share)]
            at = places.walked(latent, between, asked.directions, asked.steps)
            sample = served.generator.of_latents(at[None], label, asked.told, asked.start.seed)
            took = 1000 * (time.perf_counter() - began)
            item = Item(str(asked.start), asked.start.seed, asked.start.index, label, asked.told)
            Made(folder, served.modality, writing.write(served, sample, [item], folder), took).save()

        told = [str(asked.start), str(asked.towards), asked.share, asked.directions, list(asked.steps)]
        return self._made(served, make, "walk", told, label, asked.told, asked.truncation)

    def _made(self, served: Served, make: Callable[[Path], None], *told: Any) -> Made:
        key = digest(served.digest.encode(), served.contract.name.encode(), json.dumps(told).encode())
        return Made.load(self.cache.get(key, make))


def most_of(served: Served) -> int:
    """Samples in one request of this model."""
    return min(MOST[served.modality], fitting(served))


def fitting(served: Served) -> int:
    """Samples that have ROOM together, at least one."""
    size = math.prod(axis for axis in served.contract.output.shape[1:] if isinstance(axis, int))
    return max(1, ROOM // max(size, 1))


def _texts(maker: Texts, n: int, began: float) -> tuple[list[Item], float]:
    seed = maker.options.seed
    drawn = [each for part in maker.parts(n) for each in part]
    took = 1000 * (time.perf_counter() - began)
    return [
        Item(
            str(Place(seed, each.number)), seed, each.number, each.label, text=each.text,
            log_probability=each.log_probability,
        )
        for each in drawn
    ], took  # fmt: skip


def in_turn(served: Served, index: int) -> tuple[str | None, float | None]:
    """The class and the number that a sample has where they take turns."""
    classes, told = resolve(served.contract, None, 1, index), _numbers_in_turn(served, index, 1)
    label = None if classes is None else served.contract.labels[classes[0]]
    return label, None if told is None else _short(told[0])


def _numbers_in_turn(served: Served, start: int, n: int) -> NDArray[np.float64] | None:
    bounds = numbers.bounds_of(served.contract)
    if bounds is None:
        return None
    return noise.numbers(bounds, start, n, len(served.contract.labels)).astype(np.float64)


def _short(told: np.floating[Any]) -> float:
    """A number without digits that the graph, which takes float32, does not see."""
    return float(f"{told:.9g}")


def _one_label(served: Served, label: str | None) -> str | None:
    """The class of all samples; the first where none is chosen. Raises UserError where it is unknown."""
    contract = served.contract
    if label is None:
        return contract.labels[0] if contract.input("label") else None
    found = resolve(contract, label, 1)
    return None if found is None else contract.labels[found[0]]


def _check(what: str, value: int, most: int, many: str) -> None:
    if not 1 <= value <= most:
        raise UserError(f"{what} is out of range: here 1 to {most} {many} are made at once.")


def _told(options: Options) -> dict[str, Any]:
    return {name: value for name, value in asdict(options).items() if name not in ("out", "format", "score", "batch")}
