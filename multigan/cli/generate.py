"""`multigan generate`: pictures from an exported file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from multigan.contract import Contract
    from multigan.pictures import Bytes as Pixels
    from multigan.runtime import Generator

WRITERS = 8
"""Each file is flushed to the disk: several at once wait together."""

PART = 1024
"""Pictures made before their files are written."""
LARGEST_GRID = 1024


def generate(
    model: Annotated[Path, typer.Argument(help="An .onnx file that multigan export wrote.", show_default=False)],
    n: Annotated[int, typer.Option("-n", "--number", help="How many.")] = 16,
    seed: Annotated[int, typer.Option(help="Sample i of a seed is the same everywhere.")] = 0,
    start: Annotated[int, typer.Option(help="The number of the first sample of the seed.")] = 0,
    label: Annotated[
        str | None, typer.Option(help="A class by name or number, or several with commas, in turn. Else all in turn.")
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(help="Keep the latent in [-t, t]: smaller is more typical, less varied.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")] = Path("generated"),
    format: Annotated[str, typer.Option(help="png or webp (lossless).")] = "png",
    grid: Annotated[bool, typer.Option("--grid/--no-grid", help="One picture of all.")] = True,
    singles: Annotated[bool, typer.Option("--singles/--no-singles", help="A file for each.")] = True,
    interpolate: Annotated[
        str | None, typer.Option(help="Seeds with commas, such as 7,8,9: a strip and a GIF of the way between them.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Pictures from one seed to the next.")] = 12,
    batch: Annotated[int, typer.Option(help="How many go through the model at once.")] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Make pictures with an exported model. Needs no torch.

    A grid and single files, or the way between seeds.
    """
    from multigan.errors import UserError
    from multigan.pictures import check_format
    from multigan.runtime import Generator

    check_format(format)
    if interpolate is None and not (grid or singles):
        raise UserError("--no-grid with --no-singles leaves nothing to write: drop one of them.")
    generator = Generator.load(model, device)
    generator.check_pictures()
    target = Target(out, format)
    if interpolate is not None:
        written = _way(generator, _seeds(interpolate), steps, label, truncation, batch, target)
    else:
        parts = Parts(generator, seed, start, _classes(generator.contract, label), truncation, batch)
        written = _pictures(parts, n, target, grid, singles)
    for line in written:
        typer.echo(line)


@dataclass(frozen=True)
class Parts:
    """Samples of one seed, a part at a time, so that any number of files takes little memory."""

    generator: Generator
    seed: int
    start: int
    classes: list[str] | None
    truncation: float | None
    batch: int

    def part(self, first: int, count: int) -> tuple[Pixels, list[str] | None]:
        """Pictures `first` to `first + count` after the start, and the names of their classes."""
        from multigan.pictures import to_uint8
        from multigan.runtime.labels import resolve

        turns = range(first, first + count)
        labels = None if self.classes is None else [self.classes[i % len(self.classes)] for i in turns]
        start = self.start + first
        pixels = to_uint8(self.generator.sample(count, self.seed, labels, self.truncation, self.batch, start))
        numbers = resolve(self.generator.contract, labels, count, start)
        return pixels, None if numbers is None else [self.generator.contract.labels[each] for each in numbers]


@dataclass(frozen=True)
class Target:
    """Where the pictures go, and their format."""

    folder: Path
    format: str

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.{self.format}"


def _pictures(parts: Parts, n: int, target: Target, grid: bool, singles: bool) -> list[str]:
    """Write a file for each picture, and one of them all; a sentence on each."""
    import numpy as np

    written, shown, paths = [], [], []
    for first in range(0, max(n, 1), PART):  # sample() refuses an n below 1
        pixels, names = parts.part(first, min(PART, n - first))
        if singles:
            paths += _singles(pixels, names, parts.seed, parts.start + first, target)
        if grid and first < LARGEST_GRID:
            shown.append(pixels)
    if paths:
        written.append(f"{n} pictures: {paths[0]}" + (f" to {paths[-1].name}" if n > 1 else ""))
    if shown:
        together = np.concatenate(shown)
        path = target.path(f"seed{parts.seed}-grid")
        _save_grid(together, parts, path)
        written.append(f"{'all' if len(together) == n else 'the first'} {len(together)} in one: {path}")
    return written


def _singles(pixels: Pixels, names: list[str] | None, seed: int, first: int, target: Target) -> list[Path]:
    """Write a file for each picture, named by seed, sample and class."""
    from concurrent.futures import ThreadPoolExecutor

    from multigan.pictures import save_image, to_image

    words = [f"-{_plain(name)}" for name in names] if names else [""] * len(pixels)
    paths = [target.path(f"seed{seed}-{first + index:04d}{word}") for index, word in enumerate(words)]
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(save_image, map(to_image, pixels), paths):
            pass
    return paths


def _save_grid(pixels: Pixels, parts: Parts, path: Path) -> None:
    """Rows by class where the classes take turns and all are there, else row after row."""
    from multigan.pictures import class_grid, enlarge, grid, save_image

    names = parts.generator.contract.labels if parts.classes is None else []
    by_class = 1 < len(names) <= len(pixels)
    save_image(class_grid(pixels, names, parts.start) if by_class else grid(enlarge(pixels)), path)


def _way(
    generator: Generator,
    seeds: list[int],
    steps: int,
    label: str | None,
    truncation: float | None,
    batch: int,
    target: Target,
) -> list[str]:
    """Write a strip and a GIF of the way between seeds; a sentence on each."""
    from multigan.pictures import enlarge, grid, save_gif, save_image, to_uint8
    from multigan.runtime.labels import number

    contract = generator.contract
    conditional = contract.input("label") is not None
    index = (0 if label is None else number(contract, label)) if conditional else label
    samples = generator.interpolate(seeds, steps, index, truncation, batch, closed=True)
    pixels = enlarge(to_uint8(samples))
    named = "-".join(map(str, seeds)) if len(seeds) < 6 else f"{seeds[0]}-to-{seeds[-1]}-of-{len(seeds)}"
    stem = f"seeds{named}" + (f"-{_plain(contract.labels[int(index or 0)])}" if conditional else "")
    strip, film = target.path(f"{stem}-strip"), target.folder / f"{stem}.gif"
    there = (len(seeds) - 1) * steps + 1
    save_image(grid(pixels[:there] if len(pixels) >= there else pixels, columns=steps), strip)
    save_gif(pixels, film, seconds=len(pixels) / 12)
    return [f"the way in {there} pictures: {strip}", f"the way and back to the start: {film}"]


def _classes(contract: Contract, text: str | None) -> list[str] | None:
    """The classes that take turns: the text's parts between commas, unless a class is named so with its commas."""
    if text is None:
        return None
    return [text] if text in contract.labels else [part.strip() for part in text.split(",")]


def _seeds(text: str) -> list[int]:
    from multigan.errors import UserError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"--interpolate {text!r} is no list of seeds: give whole numbers, such as 7,8,9.") from error


def _plain(name: str) -> str:
    """A class's name as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[:40] or "_"
