"""Two models, or two precisions of one, side by side: the same seeds, how long they take, how far apart they are."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from multigan.demo.served import Served
from multigan.making import Options, maker_of
from multigan.making.maker import FileMaker
from multigan.making.texts import Texts

ROUNDS = 5
"""In which the models take turns, so that what else the machine does meets both."""
PATIENCE = 3.0
"""Seconds after which no further round begins."""


def compare(models: Sequence[Served], n: int, options: Options) -> list[tuple[str, ...]]:
    """Rows of a table, each a name and a value for each model: size, milliseconds for one sample and for `n`, and how
    far the second is from the first where both make the same kind of samples."""
    times: dict[tuple[int, int], list[float]] = {}
    began = time.perf_counter()
    for turn in range(ROUNDS + 1):
        for at, served in enumerate(models):
            for count in dict.fromkeys((1, n)):
                took = _milliseconds(served, count, options)
                if turn:  # the first prepares
                    times.setdefault((at, count), []).append(took)
        if turn and time.perf_counter() - began > PATIENCE:
            break
    rows = [
        ("Size of the file", *(served.size for served in models)),
        ("Runs on", *(served.generator.device for served in models)),
    ]
    for count in dict.fromkeys((1, n)):
        medians = [statistics.median(times[at, count]) for at in range(len(models))]
        rows.append((f"Time for {count}", *(_time(each, medians[0]) for each in medians)))
    return [*rows, ("Difference", "-", difference(models[0], models[1], n, options))]


def difference(first: Served, second: Served, n: int, options: Options) -> str:
    """How far the second model's samples are from the first's, in words."""
    if first.modality != second.modality:
        return "another kind of samples"
    ours, theirs = (_drawn(served, n, options) for served in (first, second))
    if isinstance(ours, list):
        same = sum(left == right for left, right in zip(ours, theirs, strict=True))
        return f"{same} of {n} texts are the same"
    if ours.shape != theirs.shape:
        return "samples of another size"
    apart = np.abs(ours.astype(np.float64) - theirs).max()
    if apart == 0:
        return "none"
    power, error = (float(np.square(each, dtype=np.float64).sum()) for each in (ours, ours - theirs))
    ratio = f"{10 * np.log10(power / error):.1f} dB signal to noise, " if power else ""
    return f"{ratio}{apart:.2g} at most"


def _milliseconds(served: Served, n: int, options: Options) -> float:
    began = time.perf_counter()
    _drawn(served, n, options)
    return 1000 * (time.perf_counter() - began)


def _drawn(served: Served, n: int, options: Options) -> Any:
    """The samples alone: an array, or a list of texts."""
    maker = maker_of(served.generator, options)
    if isinstance(maker, Texts):
        return [each.text for part in maker.parts(n) for each in part]
    assert isinstance(maker, FileMaker)
    return np.concatenate([samples for _, samples, _ in maker.parts(n)])


def _time(milliseconds: float, first: float) -> str:
    return f"{milliseconds:.1f} ms" + (f" ({first / milliseconds:.2f}x)" if milliseconds != first else "")
