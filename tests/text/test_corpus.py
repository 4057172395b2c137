"""Texts as users have them: what each kind of file becomes, and a sentence for each that cannot be read."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback_hub import ask, serving

from multigan.errors import AbsentColumnError, UserError
from multigan.text.config import TextData
from multigan.text.data.corpus import Corpus, read_corpus


def corpus(place: Path, **settings: Any) -> Corpus:
    return read_corpus(TextData(source=str(place), **settings))


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(place: Path, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        corpus(place, **settings)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


# --- text files -------------------------------------------------------------------------------------------------------

POEM = "\ufeffone  line\r\n  two\r\n\r\n\r\nthree \u2028 same\r\n \r\nfour\r\n"


def test_the_units_of_a_text_file(tmp_path: Path) -> None:
    poem = put(tmp_path / "poem.txt", POEM)
    assert corpus(poem).texts == ["one  line", "  two", "three \u2028 same", "four"]
    assert corpus(poem, unit="paragraph").texts == ["one  line\n  two", "three \u2028 same", "four"]
    other = put(tmp_path / "texts" / "a.txt", POEM)
    put(tmp_path / "texts" / "b.txt", "another")
    both = corpus(other.parent, unit="file")
    assert both.texts == ["one  line\n  two\n\n\nthree \u2028 same\n \nfour", "another"]
    assert both.classes is None


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_of_every_system(end: str, last: bool, tmp_path: Path) -> None:
    text = end.join(["a b", "", "c", "d"]) + (end if last else "")
    assert corpus(put(tmp_path / "x.txt", text)).texts == ["a b", "c", "d"]
    assert corpus(put(tmp_path / "x.txt", text), unit="paragraph").texts == ["a b", "c\nd"]


LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), max_size=12)


@given(lines=st.lists(LINE, min_size=2, max_size=8))
def test_lines_are_read_as_they_are_written(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.getbasetemp() / "lines.txt"
    place.write_text("\n".join([*lines, "q", "w"]), encoding="utf-8")
    assert corpus(place).texts == [*filter(None, map(str.rstrip, lines)), "q", "w"]


def test_repeated_texts_are_kept_and_counted(tmp_path: Path) -> None:
    found = corpus(put(tmp_path / "x.txt", "Ann\nBob\nann\nAnn\n"))
    assert found.texts == ["Ann", "Bob", "ann", "Ann"]
    assert found.notes == ["1 of 4 texts repeat another; they are kept, and so count more."]
    found = corpus(put(tmp_path / "x.txt", "Ann\nBob\nann\nAnn\n"), lowercase=True)
    assert found.texts == ["ann", "bob", "ann", "ann"]
    assert found.notes == ["2 of 4 texts repeat another; they are kept, and so count more."]


def test_what_is_there_is_its_identity(tmp_path: Path) -> None:
    place = tmp_path / "x.txt"
    names = {corpus(put(place, text)).identity() for text in ("a\nbc", "ab\nc", "a\nbc\nd", "bc\na", "a\r\nbc\r\n")}
    assert len(names) == 4  # line ends are no difference
    put(tmp_path / "two" / "x.txt", "a\nb")
    put(tmp_path / "two" / "y.txt", "c")
    before = corpus(tmp_path / "two").identity()
    put(tmp_path / "two" / "y.txt", "b\nc")
    put(tmp_path / "two" / "x.txt", "a")
    assert corpus(tmp_path / "two").identity() != before


def test_a_line_of_two_megabytes_is_a_text(tmp_path: Path) -> None:
    start = time.process_time()
    found = corpus(put(tmp_path / "x.txt", "short\n" + "long " * 400_000 + "\n"))
    assert [len(text) for text in found.texts] == [5, 1_999_999]
    assert time.process_time() - start < 2


def test_the_first_names() -> None:
    found = read_corpus(TextData())
    assert found.classes == ["female", "male"]
    assert len(found) == 5494
    assert found.labels is not None
    assert found.labels.sum() == 1219
    assert found.notes == ["331 of 5,494 texts repeat another; they are kept, and so count more."]
    male = read_corpus(TextData(classes=["male"]))
    assert len(male) == 1219
    assert male.texts[0] == "James"


# --- folders ----------------------------------------------------------------------------------------------------------


def test_each_file_is_a_class(tmp_path: Path) -> None:
    put(tmp_path / "cats.txt", "Tom\n\nKit\n")
    put(tmp_path / "dogs.txt", "Rex\nTom")
    put(tmp_path / "none.txt", "\n")
    put(tmp_path / "metadata.csv", "file_name,owner\ncats.txt,Ann\n")
    put(tmp_path / "notes.md", "no text of ours")
    found = corpus(tmp_path)
    assert found.texts == ["Tom", "Kit", "Rex", "Tom"]
    assert found.classes == ["cats", "dogs"]
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert "Each file is a class: cats, dogs, none." in found.notes
    assert corpus(tmp_path, classes=["dogs"]).texts == ["Rex", "Tom"]
    assert refused(tmp_path, classes=["dog"]) == (
        f"data.classes names 'dog', which {tmp_path} does not have. Did you mean 'dogs'?"
    )


def test_folders_are_classes(tmp_path: Path) -> None:
    for kind, number in (("a", 1), ("a", 2), ("b", 1)):
        put(tmp_path / kind / f"{number}.txt", f"{kind} {number}\nmore\n")
    whole = corpus(tmp_path, unit="file")
    assert (whole.texts, whole.classes) == (["a 1\nmore", "a 2\nmore", "b 1\nmore"], ["a", "b"])
    lines = corpus(tmp_path)
    assert lines.texts == ["a 1", "more", "a 2", "more", "b 1", "more"]
    assert lines.labels is not None
    assert lines.labels.tolist() == [0, 0, 0, 0, 1, 1]


def test_files_named_after_splits_are_no_classes(tmp_path: Path) -> None:
    for name in ("train", "test"):
        put(tmp_path / f"{name}.txt", f"{name} one\n{name} two")
    found = corpus(tmp_path)
    assert (found.texts, found.classes) == (["train one", "train two"], None)
    assert found.notes == ["train.txt is taken, of test.txt, train.txt (data.split)."]
    assert corpus(tmp_path, split="test").texts == ["test one", "test two"]
    assert refused(tmp_path, split="valid") == (
        f"{tmp_path} has test.txt, train.txt and no file for data.split: valid."
    )


def test_classes_of_whole_files_by_metadata(tmp_path: Path) -> None:
    for name in "abc":
        put(tmp_path / f"{name}.txt", f"text {name}")
    put(tmp_path / "metadata.csv", "file_name,mood\na.txt,sad\nb.txt,gay\n")
    found = corpus(tmp_path, unit="file", label_column="mood")
    assert (found.texts, found.classes) == (["text a", "text b"], ["gay", "sad"])
    assert found.labels is not None
    assert found.labels.tolist() == [1, 0]


# --- tables -----------------------------------------------------------------------------------------------------------

ROWS: list[tuple[str, str | None, str]] = [
    ("1", "A cat, sitting.", "cat"), ("2", 'He said "no".\nTwice. ', "dog"), ("3", None, "dog"), ("4", "Ünï", "cat"),
]  # fmt: skip


def write(path: Path, rows: list[tuple[Any, ...]], names: tuple[str, ...]) -> Path:
    """The rows as the path's suffix has them."""
    if path.suffix == ".jsonl":
        lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=len(str(row)) % 2 == 0) for row in rows)
        return put(path, "\n".join(lines) + "\n\n")
    if path.suffix == ".parquet":
        columns = [pa.array(column) for column in zip(*rows, strict=True)]
        pq.write_table(pa.Table.from_arrays(columns, list(names)), path)
        return path
    file = io.StringIO(newline="")
    csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([names, *rows])
    return put(path, file.getvalue())


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_table_of_every_kind(suffix: str, tmp_path: Path) -> None:
    place = write(tmp_path / f"x{suffix}", ROWS, ("id", "caption", "label"))
    found = corpus(place)
    assert found.texts == ["A cat, sitting.", 'He said "no".\nTwice.', "Ünï"]
    assert found.classes == ["cat", "dog"]
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 0]
    assert "Column caption holds the texts (data.text_column)." in found.notes
    assert "1 rows without a text in caption are left out." in found.notes
    assert corpus(place, classes=["cat"]).texts == ["A cat, sitting.", "Ünï"]
    assert corpus(place, label_column="id").classes == ["1", "2", "4"]
    named = corpus(place, text_column="label")
    assert named.texts == ["cat", "dog", "dog", "cat"]
    with pytest.raises(AbsentColumnError, match=r"data.text_column: .* has no column 'captoin' .*mean 'caption'\?"):
        corpus(place, text_column="captoin")
    with pytest.raises(AbsentColumnError, match=r"data.label_column: .* has no column 'kind'"):
        corpus(place, label_column="kind")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_column_of_splits(suffix: str, tmp_path: Path) -> None:
    rows = [("a one", "train"), ("b two", "test"), ("c three", "train"), ("d four", "test")]
    place = write(tmp_path / f"x{suffix}", rows, ("text", "split"))
    assert corpus(place).texts == ["a one", "c three"]
    found = corpus(place, split="test")
    assert found.texts == ["b two", "d four"]
    assert "The 2 rows of the split test are taken, of 4 (data.split)." in found.notes
    assert refused(place, split="dev") == f"data.split: the column 'split' of {place} has test, train and no 'dev'."


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_without_texts(suffix: str, tmp_path: Path) -> None:
    place = write(tmp_path / f"x{suffix}", [("3", "x"), ("4", "y")], ("n", "label"))
    if suffix == ".parquet":
        place = write(tmp_path / f"x{suffix}", [(3, "x"), (4, "y")], ("n", "label"))
    assert refused(place) == (f"{place} has no column of texts (its columns: n, label): name it in data.text_column.")


def test_the_likeliest_column(tmp_path: Path) -> None:
    names = ("url", "Caption", "text", "target")
    place = write(tmp_path / "x.csv", [("u", "c1", "t1", "0.5"), ("v", "c2", "t2", "1.5")], names)
    found = corpus(place)
    assert (found.texts, found.classes) == (["t1", "t2"], None)  # and fractions are no classes
    assert refused(place, label_column="target") == (
        f"data.label_column: target of {place} holds numbers such as 0.5, which are no classes: name a column of "
        "categories."
    )
    assert corpus(write(tmp_path / "y.csv", [("7", "c1"), ("8", "c2")], ("key", "what"))).texts == ["c1", "c2"]


def test_rows_without_a_label(tmp_path: Path) -> None:
    place = write(tmp_path / "x.csv", [("a", "x"), ("b", ""), ("c", "y")], ("text", "label"))
    found = corpus(place)
    assert (found.texts, found.classes) == (["a", "c"], ["x", "y"])
    assert "1 rows without a label in label are left out." in found.notes
    place = write(tmp_path / "x.csv", [("a", ""), ("b", "")], ("text", "label"))
    assert corpus(place).notes[-1] == "The column label holds no labels."


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_folder_of_tables(suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"1{suffix}", [("a b", "x")], ("text", "label"))
    write(tmp_path / f"2{suffix}", [("c d", "y")], ("text", "label"))
    found = corpus(tmp_path)
    assert (found.texts, found.classes) == (["a b", "c d"], ["x", "y"])


def test_tables_named_after_splits_and_tables_beside_texts(tmp_path: Path) -> None:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.csv", [(f"{name} a",), (f"{name} b",)], ("text",))
    assert corpus(tmp_path, split="test").texts == ["test a", "test b"]
    put(tmp_path / "LICENSE.txt", "a licence")
    assert refused(tmp_path) == (f"{tmp_path} holds both test.csv and .txt files: name one of the two kinds as --data.")


def test_a_cell_of_two_megabytes(tmp_path: Path) -> None:
    place = write(tmp_path / "x.csv", [("a" * 2_000_000,), ("b",)], ("text",))
    assert [len(text) for text in corpus(place).texts] == [2_000_000, 1]


def test_a_set_of_the_hub(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", [("a b", "x"), ("c d", "y")], ("sentence", "label"))
    with serving({"me/texts": {"data/train-0.parquet": file.read_bytes()}}) as hub:
        program = (
            "import json\nfrom multigan.text.config import TextData\n"
            "from multigan.text.data.corpus import read_corpus\n"
            "found = read_corpus(TextData(source='me/texts'))\nprint(json.dumps([found.texts, found.classes]))"
        )
        assert ask(hub, tmp_path, program, str(tmp_path)) == [[["a b", "c d"], ["x", "y"]]]


# --- what cannot be read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "\n \n\t\n", "\ufeff"])
def test_an_empty_file(content: str, tmp_path: Path) -> None:
    place = put(tmp_path / "x.txt", content)
    assert refused(place) == f"{place} holds no text: write one on each line, or choose another --data."


def test_one_text(tmp_path: Path) -> None:
    place = put(tmp_path / "x.txt", "one line\n")
    assert refused(place) == (
        f"{place} holds one text alone, where a generator learns from many: write each on a line of its own, or "
        "choose another --data."
    )
    place = put(tmp_path / "x.txt", "one line\nanother")
    assert "holds one text alone, where a generator learns from many: set data.unit=line to take each line, or" in (
        refused(place, unit="paragraph")
    )
    assert "holds one text alone, 3 times, where" in refused(put(tmp_path / "x.txt", "same\n" * 3))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("fine\ncaf\u00e9\n".encode("latin1"), "line 2 of {} is not UTF-8 (byte 0xE9): save it as UTF-8, such as with "
         "iconv -f latin1 -t utf-8 x.txt > utf8-x.txt, or choose another --data."),
        ("two\nlines".encode("utf-16"), "line 1 of {} is not UTF-8 (byte 0xFF): save it as UTF-8, such as with iconv "
         "-f utf-16 -t utf-8 x.txt > utf8-x.txt, or choose another --data."),
        ("two\nlines".encode("utf-16-le"), "line 1 of {} holds a null character, as no text does: save it as UTF-8, "
         "such as with iconv -f utf-16 -t utf-8 x.txt > utf8-x.txt, or choose another --data."),
        (b"\x89PNG\r\n\x1a\n", "line 1 of {} is not UTF-8 (byte 0x89)"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_text(content: bytes, words: str, tmp_path: Path) -> None:
    place = put(tmp_path / "x.txt", content)
    assert refused(place).startswith(words.format(place))
    assert refused(put(tmp_path / "x.csv", b"text\n" + content)).startswith("line ")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", "", "{} is empty: write a header with a column of texts and a row for each text, or choose another "
         "--data."),
        ("x.csv", "text\n", "{} holds no text: write one on each line, or choose another --data."),
        ("x.csv", "text,label\na,b,c\n", "line 2 of {} has 3 values where its header has 2: put a text with a comma in "
         "it between quotes."),
        ("x.csv", 'text\n"a"b\n', "line 2 of {} is broken ("),
        ("x.csv", "text,text\na,b\n", "{} has 2 columns 'text': keep one of them."),
        ("x.jsonl", "", '{} is empty: write a line such as {{"text": "..."}} for each text.'),
        ("x.jsonl", '{"text": "a"}\n{"text": \n', "line 2 of {} is no JSON ("),
        ("x.jsonl", '{"text": "a"}\n["b"]\n', "line 2 of {} is no JSON object: write {{...}} with a name for "
         "each value."),
        ("x.jsonl", '{"text": "a"}\n{"text": ["b"]}\n', "line 2 of {} has no text or number as text: mend it."),
        ("x.jsonl", '{"text": "a\\ud800"}\n', "line 1 of {} has half a character, '\\ud800': write it whole"),
        ("x.json", "[]", "{}: write one JSON object on each line, as .jsonl, or choose another --data."),
        ("x.txt.gz", "x", "{} is packed: unpack it first, or choose another --data."),
    ],
)  # fmt: skip
def test_broken_files(name: str, content: str, words: str, tmp_path: Path) -> None:
    place = put(tmp_path / name, content)
    assert refused(place).startswith(words.format(place))


def test_columns_of_what_has_none(tmp_path: Path) -> None:
    place = put(tmp_path / "x.txt", "a\nb")
    for key in ("text_column", "label_column"):
        with pytest.raises(AbsentColumnError) as caught:
            corpus(place, **{key: "mood"})
        assert str(caught.value) == (f"data.{key}: {place} has no columns: leave it away, or name a table as --data.")
        assert caught.value.key == key
    with pytest.raises(AbsentColumnError, match=r"data\.text_column: the embedded first names have no columns"):
        read_corpus(TextData(text_column="x"))
    with pytest.raises(AbsentColumnError, match=r"data\.label_column: the embedded first names have no columns"):
        read_corpus(TextData(label_column="x"))


def test_places_that_are_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "x.txt") == (
        f"there is no folder or file {tmp_path / 'x.txt'}: check the path (a data set of the Hugging Face hub is named "
        "owner/name)."
    )
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty") == f"{tmp_path / 'empty'} is empty: put texts into it or choose another --data."
    put(tmp_path / "pictures" / "a.png", "x")
    assert "holds 1 files but no texts (.txt and the like): choose another --data." in refused(tmp_path / "pictures")
    place = write(tmp_path / "x.parquet", [(1, "a"), (2, "b")], ("n", "text"))
    assert "data.text_column: n of" in refused(place, text_column="n")
