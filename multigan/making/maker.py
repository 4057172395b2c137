"""What writing the samples of every modality has in common: parts, classes in turn, names of files."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from multigan import noise
from multigan.errors import UserError
from multigan.runtime import Generator, numbers
from multigan.runtime.labels import number, resolve
from multigan.runtime.numbers import Asked
from multigan.runtime.texts import MOST, check_count

WRITERS = 8
"""Each file is flushed to the disk: several at once wait together."""
BATCH = 16
"""Samples that go through the graph at once, unless told."""
PART = 1024
"""Samples made before their files are written, where they have fewer bytes than ROOM together."""
ROOM = 2**26
Samples = NDArray[Any]


OWNERS = {
    "truncation": "pictures and sounds",
    "bits": "sounds",
    "normalize": "sounds",
    "prompt": "texts",
    "gap": "texts",
    "temperature": "texts",
    "top_k": "texts",
    "top_p": "texts",
    "length": "texts",
    "score": "texts",
}
"""Whose the options are that do not belong to all."""


@dataclass(frozen=True)
class Options:
    """What a person asks for; None: the modality's own. out: a folder, of texts perhaps a file. label: a class by name
    or number, or several with commas, in turn; None: all in turn. number: as in `multigan.runtime.numbers.Asked`.
    together: one file that shows all. singles: a file for each. score: a file of texts, or one text, to be judged."""

    seed: int = 0
    start: int = 0
    label: str | None = None
    truncation: float | None = None
    out: Path | None = None
    format: str | None = None
    together: bool = True
    singles: bool = True
    batch: int | None = None
    bits: int | None = None
    normalize: bool = False
    number: str | None = None
    prompt: str | None = None
    gap: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    length: int | None = None
    score: str | None = None


class Maker(ABC):
    """Writes what one generator makes. many: what its samples are called. formats: the usual first. takes: of OWNERS'
    options those that it knows. most: samples at a time. silent: whether `make` says something at the end alone.
    progress: called with how many samples have been made since the last call."""

    many: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]
    takes: ClassVar[frozenset[str]]
    most: ClassVar[int] = MOST
    silent: bool = True

    def __init__(self, generator: Generator, options: Options):
        self.generator, self.options = generator, options
        self.progress: Callable[[int], object] = lambda count: None
        for name, whose in OWNERS.items():
            if name not in self.takes and getattr(options, name) not in (None, False):
                option = name.replace("_", "-")
                raise UserError(f"--{option} is for {whose}, and this model makes {self.many}: leave it away.")
        self.format = options.format or self.formats[0]
        if self.format not in self.formats:
            raise UserError(f"format {self.format!r} is unknown: choose {' or '.join(self.formats)}.")
        self.check()
        self.classes = self._classes(options.label)
        self.number = None if options.number is None else Asked.parse(options.number)
        if self.number is not None:  # now, and not when the first files are written
            numbers.resolve(generator.contract, self.number.stops, len(self.number.stops))

    @abstractmethod
    def check(self) -> None:
        """Raise UserError where the model or the options are not of this kind."""

    @abstractmethod
    def make(self, n: int) -> Iterable[str]:
        """Make `n` samples; lines for the person who waits. Raises UserError as `Generator.sample` does."""

    @abstractmethod
    def way(self, seeds: list[int], steps: int) -> list[str]:
        """Write the way between seeds and back; a sentence on each file."""

    def _classes(self, text: str | None) -> list[str] | None:
        """The classes that take turns: the text's parts between commas, unless a class is named so with its commas."""
        if text is None:
            return None
        return [text] if text in self.generator.contract.labels else [part.strip() for part in text.split(",")]


class FileMaker(Maker):
    """Writes a file for each sample, and one of all. shown: samples in that, at most."""

    shown: ClassVar[int]

    def __init__(self, generator: Generator, options: Options):
        super().__init__(generator, options)
        self.folder = options.out or Path("generated")
        self.batch = BATCH if options.batch is None else options.batch

    @abstractmethod
    def save(self, sample: Samples, path: Path) -> None:
        """Write one sample."""

    @abstractmethod
    def save_together(self, samples: Samples, names: list[str], path: Path) -> None:
        """Write one file that shows all. names: of the classes that take turns from the first sample on, or none."""

    @abstractmethod
    def save_way(self, samples: Samples, there: int, steps: int, stem: str) -> list[str]:
        """Write the way between seeds, its first `there` samples without the way back; a sentence on each file."""

    # --- samples ------------------------------------------------------------------------------------------------------

    def make(self, n: int) -> list[str]:
        """Write `n` samples; a sentence on what was written."""
        options = self.options
        check_count("n", n, self.most)
        paths: list[Path] = []
        shown = []
        for first, samples, names in self.parts(n):
            if options.singles:
                paths += self._singles(samples, names, options.start + first)
            if options.together and first < self.shown:
                shown.append(samples[: self.shown - first])
        written = []
        if paths:
            written.append(f"{n} {self.many}: {paths[0]}" + (f" to {paths[-1].name}" if n > 1 else ""))
        if shown:
            together = np.concatenate(shown)
            path = self.folder / f"seed{options.seed}-grid.{self.together_suffix}"
            self.save_together(together, self._turns(len(together)), path)
            written.append(f"{'all' if len(together) == n else 'the first'} {len(together)} in one: {path}")
        return written

    @property
    def together_suffix(self) -> str:
        """Of the file that shows all."""
        return self.format

    def parts(self, n: int, most: int = PART) -> Iterator[tuple[int, Samples, list[str] | None]]:
        """The number of the first, the samples, and the names of their classes and numbers, some at a time: so that any
        number of files takes little memory, whatever their size. most: samples at a time."""
        options, generator = self.options, self.generator
        for first, count in self._spans(n, most):
            turns = range(first, first + count)
            labels = None if self.classes is None else [self.classes[i % len(self.classes)] for i in turns]
            start = options.start + first
            told = None if self.number is None else self.number.of(np.arange(first, first + count), n)
            made = []
            for part in generator.stream(count, options.seed, labels, options.truncation, self.batch, start, told):
                made.append(part)
                self.progress(len(part))
            samples = made[0] if len(made) == 1 else np.concatenate(made)
            yield first, self.finished(samples), self._names(labels, told, count, start)

    def _spans(self, n: int, most: int) -> Iterator[tuple[int, int]]:
        """The first sample and the number of samples of each part."""
        size = 4 * math.prod(axis for axis in self.generator.contract.output.shape[1:] if isinstance(axis, int))
        part = max(1, min(most, max(ROOM // size, self.batch)))
        for first in range(0, n, part):
            yield first, min(part, n - first)

    def _names(
        self, labels: list[str] | None, told: NDArray[np.float64] | None, count: int, start: int
    ) -> list[str] | None:
        """What tells the samples apart, for their files' names: classes, numbers; None where there is neither."""
        contract = self.generator.contract
        classes, bounds = resolve(contract, labels, count, start), numbers.bounds_of(contract)
        words: list[list[str]] = [] if classes is None else [[contract.labels[each] for each in classes]]
        if bounds is not None:
            values = noise.numbers(bounds, start, count, len(contract.labels)) if told is None else told
            words.append([f"{value:g}" for value in values])
        return ["-".join(each) for each in zip(*words, strict=True)] if words else None

    def finished(self, samples: Samples) -> Samples:
        """The samples as they are written."""
        return samples

    def _singles(self, samples: Samples, names: list[str] | None, first: int) -> list[Path]:
        """Write a file for each sample, named by seed, sample and class."""
        stems = [self.stem(first + index, names[index] if names else None) for index in range(len(samples))]
        paths = [self.folder / f"{stem}.{self.format}" for stem in stems]
        with ThreadPoolExecutor(WRITERS) as pool:
            for _ in pool.map(self.save, samples, paths):
                pass
        return paths

    def stem(self, number: int, name: str | None) -> str:
        """What the file of a sample is called: its seed, its number and what tells it apart."""
        return f"seed{self.options.seed}-{number:04d}" + (f"-{plain(name)}" if name else "")

    def _turns(self, count: int) -> list[str]:
        """The names of all classes in the order of the samples, where all of them take turns and are there."""
        names = self.generator.contract.labels if self.classes is None else []
        if not 1 < len(names) <= count:
            return []
        first = self.options.start % len(names)
        return [*names[first:], *names[:first]]

    # --- ways ---------------------------------------------------------------------------------------------------------

    def way(self, seeds: list[int], steps: int) -> list[str]:
        contract, options = self.generator.contract, self.options
        conditional = contract.input("label") is not None
        label: str | int | None = options.label
        if conditional:
            label = 0 if options.label is None else number(contract, options.label)
        there, total = (len(seeds) - 1) * steps + 1, len(seeds) * steps
        told = None if self.number is None or min(len(seeds), steps) < 1 else self.number.way(there, total)
        samples = self.generator.interpolate(seeds, steps, label, options.truncation, self.batch, True, told)
        named = "-".join(map(str, seeds)) if len(seeds) < 6 else f"{seeds[0]}-to-{seeds[-1]}-of-{len(seeds)}"
        stem = f"seeds{named}" + (f"-{plain(contract.labels[int(label or 0)])}" if conditional else "")
        return self.save_way(self.finished(samples), there, steps, stem)


def plain(name: str) -> str:
    """A class's name as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[:40] or "_"
