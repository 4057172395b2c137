"""Small exported generators of each modality, and a studio for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sounding
import tiny_onnx

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
