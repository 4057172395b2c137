"""A static host on this machine, and the browser that visits it."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address at which `folder` is served, as `python -m http.server` serves it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


DONE = re.compile(r"of seed \d+ in [0-9.]+ s\.")
KEPT = os.environ.get("MULTIGAN_SCREENSHOTS")
"""A folder for pictures of the pages, where a person wants to look at them."""


def ready(page: Any, words: re.Pattern[str] | str = DONE) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#status")).to_have_text(words, timeout=60_000)
    expect(page.locator("#stop")).to_be_hidden(timeout=60_000)


def complaint(page: Any, words: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#error")).to_contain_text(words, timeout=60_000)


def shot(page: Any, name: str) -> None:
    if KEPT:
        page.wait_for_timeout(800)
        page.screenshot(path=Path(KEPT) / f"{name}.png", full_page=True)


def give(page: Any, path: Path) -> None:
    page.locator("#file").set_input_files(path)
