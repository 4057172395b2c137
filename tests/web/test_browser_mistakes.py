"""The page in Chromium with what is no model, a hostile one, and what is typed out of range: sentences."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_onnx
import pages
import pytest
import tiny_onnx
from pages import complaint, give, ready, shot

from multigan.contract import Output

pytestmark = pytest.mark.slow


def test_files_that_are_no_model_are_sentences_and_the_page_goes_on(
    models: dict[str, Path], visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit("names.onnx")
    whole = tiny_onnx.write(tmp_path / "whole.onnx").read_bytes()
    text, cut, other, newer, huge, wrong = (
        tmp_path / f"{name}.onnx" for name in ("text", "cut", "other", "newer", "huge", "wrong")
    )
    text.write_text("no model at all, but a text")
    give(page, text)
    complaint(page, "not an ONNX file")
    assert page.locator("#ask").is_hidden()
    shot(page, "mistake")
    cut.write_bytes(whole[:-40])
    give(page, cut)
    complaint(page, "truncated or damaged")
    model = tiny_onnx.model(tiny_onnx.contract())
    del model.metadata_props[:]
    other.write_bytes(model.SerializeToString())
    give(page, other)
    complaint(page, "was not exported by multigan")
    tiny_onnx.write(newer, tiny_onnx.contract(format=2))
    give(page, newer)
    complaint(page, "format 2 and this page reads up to 1")
    with huge.open("wb") as file:
        file.truncate(2**30 + 1)
    give(page, huge)
    complaint(page, "a browser can run models up to")
    said = tiny_onnx.contract(output=Output("image", "float32", ["batch", 3, 4, 7], -1.0, 1.0))
    model = tiny_onnx.model(tiny_onnx.contract())
    model.metadata_props[0].value = said.to_json()
    wrong.write_bytes(model.SerializeToString())
    give(page, wrong)
    complaint(page, "The model gave [16,3,4,6] for 16 samples")
    tiny_onnx.write(wrong, tiny_onnx.contract(), scale=float("nan"))
    give(page, wrong)
    complaint(page, "values that are not numbers")
    tiny_onnx.write(wrong, tiny_onnx.contract(modality="smell"))
    give(page, wrong)
    complaint(page, "makes smell, which this page cannot show")
    give(page, models["pictures"])
    ready(page)
    assert page.locator("#error").inner_text() == ""
    assert page.locator("#samples canvas").count() == 16


def test_addresses_of_models_that_are_not_there_or_elsewhere(visit: Callable[..., Any]) -> None:
    complaint(visit("nothing.onnx", wait=False), "nothing.onnx is not there (404)")
    complaint(visit("https://example.org/model.onnx", wait=False), "own site alone")
    complaint(visit("http://[", wait=False), "http://[ is no address")


def test_a_model_that_was_not_loaded_can_be_chosen_again(visit: Callable[..., Any]) -> None:
    page = visit("pictures.onnx", service_workers="block")  # whose requests cannot be answered here
    page.route("**/names.onnx", lambda route: route.fulfill(status=503))
    page.locator("#models").select_option("names.onnx")
    complaint(page, "names.onnx is not there (503)")
    assert page.locator("#models").input_value() == ""
    page.unroute("**/names.onnx")
    page.locator("#models").select_option("names.onnx")
    ready(page)
    assert page.locator("#models").input_value() == "names.onnx"


def test_a_mistake_far_down_the_page_is_seen(visit: Callable[..., Any]) -> None:
    from playwright.sync_api import expect

    page = visit("pictures.onnx", viewport={"width": 390, "height": 700})
    page.locator("#morph summary").click()
    page.locator("#morph input").first.fill("x")
    page.locator("#morph button[type=submit]").click()
    complaint(page, "seed x is out of range")
    expect(page.locator("#error")).to_be_in_viewport()


def test_the_way_between_large_pictures_has_fewer_steps(visit: Callable[..., Any], tmp_path: Path) -> None:
    """As many numbers as of samples: 121 pictures of 1600 x 1600 would be a gigabyte."""
    from playwright.sync_api import expect

    page = visit("pictures.onnx")
    give(page, hostile_onnx.large(tmp_path / "large.onnx", 1600))
    ready(page)
    page.locator("#morph summary").click()
    expect(page.locator("#morph")).to_contain_text("1 to 7")
    page.locator("#morph button[type=submit]").click()
    ready(page, "The way from seed 7 to seed 8 in 7 steps.")


def test_what_is_typed_out_of_range_is_a_sentence(visit: Callable[..., Any]) -> None:
    page = visit("names.onnx")
    page.locator("#controls summary").click()
    for field, value, sentence in (
        ("Seed", "-1", "seed -1 is out of range"),
        ("Seed", str(2**64), "choose a whole number from 0 to 18446744073709551615"),
        ("How many texts", "1000000000", "choose a whole number from 1 to 1000"),
        ("Length", "70000", "The length 70000 is out of range"),
        ("Prompt", "M" * 400, "The prompt has 400 symbols"),
        ("Mark of a gap in the prompt", "  ", "is not one visible character"),
        ("Top-k", "many", "Top-k many is out of range"),
    ):
        control = page.get_by_role("textbox", name=field, exact=True)
        before = control.input_value()
        control.fill(value)
        page.get_by_role("button", name="Generate").click()
        complaint(page, sentence)
        control.fill(before)
    page.get_by_role("button", name="Generate").click()
    ready(page)
    assert page.locator("#error").inner_text() == ""
    wrong = page.evaluate(
        "multigan.sample({ seed: 0n, start: 0, count: 1, label: 99 }).catch((error) => error.message)"
    )
    assert "There is no class 99" in wrong


def test_a_page_without_onnxruntime_says_so(site: Path, tmp_path: Path, visit: Callable[..., Any]) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(site, bare, ignore=shutil.ignore_patterns("ort", "models.json"))
    with pages.serving(bare) as address:
        page = visit(at=address, wait=False)
        ready(page, "Open an .onnx file that multigan export wrote.")
        give(page, site / "names.onnx")
        complaint(page, "onnxruntime-web could not start")


def test_a_hostile_contract_is_text(visit: Callable[..., Any], tmp_path: Path) -> None:
    bad = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    said = tiny_onnx.contract(
        name=bad, labels=[bad, "\u202egab", "z" * 5000], version=bad, extra={"licence": bad, "number_column": bad}
    )
    page = visit("names.onnx")
    give(page, tiny_onnx.write(tmp_path / "hostile.onnx", said))
    ready(page)
    assert page.title() == "multigan"
    assert page.locator("main img, main script").count() == 0
    assert bad[:24] in page.locator("#samples").inner_text()
    assert "\u202e" not in page.locator("body").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot(page, "hostile")


def test_what_runs_can_be_stopped(visit: Callable[..., Any]) -> None:
    from playwright.sync_api import expect

    page = visit("names.onnx")
    page.get_by_label("How many texts").fill("1000")
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped.")
    page.get_by_label("How many texts").fill("3")
    page.get_by_role("button", name="Generate").click()
    ready(page, re.compile("3 texts of seed 0"))
