"""The sounds of a recipe as an endless shuffled stream of slices, addressed by position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multigan.adversarial.batch import Batch
from multigan.audio.config import AudioRecipe
from multigan.audio.data.cache import Progress, Sounds, open_sounds
from multigan.audio.data.medium import Source, open_source
from multigan.audio.data.slices import Slices, slices_of
from multigan.data.cache import free_memory
from multigan.data.order import Indices, draws, key, order_of
from multigan.errors import UserError


def open_stream(recipe: AudioRecipe, device: torch.device, batch: int, progress: Progress | None = None) -> AudioStream:
    """The stream of `recipe.data`, which is resolved, for batches of `batch` slices.

    Raises UserError where the data is missing or cannot be read, makes fewer slices than a batch, or has no classes
    although the recipe is conditional.
    """
    source = open_source(recipe.data)
    if recipe.conditional and source.classes is None:
        raise UserError(
            f"the recipe is conditional and {source.place} has no classes: put each class into a folder of its own, "
            "name data.label_column, or set conditional to false."
        )
    stream = AudioStream(source, recipe, device, progress)
    if len(stream) < batch:
        raise UserError(
            f"{source.place} makes {len(stream):,} slices of {recipe.data.length:,} samples, fewer than a batch of "
            f"{batch}: add sounds, set data.pad=true for those that are shorter, or lower training.batch."
        )
    return stream


class AudioStream:
    """A `Stream` of sounds `[B, C, T]` in [-1, 1]; conditions: `label`, for a conditional recipe.

    Each epoch shows every slice once in an order of its own. labels: int64 `[N]`, one for each slice, or None.
    """

    def __init__(
        self, source: Source, recipe: AudioRecipe, device: torch.device, progress: Progress | None = None
    ) -> None:
        data = recipe.data
        if data.length is None or data.rate is None:
            raise ValueError("data.length and data.rate must be resolved before the stream is opened")
        self.source, self.length, self._rate, self._device = source, data.length, data.rate, device
        self.sounds: Sounds = open_sounds(source, data, progress)
        self.slices: Slices = slices_of(self.sounds.counts, data.length, data)
        self._seed, self._random, self._conditional = recipe.seed, data.slices == "random", recipe.conditional
        self.labels = (
            None if source.labels is None else torch.from_numpy(source.labels[self.slices.files].astype(np.int64))
        )
        self._order = order_of(recipe.seed, max(1, len(self.slices)), None)
        self._kept = self._on_gpu()

    def __len__(self) -> int:
        return len(self.slices)

    def identity(self) -> str:
        """A digest of the source's names and numbers: see `multigan.data.sources.Source`."""
        return self.source.identity()

    def sentences(self) -> list[str]:
        """How much sound there is, and what is odd about it."""
        heard, files = self.sounds.heard, int((self.sounds.counts > 0).sum())
        seconds = float(self.sounds.counts.sum()) / self._rate
        length = seconds_of(seconds)
        said = [
            f"{length} of sound from {files:,} files of {self.source.place}: {len(self):,} slices of "
            f"{self.length / self._rate:.3g} seconds at {self._rate:,} Hz, decoded in {self.sounds.place}."
        ]
        if heard.silent:
            said.append(f"{heard.silent:,} files hold nothing but silence.")
        if heard.clipped:
            said.append(f"{heard.clipped:,} files are clipped: what the generator learns will be, too.")
        if heard.offset:
            said.append(f"{heard.offset:,} files have a constant offset (DC).")
        if skipped := self.sounds.skipped:
            total = len(self.source) - files
            lines = [f"{total:,} of {len(self.source):,} files cannot be read and are left out:"]
            lines += [f"  {name}: {reason}" for name, reason in sorted(skipped)]
            said.append(
                "\n".join([*lines, *([f"  and {total - len(skipped):,} others"] if total > len(skipped) else [])])
            )
        return said

    def take(self, start: int, count: int) -> Batch:
        positions = np.arange(start, start + count)
        indices = self._order.indices(positions)
        begins = self.slices.starts[indices]
        if self._random:
            room = np.maximum(self.sounds.counts[self.slices.files[indices]] - self.length, 0) + 1
            begins = (draws(key(self._seed, "crop"), positions) % room.astype(np.uint64)).astype(np.int64)
        conditions = {}
        if self._conditional and self.labels is not None:
            conditions["label"] = self.labels[torch.from_numpy(indices)].to(self._device)
        return Batch(self._cut(self.slices.files[indices], begins), conditions)

    def samples(self, indices: Indices | Sequence[int]) -> Tensor:
        """The slices of these numbers (not positions): float32 `[len, C, T]` on the CPU."""
        numbers = np.asarray(indices, dtype=np.int64)
        return self._cut(self.slices.files[numbers], self.slices.starts[numbers]).cpu()

    def close(self) -> None:
        if self.sounds.held is not None:
            self.sounds.held.cleanup()

    def _cut(self, files: Indices, begins: Indices) -> Tensor:
        """`[n, C, T]` from those places of those files; silence beyond a file's end."""
        starts = self.sounds.starts[files] + begins
        lengths = np.minimum(self.sounds.counts[files] - begins, self.length)
        if self._kept is not None:
            return self._cut_on_gpu(self._kept, starts, lengths)
        cut: NDArray[np.float32] = np.zeros((len(files), self.length, self.sounds.frames.shape[1]), np.float32)
        for row, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
            cut[row, :length] = self.sounds.frames[start : start + length]
        sounds = torch.from_numpy(cut).transpose(1, 2).contiguous()
        if self._device.type == "cuda":
            return sounds.pin_memory().to(self._device, non_blocking=True)
        return sounds

    def _on_gpu(self) -> Tensor | None:
        """All frames on the GPU, where they take at most a quarter of what is free there."""
        frames = self.sounds.frames
        if self._device.type != "cuda" or not len(frames) or frames.nbytes > free_memory(self._device) // 4:
            return None
        return torch.from_numpy(np.array(frames)).to(self._device)

    def _cut_on_gpu(self, frames: Tensor, starts: Indices, lengths: Indices) -> Tensor:
        first, counts = (
            torch.from_numpy(each).pin_memory().to(self._device, non_blocking=True) for each in (starts, lengths)
        )
        place = torch.arange(self.length, device=self._device)
        inside = place < counts[:, None]
        rows = (first[:, None] + place).clamp_max(len(frames) - 1)
        return (frames[rows] * inside[..., None]).transpose(1, 2).contiguous()


def seconds_of(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
