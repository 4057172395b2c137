"""How fast sounds come: the first pass over files, from the cache beside a step of training, streamed; and what memory
ten hours of sound cost.

python benchmarks/audio_loader.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from _timing import machine, pin, table

RATE = 44_100
FORMATS = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}
Row = tuple[str, str, str]
"""What, the figure, and what it should be."""


def write_sound(path: Path, seconds: int, subtype: str, seed: int) -> None:
    """Decaying tones in noise, one channel of 44,100 Hz, a minute at a time: the same minute again and again."""
    import numpy as np
    import soundfile

    generator = np.random.default_rng(seed)
    place = np.arange(RATE * min(seconds, 60)) / RATE
    since = place % 0.5
    tone = np.sin(2 * np.pi * place * generator.uniform(100, 2000)) * np.exp(-8 * since)
    minute = (0.5 * tone + 0.02 * generator.standard_normal(len(place))).clip(-1, 1).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE, 1, subtype) as file:
        for start in range(0, seconds, 60):
            for second in range(start, min(start + 60, seconds)):
                at = (second - start) * RATE
                file.write(minute[at : at + RATE])


def recipe(name: str, *changes: str):  # type: ignore[no-untyped-def]
    from multigan import heads
    from multigan import recipe as recipes

    return heads.resolve(recipes.load(name, changes))[0]


def anonymous_megabytes() -> float:
    """The process's anonymous memory (RssAnon), in MB; the mapped files' pages are not in it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return float("nan")


@contextmanager
def highest() -> Iterator[Callable[[], float]]:
    """The most anonymous memory that was added since, in MB, looked at fifty times a second."""
    before = most = anonymous_megabytes()
    done = threading.Event()

    def look() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, anonymous_megabytes())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield lambda: max(most, anonymous_megabytes()) - before
    finally:
        done.set()
        watcher.join()


def measure_formats(root: Path, minutes: int, rounds: int) -> list[Row]:
    """A folder of each format: decoded, resampled and cut once, and the same slices streamed."""
    import torch

    from multigan.audio.data.stream import open_stream

    rows: list[Row] = []
    for suffix, subtype in FORMATS.items():
        folder = root / suffix
        folder.mkdir()
        for number in range(minutes):
            write_sound(folder / f"{number}.{suffix}", 60, subtype, number)
        passed, streamed = [], []
        for _ in range(rounds):
            chosen = recipe("wavegan", f"data.source={folder}", "data.rate=16000", "data.channels=1", "data.cache=none")
            began = time.process_time()
            stream = open_stream(chosen, torch.device("cpu"), 64)
            stream.take(0, 64)
            passed.append(60 * minutes / (time.process_time() - began))
            stream.close()
            flowing = chosen.model_copy(update={"data": chosen.data.model_copy(update={"streaming": True})})
            stream = open_stream(flowing, torch.device("cpu"), 64)
            began, shown = time.process_time(), 0
            for start in range(0, len(stream) - 64, 64):
                shown += len(stream.take(start, 64).sample)
            streamed.append(shown * chosen.data.length / 16_000 / (time.process_time() - began))
            stream.close()
        what = f"{minutes} files of a minute, {suffix}, to 16,000 Hz"
        rows.append((f"{what}: first pass", f"{statistics.median(passed):,.0f} times real time a core", "100"))
        rows.append((f"{what}: streamed", f"{statistics.median(streamed):,.0f} times real time a core", ""))
    return rows


class Timed:
    """A stream that keeps the clock of its own `take`: wall and CPU seconds, of all threads."""

    def __init__(self, stream) -> None:  # type: ignore[no-untyped-def]
        self.stream, self.wall, self.cpu = stream, 0.0, 0.0

    def take(self, start: int, count: int):  # type: ignore[no-untyped-def]
        wall, cpu = time.perf_counter(), time.process_time()
        batch = self.stream.take(start, count)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return batch

    def close(self) -> None:
        self.stream.close()


def measure_steps(folder: Path, turns: int) -> list[Row]:
    """What the loader takes of the turns of the shipped recipes, which really train, on the sounds of a folder."""
    import torch

    from multigan import assemble, heads
    from multigan.adversarial.trainer import Trainer
    from multigan.audio.data.stream import open_stream
    from multigan.training.device import arithmetic

    device = torch.device("cpu")
    rows: list[Row] = []
    for name in ("drums", "wavegan"):
        for streaming in (False, True):
            chosen = recipe(
                name, f"data.source={folder}", "data.channels=1", "data.rate=16000", "conditional=false",
                "data.slices=all", f"data.streaming={str(streaming).lower()}",
            )  # fmt: skip
            head, training = heads.head(chosen), chosen.training
            stream = Timed(open_stream(chosen, device, training.batch))
            torch.manual_seed(0)
            generator, discriminator = head.networks()
            game = head.game(generator, discriminator, arithmetic(training, device), device, {})
            average = assemble.ema(generator, chosen.ema, training.samples)
            trainer = Trainer(game, head.phases(game), stream, average, batch=training.batch)
            trainer.turn()
            stream.wall = stream.cpu = 0.0
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(turns):
                trainer.turn()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            stream.close()
            share = f"{100 * stream.wall / wall:.2f}% of a turn of {1000 * wall / turns:,.0f} ms"
            what = f"{name}, batch {training.batch}, {'streamed' if streaming else 'from the cache'}"
            wanted = "" if streaming else "under 2%"
            rows.append((f"{what}: the loader's share, wall", share, wanted))
            if not streaming:
                rows.append((f"{what}: the same in CPU time", f"{100 * stream.cpu / cpu:.2f}%", wanted))
    return rows


def measure_long(root: Path, hours: float, suffix: str) -> list[Row]:
    """One long file: its memory, decoded into the cache and streamed."""
    import torch

    from multigan.audio.data.stream import open_stream

    folder = root / "long"
    folder.mkdir()
    write_sound(folder / f"long.{suffix}", round(3600 * hours), FORMATS[suffix], 0)
    size = (folder / f"long.{suffix}").stat().st_size / 2**30
    what = f"a {suffix} file of {hours:g} hours, {size:.1f} GB"
    rows: list[Row] = []
    for streaming in (False, True):
        chosen = recipe(
            "wavegan", f"data.source={folder}", "data.rate=16000", "data.channels=1", "data.cache=none",
            f"data.streaming={str(streaming).lower()}",
        )  # fmt: skip
        with highest() as added:
            began, processor = time.perf_counter(), time.process_time()
            stream = open_stream(chosen, torch.device("cpu"), 64)
            stream.take(0, 64)
            started, spent = time.perf_counter() - began, time.process_time() - processor
            for start in range(64, 64 * 40, 64):
                stream.take(start, 64)
            most = added()
            stream.close()
        how = "streamed" if streaming else "decoded once"
        pace = "" if streaming else f" ({3600 * hours / spent:,.0f} times real time a core)"
        rows.append(
            (f"{what}, {how}: until the first batch", f"{started:,.1f} s{pace}", "" if streaming else "100 times")
        )
        rows.append((f"{what}, {how}: anonymous memory added, at most", f"{most:,.0f} MB", "under 1 GB"))
    (folder / f"long.{suffix}").unlink()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=10, help="of sound in each format")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=6, help="of each recipe")
    parser.add_argument("--hours", type=float, default=10.0, help="of the long file")
    parser.add_argument("--long", choices=list(FORMATS), nargs="+", default=["wav"], help="what the long file is")
    parser.add_argument("--threads", type=int, default=1, help="cores, and torch's threads")
    options = parser.parse_args()
    pin(options.threads)
    print(f"{machine()}; {options.threads} threads")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        os.environ["TMPDIR"] = tempfile.tempdir = place
        rows = measure_formats(root, options.minutes, options.rounds)
        rows += measure_steps(root / "wav", options.turns)
        for suffix in options.long:
            rows += measure_long(root, options.hours, suffix)
            (root / "long").rmdir()
    print(table([("what", "measured", "wanted"), *rows]))


if __name__ == "__main__":
    main()
