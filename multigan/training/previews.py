"""Samples from fixed latents while a generator trains, and whether they still vary as the data does."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from multigan import heads
from multigan.adversarial.batch import Batch
from multigan.adversarial.trainer import Trainer
from multigan.files import replacing
from multigan.runs import Run
from multigan.training.display import Display
from multigan.training.log import Log

COLLAPSED = 0.15
"""Previews with less than this share of the data's diversity are called collapsed."""
BEGUN = 10_000
"""Samples after which a generator can be judged, with a fifth of its training; of a shorter training, half."""
PART = 64
"""Samples that are generated at a time."""


class Previews:
    """Draws the previews of a run. variety: the data's diversity. budget: the training's samples."""

    def __init__(self, head: heads.Head, trainer: Trainer, variety: float, run: Run, budget: int, display: Display):
        self.head, self.trainer, self.run, self.budget, self.display = head, trainer, run, budget, display
        self.latents, self.conditions = head.preview_batch()
        self.variety = variety
        self.told: set[str] = set()
        """What the last previews were warned of: it is said again only when it comes back."""

    @torch.no_grad()
    def sample(self, latents: Tensor, batch: Batch) -> Tensor:
        """Samples of the averaged generator, in parts, on the CPU."""
        game, made = self.trainer.game, []
        for start in range(0, len(latents), PART):
            part = slice(start, start + PART)
            conditions = {name: value[part].to(game.device) for name, value in batch.conditions.items()}
            latent = latents[part].to(game.device, game.arithmetic.dtype)
            with game.arithmetic.context(game.device):
                made.append(self.trainer.ema.module(latent, **conditions).float().cpu())
        return torch.cat(made)

    def draw(self, log: Log) -> None:
        """Write the preview of this moment and its diversity; warn once when something begins to go wrong."""
        seen = self.trainer.samples
        samples = self.sample(self.latents, self.conditions)
        share = self.head.diversity(samples, self.conditions.conditions.get("label")) / max(self.variety, 1e-12)
        for path in self.head.save_preview(samples, self.run.previews / f"{seen:012d}.png"):
            log.show(seen, path)
        figures, remarks = self.head.remarks(samples)
        log.write(seen, {"diversity": share, **figures})
        if share < COLLAPSED:
            remarks["collapsed"] = (
                f"the previews have {100 * share:.0f}% of the data's diversity, so the generator is "
                "collapsing: choose the relativistic loss with r1 and r2, raise gamma, or add augmentation."
            )
        if seen <= max(self.budget / 5, min(self.budget / 2, BEGUN)):
            remarks = {}
        for word in remarks.keys() - self.told:
            self.display.say(f"warning: {remarks[word]}")
        self.told = set(remarks)

    def save_movie(self) -> None:
        """Put the previews in a row, in one file."""
        pictures = [picture for picture in map(_opened, sorted(self.run.previews.glob("[0-9]*.png"))) if picture]
        if pictures:
            times = [120] * (len(pictures) - 1) + [1500]
            with replacing(self.run.movie) as temporary:
                pictures[0].save(temporary, save_all=True, append_images=pictures[1:], duration=times, loop=0)


def _opened(path: Path) -> Image.Image | None:
    """A picture, or None where the file is damaged: one frame less is no reason to lose the film."""
    try:
        picture = Image.open(path)
        picture.load()
    except (OSError, SyntaxError, ValueError):
        return None
    return picture.convert("P" if picture.mode == "L" else "RGB")
