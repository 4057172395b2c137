"""`multigan export`: a trained generator as one .onnx file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    path: Annotated[
        Path | None,
        typer.Argument(help="A weights file or a run's folder; absent: the newest run.", show_default=False),
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX, the one format and so the default.")] = True,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path("model.onnx"),
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="The largest difference from torch that is accepted.",
            show_default="1e-4; of specgan 1e-3",
        ),
    ] = None,
) -> None:
    """Write a run's generator as one .onnx file.

    The averaged weights; the file is compared with torch, and kept only if both give the same samples.
    """
    from multigan.extras import need_all
    from multigan.runs import find_checkpoint

    need_all("train")
    weights = find_checkpoint(path)
    typer.echo(f"exporting {weights}")
    from multigan.exporters import export as export_weights

    typer.echo(str(export_weights(weights, out, tolerance)))
    typer.echo(f"next: multigan generate {out} -n 16 --seed 7")
