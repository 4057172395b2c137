"""Samples at hand in two ways: all decoded in one tensor, or decoded by threads just before they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multigan import processor
from multigan.data.order import Indices
from multigan.data.reader import Array, Reader
from multigan.memory import memory, processes

Progress = Callable[[int, int], None]
"""Called with how many samples are decoded, at first 0, and of how many."""

_UNTOLD = 4 * 2**30
"""The memory that a system has which tells nothing."""
_CHUNK = 64
_AHEAD_BYTES = 256 * 2**20


def workers() -> int:
    """Threads that decode: decoders leave the interpreter's lock while they work."""
    return min(processor.cores(), 16)


def free_memory(device: torch.device) -> int:
    """Bytes that this process can have now on the device, or as its share of the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = memory()
    return (_UNTOLD if found is None else found.free) // processes()


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; to a GPU from pinned memory, so that nothing waits for the copy."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def decode_all(reader: Reader[Any], progress: Progress | None = None) -> Tensor:
    """Every sample of the reader's source: `[N, ...]` in memory."""
    count = len(reader.source)
    samples = np.empty((count, *reader.shape), dtype=reader.dtype)
    if progress is not None:
        progress(0, count)

    def work(start: int) -> list[int]:
        bad = []
        for index in range(start, min(start + _CHUNK, count)):
            sample = reader.attempt(index)
            if sample is None:
                bad.append(index)
            else:
                samples[index] = sample
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
        samples[index] = reader.read(index)
    return torch.from_numpy(samples)


class Ahead:
    """Ranges of positions decoded by threads; while one is used, those that probably follow are prepared.

    The following range is guessed to start as far from the last as that did from the one before it: so it is right for
    whole batches and for one process's share of them. At most two ranges are held, or one where they are large; after a
    range of another size none, since nothing may follow it.
    """

    def __init__(self, reader: Reader[Any], indices: Callable[[int, int], Indices]) -> None:
        self._reader, self._indices = reader, indices
        self._pool = ThreadPoolExecutor(workers(), thread_name_prefix="decode")
        self._pending: dict[tuple[int, int], list[Future[list[Array]]]] = {}
        self._last: tuple[int, int] | None = None

    def range(self, start: int, count: int) -> Tensor:
        """The samples at positions `start` to `start + count`: `[count, ...]`."""
        tasks = self._pending.pop((start, count), None)
        if tasks is None:
            self._forget(set())
            tasks = self._submit(self._indices(start, count))
        stride, deep = count, 0
        if self._last is not None and self._last[1] == count:
            stride = start - self._last[0] if start > self._last[0] else count
            deep = 2 if 2 * count * self._reader.bytes <= _AHEAD_BYTES else 1
        self._last = (start, count)
        following = [(start + step * stride, count) for step in range(1, deep + 1)]
        self._forget(set(following))
        for key in following:
            if key not in self._pending:
                self._pending[key] = self._submit(self._indices(*key))
        return self._gather(tasks)

    def pick(self, indices: Indices) -> Tensor:
        """The samples of these numbers: `[len, ...]`."""
        return self._gather(self._submit(indices))

    def close(self) -> None:
        self._forget(set())
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, indices: Indices) -> list[Future[list[Array]]]:
        size = max(1, -(-len(indices) // (2 * workers())))
        parts = [indices[at : at + size].tolist() for at in range(0, len(indices), size)]
        return [self._pool.submit(self._read, part) for part in parts]

    def _read(self, indices: Sequence[int]) -> list[Array]:
        return [self._reader.read(index) for index in indices]

    def _gather(self, tasks: list[Future[list[Array]]]) -> Tensor:
        samples = [sample for task in tasks for sample in task.result()]
        if not samples:
            return torch.from_numpy(np.empty((0, *self._reader.shape), self._reader.dtype))
        return torch.from_numpy(np.stack(samples))

    def _forget(self, wanted: set[tuple[int, int]]) -> None:
        for key in [key for key in self._pending if key not in wanted]:
            for task in self._pending.pop(key):
                task.cancel()
