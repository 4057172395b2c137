"""What all pages do with a visitor's wish: answer it, or say in the page what was wrong."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from multigan.demo.cards import said, sentence_of
from multigan.errors import UserError

PICK = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-place], [data-drop]');
  if (button) trigger('select', { ...button.dataset });
});
"""
"""A click on a sample, or on what removes a kept one, is an event with what the button says of itself."""
UNSEEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Of the pages' own events: the stable API is `multigan.demo.api` alone."""
WRONG = "something went wrong here that should not: the terminal says what."

log = logging.getLogger("multigan")


def shown(value: str = "", name: str | None = None, picks: bool = False, **options: Any) -> gr.HTML:
    """Where HTML of ours is shown, in our own style. picks: whether a click in it is an event; see PICK."""
    return gr.HTML(value, elem_id=name, apply_default_css=False, js_on_load=PICK if picks else None, **options)


def refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for programs, whose UserError reaches them in words."""

    @functools.wraps(function)
    def answer(*values: Any) -> Any:
        try:
            return function(*values)
        except UserError as error:
            raise gr.Error(sentence_of(error), print_exception=False) from error

    return answer


def answering(count: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For a handler with `count` outputs, the first of which is where sentences are shown.

    A UserError becomes such a sentence, and what else is on the page stays as it is.
    """

    def wrapped(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def answer(*values: Any) -> Any:
            try:
                return handler(*values)
            except UserError as error:
                sentence = sentence_of(error)
            except Exception:
                log.exception("a page's request failed")
                sentence = WRONG
            told = said(sentence, wrong=True)
            return told if count == 1 else (told, *([gr.skip()] * (count - 1)))

        return answer

    return wrapped
