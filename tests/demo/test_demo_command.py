"""`multigan demo` in the terminal: what is wrong is one sentence, and torch stays out."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from multigan.cli import run
from multigan.demo.app import PORTS, browse, free_port


@contextlib.contextmanager
def taken() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["demo", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_a_port_that_is_taken_is_said_with_the_mend(capsys: pytest.CaptureFixture[str]) -> None:
    with taken() as port:
        assert f"port {port} of 127.0.0.1 cannot be served" in told(capsys, "--port", str(port), "--no-browser")


def test_the_first_free_port_is_found() -> None:
    first = free_port("127.0.0.1", None)
    assert first in PORTS
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a demo may have ended here a moment ago
        held.bind(("127.0.0.1", first))
        held.listen()
        assert first < free_port("127.0.0.1", None) < PORTS[-1]


def test_a_host_of_another_machine_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--host 'no such host'" in told(capsys, "--host", "no such host")
    assert "cannot be served" in told(capsys, "--host", "192.0.2.1", "--port", "7999")


def test_no_model_and_no_good_model_are_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "holds no .onnx file" in told(capsys, str(tmp_path))
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    assert "is not an ONNX file" in told(capsys, str(tmp_path / "bad.onnx"))
    assert "does not exist" in told(capsys, str(tmp_path / "none.onnx"))


def test_without_a_display_the_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    said: list[str] = []
    browse("http://127.0.0.1:7860", None, said.append)
    assert said == []
    if sys.platform == "linux":
        browse("http://127.0.0.1:7860", True, said.append)
        assert said == ["no browser could be opened here: open http://127.0.0.1:7860 in one."]


def test_the_pages_work_is_done_without_torch_and_without_gradio() -> None:
    modules = ["api", "app", "asked", "compare", "finding", "keeping", "making", "shelf", "training", "writing"]
    code = (
        f"import sys, {', '.join(f'multigan.demo.{name}' for name in modules)};"
        "print(*[name for name in ('torch', 'gradio', 'onnx', 'datasets', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.slow
def test_the_pages_themselves_leave_torch_out(files: dict[str, Path], tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from multigan.demo.app import build;"
        "from multigan.demo.cache import Cache;"
        "from multigan.demo.making import Studio; from multigan.demo.shelf import Shelf;"
        f"build(Shelf(lambda: [Path({str(files['tiny'])!r})]), Studio(Cache()));"
        "print(*[name for name in ('torch', 'onnx', 'datasets') if name in sys.modules])"
    )
    strict = ["-W", "error", "-W", "ignore::ResourceWarning"]  # Gradio leaves its event loop open
    done = subprocess.run(
        [sys.executable, *strict, "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"},
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
