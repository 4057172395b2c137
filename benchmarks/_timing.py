"""Clocks and medians for arms that are measured side by side in one process, or as processes."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Times:
    """Wall and CPU seconds of one arm, one value a round, for `amount` items (images, calls) a round."""

    amount: float = 1.0
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, wall: float, cpu: float) -> None:
        self.wall.append(wall)
        self.cpu.append(cpu)

    def of(self, clock: str) -> list[float]:
        """Seconds of each round on a clock, `wall` or `cpu`."""
        values: list[float] = getattr(self, clock)
        return values

    def rate(self, clock: str) -> float:
        """Items a second, in the median round."""
        return self.amount / statistics.median(self.of(clock))


Clocks = tuple[float, float]
Arm = Callable[[], Clocks | None]
"""Does one round's work; returns its own (wall, CPU) seconds where it keeps the clocks itself."""


def clocks() -> Clocks:
    """Wall and CPU seconds of this process, all its threads together."""
    return time.perf_counter(), time.process_time()


def interleave(arms: Mapping[str, Arm], rounds: int, amount: float = 1.0, warmups: int = 1) -> dict[str, Times]:
    """Time the arms in turn, so that what else the machine does meets all of them; the first arm changes each round."""
    times = {name: Times(amount) for name in arms}
    names = list(arms)
    for index in range(-warmups, rounds):
        shift = index % len(names)
        for name in names[shift:] + names[:shift]:
            before = clocks()
            own = arms[name]()
            after = clocks()
            if index >= 0:
                times[name].add(*(own or (after[0] - before[0], after[1] - before[1])))
    return times


def repeat(work: Callable[[], object], times: int) -> Arm:
    """An arm that does the same work so many times a round."""

    def arm() -> None:
        for _ in range(times):
            work()

    return arm


def ratio(times: Mapping[str, Times], slower: str, faster: str, clock: str) -> tuple[float, float, float]:
    """How many times as fast `faster` is: the median of the rounds' ratios, and their quartiles."""
    pairs = zip(times[slower].of(clock), times[faster].of(clock), strict=True)
    ratios = [one / other for one, other in pairs]
    if len(ratios) < 2:
        return ratios[0], ratios[0], ratios[0]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return middle, low, high


def run(command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Clocks:
    """Wall and CPU seconds of a whole process. Raises CalledProcessError, with what it said, where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(command, check=False, cwd=cwd, env=env, capture_output=True, text=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def pin(threads: int) -> None:
    """Keep this process and its children on `threads` cores, with as many threads. Call it before importing torch."""
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise SystemExit(f"--threads {threads}: this process may use {len(cores)} cores")
    os.sched_setaffinity(0, cores[:threads])
    os.environ["OMP_NUM_THREADS"] = str(threads)


def machine() -> str:
    """The processor, the cores that this process may use, and how busy they are besides."""
    name, flags = platform.processor() or platform.machine(), ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found = dict(line.split(":", 1) for line in lines if ":" in line)
        name = {key.strip(): value.strip() for key, value in found.items()}.get("model name", name)
        flags = ", AVX512-BF16" if any("avx512_bf16" in line for line in lines) else ""
    except OSError:
        pass
    return f"{name}, {len(os.sched_getaffinity(0))} cores{flags}; load {os.getloadavg()[0]:.1f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A markdown table; the first row is its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in padded]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
