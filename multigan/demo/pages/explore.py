"""A walk through the latent space under sliders; of texts, through the temperatures."""

from __future__ import annotations

from typing import Any

import gradio as gr

from multigan.demo import cards
from multigan.demo.asked import EXACT, Drawn, label_of, real, whole
from multigan.demo.making import Studio, Walk
from multigan.demo.pages.answering import UNSEEN, answering, shown
from multigan.demo.places import Place
from multigan.demo.served import Served
from multigan.demo.shelf import Shelf
from multigan.making import Options

AXES = 4
"""Directions that have a slider."""
TEXTS = 16
"""Texts whose seeds stay the same while the temperature changes."""


class Explore:
    """Builds the page where it is made. changing: how many components `drawn` are."""

    changing = 6

    def __init__(self, shelf: Shelf, studio: Studio, model: Any):
        self.shelf, self.studio, self.model = shelf, studio, model
        first = shelf.first()
        latent, labels = _has_latent(first), Drawn.of(first).labels
        with gr.Row(equal_height=False, elem_classes="mg-walk"):
            with gr.Column(scale=1, min_width=280):
                with gr.Row():
                    self.begin = gr.Textbox("0", label="Start", info="A seed, or 7#3.", min_width=90)
                    self.towards = gr.Textbox("1", label="Towards", info="Another.", min_width=90, visible=latent)
                self.label = gr.Dropdown(
                    labels, value=labels[0] if labels else None, label="Label", visible=bool(labels)
                )
                with gr.Column(visible=latent) as self.walking:
                    self.share = gr.Slider(0, 1, 0, step=0.02, label="How far towards it")
                    self.axes = [gr.Slider(-1, 1, 0, step=0.04, label=f"Direction {at + 1}") for at in range(AXES)]
                    self.directions = gr.Number(
                        0, label="Seed of the directions", precision=0, minimum=0, maximum=EXACT
                    )
                    with gr.Row():
                        self.home = gr.Button("Back to the start", size="md", min_width=120, elem_id="mg-home")
                        self.turn = gr.Button("Other directions", size="md", min_width=120)
                with gr.Column(visible=not latent) as self.heating:
                    self.temperature = gr.Slider(
                        0, 2, 1, step=0.02, label="Temperature", info="The seeds stay the same."
                    )
                    self.prompt = gr.Textbox(label="Prompt")
            with gr.Column(scale=2, min_width=320):
                self.status = shown(name="mg-explore-status")
                self.result = shown(name="mg-explore")
        self._connect()

    @property
    def inputs(self) -> list[Any]:
        """Of `here`."""
        settings = [self.begin, self.towards, self.label, self.temperature, self.prompt, self.directions, self.share]
        return [self.model, *settings, *self.axes]

    @property
    def drawn(self) -> list[Any]:
        """What changes with the model."""
        return [self.towards, self.label, self.walking, self.heating, self.status, self.result]

    def updates(self, served: Served) -> list[Any]:
        """Of `drawn`, for another model; `here` makes its sample."""
        latent, labels = _has_latent(served), Drawn.of(served).labels
        label = gr.update(choices=labels, value=labels[0] if labels else None, visible=bool(labels))
        return [gr.update(visible=latent), label, gr.update(visible=latent), gr.update(visible=not latent), "", ""]

    def _connect(self) -> None:
        outputs = [self.status, self.result]
        moved = [each.input for each in (self.share, *self.axes, self.temperature, self.label)]
        written = [each.submit for each in (self.begin, self.towards, self.directions, self.prompt)]
        gr.on([*moved, *written], self.here, self.inputs, outputs, trigger_mode="always_last", **UNSEEN)
        still = [self.share, *self.axes]
        self.home.click(lambda: [0] * len(still), None, still, **UNSEEN).then(self.here, self.inputs, outputs, **UNSEEN)
        self.turn.click(lambda seed: (seed or 0) + 1, self.directions, self.directions, **UNSEEN).then(
            self.here, self.inputs, outputs, **UNSEEN
        )

    # --- what happens -------------------------------------------------------------------------------------------------

    @answering(2)
    def here(
        self, model: str, begin: str, towards: str, label: Any, temperature: Any, prompt: str, directions: Any,
        share: Any, *steps: Any,
    ) -> tuple[str, str]:  # fmt: skip
        """The sample where the sliders are."""
        served, place = self.shelf.get(model), Place.parse(begin)
        label = label_of(label)
        if not _has_latent(served):
            heat = real({"temperature": temperature}, "temperature")
            options = Options(seed=place.seed, start=place.index, label=label, temperature=heat, prompt=prompt or None)
            made = self.studio.samples(served, TEXTS, options)
            return cards.said(f"Temperature {heat:g}: {made.milliseconds:.0f} ms."), cards.texts(made)
        walk = Walk(
            place,
            Place.parse(towards),
            real({"share": share}, "share"),
            whole({"directions": directions}, "directions"),
            tuple(real({"direction": step}, "direction") for step in steps),
            label,
        )
        made = self.studio.walk(served, walk)
        still = not walk.share and not any(walk.steps)
        named = f"Seed {place}" if still else f"A walk from seed {place}"
        return cards.said(f"{named}: {made.milliseconds:.0f} ms."), cards.one(made, named)


def _has_latent(served: Served) -> bool:
    return served.contract.input("latent") is not None
