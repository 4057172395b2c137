"""`multigan quickstart`: from nothing to an exported generator and a picture that it made, in minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RECIPE = "quickstart"
COLUMNS = 10


def quickstart(
    out: Annotated[Path | None, typer.Option(help="The run's folder [runs/quickstart].", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of the training.", min=0)] = 0,
    minutes: Annotated[
        float | None, typer.Option(help="Train for so long at most.", min=0.01, show_default=False)
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Train on digits, export, and draw new ones in minutes."""
    from multigan.extras import need_all

    need_all("train")
    from multigan import recipe
    from multigan.exporters import export
    from multigan.training.display import Terminal
    from multigan.training.session import Options, train

    display = Terminal()
    display.say("Training a generator of handwritten digits on 5,000 real ones that come with multigan.")
    chosen = recipe.load(RECIPE, [f"seed={seed}", *(set_ or [])])
    outcome = train(chosen, Options(out=out, minutes=minutes, device=device), display)
    display.say(f"Trained on {outcome.samples:,} views of them in {outcome.seconds / 60:.1f} minutes. Exporting:")
    model = outcome.run.folder / "digits.onnx"
    display.say(str(export(outcome.weights, model)))
    picture = outcome.run.folder / "digits.png"
    took = draw(model, picture)
    for line in (
        "",
        f"Drew {took[0]} new digits through onnxruntime, {took[1]:.1f} ms each.",
        f"  the picture:       {picture}",
        f"  the generator:     {model}",
        f"  how it learned:    {outcome.run.movie}",
        "",
        "Next, with a folder of your own pictures (subfolders become classes):",
        "  multigan train image --data FOLDER",
        "  multigan export --onnx",
        "  multigan generate model.onnx -n 64",
    ):
        display.say(line)


def draw(model: Path, picture: Path) -> tuple[int, float]:
    """Write a labelled grid, a row for each class; give the number of samples and the milliseconds that each took."""
    import time

    from multigan.pictures import class_grid, enlarge, grid, save_image, to_uint8
    from multigan.runtime import Generator

    generator = Generator.load(model)
    names = generator.contract.labels
    count = max(len(names), 1) * COLUMNS
    generator.sample(1)
    began = time.perf_counter()
    samples = generator.sample(count)
    took = 1000 * (time.perf_counter() - began) / count
    pixels = to_uint8(samples)
    save_image(class_grid(pixels, names) if names else grid(enlarge(pixels)), picture)
    return count, took
