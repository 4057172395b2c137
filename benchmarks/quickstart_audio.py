"""The audio quick start from three seeds: how long it takes, and how like, varied and new its drums are.

    python benchmarks/quickstart_audio.py

Each seed is one whole process of `multigan quickstart audio`; then `multigan evaluate`'s measures of the exported file,
and of noise that has each class's mean spectrum and envelope. Seeds that are in --out already are not trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from _timing import machine, pin, table
from quickstart import train

from multigan import evaluation, heads
from multigan import recipe as recipes
from multigan.audio.config import AudioRecipe
from multigan.audio.data.stream import open_stream
from multigan.audio.evaluation import measure
from multigan.metrics import Plan, Report, Told
from multigan.metrics.report import AGREEMENT, COPIES, NEAREST, VARIETY

FIGURES = [AGREEMENT, "FD-LogMel", "precision", "recall", VARIETY, NEAREST, COPIES]
SILENT, CLIPPED = "share that is silent", "share that is clipped"
FRAME = 256
"""Samples of a step of the noise's envelope."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/quickstart_audio"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--set", action="append", default=[], help="change the recipe, to try this script")
    given = parser.parse_args()
    pin(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}, {given.threads} threads")
    models = [train(seed, given.out, given.set, "audio", "drums") for seed in given.seeds]
    rows = [["sounds", "seconds", "CPU seconds", *FIGURES, "silent", "clipped", "noise's FD / its own"]]
    noise = of_noise(given.samples)
    for seed, model in zip(given.seeds, models, strict=True):
        wall, cpu = json.loads(model.with_suffix(".json").read_text())
        found = evaluation.evaluate(model, count=given.samples)
        found.save(given.out / f"{model.stem}-evaluation")
        ratio = noise.figures["FD-LogMel"] / found.report.figures["FD-LogMel"]
        rows.append([f"seed {seed}", f"{wall:.0f}", f"{cpu:.0f}", *cells(found.report.figures), f"{ratio:.1f}"])
    rows.append(["noise like each class", "", "", *cells(noise.figures), "1.0"])
    rows.append(["real against real", "", "", *cells(noise.floor), ""])
    print(f"\n{table(rows)}")


def cells(figures: dict[str, float]) -> list[str]:
    """The figures of the table in its order."""
    return [f"{figures[name]:.3g}" for name in (*FIGURES, SILENT, CLIPPED)]


def of_noise(samples: int) -> Report:
    """What the measures say of noise with the mean spectrum and the mean envelope of each class's clips."""
    resolved, _ = heads.resolve(recipes.load("drums", []))
    assert isinstance(resolved, AudioRecipe)
    stream = open_stream(resolved, torch.device("cpu"), 1)
    sounds, labels = stream.samples(range(len(stream))).numpy()[:, 0].astype(np.float64), stream.labels.numpy()
    stream.close()
    spectra = {each: np.sqrt(np.mean(np.abs(np.fft.rfft(sounds[labels == each])) ** 2, axis=0)) for each in set(labels)}
    powers = {
        each: np.mean(sounds[labels == each] ** 2, axis=0).reshape(-1, FRAME).mean(axis=1) for each in set(labels)
    }

    def run(seed: int, start: int, count: int, told: Told) -> np.ndarray:
        draw = np.random.default_rng([seed, start])
        made = []
        for each in told.labels.tolist():
            white = np.fft.rfft(draw.normal(size=sounds.shape[1]))
            colored = np.fft.irfft(white * spectra[each], sounds.shape[1])
            envelope = np.repeat(np.sqrt(powers[each]), FRAME)
            shaped = colored * envelope
            made.append(shaped * np.sqrt(powers[each].mean() / np.mean(shaped**2)))
        return np.clip(np.stack(made)[:, None], -1, 1).astype(np.float32)

    return measure(resolved, run, Plan(count=samples)).report


if __name__ == "__main__":
    main()
