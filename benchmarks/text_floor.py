"""What the measures of texts say of real captions against other real captions: what no generator can be expected to
beat, and what makes it worse: other captions, words in random order, and texts of frequent words alone.

    python benchmarks/text_floor.py --data IMAGE_COCO

IMAGE_COCO holds image_coco.txt and test_coco.txt, a caption a line. The first is split at random.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from _timing import clocks, machine, pin, table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=5000, help="on each side; at most half the captions")
    parser.add_argument("--order", type=int, default=4, help="of the n-gram models")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    pin(given.threads)
    from multigan.metrics import frechet_distance, statistics
    from multigan.text.metrics.embedding import MiniLM
    from multigan.text.metrics.novelty import novelty
    from multigan.text.metrics.pairs import BleuPair, NGramPair

    draw = random.Random(0)
    lines = (given.data / "image_coco.txt").read_text(encoding="utf-8").splitlines()
    draw.shuffle(lines)
    real, other = lines[: given.texts], lines[given.texts : 2 * given.texts]
    words = [word for line in real for word in line.split()]
    shuffled = [" ".join(draw.sample(line.split(), len(line.split()))) for line in other]
    sets = {
        "real, of the same split": other,
        "test_coco.txt": (given.data / "test_coco.txt").read_text(encoding="utf-8").splitlines()[: given.texts],
        "real, in random order": shuffled,
        "unigram": [" ".join(draw.choices(words, k=len(line.split()))) for line in other],
        "the same text": other[:1] * len(other),
    }
    numbers: dict[str, int] = {}
    coded = {
        name: [[numbers.setdefault(word, len(numbers)) for word in line.split()] for line in texts]
        for name, texts in {"reference": real, **sets}.items()
    }
    bleus, grams = BleuPair([line.split() for line in real]), NGramPair(coded["reference"], len(numbers), given.order)
    network = MiniLM(given.threads)
    known, columns, seconds = statistics(network(real)), [], dict.fromkeys(("BLEU", "n-grams", "embedding"), 0.0)
    for name, texts in sets.items():
        before = clocks()[1]
        found = bleus([line.split() for line in texts])
        after_bleu = clocks()[1]
        found |= grams(coded[name])
        after_grams = clocks()[1]
        found["FD-MiniLM"] = frechet_distance(known, network(texts))
        ends = (before, after_bleu, after_grams, clocks()[1])
        for part, begin, end in zip(seconds, ends[:-1], ends[1:], strict=True):
            seconds[part] += (end - begin) / len(sets)
        new = novelty(texts, real)
        found |= {
            "unique": new.unique,
            "novel": new.novel,
            "copied 8-grams": new.copied,
            "mean length": new.mean_length,
        }
        found |= {"distance of lengths": new.length_distance, "distinct-2": new.distinct[2]}
        columns.append(found)
    times = ", ".join(f"{part} {value:.1f}" for part, value in seconds.items())
    print(f"{machine()}; {given.texts:,} captions a side, n-grams of order {given.order}; CPU seconds a set: {times}\n")
    rows = [[name, *(f"{column[name]:.3f}" for column in columns)] for name in columns[0]]
    print(table([["measure", *sets], *rows]))


if __name__ == "__main__":
    main()
