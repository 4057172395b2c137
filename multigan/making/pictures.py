"""Pictures as files: PNG or lossless WebP, a grid, a strip and an animation."""

from __future__ import annotations

from pathlib import Path

from multigan.making.maker import FileMaker, Samples
from multigan.pictures import FORMATS, class_grid, enlarge, grid, save_gif, save_image, to_image, to_uint8


class Pictures(FileMaker):
    """Samples `[N, H, W, C]` in 0..255."""

    many = "pictures"
    formats = FORMATS
    takes = frozenset({"truncation"})
    shown = 1024

    def check(self) -> None:
        self.generator.check_pictures()

    def finished(self, samples: Samples) -> Samples:
        return to_uint8(samples)

    def save(self, sample: Samples, path: Path) -> None:
        save_image(to_image(sample), path)

    def save_together(self, samples: Samples, names: list[str], path: Path) -> None:
        save_image(class_grid(samples, names) if names else grid(enlarge(samples)), path)

    def save_way(self, samples: Samples, there: int, steps: int, stem: str) -> list[str]:
        strip, film = self.folder / f"{stem}-strip.{self.format}", self.folder / f"{stem}.gif"
        pixels = enlarge(samples)
        save_gif(pixels, film, seconds=len(pixels) / 12)
        save_image(grid(pixels[:there] if len(pixels) >= there else pixels, columns=steps), strip)
        return [f"the way in {there} pictures: {strip}", f"the way and back to the start: {film}"]


MAKER = Pictures
