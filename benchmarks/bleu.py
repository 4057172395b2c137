"""BLEU-2 to -5 and self-BLEU-2 to -5 of captions beside NLTK's sentence_bleu, which must give the same figures.

    pip install nltk
    python benchmarks/bleu.py --data IMAGE_COCO

IMAGE_COCO holds image_coco.txt, a caption a line. Real captions stand for generated ones: `--texts` of them are scored
against as many others. NLTK scores `--subset` of these against all references, since all would take it hours; multigan
scores the same subset, where it prepares all references for a few texts, and everything.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from _timing import Times, interleave, machine, pin, ratio, table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--subset", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    pin(given.threads)
    import nltk
    import numpy as np
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    from multigan.text.metrics.bleu import ORDERS, bleu_scores, self_bleu_scores

    lines = (given.data / "image_coco.txt").read_text(encoding="utf-8").splitlines()
    random.Random(0).shuffle(lines)
    texts = [line.split() for line in lines]
    generated, references = texts[: given.texts], texts[given.texts : 2 * given.texts]
    method, weights = SmoothingFunction(epsilon=0.1).method1, [(1 / order,) * order for order in ORDERS]
    few = generated[: given.subset]
    found: dict[str, np.ndarray] = {}

    def theirs() -> None:
        """All orders in one call, which is NLTK's quickest way."""
        scores = [sentence_bleu(references, text, weights, method) for text in few]
        own = [sentence_bleu(generated[:at] + generated[at + 1 :], few[at], weights, method) for at in range(len(few))]
        found["nltk"] = np.array([scores, own])

    def same() -> None:
        # Against others a text needs all of them, so that self-BLEU of a few is self-BLEU of all.
        found["same"] = np.array([bleu_scores(few, references), self_bleu_scores(generated)[:, : len(few)]])

    def whole() -> None:
        bleu_scores(generated, references)
        self_bleu_scores(generated)

    times = interleave({"NLTK": theirs, "multigan, same": same, "multigan, all": whole}, given.rounds, len(few))
    times["multigan, all"].amount = len(generated)
    apart = float(np.abs(found["nltk"] - found["same"].swapaxes(1, 2)).max())

    def row(name: str, count: int, times_of: Times) -> list[str]:
        middle, low, high = (each * count / len(few) for each in ratio(times, "NLTK", name, "cpu"))
        seconds = [f"{count / times_of.rate(clock):.3f}" for clock in ("wall", "cpu")]
        each_text = f"{1000 / times_of.rate('cpu'):.3g}"
        return [name, f"{count:,}", *seconds, each_text, f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"]

    head = ["arm", "texts scored", "s, wall", "s, CPU", "ms a text, CPU", "times NLTK a text, CPU (quartiles)"]
    rows = [row(name, int(each.amount), each) for name, each in times.items()]
    print(f"{machine()}; NLTK {nltk.__version__}; {len(generated):,} captions against {len(references):,}; "
          f"{given.threads} threads, {given.rounds} rounds; largest difference {apart:.1e}\n")  # fmt: skip
    print(table([head, *rows]))


if __name__ == "__main__":
    main()
