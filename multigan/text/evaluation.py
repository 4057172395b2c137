"""The whole evaluation of a text generator: its figures beside the likelihood baseline's and real texts', the sweep
over temperatures with both curves, and one sentence on which is ahead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from multigan import heads
from multigan.errors import UserError, printable
from multigan.files import write_text
from multigan.metrics import Evaluation as Found
from multigan.metrics import Plan, Progress, Report, frechet_distance
from multigan.metrics.report import Run
from multigan.runtime import Generator
from multigan.text.candidates import Candidate, Drawing, Rows, by_heart
from multigan.text.config import Bpe, TextRecipe, Words
from multigan.text.data.stream import TextStream, open_stream
from multigan.text.measuring import AVERAGED, TRAIN, CorpusMeasure, OracleMeasure, measure_of, nll, plain
from multigan.text.metrics.embedding import MiniLM
from multigan.text.metrics.novelty import novelty
from multigan.text.metrics.pairs import BleuPair
from multigan.text.metrics.picture import draw
from multigan.text.metrics.sweep import BLEU, HELD_OUT, ORACLE, REVERSE, TEMPERATURES, Axes, Point, sweep, table
from multigan.text.metrics.verdict import verdict
from multigan.text.networks import Policy
from multigan.text.phases import BASELINE

EXTRACTORS = ("minilm", "none")
SEEDS = (0, 1, 2)
"""Of the noise, at each temperature of the sweep."""
SWEPT = 1000
"""Texts at each of them, and no more than are compared."""
POINTS = "sweep.json"
SHOWN = 50
"""Texts that are written down."""


@dataclass(frozen=True)
class Evaluation:
    """A report, the points of the sweep, and texts to read."""

    report: Report
    points: list[Point]
    axes: Axes
    floor: Mapping[str, float]
    texts: list[str]

    def save(self, folder: Path) -> list[tuple[Path, str]]:
        """Write report.json, the sweep as a picture, a table and its points, and some texts."""
        sheet, picture, some = folder / "sweep.txt", folder / "sweep.png", folder / "texts.txt"
        write_text(folder / POINTS, json.dumps([asdict(point) for point in self.points], indent=1) + "\n")
        write_text(sheet, f"{self.report.headline}\n\n{table(self.points, self.axes)}\n")
        draw(self.points, self.axes, picture, floor=self.floor)
        write_text(some, "".join(f"{printable(text)}\n" for text in self.texts))
        return [
            (self.report.save(folder), "all figures"),
            (
                picture,
                "quality against diversity over temperatures, beside the likelihood baseline's if there is one",
            ),
            (sheet, "the same as a table"),
            (some, "texts to read"),
        ]


def check(plan: Plan) -> None:
    """Raise UserError where the plan asks for what there is not for texts."""
    if plan.measured_by is not None and plan.measured_by not in EXTRACTORS:
        raise UserError(f"there is no extractor {plan.measured_by!r} of texts: choose minilm or none.")
    if plan.precision != "fp32":
        raise UserError(f"--precision {plan.precision} is for networks that see pictures: leave it away for text.")


def measure(recipe: TextRecipe, run: Run, plan: Plan) -> Found:
    """Evaluate the generator in the plan's file, and its likelihood baseline where the file has one.

    Raises UserError where the data has too few texts.
    """
    if recipe.data.vocabulary is None or recipe.data.length is None:
        recipe = _restored(recipe, plan.exported)
    stream = open_stream(recipe, torch.device("cpu"), 2)
    return _Measuring(recipe, stream, plan).found()


def _restored(recipe: TextRecipe, exported: Generator) -> TextRecipe:
    """The recipe of an exported file with the vocabulary and the length that its contract holds.

    Raises UserError where they are damaged, or are not what the recipe speaks of: the file may be anyone's.
    """
    language = exported.language
    found, data = language.vocabulary, recipe.data
    if (found.kind, found.end) != (data.tokens.kind, data.end):
        raise UserError(
            f"the file's vocabulary is of {found.kind}, {'with' if found.end else 'without'} an end, and the recipe "
            f"inside of {data.tokens.kind}, {'with' if data.end else 'without'} one: export it again."
        )
    update: dict[str, Any] = {"vocabulary": list(found.symbols), "length": data.length or language.length}
    if found.kind == "bpe":
        update["merges"] = ["\t".join(pair) for pair in found.merges]
    return recipe.model_copy(update={"data": data.model_copy(update=update)})


class _Measuring:
    """The real side of an evaluation, drawn by the plan's seed."""

    def __init__(self, recipe: TextRecipe, stream: TextStream, plan: Plan):
        self.recipe, self.stream, self.plan = recipe, stream, plan
        self.ends, self.words = recipe.data.end, isinstance(recipe.data.tokens, Words | Bpe)
        random = np.random.default_rng(plan.seed)
        self.labels = None
        self.measure: OracleMeasure | CorpusMeasure
        if recipe.conditional and stream.labels is not None:
            self.labels = stream.labels[random.integers(0, len(stream), plan.count)]
        # What texts are compared with, and real ones that play a generator's part, as many as there can be.
        self.apart = recipe.data.oracle is not None or len(stream.held_out) > 0
        pool = random.permutation(len(stream))
        if self.apart:
            self.measure = measure_of(recipe, stream, plan.count)
            self.reference = self.measure.test if isinstance(self.measure, OracleMeasure) else stream.held_out
            chosen = pool[: plan.count]
        else:
            half = min(plan.count, len(pool) // 2)
            self.reference, chosen = stream.rows[pool[:half]], pool[half : 2 * half]
        self.played = stream.rows[chosen].astype(np.int64)
        self.played_labels = stream.labels[chosen] if self.labels is not None and stream.labels is not None else None
        if min(len(self.reference), len(self.played)) < 2:
            raise UserError(f"{stream.corpus.place} has too few texts to compare with: at least 20 are needed.")
        if not self.apart:  # with a model of all texts, those that are played would be known to it
            self.measure = CorpusMeasure(recipe, stream, self.reference)
        self.bleu = BleuPair([self.symbols(row) for row in plain(self.reference, self.ends)])
        self.minilm = self._extractor()
        self._seen: Any = None

    def _extractor(self) -> MiniLM | None:
        """Sentence embeddings where texts are of words: by wish, or where their packages are there."""
        wish = self.plan.measured_by
        if wish == "none" or self.recipe.data.oracle is not None or (wish is None and not self.words):
            return None
        try:
            return MiniLM()
        except UserError:
            if wish is not None:
                raise
            return None

    # --- the candidates -----------------------------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """The generator, and the baseline where the file has one."""
        drawing = Drawing(heads.contract(self.recipe, 0), self.labels)
        if self.plan.exported is not None:
            return [Candidate(self.recipe.objective.kind, drawing.by_file(self.plan.exported))]
        found = []
        for name, called in ((AVERAGED, self.recipe.objective.kind), (BASELINE, "likelihood")):
            policy = self.plan.networks.get(name)
            begun = name == AVERAGED or self.recipe.has_played(self.plan.seen)
            if isinstance(policy, Policy) and begun:
                found.append(
                    Candidate(called, drawing.by_policy(policy, self.stream.vocabulary.unknown_number), policy)
                )
        return found

    # --- figures ------------------------------------------------------------------------------------------------------

    def symbols(self, row: list[int]) -> list[Any]:
        """What BLEU counts: words, or the model's own symbols where they are no words."""
        return self.stream.vocabulary.decode(row).split() if isinstance(self.recipe.data.tokens, Bpe) else row

    def compared(self, rows: Rows, policy: Policy | None, temperature: float) -> dict[str, float]:
        """What a sweep measures."""
        texts = [self.symbols(row) for row in plain(rows, self.ends)]
        return self.measure(rows, policy, temperature) | self.bleu(texts)

    def all_of(self, rows: Rows, policy: Policy | None) -> dict[str, float]:
        """All figures of texts at temperature 1."""
        figures = self.compared(rows, policy, 1.0)
        if policy is not None and self.apart:
            figures[TRAIN] = nll(policy, self.played.astype(np.int32), self.played_labels)
        strings = [self.stream.vocabulary.decode(row) for row in plain(rows, self.ends)]
        if self.minilm is not None:
            if self._seen is None:
                real = [self.stream.vocabulary.decode(row) for row in plain(self.reference, self.ends)]
                self._seen = self.minilm(real)
            figures[self.minilm.metric] = frechet_distance(self._seen, self.minilm(strings))
        if self.recipe.data.oracle is None:
            found = novelty(strings, self.stream.texts, str.split if self.words else list)
            figures |= {
                "unique": found.unique,
                "novel": found.novel,
                "empty": found.empty,
                "8-grams copied": found.copied,
                "mean length": found.mean_length,
                "distance of the lengths": found.length_distance,
            }
        return {name: value for name, value in figures.items() if np.isfinite(value)}

    def axes(self, candidates: list[Candidate]) -> Axes:
        if self.recipe.data.oracle is not None:
            return ORACLE
        if self.words:
            return BLEU
        return HELD_OUT if self.apart and all(each.policy is not None for each in candidates) else REVERSE

    def found(self) -> Evaluation:
        """The generator measured, and the baseline beside it."""
        plan, candidates = self.plan, self.candidates()
        axes = self.axes(candidates)
        count = min(SWEPT, plan.count)
        made = [each.sample(1.0, plan.seed, plan.count) for each in candidates]
        figures = [self.all_of(rows, each.policy) for each, rows in zip(candidates, made, strict=True)]
        floor = self.all_of(self.played, None)
        floor.pop("novel", None)  # the played ones are training texts
        floor.pop("8-grams copied", None)
        points: list[Point] = []
        for number, each in enumerate(candidates):
            points += sweep(
                each.name,
                each.sample,
                lambda rows, temperature, policy=each.policy: self.compared(rows, policy, temperature),  # type: ignore[misc]
                axes,
                seeds=[plan.seed + seed for seed in SEEDS],
                count=count,
                progress=_part(plan.progress, number, len(candidates)),
            )
        others = [point for point in points if point.model == "likelihood"]
        ours = [point for point in points if point.model != "likelihood"]
        headline = verdict(ours, others, axes, "the noise") if others and ours else ""
        notes = self._notes(candidates)
        if (weak := by_heart(candidates, figures)) and headline:
            headline += f" But {weak}"
        elif weak:
            notes.append(weak)
        drawn = self.compared(self.played[:count], None, 1.0)
        texts = [self.stream.vocabulary.decode(row) for row in made[0][:SHOWN].tolist()]
        report = Report(
            figures[0],
            floor,
            self._protocol(count),
            notes,
            headline,
            figures[1] if len(figures) > 1 else {},
        )
        named = {axis.name: drawn[axis.name] for axis in (axes.quality, axes.diversity) if axis.name in drawn}
        return Evaluation(report, points, axes, named, texts)

    # --- words --------------------------------------------------------------------------------------------------------

    def _protocol(self, swept: int) -> dict[str, Any]:
        plan, data = self.plan, self.recipe.data
        whose = "held-out" if self.apart else "training"
        stated = plan.protocol(self.stream.corpus.place, data, f"texts of up to {data.length} symbols")
        stated |= {
            "generated": f"{plan.count} texts at temperature 1, seed {plan.seed}",
            "likelihood": self.measure.protocol,
            "BLEU": f"against {len(self.reference):,} {whose} texts, over {'words' if self.words else 'symbols'}; "
            "smoothing method 1",
            "floor (real/real)": f"{len(self.played):,} training texts in the generator's place",
            "sweep": f"{swept} texts at each of {len(TEMPERATURES)} temperatures and {len(SEEDS)} seeds of the noise",
        }
        if self.minilm is not None:
            stated["sentence embeddings"] = self.minilm.protocol
        return stated

    def _notes(self, candidates: list[Candidate]) -> list[str]:
        notes = self.stream.sentences()[1:]  # what is unknown, and what is left out
        if len(self.played) < self.plan.count:
            notes.append(
                f"the floor has {len(self.played):,} texts and the generator {self.plan.count:,}: reverse perplexity "
                "and self-BLEU depend on the number."
            )
        if len(candidates) == 1 and self.recipe.objective.kind != "likelihood":
            notes.append(self._alone())
        if not self.apart:
            notes.append("no texts are held out (data.held_out): what is remembered looks like what is learned.")
        if len(candidates) > 1:
            notes.append("the seeds are the noise's: several trainings differ more (benchmarks/README.md).")
        return notes

    def _alone(self) -> str:
        """Why there is no likelihood baseline."""
        if not self.recipe.likelihood.baseline:
            return "there is no likelihood baseline to compare with: set likelihood.baseline to true to train one."
        if self.recipe.has_played(self.plan.seen):
            return (
                "there is no likelihood baseline in this file: evaluate the run's folder to see whether the game was "
                "worth it."
            )
        return (
            f"the game begins after {self.recipe.game_starts:,} samples, and this generator has seen "
            f"{self.plan.seen:,}: it is one of likelihood. To see whether the game was worth it, evaluate a later "
            "checkpoint."
        )


def _part(progress: Progress | None, number: int, parts: int) -> Progress | None:
    """The progress of one of several parts."""
    return None if progress is None else lambda done, total: progress(number * total + done, parts * total)
