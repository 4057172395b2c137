"""`multigan export`: a trained generator as one .onnx file, or as a folder for a web host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from multigan.errors import UserError

OUT, OPSET = Path("model.onnx"), 20
MOST = 1_000_000
"""Samples that are measured."""


def export(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="A weights file or a run's folder; absent: the newest run. With --web several, and .onnx files too.",
            show_default=False,
        ),
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX, the one format and so the default.")] = True,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write.", show_default=str(OUT))] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="The largest difference from torch that is accepted.",
            show_default="1e-4; of specgan 1e-3",
        ),
    ] = None,
    web: Annotated[
        Path | None,
        typer.Option(help="Write a folder with a browser page and the models instead.", show_default=False),
    ] = None,
    fp16: Annotated[bool, typer.Option("--fp16", help="Half the size: weights and arithmetic in float16.")] = False,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Two to four times as fast on a processor, a quarter of the size, with noise."),
    ] = False,
    snr: Annotated[
        float | None,
        typer.Option(
            help="The least signal-to-noise ratio against torch that --fp16 and --int8 may have, in dB.",
            show_default="50; 30",
        ),
    ] = None,
    opset: Annotated[int, typer.Option(help="Of the ONNX standard, 18 to 23.")] = OPSET,
    discriminator: Annotated[
        bool,
        typer.Option("--discriminator", help="The discriminator instead: from samples to a score and features."),
    ] = False,
    unrolled: Annotated[
        bool,
        typer.Option(
            "--unrolled", help="Texts: the loop as a fixed number of turns, for runtimes without control flow."
        ),
    ] = False,
    length: Annotated[
        int | None, typer.Option(help="Symbols of each text with --unrolled.", show_default="the model's")
    ] = None,
    measure: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Evaluate so many samples before and after the export; with the extra metrics.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Real samples for --measure.", show_default="what it was trained on")
    ] = None,
    card: Annotated[bool, typer.Option(help="Write a model card beside the file: model.md for model.onnx.")] = True,
    licence: Annotated[
        str | None, typer.Option("--license", help="The licence that the card states.", show_default="not stated")
    ] = None,
    ort: Annotated[
        Path | None,
        typer.Option(
            help="onnxruntime-web for --web: its .tgz or its folder; absent: npm fetches it.", show_default=False
        ),
    ] = None,
) -> None:
    """Write a run's generator as one .onnx file.

    The averaged weights; the file is compared with torch, and kept only if both give the same samples.
    """
    if fp16 and int8:
        raise UserError("--fp16 and --int8 are two precisions of one file: give one of them.")
    choices = {
        "precision": "fp16" if fp16 else "int8" if int8 else "fp32",
        "opset": opset,
        "tolerance": tolerance,
        "snr": snr,
        "role": "discriminator" if discriminator else "generator",
        "unrolled": unrolled,
        "length": length,
    }
    beside = _Beside(card and web is None, licence, measure, data)
    if data is not None and measure is None:
        raise UserError("--data is what --measure N compares with: give both, or leave it away.")
    if measure is not None and discriminator:
        raise UserError("--measure evaluates samples, and a discriminator makes none: leave it away.")
    if measure is not None and not 2 <= measure <= MOST:
        raise UserError(f"--measure {measure} is out of range: choose from 2 to {MOST}.")
    if licence is not None and not beside.card:
        raise UserError("--license is for the model card, which is not written here: leave it away.")
    if web is not None:
        if paths and all(path.suffix == ".onnx" for path in paths):
            _refuse(choices, measure)
        if out is not None:
            raise UserError("--out names one file and --web a folder: give one of them.")
        if discriminator:
            raise UserError("--web is for generators, and a discriminator makes nothing: leave --discriminator away.")
        _web(paths or [], web, ort, choices, beside)
        return
    if ort is not None:
        raise UserError("--ort is for --web: give both, or leave it away.")
    if paths and len(paths) > 1:
        raise UserError(f"{len(paths)} paths were given, and --onnx writes one file: give one, or --web FOLDER.")
    path = _exported(paths[0] if paths else None, out or OUT, choices, beside)
    if discriminator:
        typer.echo(f"next: from multigan.runtime.detector import Detector; Detector.load({str(path)!r}).judge(samples)")
    else:
        typer.echo(f"next: multigan generate {path} -n 16 --seed 7")


def _refuse(choices: dict[str, Any], measure: int | None) -> None:
    """Raise UserError for what is asked of an export where nothing is exported."""
    usual = {"precision": "fp32", "opset": OPSET, "role": "generator", "unrolled": False}
    told = [name for name, value in choices.items() if value != usual.get(name)]
    told += [] if measure is None else ["measure"]
    if told:
        option = {"precision": choices["precision"], "role": "discriminator"}.get(told[0], told[0])
        raise UserError(
            f"--{option} is for what is exported, and files that end in .onnx are taken as they are: leave it away, or "
            "name the runs."
        )


class _Beside(NamedTuple):
    """What goes with a file."""

    card: bool
    licence: str | None
    measure: int | None
    data: str | None


def _exported(path: Path | None, out: Path, choices: dict[str, Any], beside: _Beside) -> Path:
    """Export what `path` means to `out`, and say so."""
    from multigan.extras import need_all
    from multigan.runs import find_checkpoint

    need_all("train")
    if beside.measure is not None:
        need_all("metrics")
    weights = find_checkpoint(path)
    typer.echo(f"exporting {weights}")
    from multigan.cli.evaluate import Counting
    from multigan.exporters import Choices, card, check
    from multigan.exporters import export as export_weights

    check(weights, out, Choices(**choices))
    if beside.card:
        card.check(card.beside(out))
    with Counting() as progress:
        measured = _measuring(weights, beside.measure, beside.data, progress)
        report = export_weights(weights, out, choices=Choices(**choices))
        report = replace(report, measured=measured(out))
    typer.echo(str(report))
    if beside.card:
        card.write(card.beside(out), report, beside.licence, weights)
        typer.echo(f"{card.beside(out)}: the model card")
    return out


def _measuring(
    weights: Path, count: int | None, data: str | None, progress: Callable[[int, int], None]
) -> Callable[[Path], list[list[str]]]:
    """Measure a checkpoint, if that is asked for; gives what measures the file made of it and writes a table."""
    if count is None:
        return lambda made: []
    from multigan.evaluation import before_and_after

    return before_and_after(weights, data, count, progress)


def _web(paths: list[Path], folder: Path, ort: Path | None, choices: dict[str, Any], beside: _Beside) -> None:
    """Write the page with the models that the paths are or mean."""
    from tempfile import TemporaryDirectory

    from multigan import site

    site.check_folder(folder)  # now, and not after minutes of exporting
    with TemporaryDirectory() as temporary:
        models = []
        for index, path in enumerate(paths or [None]):
            if path is not None and path.suffix == ".onnx":
                models.append(path)
                continue
            made = _exported(path, Path(temporary) / str(index) / "model.onnx", choices, beside)
            models.append(made.rename(made.with_name(f"{_called(made)}.onnx")))
        report = site.write(models, folder, ort)
    typer.echo(str(report))
    typer.echo(f"next: python -m http.server -d {folder}, then open http://localhost:8000")


def _called(model: Path) -> str:
    """The name of an exported model as a file's."""
    from multigan.making.maker import plain
    from multigan.runtime.onnx_file import read

    return plain(read(model).contract.name)
