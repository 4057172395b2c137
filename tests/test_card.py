"""The model card beside an exported file, and what was measured before and after."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import untrained
import yaml

from multigan import checkpoint, recipe
from multigan.cli import run
from multigan.exporters import Report, export
from multigan.exporters.card import MARK, text


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("card")
    weights = untrained.pictures("dcgan", folder)
    return weights, export(weights, folder / "model.onnx")


def _front(card: str) -> dict[str, Any]:
    _, front, _ = card.split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(front)
    return found


def test_the_command_writes_a_card_and_leaves_a_persons_alone(
    exported: tuple[Path, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, card = tmp_path / "cats.onnx", tmp_path / "cats.md"
    command = ["export", str(exported[0]), "--out", str(out)]
    assert run([*command, "--license", "CC-BY-4.0"]) == 0
    assert str(card) in capsys.readouterr().out
    said = card.read_text()
    assert _front(said)["license"] == "cc-by-4.0"
    assert "multigan generate cats.onnx" in said
    assert run(command) == 0  # its own card is written again
    assert _front(card.read_text())["license"] == "unknown"
    assert "## Licence\n\nnot stated" in card.read_text()
    card.write_text("# My cats\n")
    out.unlink()
    capsys.readouterr()
    assert run(command) == 2
    assert "--no-card" in capsys.readouterr().err
    assert not out.exists()
    assert run([*command, "--no-card"]) == 0
    assert card.read_text() == "# My cats\n"
    out.unlink()
    card.unlink()
    card.mkdir()
    assert run(command) == 2
    assert not out.exists()
    for arguments in (["--no-card", "--license", "MIT"], ["--data", "x"], ["--discriminator", "--measure", "20"]):
        capsys.readouterr()
        assert run([*command, *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_card_holds_the_recipe_the_table_and_what_was_measured(exported: tuple[Path, Report]) -> None:
    _, report = exported
    card = text(report, "My own words, 2026", None)
    front = _front(card)
    assert front["tags"] == ["onnx", "gan", "multigan", "image"]
    assert front["pipeline_tag"] == "unconditional-image-generation"
    assert (front["license"], front["license_name"]) == ("other", "My own words, 2026")
    assert card.count(MARK) == 1
    _, rest = card.split("~~~~yaml\n")
    again = recipe.parse(yaml.safe_load(rest.split("\n~~~~")[0]))
    assert again == checkpoint.load(exported[0]).recipe
    assert "640 samples were shown" in card
    assert "3 classes: cat, dog, bird" in card
    assert f"{report.size / 1e6:.2f} MB" in card
    assert "None was measured" in card
    found = {
        "figures": {"FD-EffLite0": 12.3456, "precision": 0.5},
        "floor": {"FD-EffLite0": 1.5},
        "protocol": {"data": "/home/someone/secret/cats, split train (the data), 16 x 16", "seed": 0},
        "notes": ["copies of the 3 real pictures that were not searched would not show."],
    }
    card = text(replace(report, measured=[["", "before", "after"], ["FD", "1", "2"]]), None, found)
    assert "| FD-EffLite0 | 12.35 | 1.5 |" in card
    assert "| precision | 0.5 |  |" in card
    assert "someone" not in card
    assert "cats, split train" in card
    assert "| FD | 1 | 2 |" in card


@pytest.mark.parametrize(
    ("modality", "call"),
    [("image", "pictures = multigan.load("), ("audio", ".sample(16, seed=7)"), ("text", ".texts(16, seed=7)")],
)
def test_the_card_says_how_samples_are_made(exported: tuple[Path, Report], modality: str, call: str) -> None:
    report = exported[1]
    said = text(replace(report, contract=replace(report.contract, modality=modality)), None, None)
    assert call in said
    pieces = {"image": "1,797 pictures.", "audio": "1,797 slices of sound.", "text": "1,797 texts."}
    whole = text(replace(report, contract=replace(report.contract, modality=modality)), None, count=1797)
    assert pieces[modality] in whole
    assert "1,797" not in said
    assert "Times are those of one call" in said


def test_words_of_others_are_no_markdown(exported: tuple[Path, Report]) -> None:
    contract = exported[1].contract
    hostile = "<script>x</script>\n# head [a](http://b) | `c` \x1b[31m"
    said = replace(contract, name=hostile, labels=[hostile] * 3, recipe={"data": {"source": "~~~~ " + hostile}})
    card = text(replace(exported[1], contract=said), hostile, None)
    outside, _, rest = card.partition("~~~~~yaml")
    inside, _, behind = rest.partition("\n~~~~~\n")
    assert yaml.safe_load(inside)["data"]["source"] == "~~~~ " + hostile
    _, _, body = outside.split("---\n", 2)
    for part in (body.replace(MARK, ""), behind):
        assert "\x1b" not in part
        assert "<script>" not in part
        assert "[a]" not in part.replace("\\[a\\]", "")
    assert [line for line in body.splitlines() if line.startswith("# ")] == [body.split("\n\n")[1]]


def test_the_figures_are_those_of_these_weights(
    exported: tuple[Path, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "best.safetensors"
    weights.write_bytes(exported[0].read_bytes())
    found = {"figures": {"FD": 7.25}, "floor": {}, "protocol": {}}
    for name, content in (("best", json.dumps(found)), ("other", json.dumps({**found, "figures": {"FD": 9.5}}))):
        (tmp_path / f"{name}-evaluation").mkdir()
        (tmp_path / f"{name}-evaluation" / "report.json").write_text(content)
    assert run(["export", str(weights), "--out", str(tmp_path / "model.onnx")]) == 0
    card = (tmp_path / "model.md").read_text()
    assert "| FD | 7.25 |" in card
    assert "9.5 |" not in card
    (tmp_path / "best-evaluation" / "report.json").write_text("{ damaged")
    assert run(["export", str(weights), "--out", str(tmp_path / "model.onnx")]) == 0
    assert "None was measured" in (tmp_path / "model.md").read_text()


def test_what_cannot_be_measured_is_said_before_anything_is_written(
    exported: tuple[Path, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, words in (
        (["--measure", "1"], "--measure 1 is out of range"),
        (["--measure", "20", "--data", "nowhere"], "no folder or file nowhere"),
        (["--measure", "20", "--unrolled"], "--unrolled is for generators of text"),
        (["--measure", "20", "--out", "."], "is a folder"),
        (["--out", "/"], "is a folder"),
    ):
        assert run(["export", str(exported[0]), *arguments]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_measuring_before_and_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the digits that come along: the int8 file's distance is near the network's, and the card has both."""
    weights = untrained.pictures(
        "dcgan", tmp_path, size=[16, 16], channels=1, classes=[str(each) for each in range(10)]
    )
    command = ["export", str(weights), "--int8", "--measure", "64", "--out", str(tmp_path / "model.onnx")]
    assert run(command) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    (row,) = [line for line in lines if line and line[0].startswith("FD-")]
    before, after = map(float, row[1:3])
    assert after == pytest.approx(before, rel=0.05)
    assert "Before and after the export" in (tmp_path / "model.md").read_text()
