"""How fast pictures come: from memory, and from a large folder of small files, with what memory that folder costs.

python benchmarks/loader.py
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from multigan.image.config import ImageRecipe
from multigan.image.data import open_stream
from multigan.image.data.stream import ImageStream

CPU = torch.device("cpu")
Row = tuple[str, str, str]
"""What, the figure, and what it should be."""


def recipe(**data: object) -> ImageRecipe:
    """A recipe with this data; its networks are not built here."""
    network = {"kind": "dcgan", "width": 8}
    return ImageRecipe.model_validate(
        {
            "modality": "image",
            "name": "loader",
            "data": data,
            "generator": network,
            "discriminator": network,
            "loss": {"kind": "relativistic"},
            "training": {"samples": 64},
        }
    )


def anonymous_megabytes() -> float:
    """The process's anonymous memory (RssAnon), in MB; the mapped files' pages are not in it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def rate(stream: ImageStream, batch: int, turns: int, start: int = 0) -> tuple[float, float]:
    """Pictures of consecutive batches a second of the wall's clock, and of the processor's (of all threads)."""
    wall, processor = time.perf_counter(), time.process_time()
    for turn in range(turns):
        stream.take(start + turn * batch, batch)
    count = turns * batch
    return count / (time.perf_counter() - wall), count / (time.process_time() - processor)


def rates(measured: list[tuple[float, float]]) -> str:
    wall, processor = (statistics.median(each) for each in zip(*measured, strict=True))
    return f"{wall:,.0f} images/s ({processor:,.0f} a second of processor time)"


def write_folder(root: Path, count: int, side: int) -> None:
    """`count` small PNG files in ten folders; 256 different pictures, since only reading them is measured."""
    generator = np.random.default_rng(0)
    kinds = []
    for _ in range(256):
        buffer = io.BytesIO()
        Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(buffer, "PNG")
        kinds.append(buffer.getvalue())
    for number in range(count):
        folder = root / f"class{number % 10}"
        folder.mkdir(exist_ok=True)
        (folder / f"picture{number:07d}.png").write_bytes(kinds[number % len(kinds)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1, help="torch's threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, batch = [options.size] * 2, options.batch

    rows = measure_folder(options.files, size, batch) + measure_cached(size, batch)
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def measure_cached(size: list[int], batch: int) -> list[Row]:
    """Batches of the embedded digits, which are kept in memory."""
    rows = []
    for mirror in (False, True):
        stream = open_stream(recipe(size=size, channels=1, mirror=mirror), CPU, batch)
        rate(stream, batch, 100)
        measured = [rate(stream, batch, 500) for _ in range(5)]
        name = f"cached digits {size[0]}x{size[1]}, batch {batch}" + (", mirrored" if mirror else "")
        rows.append((name, rates(measured), "at least 20,000"))
    return rows


def measure_folder(files: int, size: list[int], batch: int) -> list[Row]:
    """A folder that is never decoded whole: its start, its memory and its rate."""
    with tempfile.TemporaryDirectory() as root:
        write_folder(Path(root), files, size[0])
        before = anonymous_megabytes()
        began = time.perf_counter()
        stream = open_stream(recipe(source=root, size=size, channels=3, cache="none"), CPU, batch)
        stream.take(0, batch)
        started = time.perf_counter() - began
        speed = rate(stream, batch, 200, start=batch)
        added = anonymous_megabytes() - before
        stream.close()
    what = f"folder of {files:,} files, uncached"
    return [
        (f"{what}: until the first batch", f"{started:.2f} s", "under 10 s"),
        (f"{what}: anonymous memory added", f"{added:.0f} MB", "under 150 MB"),
        (f"{what}: decoding", rates([speed]), ""),
    ]


if __name__ == "__main__":
    main()
