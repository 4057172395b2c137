"""The pages in Chromium: every tab and modality, mistakes, a phone's width, light and dark, and no network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pages
import pytest
import tiny_onnx
from serving import serving
from test_demo_training import run as make_run

from multigan.demo.finding import SHIPPED
from multigan.pictures import save_image, to_image, to_uint8
from multigan.runtime import Generator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    shutil.copy(SHIPPED / "digits.onnx", home / "models" / "digits.onnx")
    for name in ("hits", "names"):
        shutil.copy(files[name], home / "models" / f"{name}.onnx")
    tiny_onnx.write(home / "models" / "tiny.onnx")
    (home / "runs").mkdir()
    run = make_run(home / "runs", "learning", 40)
    pixels = to_uint8(Generator.load(SHIPPED / "digits.onnx", "cpu").sample(1))
    save_image(to_image(pixels[0]), run / "previews" / "000000000064.png")
    return home


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    command = ["-m", "multigan", "demo", "models", "--no-browser", "--device", "cpu"]
    with serving(command, folder) as address:
        yield address


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens the page in a window of its own; nothing may go wrong in it unsaid, and nothing may leave the machine."""
    mistakes: list[str] = []
    with ExitStack() as stack:

        def local(route: Any) -> None:
            if not route.request.url.startswith((address, "data:", "blob:")):
                mistakes.append(f"asked for {route.request.url}")
                route.abort()
            else:
                route.continue_()

        def opened(**options: Any) -> Any:
            context = browser.new_context(**options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.route("**/*", local)
            page.on("pageerror", lambda error: mistakes.append(str(error)))
            page.goto(address)
            page.wait_for_selector("#mg-results img")
            return page

        yield opened
    assert mistakes == []


def choose(page: Any, name: str, wait: str) -> None:
    page.locator("#mg-model input").click()
    page.get_by_role("option", name=name, exact=True).click()
    page.wait_for_selector(f"#mg-results {wait}")


def tab(page: Any, name: str) -> None:
    there = page.get_by_role("tab", name=name, exact=True)
    if there.is_visible():
        there.click()
        return
    page.locator(".overflow-menu > button").click()
    page.locator(".overflow-dropdown button", has_text=name).click()


def said(page: Any, words: str, where: str = "#mg-status") -> None:
    from playwright.sync_api import expect

    expect(page.locator(where)).to_contain_text(re.compile(words), timeout=30_000)


def first(page: Any) -> str:
    """The bytes of the first picture, as the page shows it."""
    found: str = page.locator("#mg-results img").first.evaluate(
        """async (image) => {
          const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
          return Array.from(bytes).join();
        }"""
    )
    return found


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
    page.locator("#mg-model input").click()
    page.get_by_role("option", name="names", exact=True).click()
    said(page, "Temperature 1", "#mg-explore-status")  # another model begins at once
    assert page.locator("#mg-explore .mg-line").count() == 16


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
            page.locator("#mg-compare-label input").click()
            page.get_by_role("option", name="dog", exact=True).click()
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
        page.locator(f"#mg-{side} input").click()
        page.get_by_role("option", name=chosen, exact=True).click()
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
