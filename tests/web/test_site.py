"""`multigan export --web`: what it writes, from what, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
import tiny_onnx
from scripts import PAGE

from multigan import site
from multigan.cli import run
from multigan.errors import UserError

CONTENT = {name: f"content of {name}".encode() for name in site.ORT_FILES}


def package(content: dict[str, bytes]) -> bytes:
    """A package as npm writes it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


def sha512(content: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"


@pytest.fixture
def ort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package that stands for onnxruntime-web's, and is the pinned one."""
    path = tmp_path / "ort.tgz"
    path.write_bytes(package(CONTENT))
    pinned = {name: sha512(content) for name, content in CONTENT.items()}
    monkeypatch.setattr(site, "INTEGRITY", {"package": sha512(path.read_bytes()), **pinned})
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_onnx.write(tmp_path / "tiny.onnx")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_the_page_the_runtime_and_the_models(model: Path, ort: Path, tmp_path: Path) -> None:
    out = tmp_path / "a" / "site"
    report = site.write([model, model], out, ort)
    page = {path.name for path in PAGE.iterdir()}
    runtime = {f"ort/{name}" for name in CONTENT}
    assert files(out) == page | runtime | {"tiny.onnx", "tiny-2.onnx", "models.json"}
    assert (out / "tiny.onnx").read_bytes() == model.read_bytes()
    assert (out / "ort" / site.ORT_FILES[0]).read_bytes() == CONTENT[site.ORT_FILES[0]]
    listed = json.loads((out / "models.json").read_text())
    assert set(listed["page"]) == page | runtime
    assert [(each["file"], each["name"], each["modality"]) for each in listed["models"]] == [
        ("tiny.onnx", "tiny", "image"),
        ("tiny-2.onnx", "tiny", "image"),
    ]
    assert report.models == {"tiny.onnx": model.stat().st_size, "tiny-2.onnx": model.stat().st_size}
    assert [path.name for path in out.parent.iterdir()] == ["site"]
    assert os.stat(out).st_mode & 0o055 == 0o055


def test_its_own_folder_is_replaced_and_its_digest_follows_the_content(model: Path, ort: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    digests = []
    for name in ("one", "two", "two"):
        other = tiny_onnx.write(tmp_path / f"{name}.onnx", tiny_onnx.contract(name=name))
        site.write([other], out, ort)
        assert [path.name for path in out.glob("*.onnx")] == [f"{name}.onnx"]
        digests.append(json.loads((out / "models.json").read_text())["digest"])
    assert digests[0] != digests[1] == digests[2]


@pytest.mark.parametrize("strange", ["notes.txt", "ort/more.js", "empty", "link"])
def test_a_folder_with_anything_else_is_left_alone(strange: str, model: Path, ort: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    site.write([model], out, ort)
    if strange == "empty":
        (out / strange).mkdir()
    elif strange == "link":
        (out / strange).symlink_to(tmp_path)
    else:
        (out / strange).write_text("mine")
    before = files(out)
    with pytest.raises(UserError, match=f"holds {strange}, which multigan export --web did not write"):
        site.write([model], out, ort)
    assert files(out) == before


@pytest.mark.parametrize("listed", ["", "[]", "{}", '{"written_by": "multigan export --web", "page": 3}'])
def test_a_folder_with_another_list_is_not_its_own(listed: str, model: Path, ort: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    (out / "models.json").write_text(listed)
    with pytest.raises(UserError, match=r"holds models\.json"):
        site.write([model], out, ort)


def test_a_file_in_the_place_of_the_folder(model: Path, ort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--web", str(model), str(model), "--ort", str(ort)]) == 2
    assert "is a file" in capsys.readouterr().err


def test_what_fails_leaves_what_was_there(
    model: Path, ort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "site"
    site.write([model], out, ort)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    beside = sorted(tmp_path.iterdir())
    real = os.replace

    def failing(source: Path, target: Path) -> None:
        if str(source).endswith(".tmp"):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(UserError, match="No space left"):
        site.write([model], out, ort)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert sorted(tmp_path.iterdir()) == beside


@pytest.mark.parametrize("inner", ["", "dist", "package/dist", "node_modules/onnxruntime-web/dist"])
def test_onnxruntime_from_a_folder(inner: str, model: Path, ort: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    (folder / inner).mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / inner / name).write_bytes(content)
    site.write([model], tmp_path / "site", folder)
    (folder / inner / site.ORT_FILES[1]).write_bytes(b"another")
    with pytest.raises(UserError, match="its hash differs"):
        site.write([model], tmp_path / "other", folder)
    assert not (tmp_path / "other").exists()


def test_another_package_and_an_empty_folder_are_refused(model: Path, ort: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tgz"
    other.write_bytes(package({**CONTENT, "more": b""}))
    with pytest.raises(UserError, match="its hash differs"):
        site.write([model], tmp_path / "site", other)
    with pytest.raises(UserError, match="npm pack onnxruntime-web@"):
        site.write([model], tmp_path / "site", tmp_path / "nowhere")


def npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let npm be a script."""
    folder.mkdir()
    path = folder / "npm"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_npm_fetches_the_pinned_package(
    model: Path, ort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    npm(tmp_path / "bin", f'echo "$@" > {asked}; cp {ort} onnxruntime-web.tgz', monkeypatch)
    site.write([model], tmp_path / "site")
    assert asked.read_text().split() == ["pack", site.ORT]
    assert (tmp_path / "site" / "ort" / site.ORT_FILES[0]).is_file()


def test_npm_that_fails_or_is_missing_is_a_sentence(
    model: Path, ort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm(tmp_path / "bin", "echo 'npm error network getaddrinfo' >&2; exit 1", monkeypatch)
    with pytest.raises(UserError, match=r"npm error network getaddrinfo.*with --ort"):
        site.write([model], tmp_path / "site")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"npm, which is not installed.*with --ort"):
        site.write([model], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_models_that_a_page_cannot_load(model: Path, ort: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    with pytest.raises(UserError, match="not an ONNX file"):
        site.write([model, text], tmp_path / "site", ort)
    assert not (tmp_path / "site").exists()


def test_names_are_plain_and_differ(ort: Path, tmp_path: Path) -> None:
    paths = [tiny_onnx.write(tmp_path / name) for name in ("a b.onnx", "a_b.onnx", "A_B.onnx", "é.onnx", ".hid.onnx")]
    report = site.write(paths, tmp_path / "site", ort)
    assert list(report.models) == ["a_b.onnx", "a_b-2.onnx", "A_B-3.onnx", "_.onnx", "hid.onnx"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--web", "site", "--out", "model.onnx"], "give one of them"),
        (["--ort", "dist"], "--ort is for --web"),
        (["one", "two"], "--onnx writes one file"),
        (["--web", "site", "nothing.onnx"], "does not exist"),
        (["--web", "site", "nothing.onnx", "--int8"], "--int8 is for what is exported"),
        (["--web", "site", "nothing.onnx", "--opset", "18"], "--opset is for what is exported"),
        (["--web", "site", "nothing.onnx", "--measure", "20"], "--measure is for what is exported"),
    ],
)
def test_options_that_contradict_each_other(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["export", *arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_wrote_and_how_to_serve_it(
    model: Path, ort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "site"
    assert run(["export", "--web", str(out), str(model), "--ort", str(ort)]) == 0
    said = capsys.readouterr().out
    assert f"tiny.onnx {model.stat().st_size / 1e3:.0f} kB" in said
    assert f"python -m http.server -d {out}" in said
