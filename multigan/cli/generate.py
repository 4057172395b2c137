"""`multigan generate`: pictures from an exported file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

    from multigan.contract import Contract
    from multigan.runtime import Generator
    from multigan.runtime.pictures import Bytes as Pixels

WRITERS = 8
"""Each file is flushed to the disk: several at once wait together."""


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
    """Make pictures with an exported model: a grid, single files, or the way between seeds. Needs no torch."""
    from multigan.errors import UserError
    from multigan.runtime import Generator
    from multigan.runtime.labels import resolve
    from multigan.runtime.pictures import check_format, save_image, to_uint8

    check_format(format)
    if interpolate is None and not (grid or singles):
        raise UserError("--no-grid with --no-singles leaves nothing to write: drop one of them.")
    generator = Generator.load(model, device)
    generator.check_pictures()
    target = Target(out, format)
    if interpolate is not None:
        written = _way(generator, _seeds(interpolate), steps, label, truncation, batch, target)
    else:
        labels = _labels(generator.contract, label, n)
        pixels = to_uint8(generator.sample(n, seed, labels, truncation, batch, start))
        classes = resolve(generator.contract, labels, n, start)
        names = None if classes is None else [generator.contract.labels[each] for each in classes]
        rows = generator.contract.labels if names is not None and labels is None else []
        written = _singles(pixels, names, seed, start, target) if singles else []
        if grid:
            path = target.path(f"seed{seed}-grid")
            save_image(_grid(pixels, rows, start), path)
            written.append(f"all {n} in one: {path}")
    for line in written:
        typer.echo(line)


@dataclass(frozen=True)
class Target:
    """Where the pictures go, and their format."""

    folder: Path
    format: str

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.{self.format}"


def _singles(pixels: Pixels, names: list[str] | None, seed: int, start: int, target: Target) -> list[str]:
    """Write a file for each picture, named by seed, sample and class; say so."""
    from concurrent.futures import ThreadPoolExecutor

    from multigan.runtime.pictures import save_image, to_image

    words = [f"-{_plain(name)}" for name in names] if names else [""] * len(pixels)
    paths = [target.path(f"seed{seed}-{start + index:04d}{word}") for index, word in enumerate(words)]
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(save_image, map(to_image, pixels), paths):
            pass
    return [f"{len(paths)} pictures: {paths[0]}" + (f" to {paths[-1].name}" if len(paths) > 1 else "")]


def _grid(pixels: Pixels, names: Sequence[str], start: int) -> Image:
    """All pictures in one; a row for each class where sample i has the class i mod classes."""
    from multigan.runtime.pictures import by_class, enlarge, grid

    if not 1 < len(names) <= len(pixels):
        return grid(enlarge(pixels))
    first = start % len(names)
    rows, columns = by_class(pixels, len(names))
    lines = len(rows) // columns // len(names)
    words = [word for name in [*names[first:], *names[:first]] for word in [name, *[""] * (lines - 1)]]
    return grid(enlarge(rows), columns, words)


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
    from multigan.runtime.labels import number
    from multigan.runtime.pictures import enlarge, grid, save_gif, save_image, to_uint8

    contract = generator.contract
    conditional = contract.input("label") is not None
    index = (0 if label is None else number(contract, label)) if conditional else label
    samples = generator.interpolate(seeds, steps, index, truncation, batch, closed=True)
    pixels = enlarge(to_uint8(samples))
    stem = "seeds" + "-".join(map(str, seeds)) + (f"-{_plain(contract.labels[int(index or 0)])}" if conditional else "")
    strip, film = target.path(f"{stem}-strip"), target.folder / f"{stem}.gif"
    there = (len(seeds) - 1) * steps + 1
    save_image(grid(pixels[:there] if len(pixels) >= there else pixels, columns=steps), strip)
    save_gif(pixels, film, seconds=len(pixels) / 12)
    return [f"the way in {there} pictures: {strip}", f"the way and back to the start: {film}"]


def _labels(contract: Contract, text: str | None, n: int, most: int = 1_000_000) -> str | list[str] | None:
    """The class of all samples, or of each: the text's parts between commas in turn, unless a class is named so."""
    if text is None or text in contract.labels or "," not in text:
        return text
    parts = [part.strip() for part in text.split(",")]
    return [parts[i % len(parts)] for i in range(min(n, most))]


def _seeds(text: str) -> list[int]:
    from multigan.errors import UserError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"--interpolate {text!r} is no list of seeds: give whole numbers, such as 7,8,9.") from error


def _plain(name: str) -> str:
    """A class's name as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[:40] or "_"
