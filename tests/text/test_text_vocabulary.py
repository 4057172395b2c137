"""Vocabularies: texts become numbers and texts again, as `tokenizers` has it, and damaged ones are sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multigan.errors import UserError
from multigan.text.config import TextData
from multigan.text.data.corpus import Corpus
from multigan.text.data.vocabularies import build_vocabulary
from multigan.text.notations import compiled
from multigan.vocabulary import END, PIECES, UNKNOWN, Vocabulary

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ODD = st.text("ab \n\t\r'é́\u200d👩‍👩‍👧ß中,.!1", max_size=30)
CORPUS = st.lists(st.one_of(TEXTS, ODD), min_size=1, max_size=6)


def built(texts: list[str], size: int = 5000, **settings: Any) -> Vocabulary:
    tokens = settings.pop("tokens", "characters")
    tokens = {"kind": tokens} if isinstance(tokens, str) else tokens
    data = TextData.model_validate({"tokens": {**tokens, "size": size}, **settings})
    return build_vocabulary(Corpus("here", texts), data)


def two(texts: list[str]) -> list[str]:
    """The texts and two letters, so that there are two symbols whatever is drawn."""
    return [*texts, "q", "w"]


# --- round trips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tokens", ["characters", "bpe", {"kind": "symbols"}, {"kind": "symbols", "pattern": "ab+|[.]"}]
)
@pytest.mark.parametrize("end", [True, False])
@given(texts=CORPUS)
def test_what_is_encoded_is_decoded(tokens: Any, end: bool, texts: list[str]) -> None:
    made = built(two(texts), tokens=tokens, end=end)
    for text in texts:
        numbers = made.encode(text)
        assert made.unknown(text) == []
        assert made.decode(numbers) == text
        assert made.decode([*numbers, 0, 1, 1] if end else numbers) == text
        assert all(number >= made.specials for number in numbers)


@given(texts=CORPUS)
def test_of_words_white_space_is_one_space(texts: list[str]) -> None:
    made = built(two(texts), tokens="words")
    for text in texts:
        assert made.decode(made.encode(text)) == " ".join(text.split())


@given(text=TEXTS, most=st.integers(0, 10), tokens=st.sampled_from(["characters", "words", "bpe", "symbols"]))
def test_the_first_of_the_numbers(text: str, most: int, tokens: str) -> None:
    made = built(two([text[: len(text) // 2]]), tokens=tokens)
    assert made.encode(text, most) == made.encode(text)[:most]


def test_what_is_not_there_is_unknown() -> None:
    made = built(["abba", "cab"])
    assert list(made.symbols) == [END, UNKNOWN, "a", "b", "c"]
    assert made.encode("abyxc") == [2, 3, 1, 1, 4]
    assert made.unknown("abyxcy") == ["y", "x"]
    assert made.decode([2, 3, 1]) == "ab<unk>"
    with pytest.raises(UserError, match="has 5 symbols and none of the number 5"):
        made.decode([2, 5])
    with pytest.raises(UserError, match="none of the number -1"):
        made.decode([-1])


def test_without_an_end_nothing_is_added_unless_it_is_needed() -> None:
    made = built(["abba", "aab"], end=False)
    assert list(made.symbols) == ["a", "b"]
    assert made.unknown_number is None
    assert made.decode([0, 1, 0]) == "aba"
    with pytest.raises(UserError, match=r"'x' is not in the vocabulary, which has no <unk>: leave it away\."):
        made.encode("ax")
    made = built(["abba", "aab", "c"], size=2, end=False)
    assert list(made.symbols) == [UNKNOWN, "a"]
    assert made.encode("abc") == [1, 0, 0]


def test_the_frequent_come_first_and_equals_in_their_order() -> None:
    assert list(built(["zzy", "xyw"]).symbols[2:]) == ["y", "z", "w", "x"]
    assert list(built(["b a b", "c a d"], tokens="words", size=4).symbols) == [END, UNKNOWN, "a", "b"]


def test_a_text_that_reads_like_a_special_symbol_is_text() -> None:
    made = built(["<end> is no end", "an <unk> word"], tokens="words")
    assert made.decode(made.encode("<end> is")) == "<end> is"
    assert 0 not in made.encode("<end> is no end")
    made = built(["<end><end><end>", "<unk><unk>"], tokens="bpe")
    assert made.decode(made.encode("<end><unk>")) == "<end><unk>"


def test_lower_case_is_that_of_the_vocabulary() -> None:
    made = built(["ab", "ba"], lowercase=True)
    assert made.encode("AB") == made.encode("ab") == [2, 3]
    assert made.unknown("A") == []


# --- byte-pair encoding -----------------------------------------------------------------------------------------------

PROSE = [
    "the cat sat on the mat, and the other cat sat on that.",
    "the  theory\nof   everything; (the) the-the 'tis the cat's",
    "athletic cathedral: that hat that that hatted",
]


def reference(made: Vocabulary) -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    numbers = {symbol: number for number, symbol in enumerate(made.symbols)}
    model = tokenizers.models.BPE(numbers, [tuple(pair) for pair in made.merges], unk_token=UNKNOWN)
    found = tokenizers.Tokenizer(model)
    found.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(PIECES), "isolated")
    return found


MADE = built(PROSE, size=90, tokens="bpe")
OTHER = built([*PROSE, "été 中文 中文 中 👩‍👩‍👧👩‍👩‍👧 ß\t\t", *["ab ba"] * 4], size=120, tokens="bpe")


@pytest.mark.parametrize("made", [MADE, OTHER], ids=["ascii", "wide"])
@given(text=st.one_of(TEXTS, ODD, st.text("thecasonm', \n", max_size=200)))
def test_merging_is_that_of_tokenizers(made: Vocabulary, text: str) -> None:
    assert made.encode(text) == reference(made).encode(text).ids


@pytest.mark.parametrize("text", ["that" * 40, "é中" * 80, "!?" * 70 + "a" * 65, "\t" * 66 + " " * 130])
def test_long_words_are_parted_as_by_tokenizers(text: str) -> None:
    for made in (MADE, OTHER):
        assert made.encode(text) == reference(made).encode(text).ids


@given(
    merges=st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), st.text("ab", min_size=1, max_size=3)), max_size=8)
)
def test_merges_in_any_order_are_those_of_tokenizers(merges: list[tuple[str, str]]) -> None:
    """Also where one pair makes what another has made, and where an earlier pair needs a later one."""
    merges = list(dict.fromkeys(merges))
    parts = [part for left, right in merges for part in (left, right, left + right)]
    made = Vocabulary("bpe", [END, UNKNOWN, *dict.fromkeys(["a", "b", *parts])], True, merges)
    same = reference(made)
    for text in ("abababbaaabbabab", "aaaaaaa", "bbabba abba"):
        assert made.encode(text) == same.encode(text).ids


def test_bpe_fills_its_vocabulary_and_holds_spaces() -> None:
    small = built(PROSE, size=40, tokens="bpe")
    assert len(small) == 40
    assert small.symbols == MADE.symbols[:40]
    assert " the" in MADE.symbols
    assert [MADE.symbols[number] for number in MADE.encode("the the")] == ["the", " the"]
    assert built(PROSE, size=90, tokens="bpe") == MADE


def test_rare_characters_find_no_place_beside_the_merges() -> None:
    made = built(["abc" * 50 + "".join(map(chr, range(0x4E00, 0x4E80))), "ab ab"], size=40, tokens="bpe")
    assert len(made) <= 40
    assert made.merges
    assert "abc" in "".join(left + right for left, right in made.merges)
    assert "\n" not in made.symbols
    assert made.unknown("abc\u4e7f") == ["\u4e7f"]


def test_a_word_without_end_is_merged_in_parts() -> None:
    made = built(["ab" * 1_000_000, "ba"], tokens="bpe")
    text = "ab" * 100_000
    assert made.decode(made.encode(text)) == text


# --- notations --------------------------------------------------------------------------------------------------------


def symbols(pattern: str, text: str) -> list[str]:
    made = built([text, "~~~^^"], tokens={"kind": "symbols", "pattern": pattern})
    return [made.symbols[number] for number in made.encode(text)]


def test_molecules() -> None:
    assert symbols("smiles", "C[C@@H](N)C(=O)Cl") == [*"C", "[C@@H]", *"(N)C(=O)", "Cl"]
    assert symbols("smiles", "BrCCl.[Na+]") == ["Br", "C", "Cl", ".", "[Na+]"]
    assert symbols("smiles", "C%12CC%(105)c1") == ["C", "%12", "C", "C", "%(105)", "c", "1"]
    assert symbols("smiles", "OCO>>CO") == [*"OCO", ">>", *"CO"]


def test_melodies() -> None:
    assert symbols("abc", "|:^c'2 _B,/2 z4:|") == ["|:", "^c'2", " ", "_B,/2", " ", "z4", ":|"]
    assert symbols("abc", "M:6/8\nK:Gmaj\n") == ["M:6/8", "\n", "K:Gmaj", "\n"]
    assert symbols("abc", 'A:|1 "Am"[CEG]2 (3abc [K:D]||') == [
        *["A", ":|1", " ", '"Am"', "[", "C", "E", "G", "]", "2", " ", "(3", "a", "b", "c", " ", "[K:D]", "||"],
    ]
    assert symbols("abc", "G>A !trill!=f3/2|]") == ["G", ">", "A", " ", "!trill!", "=f3/2", "|]"]


@pytest.mark.parametrize(
    ("name", "letters"), [("smiles", "BCNOclrn[]@H+%()=#1203>."), ("abc", "|:[]12/ABcz^_=',\"!KM(< \n")]
)
@given(data=st.data())
def test_the_longest_symbol_is_the_notations_own(name: str, letters: str, data: st.DataObject) -> None:
    """Encoding takes the longest symbol that fits: for both notations that is what their pattern finds."""
    text = data.draw(st.text(letters, max_size=40))
    expected, at = [], 0
    for match in compiled(name).finditer(text):
        expected += [*text[at : match.start()], match.group()]
        at = match.end()
    assert symbols(name, text) == [*expected, *text[at:]]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", r"data.tokens.pattern: '\(' is neither smiles nor abc nor a regular expression \(missing \), .*\)\."),
        ("a*", r"data.tokens.pattern: 'a\*' matches nothing at all, the empty text: write \+ where it has \*\."),
    ],
)
def test_a_pattern_that_finds_nothing_is_a_sentence(pattern: str, words: str) -> None:
    from multigan import recipe

    mapping = {
        "modality": "text", "name": "x", "generator": {"kind": "lstm"}, "objective": {"kind": "likelihood"},
        "training": {"samples": 100}, "data": {"tokens": {"kind": "symbols", "pattern": pattern}},
    }  # fmt: skip
    with pytest.raises(UserError, match=words):
        recipe.parse(mapping)


def test_a_pattern_that_matches_between_characters_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"matches the empty text in 'ab': write one that takes a character at least\."):
        built(["ab", "b"], tokens={"kind": "symbols", "pattern": "(?=b)"})


def test_what_the_longest_symbol_leaves_over_is_added() -> None:
    made = built(["abc", "ab"], tokens={"kind": "symbols", "pattern": "ab(?!c)|bc"})
    assert made.unknown("abc") == []
    assert made.decode(made.encode("abc")) == "abc"


# --- in a file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [MADE, OTHER, built(["ab", "ba"], end=False, lowercase=True), built(
    ["CCl", "N"], tokens={"kind": "symbols"})])  # fmt: skip
def test_a_vocabulary_survives_json(made: Vocabulary) -> None:
    again = Vocabulary.from_json(json.loads(json.dumps(made.to_json())))
    assert again.to_json() == made.to_json()
    assert again.encode("the cat's ab CCl") == made.encode("the cat's ab CCl") if made.unknown_number else True


GOOD = {"kind": "bpe", "symbols": [END, UNKNOWN, "a", "b", "ab"], "end": True, "merges": [["a", "b"]]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "pickle"}, "its kind is none of characters, words, bpe, symbols"),
        ({"kind": []}, "its kind is none of"),
        ({"symbols": None}, "its symbols are no list of texts"),
        ({"symbols": [END, UNKNOWN, 3]}, "its symbols are no list of texts"),
        ({"symbols": ["a", "b"], "merges": []}, "it does not begin with <end> and <unk>"),
        ({"symbols": [], "merges": []}, "it has 0 symbols, and 1 to 200,000 are possible"),
        ({"symbols": [END, UNKNOWN], "merges": []}, "it has no symbol of text"),
        ({"symbols": [END, UNKNOWN, "a", "a"], "merges": []}, "a symbol is there twice"),
        ({"symbols": [END, UNKNOWN, "a", ""], "merges": []}, "a symbol has 0 characters, and 1 to 1,024 are possible"),
        ({"symbols": [END, UNKNOWN, "a" * 1025], "merges": []}, "a symbol has 1,025 characters"),
        ({"symbols": [END, UNKNOWN, "\ud800"], "merges": []}, "a symbol is half a character"),
        ({"symbols": [END, UNKNOWN, *map(str, range(200_000))], "merges": []}, "it has 200,002 symbols"),
        ({"merges": [["a"]]}, "its merges are no list of pairs of texts"),
        ({"merges": "ab"}, "its merges are no list of pairs of texts"),
        ({"merges": [["b", "a"]]}, "it merges 'b' and 'a', and not all three are among its symbols"),
        ({"kind": "characters"}, "'ab' is more than one character"),
        ({"kind": "words", "symbols": [END, UNKNOWN, "a b"], "merges": []}, "'a b' is no word"),
        ({"kind": "symbols"}, "symbols of kind symbols are not merged, and it has merges"),
        ({"end": 1}, "end and lowercase are not true or false"),
        ({"pattern": 3}, "its pattern is no text"),
    ],
)
def test_a_damaged_vocabulary_is_a_sentence(change: dict[str, Any], words: str) -> None:
    assert Vocabulary.from_json(GOOD).encode("ab") == [4]
    with pytest.raises(UserError) as caught:
        Vocabulary.from_json({**GOOD, **change})
    assert str(caught.value).startswith("the file's vocabulary is damaged (")
    assert words in str(caught.value)
    assert str(caught.value).endswith("): export it again.")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=6),
    max_leaves=12,
)


@given(raw=PLAIN, field=st.sampled_from([*GOOD]))
def test_whatever_stands_there_is_a_vocabulary_or_a_sentence(raw: Any, field: str) -> None:
    for each in (raw, {**GOOD, field: raw}):
        with suppress(UserError):
            Vocabulary.from_json(each).encode("some text\n")


def test_the_standard_library_is_enough() -> None:
    others = "numpy torch tokenizers pydantic"
    code = f"import multigan.vocabulary, sys; print([each for each in {others!r}.split() if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
