"""Parquet shards read block by block, local or remote, for what does not fit on the disk. No torch.

Nothing is stored: a block (a row group) is read when its window comes up, in an order that is a function of the seed
and the epoch (`order.BlockOrder`), and dropped after. So a position means the same sample whenever training resumes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from multigan.data import columns
from multigan.data.access import UnavailableError, clause, insist
from multigan.data.medium import Medium, T
from multigan.data.order import Blocks
from multigan.data.tables import Rows
from multigan.errors import UserError
from multigan.extras import need
from multigan.settings import Data

_WINDOW_BYTES = 96 * 2**20
_WINDOW = (4, 64)
_LARGEST = 512 * 2**20
"""A window is about so large, but has at least 4 blocks, to mix them, and at most 64; of blocks that are very large it
has as many as take so much."""
_READERS = 8


def files_of(place: str, builder: Any, split: str) -> list[str]:
    """The addresses of the parquet files of a split, as `datasets` resolves them."""
    if not type(builder).__module__.endswith(".parquet.parquet"):
        raise UserError(
            f"{place} is not made of parquet files, which data.streaming needs: set data.streaming to false."
        )
    files = builder.config.data_files
    if split not in files:
        raise UserError(f"{place} has no split {split!r} (it has {', '.join(files)}): set data.split.")
    return [str(file) for file in files[split]]


@dataclass
class _Slot:
    """A block in memory, or the lock behind which it is being read."""

    lock: Lock = field(default_factory=Lock)
    column: Any = None


class Shards(Rows[T]):
    """The samples of parquet files, by blocks. The label and split columns alone are read at the start.

    features: as `datasets` knows them; absent: as the files' schema has them. below: as in `columns.content`.
    """

    def __init__(
        self,
        place: str,
        files: list[str],
        features: columns.Features | None,
        data: Data,
        medium: Medium[T],
        below: Sequence[Path] = (),
    ) -> None:
        self._below = below
        self._parquet = need("pyarrow.parquet", "train")
        self._files = files
        self._slots: OrderedDict[int, _Slot] = OrderedDict()
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="shards")
        self._metadata = self._map(self._footer, files)
        self._groups = [
            (shard, group) for shard, meta in enumerate(self._metadata) for group in range(meta.num_row_groups)
        ]
        rows = [self._metadata[shard].row_group(group).num_rows for shard, group in self._groups]
        self._starts = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])
        if features is None:
            schema = self._metadata[0].schema.to_arrow_schema()
            features = need("datasets", "train").Features.from_arrow_schema(schema)
        super().__init__(place, int(self._starts[-1]), features, self._whole, data, medium)
        bounds = self._starts if self.rows is None else np.searchsorted(self.rows, self._starts)
        self.blocks = Blocks(bounds, self._window())

    def open(self, index: int) -> T:
        row = self.row(index)
        block = self._block_of(row)
        cell = self._block(block)[row - int(self._starts[block])].as_py()
        return columns.content(cell, self.medium, self._below)

    def prefetch(self, indices: NDArray[np.int64]) -> None:
        rows = indices if self.rows is None else self.rows[indices]
        for block in np.unique(np.searchsorted(self._starts, rows, side="right") - 1).tolist():
            with self._lock:
                known = block in self._slots
            if not known:
                self._slot(block)
                self._pool.submit(self._block, block)

    def _block_of(self, row: int) -> int:
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def _slot(self, block: int) -> _Slot:
        """The block's slot; those not used for longest are dropped, beyond three windows."""
        with self._lock:
            slot = self._slots.setdefault(block, _Slot())
            self._slots.move_to_end(block)
            while len(self._slots) > 3 * (self.blocks.window if self.blocks else 1):
                self._slots.popitem(last=False)
            return slot

    def _block(self, block: int) -> Any:
        """The samples of a block as an arrow column, read once however many threads ask."""
        slot = self._slot(block)
        with slot.lock:
            if slot.column is None:
                file = self._files[self._groups[block][0]]
                slot.column = insist(lambda: self._fetch(block), file, self.place)
            return slot.column

    def _fetch(self, block: int) -> Any:
        """The samples of a block. Whatever stops it, it is not that one of them is damaged."""
        try:
            return self._read(block, self.content)
        except Exception as error:
            raise UnavailableError(clause(error)) from error

    def _read(self, block: int, column: str) -> Any:
        shard, group = self._groups[block]
        with self._opened(self._files[shard]) as file:
            reader = self._parquet.ParquetFile(file, metadata=self._metadata[shard], pre_buffer=True)
            return reader.read_row_group(group, columns=[column], use_threads=False).column(0).combine_chunks()

    def _whole(self, column: str) -> Any:
        """One column of all shards."""
        arrow = need("pyarrow", "train")
        parts = self._map(lambda block: self._read(block, column), range(len(self._groups)))
        return arrow.chunked_array(parts, type=self._metadata[0].schema.to_arrow_schema().field(column).type)

    def _footer(self, file: str) -> Any:
        with self._opened(file) as opened:
            return self._parquet.read_metadata(opened)

    def _opened(self, address: str) -> BinaryIO:
        """Open a local path or an address such as `hf://...`, read in just the ranges that are asked for."""
        filesystem, path = need("fsspec.core", "train").url_to_fs(address)
        opened: BinaryIO = filesystem.open(path, "rb", cache_type="none")
        return opened

    def _window(self) -> int:
        sizes = [self._metadata[shard].row_group(group).total_byte_size for shard, group in self._groups]
        size = max(1.0, float(np.mean(sizes)))
        fewest = min(_WINDOW[0], int(_LARGEST / size))
        return max(1, min(max(int(_WINDOW_BYTES / size), fewest), _WINDOW[1], len(sizes)))

    def _map(self, work: Callable[[Any], Any], items: Any) -> list[Any]:
        return list(self._pool.map(work, items))
