"""The Space folder: what it says of itself, and that it runs from what it asks for."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import socket
import tomllib
from pathlib import Path

import httpx
import pytest
import tiny_onnx
import yaml
from packaging.requirements import Requirement
from serving import serving

ROOT = Path(__file__).resolve().parents[2]
SPACE = ROOT / "demo"
KEYS = {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "app_file", "license", "short_description"}


def required() -> dict[str, Requirement]:
    lines = (SPACE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {each.name: each for each in found}


def test_the_front_matter_is_a_spaces() -> None:
    (front,) = re.findall(r"\A---\n(.*?)\n---\n", (SPACE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    told = yaml.safe_load(front)
    assert told.keys() >= KEYS
    assert told["sdk"] == "gradio"
    assert (SPACE / told["app_file"]).is_file()
    assert len(told["short_description"]) <= 60
    assert required()["gradio"].specifier.contains(told["sdk_version"])


def test_it_asks_for_what_the_base_and_the_extra_need_and_for_no_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = [Requirement(each) for each in [*project["dependencies"], *project["optional-dependencies"]["demo"]]]
    wanted = {each.name: str(each.specifier) for each in stated if each.name != "onnxruntime-gpu"}
    assert {name: str(each.specifier) for name, each in required().items()} == wanted
    for name, each in required().items():
        version = importlib.metadata.version("onnxruntime-gpu" if name == "onnxruntime" else name)
        assert each.specifier.contains(version, prereleases=True), name


@pytest.mark.slow
def test_the_space_starts_from_its_own_folder(tmp_path: Path) -> None:
    for name in ("app.py", "requirements.txt", "README.md"):
        shutil.copy(SPACE / name, tmp_path / name)
    shutil.copytree(ROOT / "multigan", tmp_path / "multigan", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "models").mkdir()
    tiny_onnx.write(tmp_path / "models" / "mine.onnx")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with serving(
        ["app.py"], tmp_path, GRADIO_SERVER_PORT=port, GRADIO_SERVER_NAME="127.0.0.1", PYTHONPATH=""
    ) as address:
        assert address == f"http://127.0.0.1:{port}/"
        page = httpx.get(address, timeout=60)
        assert page.status_code == 200
        assert '"mine"' in page.text
