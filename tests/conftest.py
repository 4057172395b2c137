"""What every test shares: one thread, so that figures do not depend on the machine, and reproducible properties."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pages
import pytest
from hypothesis import HealthCheck, settings

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy and torch read them; commands that tests start inherit them

settings.register_profile("multigan", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("multigan")

# A job in the background may have inherited that Ctrl-C is ignored; what tests start would inherit it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, for all tests of a process: playwright cannot be started twice in one."""
    if pages.CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=pages.CHROMIUM, args=pages.ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file that draws pictures by class."""
    import tiny_onnx

    return tiny_onnx.write(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def generator(model: Path) -> Any:
    """The same, opened."""
    from multigan.runtime import load

    return load(model, device="cpu", threads=1)
