"""Pictures for training. `inspect` needs no torch; `open_stream` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multigan.image.data.survey import Survey, enough, inspect

if TYPE_CHECKING:
    import torch

    from multigan.data.cache import Progress
    from multigan.image.config import ImageRecipe
    from multigan.image.data.stream import ImageStream

__all__ = ["Survey", "enough", "inspect", "open_stream"]


def open_stream(recipe: ImageRecipe, device: torch.device, batch: int, progress: Progress | None = None) -> ImageStream:
    """The stream of the recipe's pictures: see `multigan.image.data.stream.open_stream`."""
    from multigan.image.data import stream

    return stream.open_stream(recipe, device, batch, progress)
