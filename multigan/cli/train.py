"""`multigan train`: from a recipe or a folder to a run. A command for each modality, all of one make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

train = typer.Typer(no_args_is_help=True, help="Train a generator: from a recipe, or from a folder alone.")

MADE = {"image": "pictures", "audio": "sounds", "text": "text"}
"""What the generators of each modality make."""

Recipe = Annotated[
    str | None, typer.Option(help="A recipe's name or file; absent: chosen from the data.", show_default=False)
]
Data = Annotated[
    str | None,
    typer.Option(
        help="A folder, a table, of text a .txt, .jsonl or .csv file, or a hub name; absent: what multigan carries.",
        show_default=False,
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe: generator.width=64."),
]
Out = Annotated[Path | None, typer.Option(help="The run's folder [runs/NAME].", show_default=False)]
Resume = Annotated[Path | None, typer.Option(help="Go on with the training in this run's folder.", show_default=False)]
InitFrom = Annotated[
    Path | None, typer.Option(help="Start from the weights of this checkpoint or run.", show_default=False)
]
Minutes = Annotated[float | None, typer.Option(help="Stop and finish after so long.", min=0.01, show_default=False)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


def _command(modality: str, made: str) -> Callable[..., None]:
    """`multigan train MODALITY`."""

    def command(
        recipe: Recipe = None,
        data: Data = None,
        set_: Changes = None,
        out: Out = None,
        resume: Resume = None,
        init_from: InitFrom = None,
        minutes: Minutes = None,
        device: Device = "auto",
    ) -> None:
        _train(modality, recipe, data, set_ or [], out, resume, init_from, minutes, device)

    command.__doc__ = f"Train a generator of {made}."
    return command


for _modality, _made in MADE.items():
    train.command(_modality)(_command(_modality, _made))


def _train(
    modality: str,
    recipe: str | None,
    data: str | None,
    changes: list[str],
    out: Path | None,
    resume: Path | None,
    init_from: Path | None,
    minutes: float | None,
    device: str,
) -> None:
    from multigan.errors import UserError
    from multigan.extras import need_all

    need_all("train")
    from multigan.checkpoint import load
    from multigan.runs import find_checkpoint, find_run
    from multigan.starting import recipe_for
    from multigan.training.device import choose_device
    from multigan.training.display import speaker
    from multigan.training.session import Options
    from multigan.training.session import train as run

    display = speaker()
    if resume is not None:
        if out is not None or init_from is not None:
            raise UserError(
                "--resume goes on in its own folder from its own weights: leave --out and --init-from away."
            )
        find_run(resume)
    gpu = choose_device(device).type == "cuda"
    start = find_checkpoint(init_from) if init_from is not None else None
    like = load(start).recipe if start is not None else None
    chosen, sentences = recipe_for(modality, recipe, data, changes, resume, gpu, like)
    for sentence in sentences:
        display.say(sentence)
    options = Options(out=resume or out, resume=resume is not None, init_from=start, minutes=minutes, device=device)
    outcome = run(chosen, options, display)
    ended = "Finished" if outcome.stopped is None else f"Stopped {outcome.stopped}"
    display.say(
        f"{ended} after {outcome.samples:,} samples and {outcome.seconds / 60:.1f} minutes: {outcome.run.folder}/"
    )
    if outcome.stopped is not None and outcome.samples < chosen.training.samples:
        display.say(f"  go on:   multigan train {modality} --resume {outcome.run.folder}")
    movie = f"{outcome.run.movie} and " if outcome.run.movie.exists() else ""
    display.say(f"  look:    {movie}{outcome.run.previews}/")
    if outcome.run.best.exists():
        display.say(f"  best:    {outcome.run.best} by {outcome.run.metrics}; export takes it")
    display.say(f"  export:  multigan export --onnx {outcome.run.folder}")
