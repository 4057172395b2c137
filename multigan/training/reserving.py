"""A run's folder for one training at a time: two in one folder would delete each other's checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from multigan.errors import UserError
from multigan.runs import RUNS, Run

LOCK = ".lock"
"""The operating system lets go of it when its process ends, however that ends. The file itself stays."""
MOST_NAMES = 10_000


@contextmanager
def reserved(folder: Path) -> Iterator[Path]:
    """Hold `folder`, made if it is not there; an empty one is removed at the end.

    Raises UserError where another training holds it or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write into {folder}: {reason}. Choose another --out.") from error
    with file:
        if not _lock(file):
            raise UserError(f"another training is at work in {folder}: wait for its end, or choose another --out.")
        try:
            yield folder
        finally:
            with suppress(OSError):
                if os.listdir(folder) == [LOCK]:
                    (folder / LOCK).unlink()
                    folder.rmdir()


@contextmanager
def new_folder(parent: Path, name: str) -> Iterator[Path]:
    """Make and hold the first of `name`, `name-2`, `name-3` ... below `parent` that is not there yet."""
    for number in range(1, MOST_NAMES):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"cannot make {folder}: {reason}. Choose another --out.") from error
        with reserved(folder):
            yield folder
        return
    raise UserError(f"{parent} holds {MOST_NAMES:,} runs of {name}: choose an --out.")


def claim(name: str, out: Path | None, resume: bool, held: ExitStack) -> str:
    """The run's folder, held until `held` is closed: `out`, or a new one named after the recipe.

    Raises UserError as `reserved` does, and where `out` holds a training that is not to be resumed.
    """
    if out is None:
        return str(held.enter_context(new_folder(RUNS, name)))
    held.enter_context(reserved(out))
    if not resume and (Run(out).saved() or Run(out).best.exists()):
        raise UserError(f"{out} holds a training already: go on with --resume {out}, or choose another --out.")
    return str(out)


def _lock(file: IO[str]) -> bool:
    """Take the file's lock, or give False where another process has it. Some file systems have no locks to give."""
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _lock_on_windows(file: IO[str]) -> bool:
    import msvcrt

    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True
