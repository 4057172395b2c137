"""What programs get: the documentation's own examples, and many visitors at once."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from serving import serving

from multigan.demo import app
from multigan.demo.cache import PREFIX
from multigan.demo.finding import SHIPPED
from multigan.demo.making import Studio
from multigan.demo.shelf import Shelf
from multigan.pictures import to_uint8
from multigan.runtime import Generator

pytestmark = pytest.mark.slow

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "demo.md").read_text(encoding="utf-8")
VISITORS, REQUESTS, SEEDS = 16, 208, 13


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(
        ["-m", "multigan", "demo", "--no-browser", "--device", "cpu"], tmp_path_factory.mktemp("none")
    ) as found:
        yield found.rstrip("/")


def example(language: str, address: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(code).replace("http://127.0.0.1:7860", address)


def test_the_python_example_runs(address: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", example("python", address)], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "digits" in lines[0]
    generator = Generator.load(SHIPPED / "digits.onnx", "cpu")
    for number, line in enumerate(lines[1:4]):
        seed, index, label, file = line.split(" ", 3)
        assert (seed, index, label) == ("7", str(number), "5")
        with Image.open(file) as picture:
            wanted = to_uint8(generator.sample(1, seed=7, start=number, label="5"))[0, ..., 0]
            assert np.abs(np.asarray(picture).astype(int) - wanted).max() <= 1
    wanted_texts = Generator.load(SHIPPED / "names.onnx", "cpu").texts(3, 7, "Mar", temperature=0.7)
    assert lines[4:] == wanted_texts


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_example_runs(address: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", example("bash", address)], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "event: complete" in done.stdout
    with Image.open(tmp_path / "five.png") as picture:
        assert picture.size == (32, 32)


def answered(client: httpx.Client, address: str, **asked: object) -> str:
    event = client.post(f"{address}/gradio_api/call/v2/generate", json=asked)
    assert event.status_code == 200, event.text
    return client.get(f"{address}/gradio_api/call/v2/generate/{event.json()['event_id']}").text


@pytest.mark.parametrize(
    ("asked", "words"),
    [({"n": 10**9}, "out of range"), ({"label": "x"}, "is unknown"), ({"seed": "x"}, "a whole number is wanted"),
     ({"model": "x"}, "no model"), ({"prompt": "x"}, "for texts")],
)  # fmt: skip
def test_a_mistake_is_an_error_with_a_sentence(asked: dict[str, object], words: str, address: str) -> None:
    with httpx.Client(timeout=60) as client:
        text = answered(client, address, **asked)
    assert "event: error" in text
    assert words in text


def test_a_parameter_that_there_is_not_is_said(address: str) -> None:
    answer = httpx.post(f"{address}/gradio_api/call/v2/generate", json={"labels": "5"}, timeout=60)
    assert answer.status_code == 422
    assert "`labels` is not a valid" in answer.json()["detail"]


@pytest.mark.parametrize(
    "place", ["file=https://example.org/x", "file/http://example.org/x", "file=HTTPS:%2F%2Fexample.org"]
)
def test_nothing_of_other_sites_is_fetched_for_a_visitor(place: str, address: str) -> None:
    answer = httpx.get(f"{address}/gradio_api/{place}", timeout=60)
    assert (answer.status_code, answer.json()["detail"]) == (403, "only files of this demo are given out.")


def test_what_visitors_send_lies_in_a_private_folder_that_goes(address: str) -> None:
    sent = httpx.post(f"{address}/gradio_api/upload", files={"files": ("../mine.onnx", b"mine")}, timeout=60)
    (path,) = sent.json()
    assert Path(path).read_bytes() == b"mine"
    folder = Path(path).parents[1]
    assert (folder.name, folder.stat().st_mode & 0o777) == ("uploads", 0o700)
    assert folder.parent.name.startswith(PREFIX)  # of which the end of the demo leaves nothing


@pytest.mark.filterwarnings("ignore")  # what Gradio's own threads are warned of
def test_what_nobody_opens_is_forgotten_and_results_are_not(
    shelf: Shelf, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "KEPT", (1, 1))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(studio.cache.uploads))
    blocks = app.build(shelf, studio)
    try:
        address = app.launch(blocks, studio.cache, app.Serving(), app.free_port("127.0.0.1", None)).rstrip("/")
        with httpx.Client(timeout=60) as client:
            text = answered(client, address, model="tiny", n=1)
            sent = client.post(f"{address}/gradio_api/upload", files={"files": ("mine.onnx", b"mine")})
            mine = Path(sent.json()[0])
            while mine.exists():  # the test's own limit ends it
                client.get(f"{address}/gradio_api/info")
            found = re.search(r'"path": "([^"]*)"', text)
            assert found, text
            assert Path(found[1]).is_file()
    finally:
        blocks.close()


def test_sixteen_visitors_who_ask_for_the_same_seeds_all_get_whole_pictures(address: str) -> None:
    """Where files are written again while they are sent, requests end too early."""
    local, opened = threading.local(), []

    def visit(number: int) -> dict[str, bytes]:
        if not hasattr(local, "client"):
            local.client = httpx.Client(timeout=60)
            opened.append(local.client)
        text = answered(local.client, address, model="digits", n=16, seed=number % SEEDS)
        found = re.search(r"event: complete\ndata: (.*)\n", text)
        assert found, text
        pictures = {}
        for item in json.loads(found[1])[0]:
            answer = local.client.get(item["file"]["url"])
            assert answer.status_code == 200
            assert len(answer.content) == int(answer.headers["content-length"])
            pictures[item["file"]["url"]] = answer.content
        return pictures

    with ThreadPoolExecutor(VISITORS) as pool:
        found = list(pool.map(visit, range(REQUESTS)))
    for client in opened:
        client.close()
    everything: dict[str, bytes] = {}
    for pictures in found:
        assert len(pictures) == 16
        for url, content in pictures.items():
            assert everything.setdefault(url, content) == content
    assert len(everything) == 16 * SEEDS  # each was written once, however many asked
