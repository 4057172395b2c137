"""From an exported generator to pictures, sounds and texts: numpy, onnxruntime, pillow and soundfile, never torch."""

from __future__ import annotations

import importlib

from multigan.errors import UserError
from multigan.making.maker import Maker, Options
from multigan.runtime import Generator

__all__ = ["Maker", "Options", "maker_of"]

MODULES = {"image": "multigan.making.pictures", "audio": "multigan.making.sounds", "text": "multigan.making.texts"}


def maker_of(generator: Generator, options: Options) -> Maker:
    """Who writes what this generator makes. Raises UserError for another modality, and for options that are not its."""
    modality = generator.contract.modality
    if modality not in MODULES:
        raise UserError(
            f"this model makes {modality}, which this multigan cannot write: pip install --upgrade multigan"
        )
    made: Maker = importlib.import_module(MODULES[modality]).MAKER(generator, options)
    return made
