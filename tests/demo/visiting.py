"""What a visitor does with the pages in Chromium."""

from __future__ import annotations

import re
from typing import Any


def pick(page: Any, place: str, name: str) -> None:
    """Choose in a list, and wait until that is closed: another one may hold the same name."""
    page.locator(f"{place} input").click()
    page.get_by_role("option", name=name, exact=True).click()
    page.get_by_role("option").first.wait_for(state="detached")


def choose(page: Any, name: str, wait: str) -> None:
    pick(page, "#mg-model", name)
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
