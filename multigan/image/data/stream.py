"""The pictures of a recipe as an endless shuffled stream of tensors, addressed by position."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from multigan.adversarial.batch import Batch
from multigan.data.cache import Ahead, Progress, decode_all, free_memory, moved
from multigan.data.numbers import numbers_of
from multigan.data.order import Indices, flips, order_of
from multigan.data.reader import Reader, Report
from multigan.errors import UserError
from multigan.image.config import ImageRecipe
from multigan.image.data.decode import Fit, decode
from multigan.image.data.medium import Source, open_source
from multigan.image.data.survey import Survey, enough, survey

MOST_KEPT = 200_000
"""Of more pictures `data.cache: auto` keeps none: decoding them all would hold up the start for very long."""


def open_stream(recipe: ImageRecipe, device: torch.device, batch: int, progress: Progress | None = None) -> ImageStream:
    """The stream of `recipe.data`, whose size and channels are resolved, for batches of `batch` pictures.

    Raises UserError where the data is missing or cannot be read, is less than a batch, or has no classes although the
    recipe is conditional.
    """
    source = open_source(recipe.data)
    seen = survey(source, recipe.data)
    enough(seen, batch)
    if recipe.conditional and source.classes is None:
        raise UserError(
            f"the recipe is conditional and {source.place} has no classes: put each class into a folder of its own, "
            "name data.label_column, or set conditional to false."
        )
    stream = ImageStream(source, seen, recipe, device, progress)
    good = len(stream) - stream.report.count
    if good < batch:
        raise UserError(
            f"only {good:,} of the {len(stream):,} files of {source.place} can be read, fewer than a batch of {batch} "
            f"({': '.join(stream.report.skipped[0])}): mend them or lower training.batch."
        )
    return stream


def reader_of(source: Source, size: tuple[int, int], channels: int, fit: Fit) -> Reader[Image.Image]:
    """The source's pictures as uint8 `[channels, *size]`, size being height and width."""
    # Pillow loads the decoders of rarer formats when one is first met, and never again where that fails.
    Image.init()
    work = partial(decode, size=size, channels=channels, fit=fit)
    return Reader(source, work, (channels, *size), np.uint8)


class ImageStream:
    """A `Stream` of pictures `[B, C, H, W]` in [-1, 1]; conditions: `label`, for a conditional recipe, and `number`,
    for one that is told numbers.

    Each epoch shows every picture once in an order of its own. The same position gives the same sample whether pictures
    are kept in memory or decoded when needed. survey: what the data is. report: what could not be read so far.
    labels, numbers: int64 and float32 `[N]`, or None.
    """

    def __init__(
        self,
        source: Source,
        seen: Survey,
        recipe: ImageRecipe,
        device: torch.device,
        progress: Progress | None = None,
    ) -> None:
        data = recipe.data
        if data.size is None or data.channels is None:
            raise ValueError("data.size and data.channels must be resolved before the stream is opened")
        self.survey, self._source, self._device = seen, source, device
        self._seed, self._mirror, self._conditional = recipe.seed, data.mirror, recipe.conditional
        self._reader = reader_of(source, data.size, data.channels, data.fit)
        self._order = order_of(recipe.seed, len(source), source.blocks)
        self.labels = None if source.labels is None else torch.from_numpy(source.labels.astype(np.int64))
        numbers = numbers_of(source, data)
        self.numbers = None if numbers is None else torch.from_numpy(numbers)
        self._cache: Tensor | None = None
        self._ahead: Ahead | None = None
        if self._keeps(data.cache, data.streaming):
            self._cache = self._settle(decode_all(self._reader, progress))
        else:
            self._ahead = Ahead(self._reader, self._indices)

    def __len__(self) -> int:
        return len(self._source)

    @property
    def report(self) -> Report:
        return self._reader.report

    def identity(self) -> str:
        """A digest of the source's names and numbers: see `multigan.data.sources.Source`."""
        return self._source.identity()

    @property
    def cached(self) -> bool:
        """Whether all pictures are decoded and in memory."""
        return self._cache is not None

    def take(self, start: int, count: int) -> Batch:
        indices = self._indices(start, count)
        if self._source.blocks is not None:
            self._source.prefetch(self._indices(start + self._source.blocks.ahead(), count))
        pixels = self._kept(indices) if self._ahead is None else self._ahead.range(start, count)
        pixels = moved(pixels, self._device)
        if self._mirror:
            mask = moved(torch.from_numpy(flips(self._seed, np.arange(start, start + count))), self._device)
            pixels = torch.where(mask[:, None, None, None], pixels.flip(-1), pixels)
        conditions = {}
        if self._conditional and self.labels is not None:
            conditions["label"] = moved(self.labels[torch.from_numpy(indices)], self._device)
        if self.numbers is not None:
            conditions["number"] = moved(self.numbers[torch.from_numpy(indices)], self._device)
        return Batch(pixels.to(torch.float32).mul_(1 / 127.5).sub_(1.0), conditions)

    def samples(self, indices: Indices | Sequence[int] | Tensor) -> Tensor:
        """The pictures of these numbers (not positions), as they are, unmirrored: uint8 `[len, C, H, W]` on the CPU."""
        numbers = np.asarray(indices, dtype=np.int64)
        pixels = self._kept(numbers) if self._ahead is None else self._ahead.pick(numbers)
        return pixels.cpu()

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()

    def _indices(self, start: int, count: int) -> Indices:
        return self._order.indices(np.arange(start, start + count))

    def _kept(self, indices: Indices) -> Tensor:
        assert self._cache is not None
        return self._cache.index_select(0, moved(torch.from_numpy(indices), self._cache.device))

    def _bytes(self) -> int:
        return len(self._source) * self._reader.bytes

    def _keeps(self, cache: str, streaming: bool) -> bool:
        if cache == "auto":
            fits = len(self) <= MOST_KEPT and self._bytes() <= free_memory(torch.device("cpu")) // 4
            return fits and not streaming
        return cache == "memory"

    def _settle(self, pixels: Tensor) -> Tensor:
        """On the GPU where they take at most a quarter of what is free there."""
        if self._device.type != "cpu" and self._bytes() <= free_memory(self._device) // 4:
            return pixels.to(self._device)
        return pixels
