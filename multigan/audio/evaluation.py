"""The whole evaluation of an audio generator: its figures, their protocol, and the sounds nearest to its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from multigan.audio import features
from multigan.audio.config import AudioRecipe
from multigan.audio.data.positions import AudioStream
from multigan.audio.data.stream import open_stream
from multigan.audio.features import BANDS, STEPS, course, log_mel
from multigan.errors import UserError
from multigan.files import replacing
from multigan.metrics import DENSITY_K, Labels, Novelty, Plan, Report, Told, check_count, compare, diversity, novelty
from multigan.metrics.discriminant import Judge, inception_score, judge
from multigan.metrics.picture import neighbours_picture
from multigan.metrics.report import AGREEMENT, COPIES, NEAREST, SCORE, Run, Stages, limits, variety
from multigan.sounds import Sounds, level, save_sound, spectrogram

CHUNK = 256
BATCH = 64
EXTRACTOR = "logmel"
PICTURE, SOUND = "neighbours.png", "neighbours.wav"
HEARD, NEAR = 8, 3
"""Samples that are written beside their nearest real ones, and how many of those."""
GAP, PAUSE = 0.15, 0.6
"""Seconds of silence between a sample and its neighbours, and before the next sample."""
MANY_CLASSES = 16


@dataclass(frozen=True)
class Evaluation:
    """The report; generated sounds `[n, C, T]` with their labels; the nearest sounds as a picture and to be heard."""

    report: Report
    generated: Sounds
    labels: Labels | None
    neighbours: Image.Image
    heard: Sounds
    rate: int

    def save(self, folder: Path) -> list[tuple[Path, str]]:
        """Write report.json, neighbours.png and neighbours.wav into `folder`; each file with what it holds."""
        report, picture, sound = self.report.save(folder), folder / PICTURE, folder / SOUND
        with replacing(picture) as temporary:
            self.neighbours.save(temporary)
        save_sound(self.heard, self.rate, sound)
        return [
            (report, "the report"),
            (picture, "spectrograms of samples beside the nearest real sounds"),
            (sound, f"{HEARD} samples, each followed by the {NEAR} real sounds nearest to it"),
        ]


def check(plan: Plan) -> None:
    """Raise UserError where the plan asks for what there is not for sounds."""
    if plan.measured_by is None or isinstance(plan.measured_by, str):
        features.check(plan.measured_by or EXTRACTOR)
    if plan.precision != "fp32":
        raise UserError(f"--precision {plan.precision} is for networks that see pictures: leave it away for sounds.")


def measure(recipe: AudioRecipe, run: Run, plan: Plan) -> Evaluation:
    """Evaluate the generator that `run` runs against the sounds of its recipe.

    `plan.count` samples are made, and as many as there are real slices are compared with those: a Fréchet distance
    depends on both counts. They have the labels and the numbers of the real ones, which take turns. Raises UserError
    where there are too few.
    """
    if recipe.data.rate is None or recipe.data.length is None:
        raise ValueError("the recipe is not resolved: its rate or its length is missing")
    stream = open_stream(recipe, torch.device("cpu"), 1)
    try:
        return _Measuring(recipe, stream, recipe.data.rate, plan).found(run)
    finally:
        stream.close()


class _Measuring:
    """The real side of an evaluation, drawn by the plan's seed."""

    def __init__(self, recipe: AudioRecipe, stream: AudioStream, rate: int, plan: Plan):
        self.recipe, self.stream, self.rate, self.plan = recipe, stream, rate, plan
        available = len(stream)
        self.used = min(plan.count, available)
        check_count(self.used, plan.k)
        check_count(available // 2, plan.k)
        self.half = min(self.used, available // 2)
        order = np.random.default_rng(plan.seed).permutation(available).astype(np.int64)
        self.searched = order[: max(2 * self.used, plan.search)]
        self.all_labels = None if stream.labels is None else stream.labels.numpy()[self.searched]
        numbers = None if stream.numbers is None else stream.numbers.numpy()[self.searched]
        self.told = Told(self.all_labels if recipe.conditional else None, numbers)
        self.classes = recipe.data.classes or []
        named = plan.measured_by or EXTRACTOR
        self.extractor: Any = features.extractor(named, rate) if isinstance(named, str) else named

    def found(self, run: Run) -> Evaluation:
        plan, used, half = self.plan, self.used, self.half
        told = self.told.at(np.arange(plan.count) % used)
        labels = told.labels
        made = self._made(run, told)
        done = Stages(plan.progress, len(self.searched) + len(made))
        real, known, courses = self._real(done)
        if made.shape[1:] != real.shape[1:]:
            raise UserError(
                f"the generator makes sounds of [channels, samples] {list(made.shape[1:])} and the data's are "
                f"{list(real.shape[1:])}: give the data that it was trained on."
            )
        seen, made_course = self.extractor(made, done.next()), course(log_mel(made, self.rate))
        flat, made_flat = courses.reshape(len(courses), -1), made_course.reshape(len(made), -1)
        new = novelty(made_flat, flat, min(NEAR, len(flat) - 1))
        figures = compare(self.extractor.metric, known[:used], seen[:used], plan.k)
        floor = compare(self.extractor.metric, known[:half], known[half : 2 * half], plan.k)
        figures |= {NEAREST: new.distance_ratio, COPIES: new.near_copies}
        floor |= {NEAREST: 1.0, COPIES: 0.01}
        others = slice(half, 2 * half)
        figures |= self._variety(made_course, labels, courses, slice(0, used))
        floor |= self._variety(courses[others], self.told.at(others).labels, courses, slice(0, half))
        judged = self._judged(flat, made_flat, labels, figures, floor)
        figures |= _levels(made)
        floor |= _levels(real[:used])
        protocol = plan.protocol(self.stream.source.place, self.recipe.data, self._shape())
        notes = limits(plan.count, used, half, len(self.stream), len(self.searched), "slices")
        notes += [each for each in (self.stream.news(),) if each]
        report = Report(figures, floor, protocol | self._stated(len(made), judged), notes)
        picture = neighbours_picture(
            spectrogram(made).transpose(0, 3, 1, 2), new, lambda rows: spectrogram(real[rows]).transpose(0, 3, 1, 2)
        )
        return Evaluation(report, made, labels, picture, _side_by_side(made, real, new, self.rate), self.rate)

    # --- samples and features -----------------------------------------------------------------------------------------

    def _made(self, run: Run, told: Told) -> Sounds:
        parts = []
        for start in range(0, self.plan.count, BATCH):
            stop = min(start + BATCH, self.plan.count)
            parts.append(run(self.plan.seed, start, stop - start, told.at(slice(start, stop))))
        return np.concatenate(parts)

    def _real(self, done: Stages) -> tuple[Sounds, NDArray[np.float32], NDArray[np.float32]]:
        """The real slices, their features and their courses."""
        real, known, courses = self.stream.samples(self.searched).numpy(), [], []
        for start in range(0, len(self.searched), CHUNK):
            part = real[start : start + CHUNK]
            known.append(self.extractor(part, done.next()))
            courses.append(course(log_mel(part, self.rate)))
        return real, np.concatenate(known), np.concatenate(courses)

    # --- figures ------------------------------------------------------------------------------------------------------

    def _variety(
        self, made: NDArray[np.float32], labels: Labels | None, real: NDArray[np.float32], which: slice
    ) -> dict[str, float]:
        found = diversity(made, labels, real[which], self.told.at(which).labels)
        return variety(found, labels is not None, self.classes, each=len(self.classes) <= MANY_CLASSES)

    def _judged(
        self,
        real: NDArray[np.float32],
        made: NDArray[np.float32],
        labels: Labels | None,
        figures: dict[str, float],
        floor: dict[str, float],
    ) -> Judge | None:
        """Add what a classifier of the real sounds says, where the data has classes."""
        if self.all_labels is None or len(self.classes) < 2:
            return None
        found = judge(real, self.all_labels, len(self.classes), self.plan.seed)
        if labels is not None:
            said = found.classify(made)
            figures[AGREEMENT] = float((said == labels).mean())
            floor[AGREEMENT] = found.accuracy
            if len(self.classes) <= MANY_CLASSES:
                figures |= {
                    f"  {name}": float((said[labels == each] == each).mean())
                    for each, name in enumerate(self.classes)
                    if (labels == each).any()
                }
        figures[SCORE] = inception_score(found.classify.probabilities(made))
        floor[SCORE] = found.real_score
        return found

    # --- words --------------------------------------------------------------------------------------------------------

    def _shape(self) -> str:
        data = self.recipe.data
        return f"slices of {data.length:,} samples at {data.rate:,} Hz, {data.channels} channel(s)"

    def _stated(self, made: int, judged: Judge | None) -> dict[str, Any]:
        plan, available = self.plan, len(self.stream)
        told = {"labels": self.told.labels, "numbers": self.told.numbers}
        words = [word for word, values in told.items() if values is not None]
        turns = f", with the real slices' {' and '.join(words)} in turn" if words else ""
        stated = {
            "generated": f"{made} samples, seed {plan.seed}{turns}",
            "compared": f"the first {self.used} with {self.used} of {available} real slices, drawn by the seed",
            "floor (real/real)": f"{self.half} real slices against {self.half} others",
            "extractor": self.extractor.protocol,
            "neighbours": f"precision and recall {plan.k}, density and coverage {DENSITY_K}",
            "course": f"{BANDS} mel bands in dB, averaged in {STEPS} parts of the length: for the nearest real ones, "
            "the variance and the classifier",
            "nearest real": f"searched among {len(self.searched)} of {available} slices",
        }
        if judged is not None:
            stated["classifier"] = f"linear discriminant analysis, trained on {judged.protocol}"
        return stated


def _levels(sounds: Sounds) -> dict[str, float]:
    found = level(sounds)
    return {
        "loudness, dB": found.loudness,
        "share that is silent": found.silent,
        "share that is clipped": found.clipped,
        "spectral flatness": found.flatness,
    }


def _side_by_side(made: Sounds, real: Sounds, found: Novelty, rate: int) -> Sounds:
    """The first samples, each followed by the real sounds nearest to it: `[C, T]`."""
    channels = made.shape[1]
    gap, pause = (np.zeros((channels, round(seconds * rate)), np.float32) for seconds in (GAP, PAUSE))
    parts: list[Sounds] = []
    for row in range(min(HEARD, len(made))):
        for each in (made[row], *real[found.indices[row]]):
            parts += [each, gap]
        parts.append(pause)
    return np.concatenate(parts, axis=1)
