"""dcgan, resnet and r3gan on Fashion-MNIST at 32x32, the same minutes of the same cores each.

    apt-get install dataset-fashion-mnist
    python benchmarks/fashion.py --data /usr/share/datasets/fashion-mnist --minutes 30

The 28x28 pictures get a black margin of 2. A recipe's horizon (`training.samples`, which its schedules end with) is set
to what the minutes pay by the speed of a short trial, and --minutes caps it. Then `multigan evaluate` compares 5,000
samples with 5,000 training pictures. An arm's figures are kept in --out: arms can be run one at a time, and the table
shows those that are there.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
from pathlib import Path

import numpy as np
from _arms import options, trained
from _models import multigan
from _timing import machine, pin, table

NAMES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
MARGIN = 2
MEASURES = ["FD-EffLite0", "precision", "recall", "density", "coverage"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of the four idx files, gzipped or not")
    parser.add_argument("--samples", type=int, default=5000)
    options(parser, ["dcgan", "resnet", "r3gan"], "build/fashion")
    given = parser.parse_args()
    pin(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    pictures = given.out / "fashion.parquet"
    if not pictures.exists():
        convert(given.data, pictures)
    print(f"{machine()}, {given.threads} threads, {given.minutes:g} minutes an arm")
    for arm in given.arms:
        found = given.out / f"{Path(arm).stem}.json"
        if not found.exists():
            figures = play(arm, pictures, given)
            if figures:
                found.write_text(json.dumps(figures, indent=2))
    show(given.out)


def read_idx(path: Path) -> np.ndarray:
    """An idx file of bytes, gzipped or not: its last two magic bytes are the type (8: uint8) and the rank."""
    packed = path.with_name(path.name + ".gz")
    content = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    rank = content[3]
    shape = np.frombuffer(content, ">i4", rank, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def convert(folder: Path, path: Path) -> None:
    """The training pictures and labels as parquet, in the columns that `datasets` knows."""
    from datasets import ClassLabel, Dataset, Features, Image
    from PIL import Image as Pillow

    images = np.pad(read_idx(folder / "train-images-idx3-ubyte"), ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    labels = read_idx(folder / "train-labels-idx1-ubyte")

    def png(pixels: np.ndarray) -> dict[str, object]:
        file = io.BytesIO()
        Pillow.fromarray(pixels).save(file, "png")
        return {"bytes": file.getvalue(), "path": None}

    features = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    rows = {"image": [png(each) for each in images], "label": labels.tolist()}
    Dataset.from_dict(rows, features=features).to_parquet(str(path))


def play(arm: str, pictures: Path, given: argparse.Namespace) -> dict[str, object] | None:
    """Train and evaluate one arm; its figures, unless only trials were asked for."""
    name = Path(arm).stem
    found = trained(name, arm, "image", pictures, given, [])
    if found is None:
        return None
    folder = given.out / name
    multigan("evaluate", folder, "--samples", str(given.samples), "--seed", str(given.seed), "--out", folder / "report")
    report = json.loads((folder / "report" / "report.json").read_text())
    return {**found, **{part: report[part] for part in ("figures", "floor", "protocol")}}


def show(folder: Path) -> None:
    """The table of the arms whose figures are there."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    if not found:
        return
    measures = [name for name in MEASURES if all(name in arm["figures"] for arm in found.values())]
    rows = [["recipe", "minutes", "images shown", "images/s", *measures]]
    for name, arm in found.items():
        figures = [f"{arm['figures'][measure]:.3f}" for measure in measures]
        rows.append([name, f"{arm['minutes']:.1f}", f"{arm['shown']:,}", f"{arm['samples_per_second']:.0f}", *figures])
    floor = next(iter(found.values()))["floor"]
    rows.append(
        ["real against real", "", "", "", *(f"{floor[each]:.3f}" if each in floor else "" for each in measures)]
    )
    print(table(rows))
    for key, value in next(iter(found.values()))["protocol"].items():
        if key != "model":
            print(f"{key}: {value}")


if __name__ == "__main__":
    main()
