"""The demo as visitors meet it: from command to first page, from click to picture, many at once, and memory.

python benchmarks/demo.py                       # digits that come with multigan; needs Chromium for the click
python benchmarks/demo.py model.onnx --requests 2000
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from _timing import machine, table

VISITORS, TOGETHER, PICTURES, SEEDS = 16, 208, 16, 13
"""Visitors at once, their requests, pictures of a request, and the seeds that all of them ask for."""
STARTS, CLICKS, WARM = 5, 30, 3
MODEL = Path(__file__).parents[1] / "multigan" / "demo" / "models" / "digits.onnx"


@contextmanager
def serving(model: Path) -> Any:
    """The demo in a process of its own: its address, the process, and seconds until the first page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "multigan", "demo", str(model), "--port", str(port), "--no-browser"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        yield address, process, _until(address, process) - began
    finally:
        process.terminate()
        process.wait(120)


def _until(address: str, process: subprocess.Popen[bytes]) -> float:
    """The moment at which the first page has come."""
    while process.poll() is None:
        try:
            page = httpx.get(address, timeout=30)
            if page.status_code == 200 and "multigan" in page.text:
                return time.perf_counter()
        except httpx.TransportError:
            time.sleep(0.02)
    raise SystemExit("the demo ended before its first page came")


def clicks(address: str) -> list[float]:
    """Milliseconds from a click on Random until the first new picture is drawn, in Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return []
    code = """async () => {
      const first = () => document.querySelector('#mg-results img');
      const before = first().src, began = performance.now();
      document.querySelector('#mg-random').click();
      while (first()?.src === before || !first()?.complete || !first().naturalWidth)
        await new Promise((done) => requestAnimationFrame(done));
      return performance.now() - began;
    }"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#mg-results img")
        page.wait_for_timeout(1000)
        found = [page.evaluate(code) for _ in range(CLICKS + WARM)][WARM:]
        browser.close()
    return found


def request(client: httpx.Client, address: str, seed: int) -> float:
    """Ask for pictures and fetch each of them, as a page does: seconds. Raises where anything is not whole."""
    began = time.perf_counter()
    asked = {"model": "", "n": PICTURES, "seed": seed}
    event = client.post(f"{address}/gradio_api/call/v2/generate", json=asked)
    event.raise_for_status()
    answer = client.get(f"{address}/gradio_api/call/v2/generate/{event.json()['event_id']}")
    found = re.search(r"event: complete\ndata: (.*)\n", answer.text)
    if found is None:
        raise RuntimeError(answer.text[:300])
    for item in json.loads(found[1])[0]:
        picture = client.get(item["file"]["url"])
        picture.raise_for_status()
        content = picture.content
        if not content.startswith(b"\x89PNG") or b"IEND" not in content[-12:]:
            raise RuntimeError(f"{item['file']['url']} is not whole")
    return time.perf_counter() - began


def crowd(address: str, seeds: list[int]) -> tuple[list[float], list[str], float]:
    """All requests by VISITORS at once: seconds of each, what went wrong, and seconds in all."""
    local, opened = threading.local(), []

    def visit(seed: int) -> float | str:
        if not hasattr(local, "client"):
            local.client = httpx.Client(timeout=60)
            opened.append(local.client)
        try:
            return request(local.client, address, seed)
        except (httpx.HTTPError, RuntimeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"

    began = time.perf_counter()
    with ThreadPoolExecutor(VISITORS) as pool:
        found = list(pool.map(visit, seeds))
    for client in opened:
        client.close()
    took = time.perf_counter() - began
    return [each for each in found if isinstance(each, float)], [each for each in found if isinstance(each, str)], took


def memory(process: subprocess.Popen[bytes]) -> float:
    """Megabytes of the server that lie in memory."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found
    return int(found[1]) / 1024


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """What the server has used of the cores."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=MODEL)
    parser.add_argument("--requests", type=int, default=2000)
    options = parser.parse_args()
    print(f"{machine()}; model {options.model.name}")
    starts, busy = [], []
    for _ in range(STARTS):
        with serving(options.model) as (_, process, seconds):
            starts.append(seconds)
            busy.append(processor_seconds(process))
    rows = [["what", "wanted", "measured"]]
    spread = f"{statistics.median(starts):.2f} s (median of {STARTS}, {min(starts):.2f} to {max(starts):.2f})"
    spread += f"; {statistics.median(busy):.2f} s of a core"
    rows.append(["command to first page", "5 s", spread])
    print(spread, flush=True)
    with serving(options.model) as (address, process, _):
        found = clicks(address)
        if found:
            middle = f"{statistics.median(found):.0f} ms (median of {CLICKS}, worst {max(found):.0f})"
        rows.append(["click to picture, one visitor", "300 ms", middle if found else "no Chromium here"])
        crowd(address, [9000])
        times, wrong, took = crowd(address, [index % SEEDS for index in range(TOGETHER)])
        last = statistics.quantiles(times, n=100)[98] if len(times) > 1 else float("nan")
        rows.append(
            [f"{VISITORS} visitors, the same {SEEDS} seeds, {TOGETHER} requests of {PICTURES} pictures",
             "no failure, p99 3 s", f"{len(wrong)} failed, p99 {last:.2f} s, {len(times) / took:.1f} requests/s"]
        )  # fmt: skip
        readings, failures, tenth = [memory(process)], [], max(1, options.requests // 10)
        for part in range(0, options.requests, tenth):
            failures += crowd(address, list(range(10_000 + part, 10_000 + min(part + tenth, options.requests))))[1]
            readings.append(memory(process))
            print(f"{readings[-1]:.0f} MB", flush=True)
        rows.append([f"memory over {options.requests:,} requests, each another seed", "flat",
                     ", ".join(f"{each:.0f}" for each in readings) + f" MB; {len(failures)} failed"])  # fmt: skip
    print(table(rows))
    for each in [*wrong, *failures][:5]:
        print(each)
    print(f"load at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
