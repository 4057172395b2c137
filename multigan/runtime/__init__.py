"""Run exported files: numpy, onnxruntime and pillow, never torch."""

from __future__ import annotations

from pathlib import Path

from multigan.pictures import grid, to_image, to_uint8
from multigan.runtime.generator import Generator
from multigan.runtime.trust import DEFAULT, UPLOADED, Trust

__all__ = ["DEFAULT", "UPLOADED", "Generator", "Trust", "grid", "load", "to_image", "to_uint8"]


def load(
    path: str | Path,
    device: str = "auto",
    threads: int | None = None,
    trust: Trust = DEFAULT,
    fixed_batch: int | None = None,
) -> Generator:
    """Open an exported file: `multigan.load("model.onnx").sample(16, seed=7)`. See `Generator.load`."""
    return Generator.load(path, device, threads, trust, fixed_batch)
