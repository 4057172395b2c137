"""What is measured of sounds: log-mel spectra, and features made of them or of a network, by name.

- `logmel`: FD-LogMel. Mean and standard deviation over time of each of 40 mel bands in decibels: 80 features. What a
  sound's spectrum is and how much it moves; neither the order in time nor the phase.
- `speech`: FD-Speech. Google's speech embedding (Apache-2.0) as the package openwakeword carries it: 96 features of
  windows of 0.76 seconds at 16 kHz, the mean over a sound's windows.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError, nearest
from multigan.extras import need
from multigan.metrics import Features, Progress
from multigan.sounds import power

Sounds = NDArray[Any]
BANDS = 40
QUIETEST = -80.0
"""Decibels below a full-scale sine, where the mel spectra end."""
STEPS = 16
"""Parts of a sound's length in which its spectra are averaged, where the order in time matters."""
CHUNK = 64


def mel(frequency: float | NDArray[np.float64]) -> Any:
    """Hertz to mel: 2595 log10(1 + f / 700) (O'Shaughnessy, 1987)."""
    return 2595 * np.log10(1 + np.asarray(frequency) / 700)


def mel_filters(rate: int, window: int, bands: int = BANDS) -> NDArray[np.float64]:
    """Triangles evenly spaced in mel from 20 Hz to half the rate, each with a sum of 1: `[bands, window / 2 + 1]`.

    A triangle is at least two bins wide, so that none is empty where a band is narrower than a bin.
    """
    points = 700 * (10 ** (np.linspace(mel(20.0), mel(rate / 2), bands + 2) / 2595) - 1)
    bin_width = rate / window
    frequencies = np.arange(window // 2 + 1) * bin_width
    left = np.maximum(points[1:-1] - points[:-2], bin_width)[:, None]
    right = np.maximum(points[2:] - points[1:-1], bin_width)[:, None]
    offset = frequencies[None] - points[1:-1, None]
    triangles = np.clip(np.where(offset < 0, 1 + offset / left, 1 - offset / right), 0, None)
    return triangles / triangles.sum(axis=1, keepdims=True)


def log_mel(sounds: Sounds, rate: int, bands: int = BANDS) -> NDArray[np.float32]:
    """Decibels of each mel band over time, `[N, bands, frames]`, of sounds `[N, C, T]`: windows of about 32 ms, a
    quarter of one apart."""
    window = 2 ** max(6, round(math.log2(rate * 0.032)))
    filters = mel_filters(rate, window, bands)
    parts = [power(sounds[at : at + CHUNK], window) @ filters.T for at in range(0, len(sounds), CHUNK)]
    decibels = 10 * np.log10(np.concatenate(parts) + 10 ** (QUIETEST / 10))
    return decibels.swapaxes(1, 2).astype(np.float32)


def course(spectra: NDArray[np.float32], steps: int = STEPS) -> NDArray[np.float32]:
    """Spectra `[N, bands, frames]` averaged in `steps` equal parts of their length: `[N, bands, steps]`."""
    edges = np.linspace(0, spectra.shape[2], steps + 1).astype(int)
    parts = [spectra[:, :, begin : max(begin + 1, end)].mean(axis=2) for begin, end in pairwise(edges.tolist())]
    return np.stack(parts, axis=2)


@dataclass(frozen=True)
class LogMel:
    """The features `logmel` of sounds of a rate."""

    rate: int
    metric: str = "FD-LogMel"
    protocol: str = f"mean and deviation over time of {BANDS} mel bands in dB, 32 ms windows"

    def __call__(self, samples: Sounds, progress: Progress | None = None) -> Features:
        """Sounds `[n, C, T]` to float32 `[n, 80]`."""
        spectra = log_mel(samples, self.rate)
        if progress:
            progress(len(samples), len(samples))
        return np.concatenate((spectra.mean(axis=2), spectra.std(axis=2)), axis=1)


class Speech:
    """The features `speech` of sounds of a rate. Raises UserError where the package is missing."""

    metric = "FD-Speech"
    protocol = "Google's speech embedding, 96 features, 0.76 s windows at 16 kHz, their mean"
    RATE, FRAMES, STEP = 16_000, 76, 8
    """Of the network: its rate, the spectra of a window, and how far windows are apart."""

    def __init__(self, rate: int, folder: Path | None = None):
        """folder: of melspectrogram.onnx and embedding_model.onnx; absent: the package's."""
        import onnxruntime

        folder = folder or _package()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.rate = rate
        self._mel, self._embedding = (
            onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
            for name in ("melspectrogram.onnx", "embedding_model.onnx")
        )

    def __call__(self, samples: Sounds, progress: Progress | None = None) -> Features:
        """Sounds `[n, C, T]` to float32 `[n, 96]`."""
        made = []
        for done, sound in enumerate(samples, start=1):
            made.append(self.windows(sound.mean(axis=0)).mean(axis=0))
            if progress and (done % CHUNK == 0 or done == len(samples)):
                progress(done, len(samples))
        return np.stack(made) if made else np.empty((0, 96), np.float32)

    def windows(self, sound: NDArray[np.float32]) -> Features:
        """`[T]` to `[W, 96]`, windows 80 ms apart; a sound that is shorter than one is followed by silence."""
        heard = sound
        if self.rate != self.RATE:
            heard = need("soxr", "metrics").resample(sound, self.rate, self.RATE)
        whole = self.RATE // 100 * (self.FRAMES + 4)  # its spectra are 10 ms apart, and a few at the ends are left out
        heard = np.pad(heard, (0, max(0, whole - len(heard)))).astype(np.float32) * 32767
        (spectra,) = self._mel.run(None, {self._mel.get_inputs()[0].name: heard[None]})
        spectra = spectra.reshape(-1, spectra.shape[-1]) / 10 + 2
        starts = range(0, len(spectra) - self.FRAMES + 1, self.STEP)
        windows = np.stack([spectra[start : start + self.FRAMES] for start in starts])[..., None].astype(np.float32)
        (features,) = self._embedding.run(None, {self._embedding.get_inputs()[0].name: windows})
        found: Features = features.reshape(len(windows), -1)
        return found


def _package() -> Path:
    found = importlib.util.find_spec("openwakeword")
    places = list(found.submodule_search_locations or []) if found else []
    for place in places:
        folder = Path(place) / "resources" / "models"
        if (folder / "embedding_model.onnx").is_file():
            return folder
    raise UserError(
        "the extractor 'speech' needs the networks that the package openwakeword carries: "
        "pip install --no-deps openwakeword==0.4.0 (without what it depends on, which would replace onnxruntime-gpu)"
    )


EXTRACTORS = {"logmel": LogMel, "speech": Speech}


def check(name: str) -> None:
    """Raise UserError unless there is an extractor of that name."""
    if name not in EXTRACTORS:
        raise UserError(
            f"there is no extractor {name!r} of sounds.{nearest(name, EXTRACTORS)} Choose from: "
            f"{', '.join(EXTRACTORS)}."
        )


def extractor(name: str, rate: int) -> LogMel | Speech:
    """The extractor of that name for sounds of a rate. Raises UserError for an unknown name or a missing package."""
    check(name)
    return EXTRACTORS[name](rate)
