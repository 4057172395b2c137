"""`multigan evaluate`: how good, how varied and how new a generator's samples are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def evaluate(
    model: Annotated[
        Path | None, typer.Argument(help="An .onnx file, a run's folder or a checkpoint; the newest run when absent.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Real samples to compare with: a folder, a table, a hub name. Default: its training data."),
    ] = None,
    samples: Annotated[int, typer.Option(help="Generated samples, and real ones to compare them with.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the generated samples and of the choice of real ones.")] = 0,
    extractor: Annotated[
        str | None,
        typer.Option(
            help="Pictures: efflite0 (the default, offline), efflite0-112 (quicker, coarser) or inception (FID; pip "
            "extra fid). Sounds: logmel (the default) or speech. Texts: minilm (the default of words, where its "
            "packages are installed) or none.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option(help="Neighbours for precision and recall.")] = 3,
    search: Annotated[int, typer.Option(help="Real samples searched for copies, at least.")] = 5000,
    precision: Annotated[
        Literal["fp32", "bf16"],
        typer.Option(help="Arithmetic of a picture extractor; bf16 is quicker and moves figures by a few %."),
    ] = "fp32",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report and what belongs to it; default: beside the model.")
    ] = None,
) -> None:
    """Measure how good, varied and new the samples are.

    Fréchet distance, precision and recall, variety, and whether the generator remembers its training data. Every
    figure is printed with its protocol, and beside what real samples reach against other real ones.
    """
    from multigan.extras import need_all

    need_all("metrics")
    from multigan import evaluation
    from multigan.errors import UserError
    from multigan.runs import find_checkpoint

    if model is not None and model.suffix == ".onnx":
        path = model
        if not path.is_file():
            raise UserError(f"{path} does not exist: give an .onnx file, a run's folder or a checkpoint.")
    else:
        path = find_checkpoint(model)
    folder = out or path.parent / f"{path.stem}-evaluation"
    with Counting() as progress:
        found = evaluation.evaluate(
            path,
            data,
            count=samples,
            seed=seed,
            measured_by=extractor,
            k=k,
            search=search,
            precision=precision,
            progress=progress,
        )
    files = found.save(folder)
    typer.echo(f"{found.report.to_text()}\n")
    for file, words in files:
        typer.echo(f"{file}: {words}")


class Counting:
    """A line on a terminal that counts the samples whose features are done; nothing elsewhere."""

    def __init__(self) -> None:
        import sys

        self._file = sys.stderr
        self._shown = self._file.isatty()

    def __enter__(self) -> Counting:
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._shown:
            self._file.write(f"\rfeatures of {done:,} of {total:,} samples")
            self._file.flush()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._file.write("\r\033[K")
