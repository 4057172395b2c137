"""The pages in Chromium: samples of every modality, a walk, a phone's width, light and dark, and no network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pages
import pytest
from visiting import choose, first, pick, said, tab

pytestmark = pytest.mark.slow


def test_a_picture_changes_with_its_seed_and_not_without(visit: Callable[..., Any]) -> None:
    page = visit()
    before = first(page)
    page.locator("#mg-generate").click()
    said(page, "16 pictures of seed 0")
    assert first(page) == before
    seed = page.get_by_label("Seed", exact=True).first
    seed.fill("7")
    seed.press("Enter")
    said(page, "16 pictures of seed 7")
    after = first(page)
    assert after != before
    seed.fill("0")
    seed.press("Enter")
    said(page, "16 pictures of seed 0")
    assert first(page) == before


def test_seeds_are_kept_varied_and_morphed(visit: Callable[..., Any]) -> None:
    page = visit()
    page.locator("#mg-results .mg-pick").nth(2).click()
    page.wait_for_selector("#mg-kept figure")
    page.locator("#mg-results .mg-pick").nth(12).click()
    page.wait_for_selector("#mg-kept figure >> nth=1")
    page.get_by_label("Around").fill("3#4")  # which was not kept: it has the class that it has in the gallery
    page.locator("#mg-vary").click()
    said(page, "15 variations around 3#4", "#mg-vary-status")
    assert page.locator("#mg-varied img[alt='seed 3 #4, 4']").count() == 1
    page.get_by_label("Around").fill("0#12")
    page.locator("#mg-vary").click()
    said(page, "15 variations around 0#12", "#mg-vary-status")
    page.wait_for_selector("#mg-varied img[alt='seed 0 #12, 2']")
    page.locator("#mg-morph").click()
    page.wait_for_selector("#mg-film img")
    said(page, "From seed 0#2 to 0#12", "#mg-morph-status")
    page.get_by_label("To seed").fill("x")
    page.locator("#mg-morph").click()
    said(page, "'x' is no seed", "#mg-morph-status")  # where the visitor looks
    assert page.locator("#mg-film img").count() == 1
    with page.expect_download() as waited:
        page.locator("#mg-film .mg-link", has_text="GIF").click()
    assert Path(waited.value.path()).read_bytes()[:6] == b"GIF89a"
    assert waited.value.suggested_filename.endswith("seed0-0002-to-seed0-0012.gif")
    with page.expect_download() as waited:
        page.locator("#mg-results .mg-link", has_text="zip").click()
    assert waited.value.suggested_filename == "quickstart-seed0-16-pictures.zip"
    page.reload()
    page.wait_for_selector("#mg-kept figure >> nth=1")  # the browser has kept them
    page.locator("#mg-kept [data-drop]").first.click()
    page.wait_for_selector("#mg-kept figure >> nth=1", state="detached")


def test_sounds_are_heard_and_played_by_keys(visit: Callable[..., Any]) -> None:
    page = visit()
    choose(page, "hits", ".mg-pad")
    with page.expect_response(lambda answer: answer.url.endswith(".wav")) as waited:
        page.locator("#mg-results .mg-play").first.click()
    assert waited.value.body()[:4] == b"RIFF"
    heard = """() => new Promise((done) => new MutationObserver(() => {
      const pad = document.querySelector('.mg-pad[data-playing]');
      if (pad) done(pad.dataset.key);
    }).observe(document.body, { subtree: true, attributes: true }))"""
    page.evaluate(f"() => {{ window.heard = ({heard})(); }}")  # without waiting for it
    page.keyboard.press("2")
    assert page.evaluate("window.heard") == "2"
    assert page.locator("#mg-results figcaption b", has_text="45").count() < 8  # numbers take turns
    slider = page.get_by_label("range slider for Number (pitch)")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.wait_for_function(
        "() => [...document.querySelectorAll('#mg-results b')].every((one) => one.textContent.includes('\\u00b7 45'))"
    )
    assert not page.get_by_label("A number for each sample").is_checked()
    page.locator("#mg-morph").click()
    page.wait_for_selector("#mg-film .mg-play")


def test_texts_begin_as_they_are_asked(visit: Callable[..., Any]) -> None:
    page = visit()
    choose(page, "names", ".mg-line")
    prompt = page.get_by_label("Prompt").first
    prompt.fill("M_r")
    prompt.press("Enter")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.mg-line')].every((one) => /^M.r/.test(one.textContent))"
    )
    prompt.fill("Ma\u4e2d")
    prompt.press("Enter")
    said(page, "Not in the vocabulary")
    prompt.fill("M" * 60)
    prompt.press("Enter")
    said(page, "the prompt has 60 symbols")
    assert page.locator("#mg-results .mg-line").count() == 24  # what was there stays


def test_a_walk_is_live(visit: Callable[..., Any]) -> None:
    page = visit()
    tab(page, "Explore")
    page.wait_for_selector("#mg-explore img")
    source = page.locator("#mg-explore img").get_attribute("src")
    page.get_by_label("range slider for Direction 1").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    said(page, "A walk from seed 0#0", "#mg-explore-status")
    assert page.locator("#mg-explore img").get_attribute("src") != source
    page.locator("#mg-home").click()
    said(page, "Seed 0#0", "#mg-explore-status")
    assert page.locator("#mg-explore img").get_attribute("src") == source
    pick(page, "#mg-model", "names")
    said(page, "Temperature 1", "#mg-explore-status")  # another model begins at once
    assert page.locator("#mg-explore .mg-line").count() == 16


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_it_fits_and_can_be_read(width: int, scheme: str, visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": width, "height": 850}, color_scheme=scheme)
    page.locator("#mg-results .mg-pick").nth(2).click()
    page.wait_for_selector("#mg-kept figure")
    page.locator("#mg-results .mg-pick").nth(12).click()
    page.wait_for_selector("#mg-kept figure >> nth=1")
    for name, wait in (("Create", "#mg-results img"), ("Explore", "#mg-explore img"), ("Training", "#mg-curves svg")):
        tab(page, name)
        page.wait_for_selector(wait)
        fits(page, width, f"{name}-{scheme}-{width}")
    tab(page, "Compare")
    page.locator("#mg-compare").click()
    page.wait_for_selector("#mg-compare-table table")
    fits(page, width, f"Compare-{scheme}-{width}")
    tab(page, "Upload")
    fits(page, width, f"Upload-{scheme}-{width}")
    tab(page, "Create")
    for name, wait in (("hits", ".mg-pad"), ("names", ".mg-line")):
        choose(page, name, wait)
        fits(page, width, f"{name}-{scheme}-{width}")


CONTRAST = """(element) => {
  const light = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map((each) => each / 255)
    .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const sides = [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor].map(light);
  return (Math.max(...sides) + 0.05) / (Math.min(...sides) + 0.05);
}"""
"""Of WCAG 2, between a text and the page."""


def fits(page: Any, width: int, name: str) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for place in (".mg-title p", ".mg-said", ".mg-seed", ".mg-hint"):
        for each in page.locator(f"{place} >> visible=true").all()[:2]:
            assert each.evaluate(CONTRAST) >= 4.5, (name, place)
    pages.shot(page, f"demo-{name}")
