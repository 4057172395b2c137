"""Texts from end to end with the real commands: train, resume, evaluate, export, generate; and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import trained_texts
from trained_texts import GAMES, recipe

from multigan.cli import quickstart, run
from multigan.metrics import Report
from multigan.recipe import to_yaml
from multigan.runs import Run
from multigan.runtime import Generator
from multigan.starting import recipe_for

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "generator.embedding=4", "generator.hidden=6", "discriminator.embedding=4", "discriminator.widths=[1,2]",
    "discriminator.filters=[3,3]", "objective.rollouts=2", "likelihood.samples=32", "warmup=16",
    "training.samples=80", "training.batch=16", "training.discriminator_steps=1",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def process(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`multigan ARGUMENTS` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "multigan", *map(str, arguments)],
        cwd=folder, env=environment, text=True, capture_output=True, timeout=300, check=False,
    )  # fmt: skip


def command(*arguments: str | Path, expect: int = 0) -> None:
    """The same in this process, which is quicker."""
    assert run([str(each) for each in arguments]) == expect


def sets(*changes: str) -> list[str]:
    return [f"--set={each}" for each in changes]


# --- end to end -------------------------------------------------------------------------------------------------------


def test_from_a_file_to_texts_in_four_commands(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("".join(f"{text}\n" for text in trained_texts.texts()))
    small = sets(*SMALL, "training.precision=fp32")
    made = process(tmp_path, "train", "text", "--recipe", "seqgan", "--data", "letters.txt", "--out", "run", *small)
    assert made.returncode == 0, made.stderr
    for words in ("6 symbols (characters).", "texts of letters.txt to train on", "Finished after 80 samples"):
        assert words in made.stderr
    evaluated = process(tmp_path, "evaluate", "run", "--samples", "40")
    assert evaluated.returncode == 0, evaluated.stderr
    first, *others = evaluated.stdout.splitlines()
    assert "rollouts" in first
    assert "likelihood" in first
    assert any(line.split() == ["generated", "likelihood", "real/real"] for line in others)
    assert json.loads(next((tmp_path / "run").rglob("report.json")).read_text())["headline"] == first
    assert process(tmp_path, "export", "--onnx", "run", "-o", "letters.onnx").returncode == 0
    said = process(tmp_path, "generate", "letters.onnx", "-n", "5", "--prompt", "ab", "--seed", "7")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("ab") for line in lines)
    assert (
        process(tmp_path, "generate", "letters.onnx", "-n", "5", "--prompt", "ab", "--seed", "7").stdout == said.stdout
    )


def table(path: Path) -> Path:
    rows = [f"{text},{('long', 'short')[len(text) < 4]}" for text in trained_texts.texts()]
    path.write_text("\n".join(["text,kind", *rows]) + "\n")
    return path


def lines(path: Path, make: Callable[[int], str]) -> Path:
    path.write_text("".join(f"{make(number)}\n" for number in range(120)))
    return path


def sentence(number: int) -> str:
    return (
        f"the {('cat', 'dog', 'cow')[number % 3]} {('sat', 'ran')[number % 2]} on {('a mat', 'grass')[number % 5 < 2]}"
    )


def molecule(number: int) -> str:
    return f"{'C' * (1 + number % 4)}{('Cl', 'Br', 'O', '[NH4+]')[number % 4]}{'c1ccccc1' * (number % 2)}"


WAYS: dict[str, tuple[Callable[[Path], Path], list[str], dict[str, Any]]] = {
    "classes by file": (trained_texts.write, ["conditional=true"], {}),
    "classes by column": (
        lambda path: table(path.with_suffix(".csv")), ["conditional=true", "data.label_column=kind"], {},
    ),
    "words": (lambda path: lines(path, sentence), ["data.tokens={kind: words}", "data.length=null"], {}),
    "bpe": (lambda path: lines(path, sentence), ["data.tokens={kind: bpe, size: 40}", "data.length=null"], {}),
    "smiles": (lambda path: lines(path, molecule), ["data.tokens={kind: symbols}", "data.length=null"], {}),
    **{name: (trained_texts.write, [], parts) for name, parts in GAMES.items()},
    "likelihood": (trained_texts.write, ["objective={kind: likelihood}"], {}),
}  # fmt: skip
QUICK = ("classes by column", "transformer")
"""Those that are tried every time."""


@pytest.mark.parametrize("way", [way if way in QUICK else pytest.param(way, marks=pytest.mark.slow) for way in WAYS])
def test_every_way_leads_from_data_to_texts(way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, changes, parts = WAYS[way]
    data = make(tmp_path / "data")
    (tmp_path / "way.yaml").write_text(to_yaml(recipe(data, *changes, "training.samples=96", **parts)))
    command("train", "text", "--recipe", "way.yaml", "--out", "run")
    command("evaluate", "run", "--samples", "30", "--extractor", "none")
    capsys.readouterr()
    command("export", "--onnx", "run", "-o", "way.onnx")
    generator = Generator.load(tmp_path / "way.onnx", device="cpu", threads=1)
    conditional = "conditional=true" in changes
    assert len(generator.contract.labels) == (2 if conditional else 0)
    label = [f"--label={generator.contract.labels[1]}"] if conditional else []
    capsys.readouterr()
    command("generate", "way.onnx", "-n", "4", *label, "--temperature", "0.8")
    assert len(capsys.readouterr().out.splitlines()) == 4
    kind = generator.contract.extra["vocabulary"]["kind"]
    assert kind == {"words": "words", "bpe": "bpe", "smiles": "symbols"}.get(way, "characters")


@pytest.mark.parametrize(("conditional", "steps"), [(False, 1), (True, 2)])
def test_a_recipe_that_is_chosen_from_the_data_can_be_trained(conditional: bool, steps: int, tmp_path: Path) -> None:
    data = tmp_path / "texts.txt"
    if conditional:
        data = tmp_path / "texts.csv"
        data.write_text("text,label\n" + "".join(f"{trained_texts.texts()[i % 100]},{i % 2}\n" for i in range(300)))
    else:
        data.write_text("".join(f"{trained_texts.texts()[number % 100]}\n" for number in range(300)))
    chosen, _ = recipe_for("text", None, str(data), [])
    assert chosen.conditional == conditional
    changes = ["likelihood.samples=64", "warmup=64", "training.samples=256", "objective.rollouts=1"]
    command("train", "text", "--data", data, "--out", "run", *sets(*changes, f"training.discriminator_steps={steps}"))
    assert Run(tmp_path / "run").saved()[-1] == 256


def test_a_run_goes_on_and_another_starts_from_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letters.txt").write_text("".join(f"{text}\n" for text in trained_texts.texts()))
    command("train", "text", "--recipe", "seqgan", "--data", "letters.txt", "--out", "run", *sets(*SMALL))
    command("train", "text", "--resume", "run", "--set", "training.samples=112")
    assert Run(tmp_path / "run").saved()[-1] == 112
    (tmp_path / "more.txt").write_text("".join(f"{text}e\n" for text in trained_texts.texts()))
    few = sets(
        "training.samples=96", "training.discriminator_steps=1", "training.batch=16", "likelihood.samples=32",
        "warmup=16", "objective.rollouts=2",
    )  # fmt: skip
    start = ["train", "text", "--data", "more.txt", "--init-from", "run", "--out", "tuned"]
    capsys.readouterr()
    command(*start, "--recipe", "seqgan", *sets(*SMALL), expect=2)
    assert "has another vocabulary (6 symbols, characters) than this recipe (7, characters)" in words_of(capsys)
    assert not (tmp_path / "tuned").exists()
    command(*start, *few)
    said = words_of(capsys)
    assert "Vocabulary, length and networks are those of seqgan" in said
    assert "of the symbols are unknown" in said


def words_of(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


# --- mistakes -------------------------------------------------------------------------------------------------------

DATA = {
    "good.txt": "".join(f"{text}\n" for text in trained_texts.texts()).encode(),
    "empty.txt": b"",
    "one.txt": b"Maria\n",
    "long.txt": b"x y" * 700_000 + b"\n",
    "utf16.txt": "Maria\nAnna\n".encode("utf-16"),
    "same.txt": b"".join(b"a" * (1 + number % 30) + b"\n" for number in range(60)),
}


@pytest.mark.parametrize(
    ("data", "changes", "words"),
    [
        ("empty.txt", [], "empty.txt holds no text: write one on each line, or choose another --data."),
        ("one.txt", [], "one.txt holds one text alone, where a generator learns from many: write each on a line of its "
                        "own, or choose another --data."),
        ("long.txt", [], "long.txt holds one text alone"),
        ("utf16.txt", [], "line 1 of utf16.txt is not UTF-8 (byte 0xFF): save it as UTF-8"),
        ("same.txt", ["data.tokens.size=2"], "same.txt has a vocabulary of one symbol, 'a', of which nothing can be "
                                             "learned: choose another data.tokens or --data."),
        ("none.txt", [], "there is no folder or file none.txt: check the path"),
        ("good.txt", ["training.batch=512", "training.samples=1024"],
         "good.txt has 98 texts to train on, fewer than a batch of 512: add texts, or lower training.batch."),
        ("good.txt", ["conditional=true"], "the recipe is conditional and good.txt has no classes: put the texts of "
         "each class into a file of its own, name data.label_column, or set conditional to false."),
        ("good.txt", ["data.label_column=kind"], "data.label_column: good.txt has no columns: leave it away, or name a "
                                                 "table as --data."),
        ("good.txt", ["data.length=1"], "data.length: none of the 98 texts of good.txt fits 1 symbols: raise it, or "
                                        "set data.long=cut."),
        ("good.txt", ["data.oracle={seed: 1}"],
         "data.oracle: its samples are the texts: leave --data (data.source) or data.oracle away."),
        ("good.txt", ["objective={kind: dense}"], "objective: dense asks for a verdict on each symbol, and a "
         "discriminator of kind cnn gives one on the text: set discriminator.kind to recurrent."),
        ("good.txt", ["objective={kind: gumbel}", "loss={kind: wasserstein}"],
         "loss: wasserstein needs a gradient penalty, and symbols have no gradient: choose another loss."),
        ("good.txt", ["loss={kind: hinge}"],
         "loss: hinge gives no probability to reward with: objective rollouts takes non_saturating."),
        ("good.txt", ["likelihood.samples=80"],
         "training.samples: 80 leave nothing for the game, which begins after 96 "
         "(likelihood.samples 80 + warmup 16) and has turns of 16 (batch * discriminator_steps): raise it, or lower "
         "these."),
        ("good.txt", ["training.discriminator_steps=3"], "has turns of 48 (batch * discriminator_steps)"),
        ("good.txt", ["training.compile=true"], "training.compile: texts are drawn symbol by symbol, which compiling "
                                                "does not make faster: set it to false."),
        ("good.txt", ["objective.rolouts=3"],
         "unknown key objective.rolouts (kind rollouts). Did you mean 'rollouts'?"),
        ("good.txt", ["objective.kind=likelihood"],
         "(kind likelihood). Kind rollouts has it. Leave it away; --set 'objective={kind: likelihood}' changes the "
         "whole part."),
        ("good.txt", ["objective.rollouts=0"], "objective.rollouts is 0: expected at least 1."),
        ("good.txt", ["regularizers=[]"], "unknown key regularizers."),
        ("good.txt", ["data.tokens={kind: symbols, pattern: '('}"],
         "data.tokens.pattern: '(' is neither smiles nor abc nor a regular expression"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_exit_code_2_and_leaves_no_run(
    data: str, changes: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if data in DATA:
        (tmp_path / data).write_bytes(DATA[data])
    command("train", "text", "--recipe", "seqgan", "--data", data, "--out", "run", *sets(*SMALL, *changes), expect=2)
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("multigan: ")
    assert words in said[-1], said[-1]
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_is_chosen_knows_nothing_of_what_another_was_told(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_bytes(DATA["good.txt"])
    usual, _ = recipe_for("text", None, "good.txt", [])
    recipe_for("text", None, "good.txt", ["objective.rollouts=3", "likelihood.optimizer.clip=1", "ema.half_life=5"])
    assert recipe_for("text", None, "good.txt", [])[0] == usual


def test_the_quick_start_speaks_of_a_likelihood_baseline_only_where_there_is_one() -> None:
    figures, floor = {"n-gram NLL": 3.125, "novel": 0.5}, {"n-gram NLL": 2.25}
    alone = quickstart._compared(Report(figures, floor, {}, ["the game begins later."]))
    assert alone[0] == "Against real names:"
    assert alone[1].split() == ["this", "one", "real", "ones"]
    assert alone[2].split()[-2:] == ["3.12", "2.25"]
    assert alone[3].split()[-2:] == ["0.5", "-"]
    assert alone[4:] == ["  note: the game begins later."]
    both = quickstart._compared(Report(figures, floor, {}, ["seeds."], "A is ahead.", {"n-gram NLL": 3.0}))
    assert "maximum likelihood on the same names" in both[0]
    assert both[2].split()[-3:] == ["3.12", "3", "2.25"]
    assert both[4:] == ["  A is ahead.", "  note: seeds."]


def test_a_text_of_two_megabytes_among_others_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts.txt").write_bytes(DATA["good.txt"] + DATA["long.txt"])
    command("train", "text", "--recipe", "seqgan", "--data", "texts.txt", "--out", "run", *sets(*SMALL))
    said = words_of(capsys)
    assert "7 symbols a text, its end included: 99.1% of the texts fit in whole." in said
    assert "1 texts of more than 6 symbols are left out (data.long)." in said
