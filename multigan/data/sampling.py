"""A bounded sample of a source, to look at before a training. No torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from multigan.data.order import draws, key
from multigan.data.sources import Source

_BLOCKS = 4
"""So many are read where samples are read in blocks: each may be a transfer of many megabytes."""


def spread(source: Source[Any], most: int) -> list[int]:
    """Up to `most` numbers, spread by chance but the same every time; where there are blocks, out of four only."""
    count = len(source)
    if source.blocks is not None:
        bounds = source.blocks.bounds
        filled = np.flatnonzero(np.diff(bounds))  # a block may hold no sample of the classes that are taken
        chosen = filled[np.unique(np.linspace(0, len(filled) - 1, _BLOCKS).astype(np.int64))]
        share = most // len(chosen)
        return [int(i) for block in chosen for i in range(bounds[block], min(bounds[block] + share, bounds[block + 1]))]
    if count <= most:
        return list(range(count))
    drawn = draws(key("survey"), np.arange(most)) % np.uint64(count)
    return [int(index) for index in np.unique(drawn)]
