"""`multigan generate`: pictures, sounds and texts from an exported file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from multigan.making import Maker


def generate(
    model: Annotated[Path, typer.Argument(help="An .onnx file that multigan export wrote.", show_default=False)],
    n: Annotated[int, typer.Option("-n", "--count", help="How many.")] = 16,
    seed: Annotated[int, typer.Option(help="Sample i of a seed is the same everywhere.")] = 0,
    start: Annotated[int, typer.Option(help="The number of the first sample of the seed.")] = 0,
    label: Annotated[
        str | None, typer.Option(help="A class by name or number, or several with commas, in turn. Else all in turn.")
    ] = None,
    number: Annotated[
        str | None,
        typer.Option(
            help="Of a model that is told a number, such as a pitch: 60; 48:72 from the first sample to the last; "
            "several with commas, in turn. Else evenly over its range."
        ),
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(help="Keep the latent in [-t, t]: smaller is more typical, less varied.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="How texts begin.")] = None,
    gap: Annotated[
        str | None, typer.Option(help="A character that stands in --prompt for one free symbol, such as _.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Of texts: below 1 likelier, above 1 wilder; 0 the likeliest.", show_default="1"),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", help="Of texts: choose among so many symbols, 128 at most.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", help="Of texts: choose among the symbols that have this share of chances."),
    ] = None,
    length: Annotated[int | None, typer.Option(help="Of texts, in symbols.", show_default="the model's")] = None,
    score: Annotated[
        str | None, typer.Option(help="A file with a text a line, or a text: how likely the model finds it.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The folder to write to; of texts also a file.",
            show_default="generated; texts are printed",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="png or webp (lossless); wav or flac; txt or jsonl.", show_default="png, wav or txt"),
    ] = None,
    grid: Annotated[bool, typer.Option("--grid/--no-grid", help="One picture of all.")] = True,
    singles: Annotated[bool, typer.Option("--singles/--no-singles", help="A file for each.")] = True,
    interpolate: Annotated[
        str | None,
        typer.Option(help="Seeds with commas, such as 7,8,9: a strip and a GIF, or a sound, of the way."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Samples from one seed to the next.")] = 12,
    bits: Annotated[
        int | None, typer.Option(help="Of a sound's samples: 16, 24 or 32 (float).", show_default="16")
    ] = None,
    normalize: Annotated[bool, typer.Option("--normalize", help="Each sound as loud as it can be.")] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Sounds as raw samples to the standard output, and no files.")
    ] = False,
    batch: Annotated[
        int | None, typer.Option(help="How many go through the model at once.", show_default="16; of texts 64")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or tensorrt.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Of the processor, for one operator.", show_default="all cores")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="The most that one batch may take.", show_default="60; 10 with --untrusted"),
    ] = None,
    untrusted: Annotated[
        bool,
        typer.Option("--untrusted", help="The file is a stranger's: tighter limits, in a process of its own."),
    ] = False,
) -> None:
    """Make pictures, sounds or texts with an exported model. Needs no torch.

    Single files and a picture of all, or the way between seeds. Texts go to the terminal, or into a file.
    """
    import sys
    from dataclasses import replace

    from multigan.errors import UserError, printable
    from multigan.making import Options, maker_of
    from multigan.runtime import DEFAULT, UPLOADED, Generator

    for option, given in (("--interpolate", interpolate), ("--out", out), ("--format", format)):
        if stream and given is not None:
            raise UserError(f"--stream writes single sounds to the standard output, and no files: leave {option} away.")
    if interpolate is None and not (grid or singles or stream):
        raise UserError("--no-grid with --no-singles leaves nothing to write: drop one of them.")
    options = Options(
        seed=seed,
        start=start,
        label=label,
        truncation=truncation,
        out=out,
        format=format,
        together=grid,
        singles=singles,
        batch=batch,
        bits=bits,
        normalize=normalize,
        number=number,
        prompt=prompt,
        gap=gap,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        length=length,
        score=score,
    )
    trust = UPLOADED if untrusted else DEFAULT
    if seconds is not None:
        trust = replace(trust, seconds=seconds)
    maker = maker_of(Generator.load(model, device, threads, trust), options)
    if stream:
        _stream(maker, n)
        return
    for line in _made(maker, n) if interpolate is None else maker.way(_seeds(interpolate), steps):
        # A model's text could move a terminal's cursor; a file or a program is given it as it is.
        typer.echo("\t".join(map(printable, line.split("\t"))) if sys.stdout.isatty() else line)


_MANY = 256
"""Samples from which on a bar shows how far they are."""


def _made(maker: Maker, n: int) -> Iterable[str]:
    """What the maker says, with a bar meanwhile where a person waits at a terminal and sees nothing else."""
    import sys

    if not maker.silent or n < _MANY or not sys.stderr.isatty():
        return maker.make(n)
    with typer.progressbar(length=n, label=maker.many, file=sys.stderr) as bar:
        maker.progress = bar.update
        return list(maker.make(n))


def _stream(maker: Maker, n: int) -> None:
    import sys

    from multigan.errors import UserError
    from multigan.making.sounds import Sounds

    if not isinstance(maker, Sounds):
        raise UserError("--stream is for sounds, and this model makes something else: leave it away.")
    if sys.stdout.isatty():
        raise UserError("--stream writes raw samples: send them to a program or a file, such as | aplay -f S16_LE.")
    maker.stream(n, sys.stdout.buffer)


def _seeds(text: str) -> list[int]:
    from multigan.errors import UserError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"--interpolate {text!r} is no list of seeds: give whole numbers, such as 7,8,9.") from error
