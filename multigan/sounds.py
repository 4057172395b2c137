"""Arrays to sounds that a person opens, and to pictures of them. numpy, soundfile and pillow only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multigan.errors import UserError
from multigan.files import replacing
from multigan.pictures import by_class, grid

FORMATS = ("wav", "flac")
DEPTHS = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}
"""Bits of a sample. 32 are a float and not for FLAC."""
Sounds = NDArray[Any]
WINDOW, HEIGHT, WIDTH = 512, 96, 128
"""Of a spectrogram: samples of its window, and pixels."""
AT_ONCE = 64
"""Sounds whose spectra are held at once: they take many times the memory of the sounds."""
RANGE = 80.0
"""Decibels below the loudest that a spectrogram shows."""
_COLORS = np.array(
    [(0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39),
     (252, 255, 164)], np.float64,
)  # fmt: skip
"""Dark to bright, evenly in lightness."""


def save_sound(sound: Sounds, rate: int, path: Path, bits: int = 16) -> None:
    """Write a sound `[C, T]` in [-1, 1], whole or not at all; what lies beyond is clipped.

    Raises UserError where the folder cannot be written.
    """
    with replacing(path) as temporary:
        write_sound(sound, rate, temporary, bits)


def write_sound(sound: Sounds, rate: int, path: Path, bits: int = 16) -> None:
    """Write a sound as `save_sound` does, under its own name at once. Raises OSError where it cannot be written."""
    import soundfile

    try:
        soundfile.write(path, np.clip(sound.T, -1.0, 1.0), rate, subtype=DEPTHS[bits])
    except soundfile.LibsndfileError as error:
        raise OSError(str(error)) from error


def check_format(name: str, bits: int = 16) -> str:
    """`wav` or `flac`. Raises UserError for another, or for a depth that it cannot hold."""
    if name not in FORMATS:
        raise UserError(f"format {name!r} is unknown: choose {' or '.join(FORMATS)}.")
    if bits not in DEPTHS or (name == "flac" and bits == 32):
        allowed = [each for each in DEPTHS if name != "flac" or each != 32]
        raise UserError(f"{bits} bits are no depth of {name}: choose {', '.join(map(str, allowed))}.")
    return name


def loudest_to_one(sounds: Sounds) -> Sounds:
    """Each of `[N, C, T]` scaled so that its loudest sample is 1; silence stays silence."""
    peak = np.abs(sounds).max(axis=(1, 2), keepdims=True)
    return sounds / np.where(peak > 0, peak, 1)


# --- what can be seen of a sound --------------------------------------------------------------------------------------


def power(sounds: Sounds, window: int = WINDOW, hop: int | None = None) -> NDArray[np.float64]:
    """The power spectrum `[N, frames, window / 2 + 1]` of the mean channel of sounds `[N, C, T]`, Hann window.

    A sine of amplitude 1 has a power of about 1 in its bin. What is shorter than the window is filled with silence.
    """
    hop = hop or window // 4
    mono = sounds.mean(axis=1)
    missing = max(0, window - mono.shape[1])
    mono = np.pad(mono, ((0, 0), (0, missing)))
    frames = np.lib.stride_tricks.sliding_window_view(mono, window, axis=1)[:, ::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    found = np.empty((*frames.shape[:2], window // 2 + 1))
    for row in range(0, len(frames), AT_ONCE):
        part = slice(row, row + AT_ONCE)
        found[part] = np.abs(np.fft.rfft(frames[part] * hann, axis=2) / (window / 4)) ** 2
    return found


def spectrogram(sounds: Sounds) -> NDArray[np.uint8]:
    """Pictures `[N, HEIGHT, WIDTH, 3]` of sounds `[N, C, T]`: time to the right, frequency up, level as colour.

    The range is RANGE below a full-scale sine. The top half of the octaves would hide the rest: frequency is spread as
    its square root.
    """
    parts = [_spectrogram(sounds[at : at + AT_ONCE]) for at in range(0, len(sounds), AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty((0, HEIGHT, WIDTH, 3), np.uint8)


def _spectrogram(sounds: Sounds) -> NDArray[np.uint8]:
    levels = 10 * np.log10(power(sounds) + 1e-12)
    shown = np.clip(levels / RANGE + 1, 0, 1)
    bins, frames = shown.shape[2], shown.shape[1]
    high = np.rint((np.linspace(1, 0, HEIGHT) ** 2) * (bins - 1)).astype(int)
    wide = np.rint(np.linspace(0, frames - 1, WIDTH)).astype(int)
    return _colored(shown[:, wide][:, :, high].swapaxes(1, 2))


def _colored(shown: NDArray[np.float64]) -> NDArray[np.uint8]:
    place = shown * (len(_COLORS) - 1)
    low = np.minimum(place.astype(int), len(_COLORS) - 2)
    share = (place - low)[..., None]
    mixed = _COLORS[low] * (1 - share) + _COLORS[low + 1] * share
    return np.rint(mixed).astype(np.uint8)


def sheet(sounds: Sounds, names: Sequence[str] = (), first: int = 0) -> Image.Image:
    """Spectrograms of sounds `[N, C, T]` side by side; sound i has the class (`first` + i) mod the classes, each with a
    named row."""
    pictures = spectrogram(sounds)
    if not names:
        return grid(pictures)
    rows, columns = by_class(pictures, len(names))
    first %= len(names)
    more = len(rows) // columns // len(names) - 1
    words = [word for name in [*names[first:], *names[:first]] for word in [name, *[""] * more]]
    return grid(rows, columns, words)


# --- what can be told of sounds ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Level:
    """loudness: the root mean square in decibels below full scale, the median over the sounds. silent, clipped: shares
    of the sounds that are below -60 dB, or have 3 samples or more in a row at the end of the range. flatness: the
    median ratio of the spectrum's geometric to its arithmetic mean, 0 for a tone and towards 1 for noise."""

    loudness: float
    silent: float
    clipped: float
    flatness: float


def level(sounds: Sounds) -> Level:
    """Of sounds `[N, C, T]`."""
    parts = [_levels(sounds[at : at + AT_ONCE]) for at in range(0, len(sounds), AT_ONCE)]
    loudness, clipped, flatness = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Level(
        float(np.median(loudness)), float((loudness < -60).mean()), float(clipped.mean()), float(np.median(flatness))
    )


def _levels(sounds: Sounds) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Loudness in decibels, whether it is clipped, and flatness of each sound."""
    rms = np.sqrt(np.mean(np.square(sounds, dtype=np.float64), axis=(1, 2)))
    high = np.abs(sounds) >= 1 - 2.0**-15
    clipped: NDArray[np.bool_] = np.asarray((high[..., 2:] & high[..., 1:-1] & high[..., :-2]).any(axis=(1, 2)))
    spectrum = power(sounds).mean(axis=1) + 1e-12
    return 20 * np.log10(rms + 1e-9), clipped, np.exp(np.log(spectrum).mean(axis=1)) / spectrum.mean(axis=1)


def pcm(sounds: Sounds, bits: int = 16) -> bytes:
    """Sounds `[N, C, T]` one after another as little-endian samples, the channels in turn: raw PCM, for a pipe."""
    frames = np.clip(sounds, -1.0, 1.0).transpose(0, 2, 1)
    if bits == 32:
        return frames.astype("<f4").tobytes()
    if bits == 16:
        return np.rint(frames * 32767).astype("<i2").tobytes()
    whole = np.rint(frames * 8388607).astype("<i4")
    return np.ascontiguousarray(whole[..., None].view(np.uint8)[..., :3]).tobytes()
