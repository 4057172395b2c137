"""Samples as the files that the pages show. Nothing is flushed to the disk: the results go with the process."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.demo.places import Place
from multigan.demo.results import Item
from multigan.demo.served import Served
from multigan.making.maker import plain
from multigan.making.sounds import Sounds
from multigan.pictures import enlarge, grid, to_image, to_uint8
from multigan.sounds import loudest_to_one, spectrogram, write_sound

BARS = 96
"""Parts of a sound whose peaks are drawn."""
FRAMES = 12
"""Pictures of an animation in a second."""

Samples = NDArray[Any]


def write(served: Served, samples: Samples, items: Sequence[Item], folder: Path) -> list[Item]:
    """A file for each sample, named by place, label and number. samples: as the generator or its maker gives them."""
    stems = [_stem(item) for item in items]
    if served.modality == "image":
        pixels = samples if samples.dtype == np.uint8 else to_uint8(samples)
        for stem, picture in zip(stems, pixels, strict=True):
            to_image(picture).save(folder / f"{stem}.png", compress_level=1)
        return [replace(item, file=f"{stem}.png") for item, stem in zip(items, stems, strict=True)]
    rate = rate_of(served)
    views = spectrogram(samples)
    for stem, sound, view in zip(stems, samples, views, strict=True):
        write_sound(sound, rate, folder / f"{stem}.wav")
        to_image(view).save(folder / f"{stem}.png", compress_level=1)
    return [
        replace(
            item, file=f"{stem}.wav", view=f"{stem}.png", peaks=peaks(sound), seconds=round(sound.shape[1] / rate, 4)
        )
        for item, stem, sound in zip(items, stems, samples, strict=True)
    ]


def join(items: Sequence[Item], folder: Path, stem: str) -> str:
    """Texts as a list, whose name is given, and as a .jsonl."""
    (folder / f"{stem}.txt").write_text("".join(f"{_line(item.text)}\n" for item in items), encoding="utf-8")
    lines = [
        {
            "seed": item.seed,
            "number": item.number,
            "label": item.label,
            "text": item.text,
            "log_probability": item.log_probability,
        }
        for item in items
    ]
    written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / f"{stem}.jsonl").write_text(written, encoding="utf-8")
    return f"{stem}.txt"


def film(served: Served, samples: Samples, folder: Path, stem: str, label: str | None) -> tuple[str, Item]:
    """The samples of a way in one file: a GIF there and back with a strip, or a sound with a sheet; and what it is."""
    item = Item("", 0, 0, label)
    if served.modality == "image":
        pixels = enlarge(to_uint8(samples), 192)
        images = [to_image(each) for each in [*pixels, *pixels[-2:0:-1]]]
        images[0].save(folder / f"{stem}.gif", save_all=True, append_images=images[1:], duration=1000 // FRAMES, loop=0)
        grid(enlarge(to_uint8(samples)), columns=min(len(samples), 8)).save(folder / f"{stem}-strip.png")
        return f"{stem}.gif", replace(item, file=f"{stem}.gif", view=f"{stem}-strip.png")
    rate, joined = rate_of(served), np.concatenate(list(samples), axis=1)
    write_sound(joined, rate, folder / f"{stem}.wav")
    grid(spectrogram(samples), columns=len(samples), gap=0).save(folder / f"{stem}.png")
    seconds = round(joined.shape[1] / rate, 4)
    return f"{stem}.wav", replace(item, file=f"{stem}.wav", view=f"{stem}.png", peaks=peaks(joined), seconds=seconds)


def peaks(sound: Samples) -> list[tuple[int, int]]:
    """The least and the greatest value of each of BARS parts of a sound `[C, T]`, in hundredths; as loud as can be."""
    mono = loudest_to_one(sound[None])[0].mean(axis=0)
    parts = np.array_split(mono, min(BARS, len(mono)))
    return [(math.floor(100 * float(part.min())), math.ceil(100 * float(part.max()))) for part in parts]


def rate_of(served: Served) -> int:
    """Samples of a sound in a second. Raises UserError where the contract has none that is sound."""
    from multigan.making import Options

    maker = Sounds(served.generator, Options())
    return maker.rate


def _stem(item: Item) -> str:
    words = [each for each in (item.label, None if item.told is None else f"{item.told:g}") if each is not None]
    return Place.parse(item.place).stem + (f"-{plain('-'.join(words))}" if words else "")


def _line(text: str | None) -> str:
    return (text or "").replace("\r", "\\r").replace("\n", "\\n")
