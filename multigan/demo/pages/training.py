"""A run as it learns."""

from __future__ import annotations

from typing import Any

import gradio as gr

from multigan.demo import cards, training
from multigan.demo.making import Studio
from multigan.demo.pages.answering import UNSEEN, answering, shown

SECONDS = 3.0
"""Between two looks."""


class Training:
    """Builds the page where it is made."""

    def __init__(self, studio: Studio):
        self.studio = studio
        with gr.Row():  # the runs are found when the page is looked at: what is trained now is the first of them
            self.run = gr.Dropdown([], value=None, label="Run", scale=2, min_width=200, elem_id="mg-run")
            self.share = gr.Slider(
                0, 100, 100, step=1, label="Look back", info="Right end: the newest preview.", scale=2, min_width=200
            )
        self.status = shown(name="mg-training-status")
        self.preview = shown(name="mg-preview")
        self.curves = shown(name="mg-curves")
        self.timer = gr.Timer(SECONDS, active=False)
        outputs = [self.status, self.run, self.preview, self.curves]
        for each in (self.timer.tick, self.run.input, self.share.release):
            each(self.look, [self.run, self.share], outputs, trigger_mode="always_last", **UNSEEN)

    @answering(4)
    def look(self, name: str | None, share: Any) -> tuple[Any, ...]:
        """What the run's folder tells now."""
        names = training.runs()
        name = name if name in names else names[0] if names else ""
        if not name:
            return cards.said(training.NONE), gr.update(choices=[], value=None), "", ""
        state = training.read(name)
        shown = training.preview(state, min(max(float(share) / 100, 0.0), 1.0), self.studio.cache)
        return cards.said(state.sentence), gr.update(choices=names, value=name), shown, training.curves(state.series)
