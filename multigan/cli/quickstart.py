"""`multigan quickstart`: from nothing to an exported generator and what it made, in minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from multigan.metrics import Report
    from multigan.runtime import Generator

DRAWN, HEARD = 10, 8
"""Digits and sounds of each class that are made."""
MEASURED = 600
"""Sounds that are compared with the real ones."""
NAMED, COMPARED = 60, 1000
"""Names that are shown, and that are compared."""
COMPARISON = {
    "n-gram NLL": "surprise of a model of held-out names at these (quality)",
    "reverse perplexity": "surprise of a model of these at held-out names (diversity)",
    "NLL_test": "surprise of the generator itself at held-out names",
    "novel": "not among the names it learned from",
    "unique": "different from each other",
}
"""Of a report of names: figures, and what they are in words."""


@dataclass(frozen=True)
class Quick:
    """A modality's quick start. stem: of its files. begun: what is trained, in a sentence. show: called with the
    exported file, the checkpoint and the data's source, writes what the generator makes beside the file; sentences on
    it. own: what the user's own data is. place: how a command line names it."""

    recipe: str
    stem: str
    begun: str
    show: Callable[[Path, Path, str | None], list[str]]
    own: str
    place: str = "FOLDER"


def quickstart(
    what: Annotated[Literal["image", "audio", "text"], typer.Argument(help="Digits, drums, or names.")] = "image",
    out: Annotated[
        Path | None,
        typer.Option(help="The run's folder.", show_default="runs/quickstart, runs/drums or runs/names"),
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
    """Train on digits, drums or names, export, and make new ones. They come with multigan, and it takes minutes."""
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
    for line in quick.show(model, outcome.weights, chosen.data.source):
        display.say(line)
    for line in (
        f"  the generator:     {model}",
        f"  how it learned:    {outcome.run.movie if outcome.run.movie.exists() else outcome.run.previews}",
        "",
        f"Next, with {quick.own}:",
        f"  multigan train {what} --data {quick.place}",
        "  multigan export --onnx",
        "  multigan generate model.onnx -n 64",
    ):
        display.say(line)


def _digits(model: Path, weights: Path, source: str | None) -> list[str]:
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


def _drums(model: Path, weights: Path, source: str | None) -> list[str]:
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


def _names(model: Path, weights: Path, source: str | None) -> list[str]:
    """Names, and how they compare with the likelihood baseline's and with real ones."""
    from multigan import evaluation
    from multigan.runtime import Generator

    generator, compared = Generator.load(model), model.parent / "evaluation"
    began = time.perf_counter()
    made = generator.texts(NAMED)
    took = 1000 * (time.perf_counter() - began) / NAMED
    found = evaluation.evaluate(weights, source, count=COMPARED)
    found.save(compared)
    report = found.report
    return [
        f"Made {NAMED} new names through onnxruntime, {took:.1f} ms each:",
        *(f"  {', '.join(made[at : at + 12])}" for at in range(0, NAMED, 12)),
        "",
        f"Of {COMPARED:,}, {report.figures['novel']:.0%} are not among the names that it learned from, and "
        f"{report.figures['unique']:.0%} are different.",
        *_compared(report),
        f"  the comparison:    {compared}/ (sweep.png: quality against diversity at each temperature)",
    ]


def _compared(report: Report) -> list[str]:
    """The figures of a report that a few words explain, beside the baseline's, if there is one, and real texts'; and
    what the report says of them."""
    columns = {"this one": report.figures, "likelihood": report.baseline, "real ones": report.floor}
    title = "Against a copy that went on by maximum likelihood on the same names:"
    if not report.baseline:
        del columns["likelihood"]
        title = "Against real names:"
    lines = [title, " ".join([f"  {'':62}", *(f"{name:>10}" for name in columns)])]
    for name, words in COMPARISON.items():
        if name in report.figures:
            cells = (found.get(name) for found in columns.values())
            shown = (f"{'-' if each is None else f'{each:.3g}':>10}" for each in cells)
            lines.append(" ".join([f"  {words:62}", *shown]))
    return [
        *lines,
        *([f"  {report.headline}"] if report.headline else []),
        *(f"  note: {each}" for each in report.notes),
    ]


def _milliseconds(generator: Generator, count: int) -> float:
    """Of one of `count` samples."""
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
        "a folder of your own pictures (subfolders become classes)",
    ),
    "audio": Quick(
        "drums",
        "drums",
        "Training a generator of drums on 91 real clips that come with multigan.",
        _drums,
        "a folder of your own sounds (subfolders become classes)",
    ),
    "text": Quick(
        "names",
        "names",
        "Training a generator of first names on 5,163 real ones that come with multigan.",
        _names,
        "texts of your own, one a line (or .jsonl, .csv, .parquet)",
        "FILE.txt",
    ),
}
