"""Stop what takes too long: one thread that watches all calls of this process. Standard library only."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Watch:
    """Calls `stop` from another thread where the block takes more than `seconds`; `expired` is then true.

    A watch costs a few microseconds: its thread is started once, and woken only for a deadline before all others.
    """

    def __init__(self, seconds: float, stop: Callable[[], object]) -> None:
        self.seconds, self.stop = seconds, stop
        self.deadline = math.inf
        self.expired = False

    def __enter__(self) -> Watch:
        self.deadline = time.monotonic() + self.seconds
        _WATCHER.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _WATCHER.remove(self)


_LONGEST_WAIT = 86400.0
"""Seconds. Systems refuse to wait for hundreds of years at once."""


class _Watcher:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.watches: set[Watch] = set()
        self.wakes = math.inf
        self.thread: threading.Thread | None = None

    def add(self, watch: Watch) -> None:
        with self.changed:
            self.watches.add(watch)
            if self.thread is None or not self.thread.is_alive():  # in a forked process it is not
                self.wakes = watch.deadline
                self.thread = threading.Thread(target=self.run, name="multigan-watchdog", daemon=True)
                self.thread.start()
            elif watch.deadline < self.wakes:
                self.changed.notify()

    def remove(self, watch: Watch) -> None:
        with self.changed:
            self.watches.discard(watch)

    def run(self) -> None:
        with self.changed:
            while True:
                now = time.monotonic()
                for late in [each for each in self.watches if each.deadline <= now]:
                    self.watches.remove(late)
                    late.expired = True
                    late.stop()
                self.wakes = min((each.deadline for each in self.watches), default=math.inf)
                self.changed.wait(None if self.wakes == math.inf else min(self.wakes - now, _LONGEST_WAIT))


_WATCHER = _Watcher()
