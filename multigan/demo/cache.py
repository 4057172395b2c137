"""Results that are made once, kept for a while in a folder of this process, and served as files.

Several visitors who ask for the same thing get the same files. A result is a folder that is written under another name
and renamed when it is whole, so that no file of it ever changes: a response that is being sent stays what it was.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from multigan.errors import UserError

LIMIT = 128 * 2**20
"""Bytes of all results, as long as none of them was handed out in the last GRACE seconds."""
OVERHEAD = 8192
"""Bytes that a file costs beside its content: tens of thousands of small ones would take long to be removed."""
GRACE = 60.0
"""Seconds after it was handed out in which a result is not removed: a browser may still be fetching its files."""
HARDEST = 4
"""Times LIMIT that results may take in any case."""
PREFIX = "multigan-demo-"


@dataclass
class _Entry:
    folder: Path
    files: int
    size: int
    used: float

    def whole(self) -> bool:
        """Whether its files are still there: systems remove what has lain in their temporary folder for days."""
        try:
            return len(os.listdir(self.folder)) == self.files
        except OSError:
            return False


class Cache:
    """Results by their key. limit, overhead: bytes; grace: seconds; see LIMIT, OVERHEAD and GRACE. clock: of the
    seconds. folder: where they lie. uploads: where Gradio puts what visitors bring; both go with the process. Raises
    UserError where there is no room for them."""

    def __init__(
        self,
        limit: int = LIMIT,
        grace: float = GRACE,
        overhead: int = OVERHEAD,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.limit, self.grace, self.overhead, self.clock = limit, grace, overhead, clock
        try:
            _remove_abandoned()
            self._home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")).resolve()  # for this user alone
            self.folder, self.uploads = self._home / "results", self._home / "uploads"
            for each in (self.folder, self.uploads):
                each.mkdir(mode=0o700)
        except OSError as error:
            raise UserError(
                f"the system's temporary folder cannot be written: {error.strerror or error}. Free some room there, or "
                "name another with TMPDIR."
            ) from error
        self.size = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        """The one that was handed out longest ago first."""
        self._making: dict[str, Future[Path]] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def get(self, key: str, make: Callable[[Path], None]) -> Path:
        """The folder of the result `key`; `make` writes it into an empty folder where it is not there.

        Who asks for a result that another is making waits for that one. Raises what `make` raises, to all who wait,
        and UserError where there is no room.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and not entry.whole():
                self._forget(key)
            elif entry is not None:
                entry.used = self.clock()
                self._entries.move_to_end(key)
                return entry.folder
            waiting = self._making.get(key)
            if waiting is None:
                mine: Future[Path] = Future()
                self._making[key] = mine
        if waiting is not None:
            return waiting.result()
        try:
            mine.set_result(self._made(key, make))
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._making[key]
        return mine.result()

    def close(self) -> None:
        """Remove all results and uploads, and their folders."""
        atexit.unregister(self.close)
        shutil.rmtree(self._home, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._entries)

    def _made(self, key: str, make: Callable[[Path], None]) -> Path:
        folder, temporary = self.folder / key, self.folder / f".{secrets.token_hex(8)}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it may have been removed meanwhile
            temporary.mkdir()
            make(temporary)
            sizes = [path.stat().st_size + self.overhead for path in temporary.iterdir()]
            size = sum(sizes)
            with self._lock:
                self._make_room(size)
                os.replace(temporary, folder)
                self.size += size
                self._entries[key] = _Entry(folder, len(sizes), size, self.clock())
        except OSError as error:
            raise UserError(
                f"the result cannot be kept: {error.strerror or error}. Free some room on the disk."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return folder

    def _make_room(self, size: int) -> None:
        """Remove the oldest results until `size` more bytes fit, except those that may still be fetched."""
        now = self.clock()
        while self._entries and self.size + size > self.limit:
            key, oldest = next(iter(self._entries.items()))
            if now - oldest.used < self.grace:
                break
            self._forget(key)
        if self.size + size > HARDEST * self.limit:
            raise UserError("too much is being made at once: wait a minute and ask again, or for less.")

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key)
        self.size -= entry.size
        shutil.rmtree(entry.folder, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove the folders that processes left which were killed."""
    if os.name == "nt":  # where signal 0 would end the process that is asked for
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        with suppress(OSError, ValueError):
            if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
                continue
            try:
                os.kill(int(folder.name.removeprefix(PREFIX).split("-")[0]), 0)
            except ProcessLookupError:
                shutil.rmtree(folder, ignore_errors=True)
