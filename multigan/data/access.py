"""Reading again what could not be had just now: a failed disk, network or limit says nothing of a sample. No torch."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from multigan.errors import UserError

T = TypeVar("T")

WAITS = (0.1, 0.4, 1.5, 4.0)
"""Seconds before each further try."""
_LASTING = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EINVAL,  # damaged content that points before the beginning of its file
        errno.EOVERFLOW,
        errno.EFBIG,
    }
)
"""What will be so at the next try, too: the file is gone, forbidden, or damaged."""


class UnreadableError(Exception):
    """A file or a cell that is damaged; the message is the reason, in a clause."""


class UnavailableError(Exception):
    """What could not be read, although nothing says that it is damaged; the message is the reason, in a clause."""


def may_pass(error: Exception) -> bool:
    """Whether the error is the system's, or a network's, and not one that damaged content makes a decoder raise.

    Decoders raise OSError without a number. A number is the system's, and a library's own subclass a failed transfer's.
    """
    if isinstance(error, MemoryError | TimeoutError | ConnectionError):
        return True
    if not isinstance(error, OSError):
        return False
    if error.errno is None:
        return type(error).__module__.split(".")[0] not in ("builtins", "PIL")
    return error.errno not in _LASTING


def insist(work: Callable[[], T], name: str, place: str) -> T:
    """What `work` gives, tried again while it raises UnavailableError. Raises UserError where it never stops."""
    waits = iter(WAITS)
    while True:
        try:
            return work()
        except UnavailableError as error:
            wait = next(waits, None)
            if wait is None:
                raise UserError(
                    f"{name} of {place} cannot be read now, after {len(WAITS) + 1} tries ({error}): see to its disk, "
                    "its network or this system's limits, then start again or go on with --resume."
                ) from error
        time.sleep(wait)


def version(path: str | bytes | Path) -> tuple[int, ...]:
    """What changes when the content of a file does, or when it comes to be readable: its size and its time of change;
    of one that is gone or forbidden nothing."""
    try:
        status = os.stat(path)
        effective = os.access in os.supports_effective_ids
        return (status.st_size, status.st_mtime_ns) if os.access(path, os.R_OK, effective_ids=effective) else ()
    except OSError:
        return ()


def clause(error: BaseException) -> str:
    """An exception's message as one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."
