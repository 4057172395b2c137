"""A run that is being trained, as far as its folder tells: figures, curves, previews."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
import soundfile

from multigan.demo import cards
from multigan.demo.cache import Cache
from multigan.demo.results import Item, Made
from multigan.demo.writing import peaks
from multigan.errors import UserError
from multigan.files import digest
from multigan.runs import RUNS, Run

NONE = "There is no run under runs/ yet. multigan train, or multigan quickstart, begins one; this page follows it."
ALIVE = 120.0
"""Seconds without a new line after which a run counts as not at work."""
TAIL = 4 * 2**20
"""Bytes of the log that are read, from its end."""
POINTS = 300
"""Of a curve."""
SOUNDS, LINES = 8, 40
"""Of a preview that are shown."""

Series = dict[str, list[tuple[int, float]]]


@dataclass(frozen=True)
class State:
    """What a run's folder tells. age: seconds since it was last written to. previews: sample counts, oldest first."""

    name: str
    age: float
    series: Series = field(default_factory=dict)
    previews: list[int] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        if not self.series:
            return f"{self.name} has written no figures yet."
        seen = max(points[-1][0] for points in self.series.values())
        speed = self.series.get("samples_per_second")
        pace = f" at {speed[-1][1]:,.0f} a second" if speed else ""
        if self.age < ALIVE:
            return f"{self.name} is training: {seen:,} samples{pace}, last heard of {self.age:.0f} s ago."
        return f"{self.name} is at rest after {seen:,} samples; it was last heard of {_ago(self.age)} ago."


def runs(root: Path = RUNS) -> list[str]:
    """The names of all runs that write figures, the one written to last first."""
    found = []
    with suppress(OSError):
        for folder in root.iterdir():
            with suppress(OSError):
                found.append((Run(folder).metrics.stat().st_mtime, folder.name))
    return [name for _, name in sorted(found, reverse=True)]


def read(name: str, root: Path = RUNS) -> State:
    """Raises UserError where there is no such run."""
    if not name:
        raise UserError(NONE)
    if name not in runs(root):
        raise UserError(f"there is no run {name[:80]!r} any more: choose another.")
    run = Run(root / name)
    try:
        with run.metrics.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
        age = max(0.0, time.time() - run.metrics.stat().st_mtime)
    except OSError as error:
        raise UserError(f"{run.metrics} cannot be read: {error.strerror or error}.") from error
    previews = {path.stem.split("-")[0] for path in run.previews.glob("[0-9]*")} if run.previews.is_dir() else set()
    return State(name, age, _series(lines), sorted(int(each) for each in previews if each.isdecimal()))


def _series(lines: Sequence[str]) -> Series:
    """The figures by their name. What is torn, or not finite, is left out."""
    found: Series = {}
    for line in lines:
        try:
            raw = json.loads(line)
            seen = int(raw.pop("samples"))
            told = {str(name): float(value) for name, value in raw.items() if isinstance(value, int | float)}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            continue
        for name, value in told.items():
            if math.isfinite(value):
                found.setdefault(name, []).append((seen, value))
    return found


# --- as HTML ----------------------------------------------------------------------------------------------------------


def curves(series: Series) -> str:
    """A drawing for each figure that has moved."""
    return f'<div class="mg-plots">{"".join(_curve(name, points) for name, points in series.items())}</div>'


def _curve(name: str, points: Sequence[tuple[int, float]]) -> str:
    step = max(1, math.ceil(len(points) / POINTS))
    kept = [*points[:-1:step], points[-1]]
    if len(kept) == 1:
        kept = [(kept[0][0], kept[0][1]), (kept[0][0] + 1, kept[0][1])]
    low, high = min(value for _, value in kept), max(value for _, value in kept)
    first, last = kept[0][0], kept[-1][0]
    wide, tall = max(last - first, 1), high - low

    def height(value: float) -> float:
        return 98 - 96 * (value - low) / tall if tall else 50.0

    places = [f"{300 * (seen - first) / wide:.1f} {height(value):.1f}" for seen, value in kept]
    return (
        f'<figure class="mg-plot"><header><span>{escape(name)}</span><b>{kept[-1][1]:.4g}</b></header>'
        f'<svg viewBox="0 0 300 100" preserveAspectRatio="none" role="img" aria-label="{escape(name)}, from '
        f'{kept[0][1]:.4g} to {kept[-1][1]:.4g}"><path class="mg-axis" d="M0 100H300"/>'
        f'<path d="M{"L".join(places)}"/></svg>'
        f"<footer><span>{low:.4g} to {high:.4g}</span><span>{points[-1][0]:,} samples</span></footer></figure>"
    )


def preview(state: State, share: float, cache: Cache, root: Path = RUNS) -> str:
    """The preview that lies at `share` (0 to 1) of those that there are; 1 is the newest."""
    if not state.previews:
        return '<p class="mg-hint">No preview yet.</p>'
    count = state.previews[round(share * (len(state.previews) - 1))]
    run = Run(root / state.name)
    stem = f"{count:012d}"
    head = f'<p class="mg-hint">Preview after {count:,} samples</p>'
    text = run.previews / f"{stem}.txt"
    with suppress(OSError):
        if text.is_file():
            lines = text.read_text(encoding="utf-8", errors="replace").splitlines()[:LINES]
            return head + _texts(lines)
        found = sorted(run.previews.glob(f"{stem}*"))
        folder = _copied(found, cache)
        names = [path.name for path in sorted(folder.iterdir())]
        picture = "".join(
            f'<img class="mg-preview" src="{cards.address(folder / name)}" alt="Preview after {count:,} samples">'
            for name in names
            if name.endswith(".png")
        )
        return head + picture + _players(folder, [name for name in names if name.endswith(".wav")])
    return head


def _texts(lines: Sequence[str]) -> str:
    rows = "".join(f'<li><span class="mg-line" dir="auto">{cards.words(line)}</span></li>' for line in lines)
    return f'<ol class="mg-texts">{rows}</ol>'


def _players(folder: Path, names: Sequence[str]) -> str:
    players = []
    for number, name in enumerate(names):
        try:
            sound, rate = soundfile.read(folder / name, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:  # a torn file: the others can be heard
            continue
        if not sound.size or not np.isfinite(sound).all():
            continue
        item = Item("", 0, number, file=name, peaks=peaks(sound.T), seconds=round(len(sound) / rate, 4))
        players.append(cards.player(Made(folder, "audio", [item], 0.0), item, name=f"Sound {number}"))
    return f'<div class="mg-sounds">{"".join(players)}</div>' if players else ""


def _copied(files: Sequence[Path], cache: Cache) -> Path:
    """The files where they can be served from, as they are now."""
    kept = [path for path in files if path.suffix in (".png", ".wav")]
    sounds = [path for path in kept if path.suffix == ".wav"][:SOUNDS]
    kept = [path for path in kept if path.suffix == ".png"] + sounds
    marks = "".join(f"{path.resolve()}{path.stat().st_mtime_ns}" for path in kept)

    def copy(folder: Path) -> None:
        for path in kept:
            shutil.copyfile(path, folder / path.name)

    return cache.get(digest(b"preview", marks.encode()), copy)


def _ago(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
