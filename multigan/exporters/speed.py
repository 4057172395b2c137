"""How long a file takes on this machine, beside torch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from multigan.exporters.parity import Reference, open_session

BATCHES = (1, 16)
SECONDS, ROUNDS = 0.3, 25
"""For each of BATCHES: no further round after so long, nor after so many."""

TORCH = "torch"


def latencies(files: Mapping[str, Path], reference: Reference) -> dict[int, dict[str, float]]:
    """Milliseconds of one call, by batch and by name: of each file in onnxruntime and of torch in eager mode.

    The medians of warm rounds in which all take turns, so that what else the machine does meets all of them. Both
    sides take numpy arrays and give numpy arrays, with torch's number of threads.
    """
    sessions = {name: open_session(path) for name, path in files.items()}
    found = {}
    for batch in BATCHES:
        inputs = reference.inputs(batch)
        arms: dict[str, Callable[[], object]] = {
            name: partial(session.run, reference.outputs, inputs) for name, session in sessions.items()
        }
        found[batch] = _medians({**arms, TORCH: partial(reference.run, inputs)})
    return found


def _medians(arms: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in arms}
    for work in arms.values():
        work()
    end = time.perf_counter() + SECONDS
    for _ in range(ROUNDS):
        for name, work in arms.items():
            begun = time.perf_counter()
            work()
            times[name].append(1000 * (time.perf_counter() - begun))
        if time.perf_counter() > end:
            break
    return {name: statistics.median(each) for name, each in times.items()}
