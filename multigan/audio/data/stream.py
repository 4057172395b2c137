"""The sounds of a recipe as a stream of slices: from their cache, or decoded as they are needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multigan.audio.config import AudioRecipe
from multigan.audio.data.cache import Progress, Sounds, open_sounds
from multigan.audio.data.medium import Source, open_source
from multigan.audio.data.positions import AudioStream, left_out, no_sound, seconds_of
from multigan.audio.data.slices import Slices, crops, slices_of
from multigan.audio.data.streamed import StreamedAudio
from multigan.data.cache import free_memory, moved
from multigan.data.order import Indices
from multigan.errors import UserError
from multigan.files import digest


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
    stream: AudioStream
    if recipe.data.streaming:
        stream = StreamedAudio(source, recipe, device, progress)
    else:
        stream = CachedAudio(source, recipe, device, progress)
    if len(stream) < batch:
        raise UserError(
            f"{source.place} makes {len(stream):,} slices of {recipe.data.length:,} samples, fewer than a batch of "
            f"{batch}: add sounds, set data.pad=true for those that are shorter, or lower training.batch."
        )
    return stream


def check_classes(stream: AudioStream, recipe: AudioRecipe) -> None:
    """Raise UserError where a class has too little to learn from: one slice, which a generator could only repeat. A
    file's random slices are many."""
    classes = stream.source.classes
    if not recipe.conditional or classes is None or stream.labels is None:
        return
    counts = np.bincount(stream.labels, minlength=len(classes))
    fewest = int(counts.argmin())
    if counts[fewest] < (1 if recipe.data.slices == "random" else 2):
        made = "one slice" if counts[fewest] else "no slice"
        raise UserError(
            f"the class {classes[fewest]!r} of {stream.source.place} has {made} to learn from: "
            "add sounds to it, name only the others in data.classes, or set conditional to false."
        )


class CachedAudio(AudioStream):
    """The slices of sounds that are decoded once, into the cache."""

    def __init__(
        self, source: Source, recipe: AudioRecipe, device: torch.device, progress: Progress | None = None
    ) -> None:
        self.sounds: Sounds = open_sounds(source, recipe.data, progress)
        if not self.sounds.counts.any():
            raise no_sound(source, self.sounds.skipped)
        assert recipe.data.length is not None
        self.slices: Slices = slices_of(self.sounds.counts, recipe.data.length, recipe.data)
        super().__init__(source, self.slices.files, recipe, device)
        self._random, self._normalize = recipe.data.slices == "random", recipe.data.normalize
        self._kept = self._on_gpu()

    def identity(self) -> str:
        """Of the source, and of its slices: how many a file makes is decided by what is in it."""
        slices = self.slices
        return digest(super().identity().encode(), slices.files.tobytes(), slices.starts.tobytes())

    def sentences(self) -> list[str]:
        heard, files = self.sounds.heard, int((self.sounds.counts > 0).sum())
        said = [
            f"{seconds_of(float(self.sounds.counts.sum()) / self.rate)} of sound from {files:,} files of "
            f"{self.source.place}: {len(self):,} slices of {self.length / self.rate:.3g} seconds at {self.rate:,} Hz, "
            f"decoded in {self.sounds.place}. "
            f"{100 * heard.quiet:.0f}% of what was decoded is silence (below -60 dB)."
        ]
        if heard.silent:
            said.append(f"{heard.silent:,} files hold nothing but silence.")
        if heard.clipped:
            said.append(f"{heard.clipped:,} files are clipped: what the generator learns will be, too.")
        if heard.offset:
            said.append(f"{heard.offset:,} files have a constant offset (DC).")
        if heard.beyond and self._normalize == "none":
            said.append(
                f"{heard.beyond:,} files pass full scale, where all that is generated ends, by up to "
                f"{20 * math.log10(heard.loudest):.0f} dB: set data.normalize=peak."
            )
        if self.sounds.skipped:
            said.append(left_out(self.sounds.skipped, len(self.source) - files, len(self.source)))
        return said

    def samples(self, indices: Indices | Sequence[int]) -> Tensor:
        return self._numbered(np.asarray(indices, dtype=np.int64)).cpu()

    def close(self) -> None:
        if self.sounds.held is not None:
            self.sounds.held.cleanup()

    def _range(self, start: int, count: int) -> Tensor:
        return self._numbered(self._numbers(start, count))

    def _numbered(self, numbers: Indices) -> Tensor:
        indices = numbers % len(self)
        files, begins = self.slices.files[indices], self.slices.starts[indices]
        if self._random:
            begins = crops(self._seed, numbers, self.sounds.counts[files], self.length)
        return self._cut(files, begins)

    def _cut(self, files: Indices, begins: Indices) -> Tensor:
        """`[n, C, T]` from those places of those files; silence beyond a file's end."""
        starts = self.sounds.starts[files] + begins
        lengths = np.minimum(self.sounds.counts[files] - begins, self.length)
        if self._kept is not None:
            return self._cut_on_gpu(self._kept, starts, lengths)
        cut: NDArray[np.float32] = np.zeros((len(files), self.length, self.sounds.frames.shape[1]), np.float32)
        for row, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
            cut[row, :length] = self.sounds.frames[start : start + length]
        return moved(torch.from_numpy(cut).transpose(1, 2).contiguous(), self._device)

    def _on_gpu(self) -> Tensor | None:
        """All frames on the GPU, where they take at most a quarter of what is free there."""
        frames = self.sounds.frames
        if self._device.type != "cuda" or not len(frames) or frames.nbytes > free_memory(self._device) // 4:
            return None
        return torch.from_numpy(np.array(frames)).to(self._device)

    def _cut_on_gpu(self, frames: Tensor, starts: Indices, lengths: Indices) -> Tensor:
        first, counts = (moved(torch.from_numpy(each), self._device) for each in (starts, lengths))
        place = torch.arange(self.length, device=self._device)
        inside = place < counts[:, None]
        rows = (first[:, None] + place).clamp_max(len(frames) - 1)
        return (frames[rows] * inside[..., None]).transpose(1, 2).contiguous()
