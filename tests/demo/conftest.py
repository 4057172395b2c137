"""Small exported generators of each modality, a studio for them, and visits to their pages in Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sounding
import tiny_onnx
from serving import serving
from test_demo_training import run as make_run

from multigan.demo.cache import Cache
from multigan.demo.finding import SHIPPED
from multigan.demo.making import Studio
from multigan.demo.shelf import Shelf
from multigan.pictures import save_image, to_image, to_uint8
from multigan.runtime import Generator


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An exported file of each modality by its name."""
    folder = tmp_path_factory.mktemp("files")
    names = folder / "names.onnx"
    names.write_bytes((SHIPPED / "names.onnx").read_bytes())
    return {"tiny": tiny_onnx.write(folder / "tiny.onnx"), "hits": sounding.write(folder / "hits.onnx"), "names": names}


@pytest.fixture
def shelf(files: dict[str, Path]) -> Shelf:
    return Shelf(lambda: list(files.values()), device="cpu")


@pytest.fixture
def studio() -> Iterator[Studio]:
    cache = Cache()
    yield Studio(cache)
    cache.close()


@pytest.fixture(scope="module")
def folder(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    shutil.copy(SHIPPED / "digits.onnx", home / "models" / "digits.onnx")
    for name in ("hits", "names"):
        shutil.copy(files[name], home / "models" / f"{name}.onnx")
    tiny_onnx.write(home / "models" / "tiny.onnx")
    (home / "runs").mkdir()
    run = make_run(home / "runs", "learning", 40)
    pixels = to_uint8(Generator.load(SHIPPED / "digits.onnx", "cpu").sample(1))
    save_image(to_image(pixels[0]), run / "previews" / "000000000064.png")
    return home


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    command = ["-m", "multigan", "demo", "models", "--no-browser", "--device", "cpu"]
    with serving(command, folder) as address:
        yield address


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens the page in a window of its own; nothing may go wrong in it unsaid, and nothing may leave the machine."""
    mistakes: list[str] = []
    with ExitStack() as stack:

        def local(route: Any) -> None:
            if not route.request.url.startswith((address, "data:", "blob:")):
                mistakes.append(f"asked for {route.request.url}")
                route.abort()
            else:
                route.continue_()

        def opened(**options: Any) -> Any:
            context = browser.new_context(**options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.route("**/*", local)
            page.on("pageerror", lambda error: mistakes.append(str(error)))
            page.goto(address)
            page.wait_for_selector("#mg-results img")
            return page

        yield opened
    assert mistakes == []
