"""`multigan generate` and `multigan info`: what they write, and what they say."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_onnx
from PIL import Image

from multigan.cli import run
from multigan.errors import UserError
from multigan.pictures import save_gif
from multigan.runtime import Generator, load, to_uint8


@pytest.fixture(scope="module")
def generator(model: Path) -> Generator:
    return load(model, device="cpu", threads=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_onnx.write(tmp_path_factory.mktemp("model") / "tiny.onnx")


def test_generate_writes_what_it_says(
    model: Path, generator: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "folder"
    assert run(["generate", str(model), "-n", "5", "--seed", "7", "--truncation", "0.7", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    names = [f"seed7-{i:04d}-{tiny_onnx.LABELS[i % 3]}.png" for i in range(5)]
    assert sorted(path.name for path in out.iterdir()) == [*names, "seed7-grid.png"]
    assert names[0] in said
    assert "seed7-grid.png" in said
    pixels = to_uint8(generator.sample(5, 7, truncation=0.7))
    for name, picture in zip(names, pixels, strict=True):
        with Image.open(out / name) as image:
            assert np.max(np.abs(np.asarray(image).astype(int) - picture)) <= 1


@pytest.mark.parametrize(("label", "words"), [("dog", ["dog"] * 3), ("bird,0", ["bird", "cat", "bird"])])
def test_generate_with_labels(model: Path, tmp_path: Path, label: str, words: list[str]) -> None:
    arguments = ["generate", str(model), "-n", "3", "--label", label, "--out", str(tmp_path), "--format", "webp"]
    assert run([*arguments, "--no-grid"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"seed0-{i:04d}-{word}.webp" for i, word in enumerate(words)
    ]


def test_generate_a_strip_and_a_gif(model: Path, tmp_path: Path) -> None:
    arguments = [
        "generate",
        str(model),
        "--interpolate",
        "7,8,9",
        "--steps",
        "4",
        "--label",
        "dog",
        "--out",
        str(tmp_path),
    ]
    assert run(arguments) == 0
    with Image.open(tmp_path / "seeds7-8-9-dog.gif") as film:
        assert film.n_frames == 12
    with Image.open(tmp_path / "seeds7-8-9-dog-strip.png") as strip:
        assert strip.width > strip.height


def test_more_pictures_than_one_part(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    arguments = ["generate", str(model), "-n", "7", "--label", "dog,cat", "--start", "2", "--out"]
    assert run([*arguments, str(whole)]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multigan.making.maker.PART", 3)
        patch.setattr("multigan.making.pictures.Pictures.shown", 3)
        assert run([*arguments, str(parts)]) == 0
    assert "the first 3 in one" in capsys.readouterr().out
    assert sorted(each.name for each in parts.iterdir()) == sorted(each.name for each in whole.iterdir())
    for each in whole.glob("*-0*.png"):
        with Image.open(each) as left, Image.open(parts / each.name) as right:
            assert np.array_equal(np.asarray(left), np.asarray(right))


def test_no_class_leads_out_of_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for names in (
        ["../a/b", "..", "é ß"],
        ["/etc/x", "a\0b", "CON"],
        ["\U00010330" * 300, ". ", "C:\\x:y"],
        ["", "-", "~"],
    ):
        model = tiny_onnx.write(tmp_path / "odd.onnx", tiny_onnx.contract(labels=names))
        for arguments in (["-n", "3"], ["--interpolate", "1,2", "--steps", "2", "--label", names[0]]):
            assert run(["generate", str(model), "--out", str(out), *arguments]) == 0
        made = [path.name for path in out.iterdir() if path.is_file()]
        assert len(made) == 6
        assert all(re.fullmatch(r"seeds?\d[\w.-]*", name) for name in made), made
        assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.onnx", "out"]
        shutil.rmtree(out)


def test_a_way_through_many_seeds_has_a_name_that_fits(model: Path, tmp_path: Path) -> None:
    seeds = ",".join(str(10**18 + each) for each in range(20))
    assert run(["generate", str(model), "--interpolate", seeds, "--steps", "1", "--out", str(tmp_path)]) == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".gif", ".png"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["-n", "0"], "n 0"),
        (["--seed", "-1"], "seed"),
        (["--label", "bard"], "'bird'"),
        (["--truncation", "-1"], "truncation"),
        (["--format", "jpg"], "png or webp"),
        (["--no-grid", "--no-singles"], "--no-grid"),
        (["--interpolate", "7,x"], "7,x"),
        (["--interpolate", "7"], "2 seeds"),
        (["--device", "tpu"], "tpu"),
    ],
)
def test_generate_says_what_is_wrong(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    out = tmp_path / "out"
    assert run(["generate", str(model), "--out", str(out), *arguments]) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_a_folder_that_cannot_be_written(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run(["generate", str(model), "--out", str(tmp_path / "file")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "in the way"


def test_info_tells_the_contract(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(model)]) == 0
    said = capsys.readouterr().out
    for word in ("float32 [batch, 3, 4, 6] in [-1, 1]", "cat, dog, bird", "12,000 samples", "normal", "kind hinge"):
        assert word in said
    assert run(["info", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == tiny_onnx.LABELS


def test_a_film_that_gif_cannot_hold_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="would be 70000x2, and GIF holds 65535"):
        save_gif(np.zeros((3, 2, 70_000, 1), np.uint8), tmp_path / "wide.gif", 1.0)
    assert list(tmp_path.iterdir()) == []
