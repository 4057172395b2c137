"""The demo in a process of its own, as a person starts it."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from multigan.demo.cache import PREFIX


@contextlib.contextmanager
def serving(command: list[str], folder: Path, **environment: str) -> Iterator[str]:
    """The address that a started demo says it has. It is ended afterwards, and must have said nothing else wrong."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )  # fmt: skip
    lines: queue.Queue[str | None] = queue.Queue()
    said: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                said.append(line)
                lines.put(line)
        lines.put(None)

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    try:
        while True:
            line = lines.get(timeout=120)
            assert line is not None, "".join(said)
            if found := re.search(r"multigan demo: (http://\S+)", line):
                break
        yield found[1]
        assert process.poll() is None, "".join(said)
    finally:
        process.terminate()
        status = process.wait(30)
        listening.join(30)
    assert status == 143
    assert not list(Path(tempfile.gettempdir()).glob(f"{PREFIX}{process.pid}-*"))  # nothing is left behind
    assert "Traceback" not in "".join(said), "".join(said)
