"""Exported generators of text in use: strings, prompts, scores, the command line, and what each refuses."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_texts
import torch

from multigan import load, noise
from multigan.cli import run
from multigan.contract import KEY, Contract
from multigan.errors import UserError
from multigan.exporters import Report
from multigan.runtime import Generator
from multigan.text.networks.sampler import Sampler

Exported = tuple[Sampler, Path, Report]


@pytest.fixture(scope="module")
def model(exported_names: Exported) -> Path:
    return exported_names[1]


@pytest.fixture(scope="module")
def generator(model: Path) -> Generator:
    return load(model, device="cpu", threads=1)


# --- texts ------------------------------------------------------------------------------------------------------------


def test_texts_are_torchs_of_the_documented_noise(exported_names: Exported, generator: Generator) -> None:
    sampler = exported_names[0]
    drawn = torch.from_numpy(noise.uniform(7, 3, 5, tiny_texts.LENGTH))
    none, one = torch.tensor(0), torch.tensor(1.0)
    label = torch.arange(3, 8) % 3
    tokens = sampler(drawn, torch.full(drawn.shape, -1), torch.tensor(0.8), none, one, label)
    wanted = [tiny_texts.NAMES.decode(row) for row in tokens.tolist()]
    assert generator.texts(5, seed=7, temperature=0.8, start=3) == wanted
    assert len(set(wanted)) == 5


def test_a_text_does_not_depend_on_its_company(generator: Generator) -> None:
    whole = generator.texts(40, seed=5)
    assert generator.texts(40, seed=5, batch=7) == whole
    assert generator.texts(9, seed=5, start=20, batch=4) == whole[20:29]
    parts = list(generator.text_batches(40, seed=5, batch=16))
    assert [len(part) for part in parts] == [16, 16, 8]
    made = [each for part in parts for each in part]
    assert [each.text for each in made] == whole
    assert [each.number for each in made] == list(range(40))
    assert [each.label for each in made[:4]] == ["girl", "boy", "place", "girl"]
    shorter, longer = (generator.texts(40, seed=5, length=length) for length in (4, 30))
    assert all(text.startswith(start) for text, start in zip(whole, shorter, strict=True))
    assert all(text.startswith(start) for text, start in zip(longer, whole, strict=True))
    assert max(map(len, shorter)) == 4
    assert max(map(len, longer)) > 12


def test_sample_gives_the_symbols(generator: Generator) -> None:
    symbols = generator.sample(6, seed=2)
    assert symbols.dtype == np.int64
    assert symbols.shape == (6, tiny_texts.LENGTH)
    assert [tiny_texts.NAMES.decode(row) for row in symbols.tolist()] == generator.texts(6, seed=2)


def test_prompts_and_gaps(generator: Generator, caplog: pytest.LogCaptureFixture) -> None:
    assert all(text.startswith("Ab") for text in generator.texts(20, prompt="Ab"))
    free = [text for text in generator.texts(60, prompt="A_b_c", gap="_") if len(text) > 4]
    assert len(free) > 20
    assert {(text[0], text[2], text[4]) for text in free} == {("A", "b", "c")}
    assert len({text[1] for text in free}) > 5
    assert generator.texts(4, prompt="A_b", gap="_")[0][:1] == "A"
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING, logger="multigan"):
        made = generator.texts(3, prompt="Zo\u00eb")
    assert all(text.startswith("<unk>o<unk>") for text in made)
    assert "'Z', '\u00eb' of the prompt: not in the vocabulary" in caplog.text


def test_labels_are_chosen(generator: Generator) -> None:
    apart = [generator.texts(30, label=name) for name in tiny_texts.LABELS]
    assert apart[0] != apart[1] != apart[2]
    mixed = generator.texts(3, label=["boy", "girl", "girl"])
    assert mixed == [apart[1][0], apart[0][1], apart[0][2]]


# --- scores -----------------------------------------------------------------------------------------------------------


def test_scores_are_torchs_likelihood(
    exported_names: Exported, generator: Generator, caplog: pytest.LogCaptureFixture
) -> None:
    sampler, texts = exported_names[0], ["Abc", "", "abcdefghijklmnop", "A\u00e9"]
    with caplog.at_level(logging.WARNING, logger="multigan"):
        found = generator.score(texts, label=["girl", "boy", "boy", "place"], batch=3)
    assert "'\u00e9' of the texts: not in the vocabulary" in caplog.text
    for text, label, score in zip(texts, [0, 1, 1, 2], found, strict=True):
        row = torch.tensor([[*tiny_texts.NAMES.encode(text), 0]])
        likely, _ = sampler.policy.likelihood(row, torch.tensor([label]))
        assert score.symbols == row.shape[1]
        assert score.log_probability == pytest.approx(float(likely.sum()), abs=1e-4)
        assert score.perplexity == pytest.approx(math.exp(-float(likely.mean())), rel=1e-4)


def test_a_text_that_was_drawn_is_scored_alike(generator: Generator) -> None:
    made = next(iter(generator.text_batches(40, seed=3, temperature=0.7, label="boy")))
    ended = [each for each in made if each.symbols < tiny_texts.LENGTH]
    assert len(ended) > 5
    for text, score in zip(ended, generator.score([each.text for each in ended], "boy"), strict=True):
        assert score.log_probability == pytest.approx(text.log_probability, abs=1e-4)
        assert score.symbols == text.symbols


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"prompt": "Abcdefghijabcdef"}, "16 symbols, and the texts 12"),
        ({"temperature": -1.0}, "temperature -1"),
        ({"temperature": math.inf}, "temperature inf"),
        ({"top_k": 41}, "top_k 41"),
        ({"top_k": -1}, "top_k -1"),
        ({"top_p": 0.0}, "top_p 0"),
        ({"top_p": 1e-300}, "top_p 1e-300"),  # 0 in float32, which the graph takes
        ({"temperature": 1e300}, "temperature 1e"),
        ({"top_p": 1.5}, "top_p 1.5"),
        ({"top_p": math.nan}, "top_p nan"),
        ({"length": 0}, "length 0"),
        ({"length": 10**9}, "length 1000000000"),
        ({"prompt": "A__", "gap": "__"}, "'__'"),
        ({"label": "gril"}, "'girl'"),
        ({"n": 0}, "n 0"),
        ({"batch": 0}, "batch 0"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_a_wrong_argument_is_one_sentence(generator: Generator, arguments: dict[str, Any], word: str) -> None:
    with pytest.raises(UserError) as caught:
        generator.texts(**{"n": 2, **arguments})
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_scored(generator: Generator) -> None:
    with pytest.raises(UserError, match="give a label"):
        generator.score(["Abc"])
    with pytest.raises(UserError, match="more than 65536 symbols"):
        generator.score(["a" * 70_000], label="girl")


def _with(model: Path, out: Path, change: Callable[[Contract], Contract]) -> Path:
    """The same graph with another contract."""
    made = onnx.load(model)
    said = change(Contract.from_json(made.metadata_props[0].value))
    made.metadata_props[0].CopyFrom(onnx.StringStringEntryProto(key=KEY, value=said.to_json()))
    out.write_bytes(made.SerializeToString())
    return out


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        ({"vocabulary": None}, "vocabulary is damaged"),
        ({"vocabulary": {**tiny_texts.NAMES.to_json(), "symbols": ["<end>", "<unk>", "a"]}}, "3 symbols"),
        ({"log_probability": "chance"}, "log-probabilities"),
        ({"length": "12"}, "contradicts itself"),
        ({"length": 2**20}, "contradicts itself"),
        ({"longest": 3}, "contradicts itself"),
        ({"longest": 2**40}, "contradicts itself"),
    ],
)
def test_a_contract_is_not_trusted(model: Path, tmp_path: Path, extra: dict[str, Any], word: str) -> None:
    odd = _with(model, tmp_path / "odd.onnx", lambda said: replace(said, extra={**said.extra, **extra}))
    with pytest.raises(UserError, match=word):
        load(odd, device="cpu").texts(1)


def test_no_text_is_longer_than_the_graph_takes(model: Path, tmp_path: Path) -> None:
    limited = load(_with(model, tmp_path / "a.onnx", lambda said: replace(said, extra={**said.extra, "longest": 12})))
    with pytest.raises(UserError, match="1 to 12 symbols"):
        limited.texts(1, length=13)
    assert [each.symbols for each in limited.score(["abcdefghijkl", "abcdefghijk"], label=0)] == [12, 12]


# --- the command ------------------------------------------------------------------------------------------------------


def test_texts_go_to_the_terminal(model: Path, generator: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", str(model), "-n", "5", "--seed", "7", "--prompt", "Ab", "--temperature", "0.8"]
    assert run(arguments) == 0
    made = generator.texts(5, 7, "Ab", temperature=0.8)
    names = [tiny_texts.LABELS[index % 3] for index in range(5)]
    assert capsys.readouterr().out.splitlines() == [f"{name}\t{text}" for name, text in zip(names, made, strict=True)]
    assert run([*arguments, "--label", "boy", "--top-k", "9", "--top-p", "0.9", "--length", "6"]) == 0
    wanted = generator.texts(5, 7, "Ab", temperature=0.8, label="boy", top_k=9, top_p=0.9, length=6)
    assert capsys.readouterr().out.splitlines() == wanted


def test_texts_as_a_file(model: Path, generator: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", str(model), "-n", "3", "--label", "boy", "--out", str(tmp_path / "made")]) == 0
    assert (tmp_path / "made" / "seed0.txt").read_text().splitlines() == generator.texts(3, label="boy")
    file = tmp_path / "some.jsonl"
    assert run(["generate", str(model), "-n", "4", "--label", "boy,girl", "--start", "2", "--out", str(file)]) == 0
    assert str(file) in capsys.readouterr().out
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["text"] for row in rows] == generator.texts(4, label=["boy", "girl", "boy", "girl"], start=2)
    assert [(row["seed"], row["number"], row["label"]) for row in rows[:2]] == [(0, 2, "boy"), (0, 3, "girl")]
    assert all(row["log_probability"] < 0 for row in rows)
    assert run(["generate", str(model), "--score", str(file), "--format", "jsonl"]) == 0
    scores = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for row, score in zip(rows, scores, strict=True):
        assert score["text"] == row["text"]
        if len(row["text"]) < tiny_texts.LENGTH:
            assert score["log_probability"] == pytest.approx(row["log_probability"], abs=1e-4)


def test_scores_are_shown(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", str(model), "--score", "Abc", "--label", "boy"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[1].split()[-2:] == ["4", "Abc"]
    (tmp_path / "some.txt").write_text("boy\tAbc\n\ngirl\tAbd\n")
    assert run(["generate", str(model), "--score", str(tmp_path / "some.txt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == said[1]
    assert lines[3].endswith("(2 texts together)")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--interpolate", "1,2"], "--interpolate"),
        (["--truncation", "0.5"], "--truncation is for pictures and sounds"),
        (["--bits", "24"], "--bits is for sounds"),
        (["--stream"], "--stream is for sounds"),
        (["--number", "3"], "without a number"),
        (["--no-grid"], "--no-grid"),
        (["--format", "png"], "txt or jsonl"),
        (["--format", "jsonl", "--out", "a.txt"], "differ"),
        (["--top-k", "4096"], "top_k 4096"),
        (["--score", "Abc", "--prompt", "A"], "leave --prompt away"),
        (["--score", "Abc"], "--label"),
        (["--score", "none.txt", "--label", "boy"], "none.txt does not exist"),
    ],
)
def test_the_command_says_what_is_wrong(
    model: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    assert run(["generate", str(model), *arguments]) == 2
    said = capsys.readouterr()
    assert word in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_info_shows_the_vocabulary(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(model)]) == 0
    said = capsys.readouterr().out
    assert "40 characters, with an end and an unknown: 'a', 'b'" in said
    assert "12 symbols" in said


def test_texts_need_neither_torch_nor_onnx(model: Path) -> None:
    script = (
        "import sys\nfrom multigan import cli\n"
        f"assert cli.run(['generate', {str(model)!r}, '-n', '2', '--prompt', 'Ab']) == 0\n"
        "heavy = [name for name in ('torch', 'onnx', 'onnxscript') if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 2


def test_half_a_character_is_written_as_a_terminal_shows_it(model: Path, tmp_path: Path) -> None:
    given, out = tmp_path / "given.jsonl", tmp_path / "out.jsonl"
    given.write_text(json.dumps({"text": "ab\ud800"}) + "\n")
    for source in (str(given), "ab\udcff"):
        assert run(["generate", str(model), "--score", source, "--label", "boy", "--out", str(out)]) == 0
        assert json.loads(out.read_text())["text"][:2] == "ab"
    plain = tmp_path / "out.txt"
    assert run(["generate", str(model), "--score", str(given), "--label", "boy", "--out", str(plain)]) == 0
    assert plain.read_text().splitlines()[1].endswith("  ab\\ud800")


def test_a_folder_is_no_text_and_a_table_no_folder(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["generate", str(model), "--score", str(tmp_path), "--label", "boy"]) == 2
    assert "is a folder: give a file with a text a line, or a text." in capsys.readouterr().err
    for name in ("names.csv", "names.json"):
        assert run(["generate", str(model), "--out", str(tmp_path / name)]) == 2
        assert f"{name}: texts are written as .txt or .jsonl, or into a folder" in capsys.readouterr().err
        assert not (tmp_path / name).exists()
