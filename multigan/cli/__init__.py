"""The command line: one module a command. What goes wrong by the user's hand is one sentence and exit code 2."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from multigan.errors import UserError, printable

USER_ERROR, INTERRUPTED, BROKEN_PIPE = 2, 130, 141
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)
"""What a standard output raises that takes nothing more."""

COMMANDS = ("quickstart", "train", "export", "generate", "demo", "info", "evaluate", "recipes", "doctor")
"""In the order of the help. Each module holds a function of that name, or a Typer application for a group."""


class Group(TyperGroup):
    """A group of commands that shows its help, and succeeds, when no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not self.invoke_without_command:
            typer.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=lambda name: COMMANDS.index(name) if name in COMMANDS else 0)


def _version(wanted: bool) -> None:
    if wanted:
        from multigan import __version__

        typer.echo(f"multigan {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """From a folder of files to a real-time generator that runs anywhere, one command a step."""


def application() -> typer.Typer:
    """The Typer application with every command. The commands import what they need when they run."""
    app = typer.Typer(
        cls=Group,
        callback=_root,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    for name in COMMANDS:
        command = getattr(import_module(f"multigan.cli.{name}"), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, cls=Group)
        else:
            app.command(name)(command)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code: 0, 1, 2 for a mistake of the user's, 130 after Ctrl-C."""
    try:
        status = application()(list(arguments), prog_name="multigan", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except (UserError, typer.TyperException) as error:
        print(f"multigan: {_sentence(error)}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except typer.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # the reader has left
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in FULL or error.filename is not None or sys.stdout is None:
            raise
        _drop_output()
        print(f"multigan: the output cannot be written: {error.strerror or error}.", file=sys.stderr)
        return USER_ERROR


def _drop_output() -> None:
    """What is still buffered goes nowhere, so that the last flush has nothing to complain of."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sentence(error: UserError | typer.TyperException) -> str:
    """The mistake on one line, whatever a file's name or a value may hold."""
    if isinstance(error, UserError):
        return _shown(str(error))
    text = _shown(error.format_message())
    return text[:1].lower() + text[1:]


_LONGEST = 4000
"""Characters of a sentence: a name in somebody's file may have millions."""


def _shown(text: str) -> str:
    """A text on one line of a terminal."""
    line = " ".join(text.split())
    return printable(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")


def main() -> None:
    """The command `multigan`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a class's name may hold what the terminal's encoding does not
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))
