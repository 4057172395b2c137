"""The page in Chromium: equal to the command line, usable by keyboard, on a phone, in the dark and offline."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pytest
import soundfile
from pages import ready, shot
from PIL import Image

from multigan import load
from multigan.cli import run
from multigan.pictures import to_uint8

pytestmark = pytest.mark.slow


def raw(page: Any, call: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The raw output of the page's own call, and what else it gave."""
    found = page.evaluate(
        f"multigan.{call}.then(({{ data, dims, labels, texts, note }}) => "
        "({ data: Array.from(data), dims, labels, texts, note }))"
    )
    return np.array(found.pop("data")).reshape(found["dims"]), found


# --- equal to native --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pictures", "sounds"])
def test_samples_are_those_of_the_command_line(name: str, models: dict[str, Path], visit: Callable[..., Any]) -> None:
    page, native = visit(f"{name}.onnx"), load(models[name], device="cpu", threads=1)
    ours = native.sample(5, seed=2**64 - 1, start=3)
    theirs, told = raw(page, f"sample({{ seed: {2**64 - 1}n, start: 3, count: 5 }})")
    assert np.abs(theirs - ours).max() <= 1e-5
    assert told["labels"] == [(3 + each) % len(native.contract.labels) for each in range(5)]
    theirs, _ = raw(page, "sample({ seed: 7n, start: 0, count: 3, label: 2, truncation: 0.4 })")
    assert np.abs(theirs - native.sample(3, seed=7, label=2, truncation=0.4)).max() <= 1e-5
    theirs, _ = raw(page, "way({ seeds: [7n, 8n], steps: 6, first: 0, count: 7, label: 1 })")
    assert np.abs(theirs - native.interpolate([7, 8], 6, label=1)).max() <= 1e-5


def test_a_model_that_is_told_a_number(models: dict[str, Path], visit: Callable[..., Any]) -> None:
    page, native = visit("pitched.onnx"), load(models["pitched"], device="cpu", threads=1)
    theirs, told = raw(page, "sample({ seed: 5n, start: 2, count: 4 })")
    ours = native.sample(4, seed=5, start=2)
    assert np.abs(theirs - ours).max() <= 1e-5
    theirs, _ = raw(page, "sample({ seed: 5n, start: 2, count: 4, label: 1, number: 433.5 })")
    ours = native.sample(4, seed=5, start=2, label=1, number=433.5)
    assert np.abs(theirs - ours).max() <= 1e-5
    assert told["labels"] == [0, 1, 0, 1]
    theirs, _ = raw(page, "way({ seeds: [7n, 8n], steps: 6, first: 0, count: 7, label: 1, number: 300 })")
    assert np.abs(theirs - native.interpolate([7, 8], 6, label=1, number=300)).max() <= 1e-5


def test_spectrograms_are_heard_as_by_the_command_line(models: dict[str, Path], visit: Callable[..., Any]) -> None:
    page, native = visit("spectrograms.onnx"), load(models["spectrograms"], device="cpu", threads=1)
    theirs, _ = raw(page, "sample({ seed: 5n, start: 2, count: 3 })")
    assert np.abs(theirs - native.sample(3, seed=5, start=2)).max() <= 1e-3  # the recipe's own: it finds the phases
    theirs, _ = raw(page, "way({ seeds: [7n, 8n], steps: 3, first: 0, count: 4, label: 1 })")
    assert np.abs(theirs - native.interpolate([7, 8], 3, label=1)).max() <= 1e-3


def test_texts_are_those_of_the_command_line(models: dict[str, Path], visit: Callable[..., Any]) -> None:
    page, native = visit("names.onnx"), load(models["names"], device="cpu", threads=1)
    for sampling, options in (
        ("{}", {}),
        ('{ prompt: "Ma", temperature: 0.7 }', {"prompt": "Ma", "temperature": 0.7}),
        ('{ prompt: "M_r", gap: "_", topK: 5, topP: 0.9, length: 7 }',
         {"prompt": "M_r", "gap": "_", "top_k": 5, "top_p": 0.9, "length": 7}),
    ):  # fmt: skip
        _, theirs = raw(page, f"sample({{ seed: 9n, start: 4, count: 40, sampling: {sampling} }})")
        assert theirs["texts"] == native.texts(40, seed=9, start=4, **options)  # type: ignore[arg-type]
    tokens, _ = raw(page, "sample({ seed: 3n, start: 0, count: 30 })")
    assert np.array_equal(tokens, native.sample(30, seed=3))
    _, theirs = raw(page, 'sample({ seed: 1n, start: 0, count: 1, sampling: { prompt: "A\u4e2d" } })')
    assert theirs["note"] == "\u201c\u4e2d\u201d: not in the vocabulary, taken as the unknown symbol."


def downloaded(page: Any, name: str) -> Path:
    with page.expect_download() as waited:
        page.get_by_role("button", name=name, exact=True).first.click()
    return Path(waited.value.path())


def test_what_is_shown_and_saved_is_what_was_made(models: dict[str, Path], visit: Callable[..., Any]) -> None:
    page, native = visit("pictures.onnx"), load(models["pictures"], device="cpu", threads=1)
    label = native.contract.labels[1]
    saved = np.asarray(Image.open(downloaded(page, f"Download sample 1 of seed 0 \u00b7 {label} as PNG")).convert("L"))
    ours = to_uint8(native.sample(16, seed=0))
    assert np.abs(saved.astype(int) - ours[1, ..., 0]).max() <= 1
    side = ours.shape[1] + 2
    sheet = np.asarray(Image.open(downloaded(page, "Download all in one PNG")).convert("L"))
    assert sheet.shape == (4 * side + 2, 4 * side + 2)
    assert np.abs(sheet[side + 2 : 2 * side, 2:side].astype(int) - ours[4, ..., 0]).max() <= 1

    page, native = visit("sounds.onnx"), load(models["sounds"], device="cpu", threads=1)
    name = f"Download sample 2 of seed 0 \u00b7 {native.contract.labels[2]} as WAV"
    content = downloaded(page, name).read_bytes()
    sound, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert rate == native.contract.extra["sample_rate"]
    assert soundfile.info(io.BytesIO(content)).subtype == "PCM_16"
    assert np.abs(sound - native.sample(3, seed=0)[2, 0]).max() < 1e-4

    page, native = visit("names.onnx"), load(models["names"], device="cpu", threads=1)
    lines = downloaded(page, "Download as .txt").read_text(encoding="utf-8").splitlines()
    assert lines == native.texts(12, seed=0)


# --- people -----------------------------------------------------------------------------------------------------------


def tab_to(page: Any, found: str, most: int = 60) -> None:
    """Press Tab until the element that has the focus matches a selector."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(found) => document.activeElement.matches(found)", found):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"  # where one is can be seen
            return
    raise AssertionError(f"no Tab leads to {found}")


def test_a_keyboard_is_enough(visit: Callable[..., Any]) -> None:
    page = visit("sounds.onnx")
    heard = "document.querySelector('button.wave').player.values.slice(0, 100).join()"
    first = page.evaluate(heard)
    tab_to(page, "#controls input")
    page.keyboard.press("Control+A")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    ready(page, re.compile("of seed 12 in"))
    assert page.evaluate(heard) != first
    tab_to(page, "#controls select")
    page.keyboard.press("ArrowDown")
    ready(page)
    tab_to(page, "button.wave")
    page.keyboard.press("Space")
    page.wait_for_selector("button.wave[data-playing]", timeout=10_000)
    page.wait_for_selector("button.wave:not([data-playing])", timeout=10_000)
    tab_to(page, "#morph summary")
    page.keyboard.press("Enter")
    tab_to(page, "#morph input")
    page.keyboard.press("Enter")
    ready(page, "The way from seed 7 to seed 8 in 8 steps.")
    tab_to(page, "#morph input[type=range]")
    page.keyboard.press("ArrowRight")
    assert page.locator(".stage button").get_attribute("aria-label") == "Play step 1 of 8 from seed 7 to seed 8"
    page.wait_for_selector(".stage button[data-playing]", timeout=10_000)


def test_another_seed_and_another_label_are_other_samples(visit: Callable[..., Any]) -> None:
    page = visit("pictures.onnx")
    picture = page.locator("#samples canvas").first
    seen = [picture.evaluate("(canvas) => canvas.toDataURL()")]
    page.get_by_role("button", name="Next seed").click()
    ready(page, re.compile("of seed 1 in"))
    seen.append(picture.evaluate("(canvas) => canvas.toDataURL()"))
    page.get_by_label("Label").select_option(index=4)
    page.wait_for_selector("figcaption bdi >> nth=1 >> text='3'", timeout=20_000)
    ready(page)
    seen.append(picture.evaluate("(canvas) => canvas.toDataURL()"))
    page.get_by_role("button", name="Previous seed").click()
    ready(page, re.compile("of seed 0 in"))
    page.get_by_label("Label").select_option(index=0)
    page.wait_for_selector("figcaption bdi >> nth=1 >> text='1'", timeout=20_000)
    ready(page)
    assert picture.evaluate("(canvas) => canvas.toDataURL()") == seen[0]
    assert len(set(seen)) == 3


@pytest.mark.parametrize("name", ["pictures", "sounds", "names"])
def test_a_phone_needs_no_scrolling_to_the_side(name: str, visit: Callable[..., Any]) -> None:
    page = visit(f"{name}.onnx", viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    if page.locator("#morph").count():
        page.locator("#morph summary").click()
        page.locator("#morph button[type=submit]").click()
        ready(page, re.compile("The way"))
    page.locator("#controls summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    sizes = page.locator("button:visible, select:visible").evaluate_all("(all) => all.map((each) => each.offsetHeight)")
    assert min(sizes) >= 24  # of what a finger touches (WCAG 2.5.8)
    shot(page, f"phone-{name}")


def _luminance(colour: str) -> float:
    parts = [int(colour.lstrip("#")[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["pictures", "sounds", "names"])
def test_light_and_dark_have_contrast(scheme: str, name: str, visit: Callable[..., Any]) -> None:
    page = visit(f"{name}.onnx", color_scheme=scheme)
    colour = {
        each: page.evaluate(
            f"getComputedStyle(document.documentElement).getPropertyValue('--{each}').trim()",
        )
        for each in ("ground", "card", "ink", "soft", "line", "accent", "on-accent", "error", "error-ground", "wave")
    }

    def contrast(one: str, other: str) -> float:
        low, high = sorted(_luminance(colour[each]) for each in (one, other))
        return (high + 0.05) / (low + 0.05)

    texts = [("ink", "ground"), ("ink", "card"), ("soft", "ground"), ("soft", "card"), ("on-accent", "accent")]
    assert min(contrast(*pair) for pair in [*texts, ("error", "error-ground"), ("accent", "ground")]) >= 4.5
    assert min(contrast(*pair) for pair in [("line", "card"), ("accent", "card"), ("wave", "card")]) >= 3
    assert (_luminance(colour["ground"]) < 0.1) == (scheme == "dark")
    shot(page, f"{scheme}-{name}")


KEPT_TOO = """async () => {
  while (!(await caches.match("names.onnx"))) await new Promise((done) => setTimeout(done, 50));
}"""


def test_once_visited_it_works_offline(site: Path, tmp_path: Path, visit: Callable[..., Any]) -> None:
    with pages.serving(site) as address:
        page = visit("names.onnx", at=address)
        page.evaluate(KEPT_TOO)
    page.reload()
    ready(page)
    page.get_by_role("button", name="Next seed").click()
    ready(page, re.compile("of seed 1 in"))
    page.goto(address)
    page.get_by_label("Choose").select_option("names.onnx")
    ready(page)


def test_a_run_is_exported_to_the_page(models: dict[str, Path], site: Path, tmp_path: Path) -> None:
    trained = models["pictures"].with_suffix("")
    out = tmp_path / "site"
    assert run(["export", "--web", str(out), str(trained), str(models["names"]), "--ort", str(site / "ort")]) == 0
    assert sorted(path.name for path in out.glob("*.onnx")) == ["dcgan.onnx", "names.onnx"]
    native, exported = (load(path, device="cpu", threads=1) for path in (models["pictures"], out / "dcgan.onnx"))
    assert np.array_equal(native.sample(2, seed=1), exported.sample(2, seed=1))
