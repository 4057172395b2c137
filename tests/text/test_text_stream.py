"""Rows of numbers by position, what is held out, and what is chosen from the texts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from multigan import plain_yaml
from multigan import recipe as recipes
from multigan.errors import UserError
from multigan.starting import recipe_for
from multigan.text.choosing import settle, suggest_length
from multigan.text.config import TextData, TextRecipe
from multigan.text.data import encoding
from multigan.text.data.corpus import Corpus, read_corpus
from multigan.text.data.encoding import encode
from multigan.text.data.stream import TextStream, open_stream, split
from multigan.text.data.vocabularies import build_vocabulary, vocabulary_of

CPU = torch.device("cpu")


def recipe(data: dict[str, Any], **changes: Any) -> TextRecipe:
    mapping = {
        "modality": "text", "name": "x", "generator": {"kind": "lstm"}, "objective": {"kind": "likelihood"},
        "training": {"samples": 100, "batch": 4}, "data": data, **changes,
    }  # fmt: skip
    found = recipes.parse(mapping)
    assert isinstance(found, TextRecipe)
    return found


def opened(texts: list[str], path: Path, batch: int = 2, **changes: Any) -> TextStream:
    path.write_text("\n".join(texts), encoding="utf-8")
    data = {"source": str(path), **changes.pop("data", {})}
    return open_stream(settle(recipe(data, **changes))[0], CPU, batch)


# --- rows -------------------------------------------------------------------------------------------------------------

TEXTS = ["ab", "abc", "b", "cab", "abcabcabc", "c"]


def rows(length: int, **settings: Any) -> encoding.Encoded:
    symbols = ["<end>", "<unk>"] if settings.get("end", True) else []
    data = TextData.model_validate({"length": length, "vocabulary": [*symbols, *"abc"], **settings})
    return encode(TEXTS, vocabulary_of(data), data)


def test_a_row_is_its_symbols_the_end_and_zeros() -> None:
    found = rows(4)
    assert found.rows.dtype == np.int32
    assert found.rows.tolist() == [[2, 3, 0, 0], [2, 3, 4, 0], [3, 0, 0, 0], [4, 2, 3, 0], [4, 0, 0, 0]]
    assert found.kept.tolist() == [0, 1, 2, 3, 5]
    assert found.counts.tolist() == [2, 3, 1, 3, 1]
    assert (found.dropped, found.cut, found.short) == (1, 0, 0)


def test_what_is_cut_has_no_end() -> None:
    found = rows(3, long="cut")
    assert found.rows.tolist() == [[2, 3, 0], [2, 3, 4], [3, 0, 0], [4, 2, 3], [2, 3, 4], [4, 0, 0]]
    assert (found.dropped, found.cut) == (0, 3)


def test_without_an_end_rows_are_full() -> None:
    found = rows(3, end=False)
    assert found.rows.tolist() == [[0, 1, 2], [2, 0, 1]]
    assert (found.dropped, found.short, found.kept.tolist()) == (1, 3, [1, 3])
    found = rows(3, end=False, long="cut")
    assert found.rows.tolist() == [[0, 1, 2], [2, 0, 1], [0, 1, 2]]
    assert (found.cut, found.short) == (1, 3)


def test_rows_that_do_not_fit_into_memory_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "memory", lambda: type("Memory", (), {"free": 100}))
    with pytest.raises(UserError, match=r"data.length: 6 texts of 5 symbols take 0.0 GiB of memory, of which 0.0 are"):
        rows(5)


# --- the stream -------------------------------------------------------------------------------------------------------


def test_positions_decide_and_nothing_else(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(50)]
    stream = opened(texts, tmp_path / "x.txt")
    whole = stream.take(0, 120).sample
    assert (whole.dtype, whole.shape) == (torch.int64, (120, 8))
    for start, count in ((0, 7), (33, 20), (44, 2), (90, 30)):
        assert torch.equal(stream.take(start, count).sample, whole[start : start + count])
    again = opened(texts, tmp_path / "x.txt")
    assert torch.equal(again.take(17, 50).sample, whole[17:67])
    seen = [stream.vocabulary.decode(row) for row in whole.tolist()]
    assert sorted(seen[:45]) == sorted(seen[45:90]) == sorted(stream.texts)
    assert seen[:45] != seen[45:90]
    other = opened(texts, tmp_path / "x.txt", seed=1)
    assert not torch.equal(other.take(0, 45).sample, whole[:45])


def test_labels_go_with_their_texts(tmp_path: Path) -> None:
    for kind in "ab":
        (tmp_path / f"{kind}.txt").write_text("\n".join(f"{kind}{number}" for number in range(30)))
    stream = open_stream(settle(recipe({"source": str(tmp_path)}, conditional=True))[0], CPU, 4)
    batch = stream.take(5, 40)
    assert batch.conditions["label"].dtype == torch.int64
    for row, label in zip(batch.sample.tolist(), batch.conditions["label"].tolist(), strict=True):
        assert stream.vocabulary.decode(row)[0] == "ab"[label]
    assert stream.held_out_labels is not None
    for text, row, label in zip(stream.held_out_texts, stream.held_out, stream.held_out_labels, strict=True):
        assert stream.vocabulary.decode(row.tolist()) == text
        assert text[0] == "ab"[label]
    assert len(stream.held_out_texts) == len(stream.held_out) == 6
    plain = open_stream(settle(recipe({"source": str(tmp_path)}))[0], CPU, 4)
    assert plain.take(0, 4).conditions == {}


def test_what_is_said(tmp_path: Path) -> None:
    texts = ["a" * (number % 5 + 1) + chr(200 + number) for number in range(20)] + ["b" * 30]
    stream = opened(
        texts, tmp_path / "x.txt", data={"length": 7, "held_out": 0, "tokens": {"kind": "characters", "size": 4}}
    )
    assert stream.sentences() == [
        f"20 texts of {tmp_path / 'x.txt'} to train on, 0 held out: 80 symbols, 4.0 a text and 6 at most, of a "
        "vocabulary of 4.",
        "25% of the symbols are unknown (data.tokens.size).",
        "1 texts of more than 6 symbols are left out (data.long).",
    ]
    assert stream.news() == ""
    cut = opened(texts, tmp_path / "x.txt", data={"length": 7, "held_out": 0, "long": "cut"})
    assert "1 texts are cut after 7 symbols (data.long), and so have no end." in cut.sentences()
    assert cut.texts[-1] == "b" * 30
    full = opened(texts, tmp_path / "x.txt", data={"length": 6, "held_out": 0, "end": False})
    assert "16 texts of fewer than 6 symbols are left out, as they have no end (data.end)." in full.sentences()


def test_a_line_of_two_megabytes(tmp_path: Path) -> None:
    texts = [f"text {number % 10}{number % 7}" for number in range(300)] + ["ab" * 1_000_000]
    for tokens in ("characters", "words", "bpe", "symbols"):
        stream = opened(texts, tmp_path / "x.txt", data={"tokens": {"kind": tokens}, "held_out": 0})
        dropped = 0 if tokens == "words" else 1  # it is one word
        assert len(stream) == 301 - dropped
        assert any("1 texts of more than" in said for said in stream.sentences()) == bool(dropped)


def refused(path: Path, *texts: str, batch: int = 2, **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        opened([*texts], path, batch, **changes)
    return str(caught.value).replace(str(path), "x.txt")


def test_what_cannot_be_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    assert refused(path, "aa", "a", "aaa") == (
        "x.txt has a vocabulary of one symbol, 'a', of which nothing can be learned: choose another data.tokens or "
        "--data."
    )
    words = {"tokens": {"kind": "words"}}
    assert "a vocabulary of one symbol, 'a', of which" in refused(path, "a", "a a", data=words)
    assert refused(path, "ab", "b", "c", "d", batch=4) == (
        "x.txt has 3 texts to train on, fewer than a batch of 4: add texts, or lower training.batch."
    )
    assert refused(path, "ab", "b", conditional=True) == (
        "the recipe is conditional and x.txt has no classes: put the texts of each class into a file of its own, name "
        "data.label_column, or set conditional to false."
    )
    assert refused(path, "abc", "bcd", data={"length": 3, "held_out": 0}) == (
        "data.length: none of the 2 texts of x.txt fits 3 symbols: raise it, or set data.long=cut."
    )
    assert refused(path, "abc", "bcd", data={"length": 4, "held_out": 0, "end": False}) == (
        "data.length: none of the 2 texts of x.txt fits 4 symbols: lower it."
    )


def test_a_class_with_one_text(tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("a\nb\nc\nd")
    (tmp_path / "one.txt").write_text("e")
    place = str(tmp_path)
    with pytest.raises(
        UserError, match=r"the class 'one' of .* has one text to learn from: add texts to it, name only"
    ):
        open_stream(settle(recipe({"source": place, "held_out": 0}, conditional=True))[0], CPU, 2)


# --- held out ---------------------------------------------------------------------------------------------------------


@given(
    texts=st.lists(st.text("ab ", min_size=1, max_size=4), min_size=2, max_size=40).filter(
        lambda all_: len(set(all_)) > 1
    ),
    share=st.floats(0, 0.5),
    seed=st.integers(0, 5),
    words=st.booleans(),
)
def test_what_is_held_out_is_unseen(texts: list[str], share: float, seed: int, words: bool) -> None:
    data = TextData.model_validate({"held_out": share, "tokens": {"kind": "words" if words else "characters"}})
    keys = [" ".join(text.split()) if words else text for text in texts]
    trained, held = split(Corpus("here", texts), data, seed)
    assert sorted([*trained.tolist(), *held.tolist()]) == list(range(len(texts)))
    assert not {keys[row] for row in trained} & {keys[row] for row in held}
    different = len(set(keys))
    if different > 1:
        assert len(trained) > 0
    if share > 0 and different > 1:
        assert len({keys[row] for row in held}) == min(max(1, round(share * different)), different - 1)
    elif share == 0:
        assert len(held) == 0
    again = split(Corpus("here", texts), data, seed)
    assert np.array_equal(again[0], trained)


def test_another_seed_holds_others_out() -> None:
    corpus = read_corpus(TextData())
    sides = [set(split(corpus, TextData(), seed)[1].tolist()) for seed in (0, 1)]
    assert len(sides[0] & sides[1]) < 0.2 * len(sides[0])
    held = [corpus.texts[row] for row in sides[0]]
    assert len(set(held)) == round(0.1 * 5163)


# --- choosing ---------------------------------------------------------------------------------------------------------


def chosen(path: Path, texts: list[str], *changes: str, **others: Any) -> tuple[TextRecipe, str]:
    path.write_text("\n".join(texts), encoding="utf-8")
    found, sentences = recipe_for("text", None, str(path), changes, **others)
    assert isinstance(found, TextRecipe)
    return found, "\n".join(sentences)


SENTENCES = [
    f"the {noun} sat on the {place} {number}"
    for noun in ("cat", "dog")
    for place in ("mat", "bed")
    for number in range(9)
]
MOLECULES = ["CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "C[C@H](N)C(=O)O", "ClCCBr", "CCO"] * 9


def test_what_the_symbols_are(tmp_path: Path) -> None:
    path = tmp_path / "my texts.txt"
    found, said = chosen(path, SENTENCES)
    assert (found.data.tokens.kind, found.name) == ("words", "my-texts")
    assert "Symbols are words: 7.0 a text; --set data.tokens.kind=characters, or bpe." in said
    assert chosen(path, ["Ann Lee", "Bob", "Cy", "Bo"])[0].data.tokens.kind == "characters"
    assert chosen(path, ["Bob", "Con", "Nick", "Coco"])[0].data.tokens.kind == "characters"
    found, said = chosen(path, MOLECULES)
    assert found.data.tokens.model_dump() == {"kind": "symbols", "pattern": "smiles", "size": 5000}
    found, said = chosen(path, MOLECULES, "data.tokens.kind=characters")
    assert found.data.tokens.kind == "characters"
    assert "Symbols: characters, as data.tokens asks." in said


def test_a_chosen_recipe_settles_and_streams(tmp_path: Path) -> None:
    found, _ = chosen(tmp_path / "x.txt", SENTENCES, "data.held_out=0.2")
    settled, said = settle(found)
    assert said[-2:] == ["18 symbols (words).", "8 symbols a text, its end included: 100.0% of the texts fit in whole."]
    assert settled.data.length == 8
    assert settle(settled) == (settled, [])
    stream = open_stream(settled, CPU, found.training.batch)
    assert stream.vocabulary.decode(stream.rows[0].tolist()) == stream.texts[0]
    assert found.game_starts < found.training.samples
    again = recipes.parse(plain_yaml.loads(recipes.to_yaml(settled), "x"))
    assert again == settled


def test_classes_are_taken_where_they_are_large_enough(tmp_path: Path) -> None:
    found, sentences = recipe_for("text", None, None, [])
    assert found.conditional
    assert found.data.classes == ["female", "male"]
    assert sentences[-1] == "2 classes of 1,219 to 4,275 texts: a conditional generator."
    lines = "\n".join(f"{text},{'ab'[number % 10 == 0]}" for number, text in enumerate(map(str, range(100, 200))))
    (tmp_path / "x.csv").write_text("what,label\n" + lines.replace("1", "x"))
    found, sentences = recipe_for("text", None, str(tmp_path / "x.csv"), [])
    assert not found.conditional
    assert "2 classes, but 'b' has only 10 texts." in sentences
    found, sentences = recipe_for("text", None, str(tmp_path / "x.csv"), ["data.label_column=label"])
    assert found.conditional
    assert found.data.label_column == "label"
    assert settle(recipe({}, conditional=True))[0].data.classes == ["female", "male"]


def test_what_a_checkpoint_has_is_kept(tmp_path: Path) -> None:
    first, _ = settle(chosen(tmp_path / "a.txt", SENTENCES, "data.tokens.kind=bpe", "generator.hidden=40")[0])
    assert isinstance(first, TextRecipe)
    second, said = chosen(tmp_path / "b.txt", ["the cat", "a dog", "the bed"] * 20, like=first)
    assert second.generator == first.generator
    for key in ("tokens", "vocabulary", "merges", "length"):
        assert getattr(second.data, key) == getattr(first.data, key)
    assert "Vocabulary, length and networks are those of a, which the training starts from." in said
    assert settle(second) == (second, [])


@pytest.mark.parametrize(
    ("lengths", "end", "long", "length"),
    [
        ([3] * 199 + [900], True, "drop", 4),
        ([3] * 150 + [900] * 50, True, "drop", 512),
        ([3] * 190 + [9] * 10, True, "drop", 10),
        ([3] * 90 + [900], True, "drop", 4),
        ([3] * 90 + [12, 13], True, "drop", 13),
        ([3] * 50 + [9] * 40, False, "drop", 9),
        ([3] * 50 + [9] * 10, False, "drop", 3),
        ([3] * 50 + [9] * 30 + [10], False, "cut", 9),
    ],
)
def test_the_length_that_is_suggested(lengths: list[int], end: bool, long: str, length: int) -> None:
    texts = ["ab"[number % 2] * count for number, count in enumerate(lengths)]
    data = TextData.model_validate({"end": end, "long": long})
    vocabulary = build_vocabulary(Corpus("here", texts), data)
    assert suggest_length(texts, vocabulary, data)[0] == length


def test_a_vocabulary_of_the_users_own_is_checked() -> None:
    own = {"vocabulary": ["<end>", "<unk>", "a", "b"], "length": 4}
    assert vocabulary_of(recipe(own).data).encode("abc") == [2, 3, 1]
    for change, words in (
        (
            {"vocabulary": ["a", "b"]},
            "data.vocabulary: it does not begin with <end> and <unk>: leave it away to have it",
        ),
        ({"tokens": {"kind": "bpe"}}, "data.merges is missing, which bpe encodes by: leave data.vocabulary away"),
        ({"tokens": {"kind": "bpe"}, "merges": ["ab"]}, "data.merges: each is two parts with one tab between them."),
    ):
        with pytest.raises(UserError) as caught:
            settle(recipe({**own, **change}))
        assert str(caught.value).startswith(words)


# --- in a recipe ------------------------------------------------------------------------------------------------------


@given(symbols=st.lists(st.characters(exclude_categories=["Cs"]), min_size=2, max_size=30, unique=True))
def test_every_character_survives_a_recipes_file(symbols: list[str]) -> None:
    made = recipe({"vocabulary": symbols, "end": False, "merges": [f"{symbol}\tx" for symbol in symbols]})
    assert recipes.parse(plain_yaml.loads(recipes.to_yaml(made), "x")) == made


def test_a_large_vocabulary_survives_a_recipes_file(tmp_path: Path) -> None:
    """Beyond some size libyaml reads and writes, by the same rules: numbers, booleans and signs stay text."""
    odd = [
        "1",
        "1e6",
        "true",
        "null",
        "~",
        "- a",
        "a: b",
        "#",
        "'",
        '"',
        "\\",
        "\t",
        "\x85",
        "\u2028",
        "\ufeff",
        "\x00",
        "é",
        "👧",
    ]
    made = recipe(
        {"tokens": {"kind": "symbols"}, "vocabulary": ["<end>", "<unk>", *odd, *(f"w{n}" for n in range(25_000))]}
    )
    text = recipes.to_yaml(made)
    assert recipes.parse(plain_yaml.loads(text, "x")) == made
    with pytest.raises(UserError, match=r"^x, line \d+: "):
        plain_yaml.loads(text + "name: again\n", "x")
    with pytest.raises(UserError, match=r"the tag .* is not one that a recipe needs"):
        plain_yaml.loads(text + "other: !!int x\n", "x")


def test_choosing_needs_no_torch() -> None:
    code = "import multigan.text.choosing, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
