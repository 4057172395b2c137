"""`multigan doctor`: what this machine has, and the one line that mends what is missing."""

from __future__ import annotations

import typer


def doctor() -> None:
    """Say what this machine has, and how to mend what is missing."""
    from multigan.doctor import examine

    missing = 0
    for finding in examine():
        typer.echo(f"{'ok' if finding.good else '--':3} {finding.topic:12} {finding.text}")
        if finding.mend:
            typer.echo(f"{'':16} mend: {finding.mend}")
        missing += not finding.good
    typer.echo("Nothing is missing." if not missing else f"{missing} to mend, each by its line above.")
