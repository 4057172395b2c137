"""`multigan quickstart`: from nothing to an exported generator and what it made, in minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from multigan.runtime import Generator

DRAWN, HEARD = 10, 8
"""Digits and sounds of each class that are made."""
MEASURED = 600
"""Sounds that are compared with the real ones."""


@dataclass(frozen=True)
class Quick:
    """A modality's quick start. stem: of its files. begun: what is trained, in a sentence. show: called with the
    exported file and the data's source, writes what the generator makes beside the file; sentences on it. own: what
    the user's own data is."""

    recipe: str
    stem: str
    begun: str
    show: Callable[[Path, str | None], list[str]]
    own: str


def quickstart(
    what: Annotated[Literal["image", "audio"], typer.Argument(help="Digits, or drums.")] = "image",
    out: Annotated[
        Path | None,
        typer.Option(help="The run's folder.", show_default="runs/quickstart or runs/drums"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the training.", min=0)] = 0,
    minutes: Annotated[
        float | None, typer.Option(help="Train for so long at most.", min=0.01, show_default=False)
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Train on digits or drums, export, and make new ones. They come with multigan, and it takes minutes."""
    from multigan.extras import need_all

    need_all("train")
    from multigan import recipe
    from multigan.exporters import export
    from multigan.training.display import Terminal
    from multigan.training.session import Options, train

    quick = QUICK[what]
    display = Terminal()
    display.say(quick.begun)
    chosen = recipe.load(quick.recipe, [f"seed={seed}", *(set_ or [])])
    outcome = train(chosen, Options(out=out, minutes=minutes, device=device), display)
    display.say(f"Trained on {outcome.samples:,} views of them in {outcome.seconds / 60:.1f} minutes. Exporting:")
    model = outcome.run.folder / f"{quick.stem}.onnx"
    display.say(str(export(outcome.weights, model)))
    display.say("")
    for line in quick.show(model, chosen.data.source):
        display.say(line)
    for line in (
        f"  the generator:     {model}",
        f"  how it learned:    {outcome.run.movie}",
        "",
        f"Next, with a folder of your own {quick.own} (subfolders become classes):",
        f"  multigan train {what} --data FOLDER",
        "  multigan export --onnx",
        "  multigan generate model.onnx -n 64",
    ):
        display.say(line)


def _digits(model: Path, source: str | None) -> list[str]:
    """A labelled grid, a row for each class."""
    from multigan.pictures import class_grid, enlarge, grid, save_image, to_uint8
    from multigan.runtime import Generator

    generator = Generator.load(model)
    names, picture = generator.contract.labels, model.with_suffix(".png")
    count = max(len(names), 1) * DRAWN
    took = _milliseconds(generator, count)
    pixels = to_uint8(generator.sample(count))
    save_image(class_grid(pixels, names) if names else grid(enlarge(pixels)), picture)
    return [
        f"Drew {count} new digits through onnxruntime, {took:.1f} ms each.",
        f"  the picture:       {picture}",
    ]


def _drums(model: Path, source: str | None) -> list[str]:
    """Sounds, their spectrograms, and what a comparison with the real ones says."""
    from multigan import evaluation
    from multigan.making import Options, maker_of
    from multigan.metrics.report import AGREEMENT, COPIES, NEAREST
    from multigan.runtime import Generator

    generator, hits, heard = Generator.load(model), model.parent / "hits", model.parent / "evaluation"
    count = max(len(generator.contract.labels), 1) * HEARD
    took = _milliseconds(generator, count)
    maker_of(generator, Options(out=hits, normalize=True)).make(count)
    found = evaluation.evaluate(model, source, count=MEASURED)
    found.save(heard)
    figures, floor = found.report.figures, found.report.floor
    lines = [
        f"Made {count} new sounds through onnxruntime, {took:.1f} ms each.",
        f"  the sounds:        {hits}/",
        f"  their spectra:     {hits}/seed0-grid.png",
        f"  compared:          {heard}/ (neighbours.wav: new ones, each before the real ones nearest to it)",
    ]
    if AGREEMENT in figures:
        lines.append(
            f"A classifier of the real clips takes {figures[AGREEMENT]:.0%} of {MEASURED} new sounds for what was "
            f"asked, and {floor[AGREEMENT]:.0%} of real clips that it does not know for what they are."
        )
    lines += [
        "So few clips invite a generator to remember them. The new sounds are "
        f"{figures[NEAREST]:.2f} times as far from the nearest real clip as",
        "real clips are from each other (1: as new as another real one; 0: a copy), and "
        f"{figures[COPIES]:.0%} of them are as near as the nearest 1% of those.",
        "",
    ]
    return lines


def _milliseconds(generator: Generator, count: int) -> float:
    """Of one of `count` samples."""
    import time

    generator.sample(1)
    began = time.perf_counter()
    generator.sample(count)
    return 1000 * (time.perf_counter() - began) / count


QUICK = {
    "image": Quick(
        "quickstart",
        "digits",
        "Training a generator of handwritten digits on 5,000 real ones that come with multigan.",
        _digits,
        "pictures",
    ),
    "audio": Quick(
        "drums",
        "drums",
        "Training a generator of drums on 91 real clips that come with multigan.",
        _drums,
        "sounds",
    ),
}
