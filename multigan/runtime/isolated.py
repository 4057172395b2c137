"""A model in a process of its own: whatever its graph does, this process goes on.

The other process is ended when a call takes too long, and started anew for the next call. It is no jail for a program:
it runs as the same user. It keeps a graph from filling the memory, from never ending and from taking this process down.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

import multigan
from multigan.errors import LimitError, UserError
from multigan.runtime import wire
from multigan.runtime.devices import Place
from multigan.runtime.onnx_file import OnnxFile
from multigan.runtime.session import too_slow
from multigan.runtime.watchdog import Watch

_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMPDIR", "LANG", "OMP_NUM_THREADS")
"""Of the environment, which may hold passwords, what the other process is given."""

_TO_START = 20.0
"""Seconds that an interpreter may take to start on a busy machine."""


class IsolatedSession:
    """A graph in another process, on the CPU; threads wait for one another. Raises UserError where it cannot be
    opened within the limits."""

    device: Place = "cpu"
    fixed: int | None = None

    def __init__(self, file: OnnxFile, threads: int | None) -> None:
        self.file, self.threads = file, threads
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        with self.lock:
            self.outputs = tuple(self._started())

    def run(self, names: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        with self.lock:
            if self.process is None:
                self._started()
            _, found = self._asked({"names": list(names)}, dict(inputs))
            if list(found) != list(names):
                raise UserError(f"{self.file.path} gave other outputs than were asked for: export it again.")
            return list(found.values())

    def close(self) -> None:
        """End the other process."""
        with self.lock:
            self._end()

    def _started(self) -> list[str]:
        """Start the process and give it the model: the names of its outputs."""
        file = self.file
        folders = [str(Path(multigan.__file__).parents[1]), *(each for each in sys.path if each)]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "multigan.runtime.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders)), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        weakref.finalize(self, _ended, self.process)
        trust = asdict(file.trust) | {"isolated": False}
        head = {
            "path": str(file.path),
            "contract": file.contract.to_json(),
            "nodes": file.nodes,
            "branches": file.branches,
            "threads": self.threads,
            "trust": trust,
        }
        told, _ = self._asked(head, {"model": np.frombuffer(file.content, np.uint8)}, _TO_START)
        outputs = told.get("outputs")
        if not isinstance(outputs, list) or not all(isinstance(each, str) for each in outputs):
            raise self._broken("it did not start")
        return outputs

    def _asked(
        self, head: dict[str, Any], arrays: wire.Arrays, more: float = 0.0
    ) -> tuple[dict[str, Any], wire.Arrays]:
        """What the other process answers. more: seconds beyond the limit."""
        process = self.process
        assert process is not None
        # The process stops itself at the limit, between two operators; one that goes on is ended a little later.
        watch = Watch(self.file.trust.seconds * 1.25 + 0.5 + more, process.kill)
        try:
            with watch:
                wire.write(cast(BinaryIO, process.stdin), head, arrays)
                told, found = wire.read(cast(BinaryIO, process.stdout), self.file.trust.bytes)
        except (OSError, wire.Broken) as error:
            self._end()
            if watch.expired:
                raise too_slow(self.file) from error
            raise self._broken(str(error)) from error
        except BaseException:  # a Ctrl-C between the question and the answer
            self._end()
            raise
        _raise_told(told)
        return told, found

    def _broken(self, reason: str) -> UserError:
        self._end()
        return UserError(
            f"{self.file.path} brought its process down ({reason}): it is damaged, or wants more than the "
            f"{self.file.trust.bytes / 1e9:.1f} GB of memory that it may have."
        )

    def _end(self) -> None:
        if self.process is not None:
            _ended(self.process)
            self.process = None


def _raise_told(told: dict[str, Any]) -> None:
    """Raise the error that the other process tells of, if it does."""
    if told.get("mend"):
        raise LimitError(str(told.get("what")), str(told["mend"]))
    if told.get("error"):
        raise UserError(str(told["error"]))


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue
