"""Small exported generators of each modality, a studio for them, and a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sounding
import tiny_onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "web"))  # the browser and its arguments are the web page's

import pages

from multigan.demo.cache import Cache
from multigan.demo.finding import SHIPPED
from multigan.demo.making import Studio
from multigan.demo.shelf import Shelf


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if pages.CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=pages.CHROMIUM, args=pages.ARGUMENTS)
        yield opened
        opened.close()
