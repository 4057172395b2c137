"""Sounds as files: WAV or FLAC, a sheet of spectrograms, the way between seeds as one file, raw samples for a pipe."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from multigan.errors import UserError
from multigan.making.maker import FileMaker, Samples
from multigan.pictures import save_image
from multigan.runtime.texts import check_count
from multigan.sounds import FORMATS, check_format, loudest_to_one, pcm, save_sound, sheet


class Sounds(FileMaker):
    """Samples `[N, C, T]` in [-1, 1]."""

    many = "sounds"
    formats = FORMATS
    takes = frozenset({"truncation", "bits", "normalize"})
    shown = 64

    def check(self) -> None:
        contract = self.generator.contract
        rate = contract.extra.get("sample_rate")
        if not isinstance(rate, int) or not 1 <= rate <= 768_000 or len(contract.output.shape) != 3:
            raise UserError(
                "the model's contract has no sample rate, or its output is no batch of sounds: export it again."
            )
        self.rate = rate
        self.bits = self.options.bits or 16
        check_format(self.format, self.bits)

    @property
    def together_suffix(self) -> str:
        return "png"

    def finished(self, samples: Samples) -> Samples:
        return loudest_to_one(samples) if self.options.normalize else samples

    def save(self, sample: Samples, path: Path) -> None:
        save_sound(sample, self.rate, path, self.bits)

    def save_together(self, samples: Samples, names: list[str], path: Path) -> None:
        save_image(sheet(samples, names), path)

    def save_way(self, samples: Samples, there: int, steps: int, stem: str) -> list[str]:
        path, picture = self.folder / f"{stem}.{self.format}", self.folder / f"{stem}.png"
        save_sound(np.concatenate(list(samples[:there]), axis=1), self.rate, path, self.bits)
        save_image(sheet(samples[:there]), picture)
        return [f"the way in {there} sounds, one after another: {path}", f"their spectrograms: {picture}"]

    def stream(self, n: int, pipe: BinaryIO) -> None:
        """Write `n` sounds one after another as raw little-endian samples, each batch as soon as it is made."""
        check_count("n", n, self.most)
        for _, samples, _ in self.parts(n, self.batch):
            pipe.write(pcm(samples, self.bits))
            pipe.flush()


MAKER = Sounds
