"""The pages in Chromium: two models side by side, trainings, uploads, and models that change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_onnx
from serving import serving
from test_demo_training import run as make_run
from visiting import choose, first, pick, said, tab

pytestmark = pytest.mark.slow


def test_two_models_are_compared(visit: Callable[..., Any]) -> None:
    page = visit()
    tab(page, "Compare")
    page.locator("#mg-compare").click()
    said(page, "Time for 8", "#mg-compare-table")
    said(page, "ms", "#mg-compare-table")
    assert page.locator("#mg-compare-left img").count() == 8


def test_two_precisions_are_compared_by_label_at_once(browser: Any, tmp_path: Path) -> None:
    """Also by who comes after the models were read again, which the demo did not know when it was started."""
    for name in ("tiny", "tiny-fp16"):
        tiny_onnx.write(tmp_path / f"{name}.onnx")
    with serving(["-m", "multigan", "demo", ".", "--no-browser", "--device", "cpu"], tmp_path) as address:
        for visitor in range(2):
            page = browser.new_page()
            page.goto(address)
            page.wait_for_selector("#mg-results img")
            tab(page, "Compare")
            pick(page, "#mg-compare-label", "dog")
            page.locator("#mg-compare").click()
            said(page, "none", "#mg-compare-table")
            assert page.locator("#mg-compare-right img[alt*=dog]").count() == 8
            page.locator("#mg-right input").click()
            assert page.get_by_role("option", name="tiny-int8", exact=True).count() == visitor
            tiny_onnx.write(tmp_path / "tiny-int8.onnx")
            page.locator("#mg-again").click()
            said(page, "New: tiny-int8" if visitor == 0 else "Nothing has changed|Read again", "#mg-message")
            page.close()


def test_a_training_is_followed(visit: Callable[..., Any], folder: Path) -> None:
    page = visit()
    tab(page, "Training")
    said(page, "learning is training|learning is at rest", "#mg-training-status")
    page.wait_for_selector("#mg-curves svg")
    page.wait_for_selector("#mg-preview img")
    with (folder / "runs" / "learning" / "metrics.jsonl").open("a") as log:
        log.write('\n{"samples": 123456, "loss": 0.1}\n')
    said(page, "123,456", "#mg-training-status")  # by itself
    make_run(folder / "runs", "later", 3)
    page.reload()
    page.wait_for_selector("#mg-results img")
    tab(page, "Training")
    said(page, "later is training", "#mg-training-status")  # and not the one that was the newest when the demo began
    shutil.rmtree(folder / "runs" / "later")


def test_an_upload_is_opened_or_refused_in_words(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    tab(page, "Upload")
    (tmp_path / "bad.onnx").write_bytes(b"hello")
    page.locator("#mg-upload input[type=file]").set_input_files(tmp_path / "bad.onnx")
    said(page, "bad.onnx is not an ONNX file", "#mg-upload-status")
    page.locator("#mg-upload").get_by_label("Clear").click()
    mine = tiny_onnx.write(tmp_path / "mine.onnx", scale=0.7)
    page.locator("#mg-upload input[type=file]").set_input_files(mine)
    said(page, "mine.onnx is a generator of pictures", "#mg-upload-status")
    name = page.locator("#mg-model input").input_value()
    assert name.startswith("mine (")
    tab(page, "Create")
    choose(page, "tiny", "img")
    page.locator("#mg-again").click()  # what is not chosen now can be chosen again
    said(page, "Nothing has changed", "#mg-message")
    tab(page, "Compare")
    for side, chosen in (("left", "tiny"), ("right", name)):
        pick(page, f"#mg-{side}", chosen)
    page.locator("#mg-compare-label input").wait_for()
    page.locator("#mg-compare").click()
    said(page, "signal to noise", "#mg-compare-table")
    tab(page, "Create")
    choose(page, name, "img")
    seed = page.get_by_label("Seed", exact=True).first
    seed.fill("3")
    seed.press("Enter")
    said(page, "16 pictures of seed 3")


def test_a_model_that_changes_on_the_disk_is_served_as_it_was(visit: Callable[..., Any], folder: Path) -> None:
    page = visit()
    choose(page, "tiny", "img[alt*='dog']")
    before, file = first(page), folder / "models" / "tiny.onnx"
    tiny_onnx.write(file, scale=0.2)
    page.locator("#mg-generate").click()
    said(page, "The file has changed on the disk")
    assert first(page) == before
    page.locator("#mg-again").click()
    said(page, "Read again: tiny", "#mg-message")
    assert first(page) != before
    file.unlink()
    page.locator("#mg-generate").click()
    said(page, "gone from the disk")
    page.locator("#mg-again").click()
    said(page, "Gone from the disk, still served: tiny", "#mg-message")
