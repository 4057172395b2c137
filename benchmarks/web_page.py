"""The browser page in headless Chromium: how long samples take, and what is transferred before the model.

    python benchmarks/web_page.py
    python benchmarks/web_page.py --rounds 21 --models DCGAN.onnx WAVEGAN.onnx

A time is from the page's call to the samples in the page: noise, the message to the worker and back, onnxruntime-web on
one thread. CPU time is that of the browser's processes for pages in all rounds, divided by their number: where other
work runs, it says more than wall time. The models are hardly trained, which does not change what they cost. Sizes are
those of the files that the browser asks for, each compressed by brotli at quality 11 as a static host keeps it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from _models import hardly_trained, multigan
from _timing import machine, table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import pages

WARMUPS = 3
CASES = {
    "dcgan": ("image", [], 16, "16 pictures of 32x32 in colour, DCGAN", "60"),
    "wavegan": (
        "audio",
        ["generator.width=64", "training.samples=40"],
        1,
        "one sound of 1.02 s, WaveGAN d = 64",
        "100",
    ),
}
ROUNDS = """async ([count, rounds]) => {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now();
    await multigan.sample({ seed: BigInt(round), start: 0, count });
    times.push(performance.now() - begun);
  }
  return times;
}"""
BROTLI = (
    "const { brotliCompressSync: press } = require('node:zlib'); const { readFileSync: read } = require('node:fs');"
    "console.log(process.argv.slice(1).reduce((sum, file) => sum + press(read(file)).length, 0));"
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=21)
    options.add_argument("--ort", type=Path, help="onnxruntime-web's package or folder; npm fetches it otherwise")
    options.add_argument("--models", type=Path, nargs=len(CASES), help="exported files, in the order of the cases")
    told = options.parse_args()
    if pages.CHROMIUM is None:
        raise SystemExit("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        models = dict(zip(CASES, told.models or made(folder), strict=True))
        chromium = playwright.chromium.launch(executable_path=pages.CHROMIUM, args=pages.ARGUMENTS)
        rows = [["what", "wall, ms", "quartiles", "least", "CPU, ms", "wanted, wall ms"]]
        print(f"{machine()}; Chromium {chromium.version}, {told.rounds} rounds after {WARMUPS}\n")
        for name, (_, _, count, words, wanted) in CASES.items():
            site = folder / f"site-{name}"
            named = folder / f"{name}.onnx"
            shutil.copyfile(models[name], named)
            multigan("export", "--web", site, named, *(["--ort", told.ort] if told.ort else []))
            times, cpu, asked = measured(chromium, site, named.name, count, told.rounds)
            low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
            rows.append([words, f"{middle:.1f}", f"{low:.1f} to {high:.1f}", f"{min(times):.1f}", f"{cpu:.1f}", wanted])
        chromium.close()
        before = [site / path for path in sorted(asked) if not path.endswith(".onnx")]
        print(table(rows) + "\n")
        size = sum(path.stat().st_size for path in before)
        print(f"before the model: {len(before)} files, {size / 1e6:.2f} MB, as brotli {pressed(before) / 1e6:.2f} MB")
        print("wanted: 3 MB as brotli")


def made(folder: Path) -> list[Path]:
    """A hardly trained model of each case."""
    found = []
    for name, (modality, overrides, _, _, _) in CASES.items():
        place = folder / name
        place.mkdir()
        found.append(hardly_trained(name, place, overrides, modality)[1])
    return found


def measured(chromium: Any, site: Path, model: str, count: int, rounds: int) -> tuple[list[float], float, set[str]]:
    """Milliseconds of each round, those of CPU time of one, and the files that the page asked for."""
    asked: set[str] = set()
    with pages.serving(site) as address:
        context = chromium.new_context(service_workers="block")
        page = context.new_page()
        context.on("request", lambda request: asked.add(urlsplit(request.url).path.lstrip("/") or "index.html"))
        page.goto(f"{address}?model={model}")
        page.locator("#stop").wait_for(state="hidden")
        page.locator("#samples li").first.wait_for()
        page.evaluate(ROUNDS, [count, WARMUPS])
        before = cpu_seconds(chromium)
        times = page.evaluate(ROUNDS, [count, rounds])
        cpu = (cpu_seconds(chromium) - before) * 1000 / rounds
        context.close()
    return times, cpu, asked


def cpu_seconds(chromium: Any) -> float:
    """CPU seconds that the browser's processes for pages have used."""
    found = chromium.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return sum(each["cpuTime"] for each in found if each["type"] == "renderer")


def pressed(files: list[Path]) -> int:
    """Bytes of the files, each compressed by brotli."""
    done = subprocess.run(["node", "-e", BROTLI, *map(str, files)], check=True, capture_output=True, text=True)
    return int(done.stdout)


if __name__ == "__main__":
    main()
