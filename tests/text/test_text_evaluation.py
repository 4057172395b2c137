"""`multigan evaluate` for texts: what its figures are of generators that are known, and what it writes and says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import trained_texts
from made_by_hand import Copying
from PIL import Image
from torch import nn
from trained_texts import GAMES, recipe

from multigan import checkpoint, evaluation, heads
from multigan.contract import KEY
from multigan.errors import UserError
from multigan.exporters import export
from multigan.metrics import Plan
from multigan.text.config import TextRecipe
from multigan.text.data.stream import TextStream, open_stream
from multigan.text.evaluation import Evaluation, check, measure
from multigan.text.measuring import plain
from multigan.text.metrics.ngrams import NGramModel
from multigan.training.session import Options, train

COUNT = 64


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_texts.write(tmp_path_factory.mktemp("data"))


def opened(data: Path, *changes: str, **parts: Any) -> tuple[TextRecipe, TextStream]:
    chosen, _ = heads.resolve(recipe(data, *changes, **parts))
    assert isinstance(chosen, TextRecipe)
    return chosen, open_stream(chosen, torch.device("cpu"), 2)


def measured(chosen: TextRecipe, **networks: nn.Module) -> Evaluation:
    found = measure(chosen, lambda *_: None, Plan(COUNT, networks=networks, seen=chosen.training.samples))  # type: ignore[arg-type, return-value]
    assert isinstance(found, Evaluation)
    return found


def copying(stream: TextStream, rows: np.ndarray, labels: np.ndarray | None = None) -> Copying:
    told = None if labels is None else torch.from_numpy(labels)
    return Copying(torch.from_numpy(np.array(rows)), len(stream.vocabulary), told)


# --- generators that are known ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contest(data: Path) -> tuple[Evaluation, TextRecipe]:
    """One that repeats one text, against one that copies what it learned from."""
    chosen, stream = opened(data)
    repeating, copies = copying(stream, stream.rows[:1]), copying(stream, stream.rows)
    return measured(chosen, generator_ema=repeating, baseline=copies), chosen


def test_one_that_repeats_a_text_is_found_out(contest: tuple[Evaluation, TextRecipe]) -> None:
    figures = contest[0].report.figures
    assert figures["unique"] == pytest.approx(1 / COUNT)
    assert figures["novel"] == 0
    assert figures["self-BLEU-2"] == pytest.approx(1)
    assert "NLL_test" not in figures  # other texts are impossible
    assert figures["reverse perplexity"] > 2 * contest[0].report.baseline["reverse perplexity"]


def test_one_that_copies_is_as_the_training_texts_are(contest: tuple[Evaluation, TextRecipe]) -> None:
    found, floor = contest[0].report.baseline, contest[0].report.floor
    assert found["novel"] == 0
    assert found["unique"] > 0.5
    for name in ("n-gram NLL", "reverse perplexity", "BLEU-2", "self-BLEU-2"):
        assert found[name] == pytest.approx(floor[name], rel=0.25), name
    assert floor.keys().isdisjoint({"novel", "8-grams copied"})


def test_the_verdict_is_the_reports_first_line(contest: tuple[Evaluation, TextRecipe], tmp_path: Path) -> None:
    report = contest[0].report
    assert report.headline
    assert report.to_text().splitlines()[0] == report.headline
    contest[0].save(tmp_path)
    assert (tmp_path / "sweep.txt").read_text().startswith(f"{report.headline}\n")
    assert json.loads((tmp_path / "report.json").read_text())["headline"] == report.headline


def test_the_better_one_is_said_to_be_ahead(data: Path) -> None:
    """On the same axes, whichever of the two is called what."""
    chosen, stream = opened(data)
    torch.manual_seed(0)
    untrained, _ = heads.head(chosen).networks()
    soft = copying(stream, np.concatenate([stream.rows, stream.held_out]))
    for ours, theirs, ahead in ((soft, untrained, "rollouts"), (untrained, soft, "likelihood")):
        found = measured(chosen, generator_ema=ours.eval(), baseline=theirs.eval())
        assert found.report.headline.startswith(f"{ahead} is ahead of "), found.report.headline


def test_a_copy_of_all_texts_finds_the_held_out_ones_as_likely_as_they_are(data: Path) -> None:
    chosen, stream = opened(data)
    rows = np.concatenate([stream.rows, stream.held_out])
    found = measured(chosen, generator_ema=copying(stream, rows)).report.figures
    logs = [-np.log((rows == row).all(axis=1).mean()) for row in stream.held_out]
    symbols = sum(int((row != 0).sum()) + 1 for row in stream.held_out)
    assert found["NLL_test"] == pytest.approx(sum(logs) / symbols, rel=1e-4)


@pytest.mark.parametrize("learned", [True, False], ids=["by heart", "as it is"])
def test_likelihood_that_knows_its_texts_by_heart_is_said_to_be_a_weak_opponent(data: Path, learned: bool) -> None:
    chosen, stream = opened(data)
    torch.manual_seed(0)
    untrained, _ = heads.head(chosen).networks()
    baseline = copying(stream, stream.rows) if learned else untrained.eval()
    report = measured(chosen, generator_ema=untrained.eval(), baseline=baseline).report
    said = f"(NLL_train {report.baseline['NLL_train']:.2f}, NLL_test inf): stopped earlier"
    assert (said in report.headline) == learned
    assert ("by heart" in report.headline) == learned


def test_what_a_copy_knows_of_its_own_texts(data: Path) -> None:
    chosen, stream = opened(data, "data.held_out=0.4")
    found = measured(chosen, generator_ema=copying(stream, stream.rows)).report.figures
    some = stream.rows[np.random.default_rng(0).permutation(len(stream))[:COUNT]]
    logs = [-np.log((stream.rows == row).all(axis=1).mean()) for row in some]
    assert found["NLL_train"] == pytest.approx(sum(logs) / sum(int((row != 0).sum()) + 1 for row in some), rel=1e-4)


def test_classes_are_asked_for_as_often_as_the_data_has_them(data: Path) -> None:
    chosen, stream = opened(data, "conditional=true")
    assert stream.labels is not None
    rows = stream.rows[:2].copy()
    rows[0], rows[1] = 0, 0
    rows[0, 0], rows[1, 0] = 2, 3  # a text of one symbol for each class
    found = measured(chosen, generator_ema=copying(stream, rows, np.array([0, 1])))
    made = {stream.vocabulary.symbols[2]: 0, stream.vocabulary.symbols[3]: 1}
    share = np.mean([made[text] for text in found.texts])
    assert share == pytest.approx(stream.labels.mean(), abs=0.2)
    assert found.report.figures["unique"] == pytest.approx(2 / COUNT)


def test_without_held_out_texts_the_report_says_so(data: Path) -> None:
    chosen, stream = opened(data, "data.held_out=0")
    found = measured(chosen, generator_ema=copying(stream, stream.rows))
    assert any("no texts are held out" in note for note in found.report.notes)
    assert "training texts" in found.report.protocol["BLEU"]
    assert "NLL_test" not in found.report.figures


def test_the_floor_without_held_out_texts_is_of_texts_that_the_model_has_not_seen(data: Path) -> None:
    chosen, stream = opened(data, "data.held_out=0")
    found = measured(chosen, generator_ema=copying(stream, stream.rows)).report
    pool = np.random.default_rng(0).permutation(len(stream))
    half = min(COUNT, len(pool) // 2)
    known, played = (plain(stream.rows[pool[part]], True) for part in (slice(half), slice(half, 2 * half)))
    size = len(stream.vocabulary)
    assert found.floor["n-gram NLL"] == pytest.approx(NGramModel.fit(known, 4, size).nll(played).per_symbol)
    assert found.floor["reverse perplexity"] == pytest.approx(NGramModel.fit(played, 4, size).nll(known).perplexity)
    assert found.protocol["likelihood"].endswith(f"; {half} training texts")


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, with its exported file in it."""
    out = tmp_path_factory.mktemp("trained") / "run"
    outcome = train(recipe(data, "conditional=true", **GAMES["dense"]), Options(out=out))
    export(outcome.weights, out / "model.onnx")
    return out


def test_the_files_that_an_evaluation_writes(run: Path, tmp_path: Path) -> None:
    found = evaluation.evaluate(checkpoint.Run(run).weights(160), count=COUNT)
    assert isinstance(found, Evaluation)
    written = found.save(tmp_path)
    assert sorted(path.name for path, _ in written) == ["report.json", "sweep.png", "sweep.txt", "texts.txt"]
    with Image.open(tmp_path / "sweep.png") as picture:
        assert min(picture.size) > 200
    table = (tmp_path / "sweep.txt").read_text().splitlines()
    assert {line.split()[0] for line in table[3:]} == {"dense", "likelihood"}
    assert len((tmp_path / "texts.txt").read_text().splitlines()) == len(found.texts)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["baseline"].keys() == report["figures"].keys()


def test_an_exported_file_and_its_checkpoint_have_the_same_figures(run: Path, data: Path) -> None:
    ours = evaluation.evaluate(checkpoint.Run(run).weights(160), count=COUNT).report
    theirs = evaluation.evaluate(run / "model.onnx", str(data), count=COUNT).report
    shared = ours.figures.keys() & theirs.figures.keys()
    assert ours.figures.keys() - shared == {"NLL_test", "NLL_train"}
    for name in shared:
        assert theirs.figures[name] == pytest.approx(ours.figures[name], rel=1e-6), name
    assert theirs.floor == pytest.approx(ours.floor)
    assert theirs.headline == ""
    assert any("evaluate the run's folder" in note for note in theirs.notes)
    with pytest.raises(UserError, match="name the place with --data"):
        evaluation.evaluate(run / "model.onnx", count=COUNT)


def test_other_texts_than_those_of_the_training(run: Path, tmp_path: Path) -> None:
    weights, other = checkpoint.Run(run).weights(160), tmp_path / "other"
    other.mkdir()
    for name in ("even", "odd"):
        (other / f"{name}.txt").write_text("".join(f"{'dcba'[: 1 + i % 4]}{'dc' * (i % 3)}\n" for i in range(60)))
    found = evaluation.evaluate(weights, str(other), count=COUNT).report
    assert "given with --data" in found.protocol["data"]
    assert not any("unknown" in note for note in found.notes)
    for name in ("even", "odd"):
        (other / f"{name}.txt").write_text("".join(f"{'ab' * (1 + i % 3)}{'xyz'[i % 3]}\n" for i in range(60)))
    found = evaluation.evaluate(weights, str(other), count=COUNT).report
    assert any("% of the symbols are unknown" in note for note in found.notes)
    (other / "odd.txt").unlink()
    with pytest.raises(UserError, match=r"classes"):
        evaluation.evaluate(weights, str(other / "even.txt"), count=COUNT)


def test_a_checkpoint_from_before_the_game_has_no_baseline_and_says_why(run: Path) -> None:
    found = evaluation.evaluate(checkpoint.Run(run).weights(80), count=COUNT).report
    assert not found.baseline
    assert any(
        note.startswith("the game begins after 80 samples, and this generator has seen 80") for note in found.notes
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda told: told["extra"].pop("vocabulary"), "vocabulary is damaged (it is no object): export it again."),
        (
            lambda told: told["extra"].update(vocabulary=[1]),
            "vocabulary is damaged (it is no object): export it again.",
        ),
        (lambda told: told["extra"]["vocabulary"].pop("symbols"), "its symbols are no list of texts"),
        (lambda told: told["extra"]["vocabulary"].update(merges=[3]), "its merges are no list of pairs of texts"),
        (
            lambda told: told["recipe"]["data"].update(tokens={"kind": "words"}),
            "the file's vocabulary is of characters, with an end, and the recipe inside of words, with one: export it",
        ),
    ],
)
def test_a_strangers_contract_is_not_taken_on_trust(
    change: Callable[[dict[str, Any]], Any], words: str, run: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        evaluation.evaluate(changed(run / "model.onnx", tmp_path / "theirs.onnx", change), str(data), count=COUNT)
    assert words in str(raised.value)


def test_a_contract_whose_recipe_has_no_length_has_its_own(run: Path, data: Path, tmp_path: Path) -> None:
    path = changed(run / "model.onnx", tmp_path / "m.onnx", lambda told: told["recipe"]["data"].pop("length"))
    assert "texts of up to 8 symbols" in evaluation.evaluate(path, str(data), count=COUNT).report.protocol["data"]


def changed(path: Path, out: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A copy of an exported file with another contract."""
    model = onnx.load(path)
    (entry,) = (each for each in model.metadata_props if each.key == KEY)
    told = json.loads(entry.value)
    change(told)
    entry.value = json.dumps(told)
    onnx.save(model, out)
    return out


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"measured_by": "inception"}, "there is no extractor 'inception' of texts: choose minilm or none."),
        ({"precision": "bf16"}, "--precision bf16 is for networks that see pictures: leave it away for text."),
    ],
)
def test_what_there_is_not_for_texts_is_refused(plan: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as raised:
        check(Plan(**plan))
    assert str(raised.value) == words


def test_too_few_texts_are_one_sentence(run: Path, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "even.txt").write_text("ab\nabc\nabcd\n")
    (tmp_path / "few" / "odd.txt").write_text("ab\nb\nba\n")
    with pytest.raises(UserError, match=r"few .* too few texts to compare with: at least 20 are needed\."):
        evaluation.evaluate(checkpoint.Run(run).weights(160), str(tmp_path / "few"), count=COUNT)
