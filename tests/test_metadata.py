"""A folder's metadata.csv: its categories become classes, for pictures and for sounds; what is wrong is a sentence."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from multigan import recipe as recipes
from multigan.audio.config import AudioData
from multigan.audio.data.medium import SOUNDS
from multigan.audio.data.medium import open_source as open_sounds
from multigan.cli import run
from multigan.data import metadata
from multigan.data.folder import Folder
from multigan.errors import UserError
from multigan.evaluation import open_model
from multigan.image.config import ImageData
from multigan.image.data import open_stream
from multigan.image.data.medium import open_source as open_pictures
from multigan.image.evaluation import pictures
from multigan.metrics import Told
from multigan.runs import Run
from multigan.settings import Data, NumberRange
from multigan.starting import recipe_for

Rows = list[tuple[str, ...]]


def write_csv(path: Path, rows: Rows, **style: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=style.pop("encoding", "utf-8")) as file:
        csv.writer(file, **style).writerows(rows)  # type: ignore[arg-type]
    return path


def sounds(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, np.full(800, number / 100, np.float32), 8000)
    return folder


def opened(folder: Path, column: str | None = "kind", **data: object) -> Folder:
    found = open_sounds(AudioData.model_validate({"source": str(folder), "label_column": column, **data}))
    assert isinstance(found, Folder)
    return found


def said(source: Folder) -> dict[str, str]:
    """The class of each sound."""
    assert source.classes is not None
    assert source.labels is not None
    assert len(source.labels) == len(source)
    return {source.name(index): source.classes[label] for index, label in enumerate(source.labels.tolist())}


def test_a_column_of_categories_becomes_the_classes(tmp_path: Path) -> None:
    sounds(tmp_path, ["b.wav", "deep/er/a.wav", "c.wav", "d.wav"])
    rows = [("loud", "file_name", "kind"), ("1", "c.wav", "snare"), ("2", "deep\\er\\a.wav", "kick"),
            ("3", "./b.wav", "snare"), ("4", "deep/../d.wav", " kick ")]  # fmt: skip
    write_csv(tmp_path / "metadata.csv", rows)
    source = opened(tmp_path)
    assert source.classes == ["kick", "snare"]
    assert said(source) == {"b.wav": "snare", "c.wav": "snare", "d.wav": "kick", "deep/er/a.wav": "kick"}
    for index in range(len(source)):
        assert soundfile.read(tmp_path / source.name(index))[0][0] == next(source.open(index).blocks())[0]


def test_pictures_have_it_too(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        Image.new("L", (16, 16)).save(tmp_path / name)
    write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), ("two.png", "a"), ("one.png", "b")])
    source = open_pictures(ImageData(source=str(tmp_path), label_column="kind"))
    assert (source.classes, source.labels is not None and source.labels.tolist()) == (["a", "b"], [1, 0])


def test_the_column_comes_before_the_folders_and_a_split_may_have_its_own(tmp_path: Path) -> None:
    sounds(tmp_path, ["train/x/a.wav", "train/y/b.wav", "test/x/c.wav"])
    write_csv(tmp_path / "train" / "metadata.csv", [("file_name", "kind"), ("x/a.wav", "q"), ("y/b.wav", "p")])
    assert said(opened(tmp_path)) == {"train/x/a.wav": "q", "train/y/b.wav": "p"}
    write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), ("train/x/a.wav", "r"), ("train/y/b.wav", "r")])
    assert set(said(opened(tmp_path)).values()) == {"r"}
    folders = opened(tmp_path, None)
    assert folders.classes == ["x", "y"]
    assert any("metadata.csv has the columns kind: data.label_column makes one" in note for note in folders.notes)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["2.0", "10.0", "10"], ["2", "10"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        (["1.5", "x", "1.5"], ["1.5", "x"]),
    ],
)
def test_whole_numbers_stand_in_their_order(tmp_path: Path, values: list[str], classes: list[str]) -> None:
    names = [f"{index}.wav" for index in range(3)]
    sounds(tmp_path, names)
    write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), *zip(names, values, strict=True)])
    assert opened(tmp_path).classes == classes


def test_what_does_not_match_is_left_out_and_counted(tmp_path: Path) -> None:
    sounds(tmp_path, ["a.wav", "b.wav", "c.wav", "d.wav"])
    rows = [("file_name", "kind"), ("a.wav", "x"), ("a.wav", "x"), ("b.wav", ""), ("c.wav", "x"), ("e.wav", "z"),
            ("", "z"), ("f.txt", "z")]  # fmt: skip
    place = write_csv(tmp_path / "metadata.csv", rows)
    source = opened(tmp_path)
    assert said(source) == {"a.wav": "x", "c.wav": "x"}
    assert source.notes == [
        f"1 sounds without a row in {place} are left out.",
        f"3 rows of {place} name none of the sounds: they are passed over.",
        f"1 rows of {place} say again what another says.",
        f"1 sounds without a kind in {place} are left out.",
    ]


def test_other_labels_are_other_data(tmp_path: Path) -> None:
    sounds(tmp_path, ["a.wav", "b.wav"])
    identities = {opened(tmp_path, None).identity()}
    for kinds in (("x", "y"), ("y", "x")):
        write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), ("a.wav", kinds[0]), ("b.wav", kinds[1])])
        identities.add(opened(tmp_path).identity())
    assert len(identities) == 3


def test_classes_of_the_recipe_choose_among_the_categories(tmp_path: Path) -> None:
    sounds(tmp_path, ["a.wav", "b.wav", "c.wav"])
    rows = [("file_name", "kind"), ("a.wav", "x"), ("b.wav", "y"), ("c.wav", "z")]
    write_csv(tmp_path / "metadata.csv", rows)
    source = open_sounds(AudioData(source=str(tmp_path), label_column="kind", classes=["z", "x"]))
    assert source.classes == ["z", "x"]
    assert source.labels is not None
    assert [source.name(index) for index in np.argsort(source.labels)] == ["c.wav", "a.wav"]
    assert "Classes with one sound alone, which a generator can only learn by heart: z, x." in source.notes


@pytest.mark.parametrize("style", [{"delimiter": ";"}, {"delimiter": "\t"}, {"encoding": "utf-8-sig"},
                                   {"lineterminator": "\n"}, {"quoting": csv.QUOTE_ALL}])  # fmt: skip
def test_the_csv_of_any_spreadsheet(tmp_path: Path, style: dict[str, str]) -> None:
    sounds(tmp_path, ["a, b.wav", "b.wav"])
    write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), ("a, b.wav", "x y"), ("b.wav", "y, z")], **style)
    assert said(opened(tmp_path)) == {"a, b.wav": "x y", "b.wav": "y, z"}


def test_accents_match_however_they_are_composed(tmp_path: Path) -> None:
    sounds(tmp_path, ["cafe\u0301.wav"])
    write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), ("caf\u00e9.wav", "x")])
    assert list(said(opened(tmp_path)).values()) == ["x"]


def test_jsonl(tmp_path: Path) -> None:
    sounds(tmp_path, ["a.wav", "b.wav", "c.wav"])
    rows = [{"file_name": "a.wav", "kind": 10}, {"file_name": "b.wav", "kind": 9, "other": [1, "\U0001f941"]},
            {"file_name": "c.wav"}]  # fmt: skip
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    source = opened(tmp_path)
    assert said(source) == {"a.wav": "10", "b.wav": "9"}
    assert source.classes == ["9", "10"]


WRONG = [
    ("file_name,kind\n", "has a header and no rows"),
    ("", "is empty: give it a header"),
    ("file,kind\na.wav,x\n", "no column 'file_name' .* Did you mean 'file'"),
    ("file_name,kinds\na.wav,x\n", r"data.label_column: .* no column 'kind' .* Did you mean 'kinds'\?"),
    ("file_name,kind,kind\na.wav,x,y\n", "has 2 columns kind"),
    ("file_name,kind\na.wav,x,y\n", "line 2 of .* has 3 values where its header has 2"),
    ("file_name,kind\na.wav\n", "line 2 of .* has 1 values where its header has 2"),
    ('file_name,kind\nb.wav,y\na.wav,"x\n', "line 3 of .* is broken"),
    ("file_name,kind\n../a.wav,x\n", r"line 2 of .* names \.\./a\.wav, which lies outside"),
    ("file_name,kind\nb/../../a.wav,x\n", "which lies outside"),
    ("file_name,kind\n/etc/passwd,x\n", "which lies outside"),
    ("file_name,kind\nC:\\a.wav,x\n", "which lies outside"),
    ("file_name,kind\n..,x\n", "which lies outside"),
    ("file_name,kind\nb.wav,x\n", "describes none of the 1 sounds .* such as a.wav"),
    ("file_name,kind\na.wav,\n", "describes none of the 1 sounds"),
    ("file_name,kind\na.wav,x\nb.wav,x\n./a.wav,y\n", "says 'x' of a.wav in line 2 and 'y' in line 4: keep one"),
    ("file_name,kind\na.wav,x\na.wav,\n", "says 'x' of a.wav in line 2 and nothing in line 3"),
    ("file_name,kind\na.wav,60.5\n", "holds numbers such as 60.5, which are no classes"),
    ("file_name,kind\na.wav,\0\n", "line|header"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    sounds(tmp_path, ["a.wav"])
    (tmp_path / "metadata.csv").write_text(text, newline="")
    if "\0" in text:
        assert said(opened(tmp_path)) == {"a.wav": "\0"}  # as odd a name as any
        return
    with pytest.raises(UserError, match=words) as caught:
        opened(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1 of .* is no JSON"),
        ("[1]\n", "line 1 of .* is no JSON object"),
        ('{"kind": "x"}\n', "line 1 of .* has no file_name"),
        ('{"file_name": "a.wav", "kind": ["x"]}\n', "line 1 of .* has no text or number as kind"),
        ('{"file_name": "a.wav", "kinds": "x"}\n', "Did you mean 'kinds'"),
        (
            r'{"file_name": "a.wav", "kind": "x"}' "\n" r'{"file_name": "b.wav", "kind": "\ud800x"}',
            r"line 2 of .* has half a character, '\\ud800'",
        ),
        (r'{"file_name": "\udc80.wav", "kind": "x"}', "line 1 of .* has half a character"),
        (r'{"file_name": "a.wav", "kind": "x", "more": [{"\udfff": 1}]}', "line 1 of .* has half a character"),
    ],
)
def test_a_broken_jsonl_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    sounds(tmp_path, ["a.wav"])
    (tmp_path / "metadata.jsonl").write_text(text)
    with pytest.raises(UserError, match=words):
        opened(tmp_path)


def test_other_encodings_and_absent_files_are_sentences(tmp_path: Path) -> None:
    sounds(tmp_path, ["a.wav"])
    with pytest.raises(UserError, match=r"data.label_column: .* has no metadata.csv: put one there with the columns"):
        opened(tmp_path)
    with pytest.raises(UserError, match="the embedded drums have no columns"):
        open_sounds(AudioData(label_column="kind"))
    (tmp_path / "metadata.csv").write_bytes("file_name,kind\na.wav,café\n".encode("utf-16"))
    with pytest.raises(UserError, match="is no text in UTF-8"):
        opened(tmp_path)
    assert opened(tmp_path, None).notes == []


NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\:"), min_size=1, max_size=12)


@given(
    st.dictionaries(NAMES.map(lambda name: f"{name}.wav"), st.text(max_size=6), min_size=1, max_size=8), st.randoms()
)
def test_what_is_written_is_read(told: dict[str, str], chance: random.Random) -> None:
    """Whatever stands in the cells, and in whatever order: each path finds its own row and text."""
    rows = [*told.items()]
    chance.shuffle(rows)
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("file_name", "kind"), *rows])
    file.seek(0)
    found = list(metadata._csv_rows(file, Path("metadata.csv"), [("kind", "label_column")]))
    assert [(name, texts) for _, name, texts in found] == [(name, [text.strip() or None]) for name, text in rows]


def test_a_million_rows_stay_small(tmp_path: Path) -> None:
    """16 bytes a row and column beside the categories: no object for each."""
    rows = [(f"some/folder/{index:08d}.wav", str(index % 7)) for index in range(3000)]
    table = metadata.read(write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), *rows]), "kind")
    assert table.labels is not None
    assert table.keys.nbytes + table.lines.nbytes + table.labels.nbytes == 20 * 3000
    assert table.classes == [str(number) for number in range(7)]


def test_a_named_column_makes_a_chosen_recipe_conditional(tmp_path: Path) -> None:
    names = [f"{index}.wav" for index in range(8)]
    sounds(tmp_path, names)
    rows = [(name, ("low", "high")[index > 5]) for index, name in enumerate(names)]
    write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), *rows])
    chosen, sentences = recipe_for("audio", None, str(tmp_path), ["data.label_column=kind"])
    assert (chosen.conditional, chosen.data.classes) == (True, ["high", "low"])
    assert "2 classes, as data.label_column asks." in sentences
    chosen, _ = recipe_for("audio", None, str(tmp_path), [])
    assert not chosen.conditional


def test_a_column_that_makes_no_classes_is_noted() -> None:
    asked = recipes.load("wavegan", ["data.label_column=kind"])
    assert any("it says only which samples are taken" in note for note in recipes.notes(asked))
    assert Data(label_column="kind").label_column == "kind"


SMALL = [
    "data.length=1024", "data.rate=8000", "training.samples=16", "training.batch=8", "training.precision=fp32",
    *(f"{role}.{change}" for role in ("generator", "discriminator") for change in (
        "network.width=4", "transform={window: 64, hop: 16}")),
]  # fmt: skip


def test_from_a_csv_to_sounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = [f"{index:02d}.wav" for index in range(9)]
    sounds(tmp_path / "data", names)
    rows = [(name, ("low", "high")[index % 2]) for index, name in enumerate(names[:8])]
    write_csv(tmp_path / "data" / "metadata.csv", [("file_name", "kind"), *rows])
    changes = [part for change in [*SMALL, "data.label_column=kind"] for part in ("--set", change)]
    assert run(["train", "audio", "--recipe", "drums", "--data", "data", *changes, "--out", "run"]) == 0
    assert "1 sounds without a row in data/metadata.csv are left out." in capsys.readouterr().err
    assert run(["export", "--onnx", "run"]) == 0
    assert run(["generate", "model.onnx", "-n", "2", "--label", "low", "--out", "hits"]) == 0
    assert {path.name for path in Path("hits").glob("*.wav")} == {"seed0-0000-low.wav", "seed0-0001-low.wav"}


def noises(folder: Path, kinds: tuple[str, ...], count: int = 16, column: bool = True) -> Path:
    """Noises whose kinds stand in the metadata, or else in the names of their folders."""
    rng = np.random.default_rng(0)
    rows = [("file_name", "kind")]
    for number in range(count):
        kind = kinds[number % len(kinds)]
        path = folder / f"{number:02d}.wav" if column else folder / kind / f"{number:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.normal(0, 0.1, 1024).astype(np.float32), 8000)
        rows.append((path.name, kind))
    if column:
        write_csv(folder / "metadata.csv", rows)
    return folder


@pytest.fixture(scope="module")
def by_column(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose classes stand in a column, beside `data` with a split for it, and `table`, which has it too."""
    place = tmp_path_factory.mktemp("column")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        for split in ("train", "test"):
            noises(place / "data" / split, ("kick", "snare"))
        files = sorted((place / "data" / "train").glob("*.wav"))
        kinds = ["kick", "snare"] * (len(files) // 2)
        pq.write_table(pa.table({"audio": [file.read_bytes() for file in files], "kind": kinds}), place / "t.parquet")
        changes = [part for change in [*SMALL, "data.label_column=kind"] for part in ("--set", change)]
        command = ["train", "audio", "--recipe", "drums", "--data", str(place / "data"), *changes]
        assert run([*command, "--out", str(place / "run")]) == 0
    return place


def test_other_data_is_measured_by_its_column_where_it_has_it(
    by_column: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders = noises(tmp_path / "folders", ("kick", "snare"), column=False)
    evaluate = ["evaluate", str(by_column / "run"), "--samples", "16", "--out", str(tmp_path / "report"), "--data"]
    for data in (by_column / "data", by_column / "t.parquet", folders):
        assert run([*evaluate, str(data)]) == 0, capsys.readouterr().err
    assert run([*evaluate, str(noises(tmp_path / "plain", ("",), column=False))]) == 2
    assert "the recipe is conditional and" in capsys.readouterr().err
    assert run([*evaluate, str(noises(tmp_path / "others", ("kick", "clap")))]) == 2
    assert "data.classes names 'snare', which" in capsys.readouterr().err


def test_training_on_keeps_the_column_where_the_data_has_it(by_column: Path, tmp_path: Path) -> None:
    like = recipes.load(by_column / "run" / "recipe.yaml")
    for data, column in ((by_column / "data", "kind"), (noises(tmp_path, ("clap", "kick"), column=False), None)):
        found, sentences = recipe_for("audio", None, str(data), [], like=like)
        assert (found.conditional, found.data.label_column) == (True, column)
        assert found.data.classes == (["kick", "snare"] if column else ["clap", "kick"])
        assert not any("data.label_column makes one" in sentence for sentence in sentences)
    with pytest.raises(UserError, match=r"data\.label_column: .* has no column 'kinds' .* Did you mean 'kind'"):
        recipe_for("audio", None, str(by_column / "data"), ["data.label_column=kinds"], like=like)


def test_training_on_pictures_keeps_the_column_too(tmp_path: Path) -> None:
    for number in range(64):
        Image.new("L", (16, 16), number).save(tmp_path / f"{number}.png")
    rows = [(f"{number}.png", ("a", "b")[number % 2]) for number in range(64)]
    write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), *rows])
    like = recipes.load("quickstart", ["data.label_column=kind", "data.classes=[a,b]", "data.channels=1"])
    found, _ = recipe_for("image", None, str(tmp_path), [], like=like)
    assert (found.conditional, found.data.label_column, found.data.classes) == (True, "kind", ["a", "b"])
    unconditional = like.model_copy(update={"conditional": False})
    assert recipe_for("image", None, str(tmp_path), [], like=unconditional)[0].data.label_column is None


PICTURES = [
    "training.samples=32", "training.batch=8", "training.precision=fp32", "generator.width=4", "discriminator.width=4",
    "data.size=[16,16]", "data.number_column=grey",
]  # fmt: skip


def test_pictures_are_told_a_number_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where one of them is damaged: the one whose number is nearest stands in for it."""
    monkeypatch.chdir(tmp_path)
    greys = [0, 200, 100, 90, 30, 60, 150, 255, 20]
    for number, grey in enumerate(greys):
        Path("data").mkdir(exist_ok=True)
        Image.new("L", (16, 16), grey).save(f"data/{number}.png")
    Path("data/2.png").write_bytes(b"no picture")
    write_csv(Path("data/metadata.csv"), [("file_name", "grey"), *((f"{n}.png", str(g)) for n, g in enumerate(greys))])
    changes = [part for change in PICTURES for part in ("--set", change)]
    asked = recipes.load("dcgan", ["data.source=data", *PICTURES, "data.channels=1"])
    for cache in ("memory", "none"):
        data = asked.data.model_copy(
            update={"cache": cache, "number_range": NumberRange(minimum=0, maximum=255, default=90)}
        )
        stream = open_stream(asked.model_copy(update={"data": data}), torch.device("cpu"), 8)  # type: ignore[arg-type]
        batch = stream.take(0, 9)
        stream.close()
        seen = dict(zip(batch.conditions["number"].tolist(), batch.sample[:, 0, 0, 0].tolist(), strict=True))
        assert {number: round((value + 1) * 127.5) for number, value in seen.items()} == {
            grey: 90 if grey == 100 else grey for grey in greys
        }
    assert run(["train", "image", "--recipe", "dcgan", "--data", "data", *changes, "--out", "run"]) == 0
    assert run(["export", "--onnx", "run"]) == 0
    assert run(["generate", "model.onnx", "-n", "2", "--number", "0:255", "--out", "made"]) == 0
    names = {path.name for path in Path("made").iterdir()}
    assert names == {"seed0-0000-0.png", "seed0-0001-255.png", "seed0-grid.png"}
    files = Path("model.onnx"), Run(Path("run")).weights(32)
    exported, trained = (pictures(open_model(file).run, 9, 3, Told()) for file in files)
    assert np.abs(exported.astype(int) - trained).max() <= 1
    capsys.readouterr()
    chosen, _ = recipe_for("image", None, "data", [], like=recipes.load("run/recipe.yaml"))
    assert (chosen.data.number_column, chosen.number) == ("grey", NumberRange(minimum=0, maximum=255, default=90))


def test_sounds_know_no_metadata_outside_of_the_folder(tmp_path: Path) -> None:
    """A folder without any, below one that has some."""
    write_csv(tmp_path / "metadata.csv", [("file_name", "kind"), ("in/a.wav", "x")])
    sounds(tmp_path / "in", ["a.wav"])
    with pytest.raises(UserError, match=r"has no metadata\.csv"):
        Folder(tmp_path / "in", SOUNDS, label_column="kind")
