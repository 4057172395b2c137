"""Sound files of every kind that a folder may hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

FORMATS = {
    "wav": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"),
    "flac": ("PCM_16", "PCM_24"),
    "ogg": ("VORBIS",),
    "mp3": ("MPEG_LAYER_III",),
    "aiff": ("PCM_16", "FLOAT"),
}


def sine(frequency: float, seconds: float, rate: int, level: float = 0.5) -> np.ndarray:
    """`[T]`, float32."""
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = 16_000, subtype: str = "FLOAT") -> Path:
    """`[T]` or `[T, C]`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def ramp(frames: int, start: int = 0) -> np.ndarray:
    """Samples that tell their own place: a multiple of 2^-20 each, exact in float32."""
    return ((np.arange(start, start + frames) % 2**19) / 2**20).astype(np.float32)
