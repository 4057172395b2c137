"""Pictures at hand in two ways: all decoded in one tensor, or decoded by threads just before they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from multigan.image.data.order import Indices
from multigan.image.data.reader import Reader
from multigan.memory import memory, processes

Progress = Callable[[int, int], None]
"""Called with how many pictures are decoded, at first 0, and of how many."""

MOST_KEPT = 200_000
"""Of more pictures `data.cache: auto` keeps none: decoding them all would hold up the start for very long."""
_UNTOLD = 4 * 2**30
"""The memory that a system has which tells nothing."""
_CHUNK = 64
_AHEAD_BYTES = 256 * 2**20


def workers() -> int:
    """Threads that decode: pillow leaves the interpreter's lock while it works."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 16)


def free_memory(device: torch.device) -> int:
    """Bytes that this process can have now on the device, or as its share of the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = memory()
    return (_UNTOLD if found is None else found.free) // processes()


def decode_all(reader: Reader, progress: Progress | None = None) -> Tensor:
    """Every picture of the reader's source: uint8 `[N, C, H, W]` in memory."""
    count = len(reader.source)
    pixels = np.empty((count, reader.channels, *reader.size), dtype=np.uint8)
    if progress is not None:
        progress(0, count)

    def work(start: int) -> list[int]:
        bad = []
        for index in range(start, min(start + _CHUNK, count)):
            picture = reader.attempt(index)
            if picture is None:
                bad.append(index)
            else:
                pixels[index] = picture
        return bad

    damaged: list[int] = []
    pool = ThreadPoolExecutor(workers(), thread_name_prefix="decode")
    try:
        for done, bad in enumerate(pool.map(work, range(0, count, _CHUNK)), start=1):
            damaged += bad
            if progress is not None:
                progress(min(done * _CHUNK, count), count)
    finally:
        pool.shutdown(cancel_futures=True)
    for index in damaged:
        pixels[index] = reader.read(index)
    return torch.from_numpy(pixels)


class Ahead:
    """Ranges of positions decoded by threads; while one is used, those that probably follow are prepared.

    The following range is guessed to start as far from the last as that did from the one before it: so it is right for
    whole batches and for one process's share of them. At most two ranges are held, or one where they are large.
    """

    def __init__(self, reader: Reader, indices: Callable[[int, int], Indices]) -> None:
        self._reader, self._indices = reader, indices
        self._pool = ThreadPoolExecutor(workers(), thread_name_prefix="decode")
        self._pending: dict[tuple[int, int], list[Future[list[np.ndarray]]]] = {}
        self._last: tuple[int, int] | None = None
        self._sample_bytes = reader.channels * reader.size[0] * reader.size[1]

    def range(self, start: int, count: int) -> Tensor:
        """The pictures at positions `start` to `start + count`: uint8 `[count, C, H, W]`."""
        tasks = self._pending.pop((start, count), None)
        if tasks is None:
            self._forget(set())
            tasks = self._submit(self._indices(start, count))
        stride = count
        if self._last is not None and self._last[1] == count and start > self._last[0]:
            stride = start - self._last[0]
        self._last = (start, count)
        deep = 2 if 2 * count * self._sample_bytes <= _AHEAD_BYTES else 1
        following = [(start + step * stride, count) for step in range(1, deep + 1)]
        self._forget(set(following))
        for key in following:
            if key not in self._pending:
                self._pending[key] = self._submit(self._indices(*key))
        return self._gather(tasks)

    def pick(self, indices: Indices) -> Tensor:
        """The pictures of these numbers: uint8 `[len, C, H, W]`."""
        return self._gather(self._submit(indices))

    def close(self) -> None:
        self._forget(set())
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, indices: Indices) -> list[Future[list[np.ndarray]]]:
        size = max(1, -(-len(indices) // (2 * workers())))
        parts = [indices[at : at + size].tolist() for at in range(0, len(indices), size)]
        return [self._pool.submit(self._read, part) for part in parts]

    def _read(self, indices: Sequence[int]) -> list[np.ndarray]:
        return [self._reader.read(index) for index in indices]

    def _gather(self, tasks: list[Future[list[np.ndarray]]]) -> Tensor:
        pictures = [picture for task in tasks for picture in task.result()]
        if not pictures:
            return torch.empty((0, self._reader.channels, *self._reader.size), dtype=torch.uint8)
        return torch.from_numpy(np.stack(pictures))

    def _forget(self, wanted: set[tuple[int, int]]) -> None:
        for key in [key for key in self._pending if key not in wanted]:
            for task in self._pending.pop(key):
                task.cancel()
