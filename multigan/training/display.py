"""What a person sees of a training: sentences, and one line that moves."""

from __future__ import annotations

import os
import sys
import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from multigan.errors import printable

PLAIN_SECONDS, MOVING_SECONDS = 15.0, 0.2


class Display(Protocol):
    """Where a training speaks."""

    def say(self, sentence: str) -> None:
        """Tell one thing, once."""
        ...

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Start a bar of `total` steps."""
        ...

    def show(self, done: int, figures: str = "") -> None:
        """Move the bar."""
        ...

    def end(self) -> None:
        """Take the bar away."""
        ...


class Quiet:
    """Says nothing: for other ranks and for use from Python."""

    def say(self, sentence: str) -> None:
        return

    def begin(self, what: str, total: int, done: int = 0) -> None:
        return

    def show(self, done: int, figures: str = "") -> None:
        return

    def end(self) -> None:
        return


class Terminal:
    """A progress bar on a terminal; elsewhere (a file, CI) a line every 15 seconds."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._what, self._total, self._first, self._figures = "", 0, 0, ""
        self._began = self._spoke = 0.0

    def say(self, sentence: str) -> None:
        # Sentences name files and classes, which may hold anything.
        self.console.print("\n".join(map(printable, sentence.splitlines())), markup=False, emoji=False)

    def begin(self, what: str, total: int, done: int = 0) -> None:
        self._what, self._total, self._first, self._figures = what, total, done, ""
        self._began = self._spoke = time.monotonic()
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.percentage:>3.0f}%  {task.fields[figures]}"),
                TimeElapsedColumn(),
                TextColumn("elapsed, left"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=self.console, transient=True, refresh_per_second=4)
            self._task = self._bar.add_task(what, total=total, completed=done, figures="")
            self._bar.start()

    def show(self, done: int, figures: str = "") -> None:
        self._figures = figures or self._figures
        now = time.monotonic()
        if self._bar is not None:
            if figures or now - self._spoke > MOVING_SECONDS:
                self._spoke = now
                self._bar.update(self._task, completed=done, figures=self._figures)
        elif self._figures and now - self._spoke > PLAIN_SECONDS:
            self._spoke = now
            left = (now - self._began) * (self._total - done) / max(done - self._first, 1)
            share = 100 * done // max(self._total, 1)
            print(f"{self._what} {share}%  {self._figures}  {left:.0f} s left", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def speaker() -> Display:
    """The terminal; of several processes that a launcher started, for the first alone."""
    return Terminal() if os.environ.get("RANK", "0") == "0" else Quiet()
