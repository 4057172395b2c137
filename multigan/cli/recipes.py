"""`multigan recipes`: list, show, copy and check recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

recipes = typer.Typer(help="List, show, copy and check recipes.", invoke_without_command=True)

Name = Annotated[str, typer.Argument(help="A recipe's name or file.")]


@recipes.callback()
def _default(ctx: typer.Context) -> None:
    """List, show, copy and check recipes."""
    if ctx.invoked_subcommand is None:
        list_()


@recipes.command("list")
def list_() -> None:
    """List the recipes that come with multigan, each with its command."""
    from multigan import recipe

    found = recipe.packaged()
    width = max(map(len, found), default=0)
    for name, path in found.items():
        typer.echo(f"{name:{width}}  {recipe.command(path)}")


@recipes.command()
def show(name: Name) -> None:
    """Print a recipe."""
    from multigan import recipe

    typer.echo(recipe.read_text(recipe.find(name)), nl=False)


@recipes.command()
def copy(
    name: Name,
    destination: Annotated[Path, typer.Argument(metavar="[DEST]", help="A file or a folder.")] = Path(),
) -> None:
    """Copy a recipe, to change it."""
    from multigan import recipe
    from multigan.errors import UserError
    from multigan.files import write_text

    source = recipe.find(name)
    target = destination / source.name if destination.is_dir() else destination
    if target.exists():
        raise UserError(f"{target} exists already: remove it or choose another name.")
    modality = recipe.load(source).modality
    write_text(target, recipe.read_text(source))
    typer.echo(f"{target}  (try: multigan train {modality} --recipe {target})")


@recipes.command()
def check(
    files: Annotated[list[str] | None, typer.Argument(help="Names or files; all that ship when absent.")] = None,
) -> None:
    """Check recipes: every key, value and combination."""
    from multigan import recipe
    from multigan.errors import UserError, printable

    wrong = 0
    for name in files or recipe.packaged():
        try:
            checked = recipe.load(name)
        except UserError as error:
            wrong += 1
            typer.echo(f"wrong  {printable(str(error))}", err=True)
        else:
            typer.echo(f"ok     {name}")
            for note in recipe.notes(checked):
                typer.echo(f"       note: {note}")
    if wrong:
        raise UserError(f"{wrong} of {len(files or recipe.packaged())} recipes cannot be used.")
