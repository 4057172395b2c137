"""Sound files of every kind that a folder may hold, and streams of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import torch
from torch import nn

from multigan.audio.config import AudioRecipe
from multigan.audio.data.decode import frames_of
from multigan.audio.data.medium import Sound
from multigan.audio.data.positions import AudioStream
from multigan.audio.data.stream import open_stream
from multigan.audio.networks.spectral import SpectralDiscriminator

CPU = torch.device("cpu")

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


def decoded(path: Path | BinaryIO, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    opener = partial(Sound.open, str(path) if isinstance(path, Path) else path)
    return np.concatenate(list(frames_of(opener, rate, channels)))


def seen(discriminator: nn.Module, sounds: torch.Tensor) -> torch.Tensor:
    """What the discriminator takes of sounds."""
    return discriminator.view(sounds) if isinstance(discriminator, SpectralDiscriminator) else sounds


def recipe(source: Path | None, conditional: bool = False, **data: object) -> AudioRecipe:
    network = {"kind": "wavegan", "width": 2, "strides": [4, 4]}
    chosen = {"rate": 16_000, "length": 1024, "channels": 1, **data}
    return AudioRecipe.model_validate(
        {
            "modality": "audio",
            "name": "test",
            "conditional": conditional,
            "data": {"source": None if source is None else str(source), **chosen},
            "generator": network,
            "discriminator": network,
            "loss": {"kind": "relativistic"},
            "training": {"samples": 64, "batch": 4},
        }
    )


def stream(source: Path | None, batch: int = 1, **data: object) -> AudioStream:
    return open_stream(recipe(source, **data), CPU, batch)  # type: ignore[arg-type]
