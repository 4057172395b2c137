"""Two models beside each other, with the same seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from multigan.demo import cards
from multigan.demo.asked import EXACT, IN_TURN, label_of, whole
from multigan.demo.compare import compare
from multigan.demo.making import Studio, most_of
from multigan.demo.pages.answering import UNSEEN, answering, shown
from multigan.demo.shelf import Shelf
from multigan.making import Options

MOST = 16
"""Samples of each model."""
HINT = "The same seeds in both models. It takes some seconds."


class Compare:
    """Builds the page where it is made. listed: what can be chosen, given what the visitor has uploaded."""

    def __init__(self, shelf: Shelf, studio: Studio, listed: Callable[[Sequence[str]], list[str]]):
        self.shelf, self.studio, self.listed = shelf, studio, listed
        names = shelf.names()
        with gr.Row():
            self.left = gr.Dropdown(names, value=names[0], label="One model", min_width=160, elem_id="mg-left")
            self.right = gr.Dropdown(names, value=names[-1], label="The other", min_width=160, elem_id="mg-right")
        with gr.Row():
            self.seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=EXACT, min_width=120)
            self.n = gr.Slider(1, MOST, 8, step=1, label="How many", min_width=160)
            self.label = gr.Dropdown(
                [IN_TURN], value=IN_TURN, label="Label", visible=False, min_width=140, elem_id="mg-compare-label"
            )
        self.go = gr.Button("Compare", variant="primary", elem_id="mg-compare")
        self.status = shown(cards.said(HINT), name="mg-compare-status")
        self.table = shown(name="mg-compare-table")
        with gr.Row(equal_height=False):
            self.shown = [shown(name=f"mg-compare-{side}", min_width=280) for side in ("left", "right")]
        outputs = [self.status, self.table, *self.shown]
        inputs = [self.left, self.right, self.seed, self.n, self.label]
        waiting = {**UNSEEN, "show_progress": "minimal", "show_progress_on": self.status}
        gr.on([self.go.click, self.seed.submit], self.both, inputs, outputs, concurrency_limit=1, **waiting)
        for chosen in (self.left, self.right):
            chosen.input(self.labels, self.chosen, [self.status, self.label], **UNSEEN)

    @property
    def chosen(self) -> list[Any]:
        """What a visitor has chosen."""
        return [self.left, self.right, self.label]

    @property
    def drawn(self) -> list[Any]:
        """Of `look`."""
        return [self.status, self.label, self.left, self.right]

    @answering(4)
    def look(self, left: str, right: str, label: Any, mine: Sequence[str]) -> tuple[Any, ...]:
        """What can be chosen now."""
        listed = gr.update(choices=self.listed(mine))
        return gr.skip(), self._label(left, right, label), listed, listed

    @answering(2)
    def labels(self, left: str, right: str, label: Any) -> tuple[Any, ...]:
        """What can be chosen with two other models."""
        return cards.said(HINT), self._label(left, right, label)

    def _label(self, left: str, right: str, label: Any) -> Any:
        """The labels that both know."""
        ours, theirs = (self.shelf.get(name).contract.labels for name in (left, right))
        both = [name for name in ours if name in theirs]
        return gr.update(choices=[IN_TURN, *both], value=label if label in both else IN_TURN, visible=bool(both))

    @answering(4)
    def both(self, left: str, right: str, seed: Any, n: Any, label: Any) -> tuple[str, ...]:
        """Samples of both, and a table."""
        models = [self.shelf.get(name) for name in (left, right)]
        count = min(whole({"n": n}, "n"), MOST, *map(most_of, models))
        options = Options(seed=whole({"seed": seed}, "seed"), label=label_of(label))
        made = [self.studio.samples(served, count, options) for served in models]
        rows = compare(models, count, options)
        table = cards.table(["", *(served.name for served in models)], rows)
        heads = [f"<h3 class='mg-head'>{cards.words(served.name)}</h3>" for served in models]
        sides = [head + cards.plain(each) for head, each in zip(heads, made, strict=True)]
        return cards.said(f"Seed {options.seed} in both; medians of rounds in which they take turns."), table, *sides
