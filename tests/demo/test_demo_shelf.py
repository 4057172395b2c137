"""Which models are shown, and what happens when their files change."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import hostile_onnx
import pytest
import tiny_onnx

from multigan.demo import cards, finding
from multigan.demo.api import Api
from multigan.demo.making import Studio
from multigan.demo.shelf import UPLOADS, Shelf
from multigan.errors import LimitError, UserError
from multigan.making import Options
from multigan.runtime import UPLOADED


def test_the_newest_exports_are_shown_and_else_what_comes_along(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert next(path.stem for path in finding.find([])) == "digits"
    for age, place in enumerate(["runs/a/model.onnx", "runs/b/hits.onnx", "model.onnx"]):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files["tiny"], place)
        os.utime(place, (1000 + age, 1000 + age))
    found = finding.find([])
    assert [str(path) for path in found] == ["model.onnx", "runs/b/hits.onnx", "runs/a/model.onnx"]
    assert list(finding.names(found)) == ["model", "hits", "a/model"]
    assert finding.find([Path("runs/b"), Path("runs/b/hits.onnx")]) == [Path("runs/b/hits.onnx")]
    with pytest.raises(UserError, match="holds no"):
        finding.find([Path("runs")])
    with pytest.raises(UserError, match="does not exist"):
        finding.find([Path("nothing.onnx")])


def test_shipped_models_are_small_and_open() -> None:
    found = finding.shipped()
    assert {"digits", "names"} <= {path.stem for path in found}
    for path in found:
        assert path.stat().st_size < 2_000_000
    shelf = Shelf(finding.shipped, device="cpu")
    assert {shelf.get(name).modality for name in shelf.names()} >= {"image", "text"}


def test_a_file_that_is_swapped_or_removed_changes_nothing_until_one_looks_again(
    tmp_path: Path, studio: Studio
) -> None:
    path = tiny_onnx.write(tmp_path / "tiny.onnx")
    shelf = Shelf(lambda: [tmp_path / "tiny.onnx"], device="cpu")
    first = shelf.first()
    before = studio.samples(first, 2, Options(seed=1))
    tiny_onnx.write(path, scale=0.5)
    os.utime(path, (1, 1))
    assert first.state() == "changed"
    assert studio.samples(shelf.get("tiny"), 2, Options(seed=1)) == before
    assert shelf.look_again() == ["read again: tiny"]
    after = studio.samples(shelf.get("tiny"), 2, Options(seed=1))
    assert after.path(str(after.items[0].file)).read_bytes() != before.path(str(before.items[0].file)).read_bytes()
    path.write_bytes(b"no model")
    assert "still served as it was" in shelf.look_again()[0]
    path.unlink()
    assert shelf.get("tiny").state() == "gone"
    assert studio.samples(shelf.get("tiny"), 2, Options(seed=1)) == after
    assert shelf.look_again() == ["gone from the disk, still served: tiny"]


def test_a_bad_file_among_good_ones_is_left_out(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    shelf = Shelf(lambda: [tmp_path / "bad.onnx", files["tiny"]], device="cpu")
    assert shelf.first().name == "tiny"
    assert shelf.names() == ["tiny"]
    with pytest.raises(UserError, match="no model 'bad'"):
        shelf.get("bad")
    with pytest.raises(UserError, match="not an ONNX file"):
        Shelf(lambda: [tmp_path / "bad.onnx"]).first()


def test_uploads_are_a_visitors_own_and_make_room(shelf: Shelf, tmp_path: Path) -> None:
    names = []
    for number in range(UPLOADS + 1):
        path = tiny_onnx.write(tmp_path / f"up{number}.onnx", scale=0.1 + number)
        names.append(shelf.upload(path, "mine.onnx").name)
        path.unlink()
    assert len(set(names)) == UPLOADS + 1
    assert not set(names) & set(shelf.names())
    assert shelf.get(names[-1]).state() == "same"
    with pytest.raises(UserError, match="any more"):
        shelf.get(names[0])
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x07" + b"x" * 40)
    with pytest.raises(UserError, match=r"^mine\.onnx"):
        shelf.upload(tmp_path / "bad.onnx", "mine.onnx")


def test_programs_get_the_same_samples(shelf: Shelf, studio: Studio) -> None:
    api = Api(shelf, studio)
    made = studio.samples(shelf.get("tiny"), 2, Options(seed=7, label="dog"))
    (first, _) = api.generate("tiny", 2, 7, label="dog")
    assert first["file"]["path"] == str(made.path(str(made.items[0].file)))
    assert (first["seed"], first["number"], first["label"], first["text"]) == (7, 0, "dog", None)
    assert api.generate("names", 1, 5, prompt="Mar")[0]["text"].startswith("Mar")
    assert api.models() == ["tiny", "hits", "names"]
    for wrong in ({"n": "2"}, {"n": True}, {"seed": 1.5}, {"label": 3}, {"temperature": "hot"}):
        with pytest.raises(UserError, match="is wanted"):
            api.generate("tiny", **wrong)  # type: ignore[arg-type]


def test_a_model_of_a_visitor_runs_under_the_limits_for_strangers(
    tmp_path: Path, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multigan.demo.served.UPLOADED", replace(UPLOADED, seconds=2.0))
    made = hostile_onnx.plain()
    hostile_onnx.endless(made)
    (tmp_path / "theirs.onnx").write_bytes(made.SerializeToString())
    shelf = Shelf(lambda: [tiny_onnx.write(tmp_path / "tiny.onnx")], device="cpu")
    served = shelf.upload(tmp_path / "theirs.onnx", "theirs.onnx")
    assert served.generator.trust.isolated
    with pytest.raises(LimitError, match=r"^theirs\.onnx was stopped after 2 s") as refused:
        studio.samples(served, 1, Options())
    sentence = cards.sentence_of(refused.value)
    assert "here: ask for less" in sentence
    assert "--seconds" not in sentence  # which a visitor cannot give
    assert studio.samples(shelf.first(), 1, Options()).items
    served.generator.close()
