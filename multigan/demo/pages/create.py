"""The first page: samples of a seed, those that are kept, variations of one and ways between two."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from multigan.demo import cards
from multigan.demo.asked import Drawn, asked, label_of, real, truncation_of, unknown, whole
from multigan.demo.keeping import Kept, added, known, read, strip
from multigan.demo.making import MOST_STEPS, Studio, in_turn
from multigan.demo.pages.answering import UNSEEN, answering, shown
from multigan.demo.pages.controls import Controls
from multigan.demo.places import Place
from multigan.demo.served import Served
from multigan.demo.shelf import Shelf
from multigan.errors import UserError

MOST_VARIATIONS = 16
STATES = {
    "same": "",
    "changed": " The file has changed on the disk since: Reload models reads it.",
    "gone": " The file is gone from the disk: what was read of it is served.",
}
SEEDS = 10**6
"""A random seed lies below: short enough to be written down."""


class Create:
    """Builds the page where it is made."""

    def __init__(self, shelf: Shelf, studio: Studio, model: Any):
        self.shelf, self.studio, self.model = shelf, studio, model
        first = shelf.first()
        latent = first.contract.input("latent") is not None
        with gr.Row(equal_height=False, elem_classes="mg-create"):
            with gr.Column(scale=1, min_width=270, elem_classes="mg-controls"):
                self.controls = Controls(first)
            with gr.Column(scale=3, min_width=320):
                self.status = shown(name="mg-status")
                self.results = shown(name="mg-results", picks=True)
        self.kept = gr.BrowserState([], storage_key="multigan-kept", secret="multigan")  # noqa: S106 - seeds alone
        self.strip = shown(strip([], shelf, studio), "mg-kept", picks=True)
        with gr.Column(visible=latent) as self.further:
            self._further()
        self._connect()

    def _further(self) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                shown("<h3 class='mg-head'>Variations</h3>")
                self.around = gr.Textbox("0", label="Around", info="A seed such as 7, or 7#3 for its sample 3.")
                self.strength = gr.Slider(0.05, 1, 0.3, step=0.05, label="Strength")
                self.vary = gr.Button("Make variations", elem_id="mg-vary")
                self.vary_status = shown(name="mg-vary-status")
                self.varied = shown(name="mg-varied", picks=True)
            with gr.Column(min_width=320):
                shown("<h3 class='mg-head'>Morph</h3>")
                with gr.Row():
                    self.left = gr.Textbox("0", label="From seed", min_width=90)
                    self.right = gr.Textbox("1", label="To seed", min_width=90)
                self.steps = gr.Slider(2, MOST_STEPS, 16, step=1, label="Steps")
                self.morph = gr.Button("Make the way", elem_id="mg-morph")
                self.morph_status = shown(name="mg-morph-status")
                self.film = shown(name="mg-film")

    # --- what happens -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        controls = self.controls
        inputs, made = [self.model, *controls.components], [self.status, self.results]
        gr.on(controls.triggers, self.generate, inputs, made, trigger_mode="always_last", **UNSEEN)
        # A number that is chosen is the one of all samples.
        alone = controls.number.release(None, None, controls.in_turn, js="() => false", **UNSEEN)
        alone.then(self.generate, inputs, made, trigger_mode="always_last", **UNSEEN)
        controls.random.click(self.another, inputs, [*made, controls.seed], **UNSEEN)
        keeping = [self.status, self.strip, self.kept, self.around, self.left, self.right]
        for clicked in (self.results, self.varied, self.strip):
            clicked.select(
                self.keep,
                [self.model, self.kept, self.right, controls.truncation],
                keeping,
                trigger_mode="always_last",
                **UNSEEN,
            )
        told = [self.model, self.kept, *controls.components]
        varied, film = self._further_drawn[:2], self._further_drawn[2:]
        self.vary.click(self.variations, [self.around, self.strength, *told], varied, **UNSEEN)
        self.morph.click(self.way, [self.left, self.right, self.steps, *told], film, **UNSEEN)

    @answering(2)
    def generate(self, model: str, *values: Any) -> tuple[str, str]:
        """New samples, and a sentence on them."""
        return self.made(model, self.named(values))

    @answering(3)
    def another(self, model: str, *values: Any) -> tuple[str, str, int]:
        """The same with a random seed."""
        told = self.named(values) | {"seed": secrets.randbelow(SEEDS)}
        return *self.made(model, told), told["seed"]

    @property
    def drawn(self) -> list[Any]:
        """What changes with the model."""
        return [self.status, self.results, self.further, *self._further_drawn, *self.controls.drawn]

    @property
    def _further_drawn(self) -> list[Any]:
        """What is made below the samples, each after the sentence on it."""
        return [self.vary_status, self.varied, self.morph_status, self.film]

    changing = 7 + Controls.changing
    """How many components `drawn` are."""

    def updates(self, served: Served) -> list[Any]:
        """Of `drawn`, for another model: its first samples, with every control as it begins."""
        samples = self.made(served.name, self.controls.beginning(served))
        latent = gr.update(visible=served.contract.input("latent") is not None)
        return [*samples, latent, "", "", "", "", *self.controls.updates(served)]

    def named(self, values: Sequence[Any]) -> dict[str, Any]:
        """The controls' values by their names."""
        return dict(zip(self.controls.names, values, strict=True))

    def made(self, model: str, values: Mapping[str, Any]) -> tuple[str, str]:
        """New samples as HTML, after a sentence on them. Raises UserError where they cannot be made."""
        served = self.shelf.get(model)
        n, options = asked(Drawn.of(served), values)
        made = self.studio.samples(served, n, options)
        many = served.many if n > 1 else served.many[:-1]
        sentence = f"{n} {many} of seed {options.seed}: {made.milliseconds:.0f} ms on the {served.generator.device}."
        more = unknown(served, options) + STATES[served.state()]
        return cards.said(sentence + more), cards.shown(made)

    @answering(6)
    def keep(self, model: str, kept: Any, right: str, truncation: Any, event: gr.EventData) -> tuple[Any, ...]:
        """Keep a sample that was clicked, or let one go."""
        data, kept = event._data if isinstance(event._data, dict) else {}, read(kept)
        if "drop" in data:
            kept = [each for at, each in enumerate(kept) if str(at) != data["drop"]]
            return gr.skip(), strip(kept, self.shelf, self.studio), kept, gr.skip(), gr.skip(), gr.skip()
        served = self.shelf.get(model)
        new = Kept.clicked(served.name, data, truncation_of(Drawn.of(served), {"truncation": truncation}))
        kept = added(kept, new)
        sentence = cards.said(f"Kept seed {new.place}.")
        left = gr.skip() if right == new.place else right
        return sentence, strip(kept, self.shelf, self.studio), kept, new.place, left, new.place

    def kept_strip(self, kept: Any) -> str:
        """What the visitor's browser has kept, as HTML."""
        return strip(read(kept), self.shelf, self.studio)

    @answering(2)
    def variations(self, around: str, strength: float, model: str, kept: Any, *values: Any) -> tuple[str, str]:
        """Others about a place."""
        served, place, told = self.shelf.get(model), Place.parse(around), self.named(values)
        count = max(2, min(whole(told, "n"), MOST_VARIATIONS))
        made = self.studio.variations(
            served, place, float(strength), count, *self._further_told(served, kept, place, told)
        )
        return cards.said(f"{count - 1} variations around {place}: {made.milliseconds:.0f} ms."), cards.shown(made)

    @answering(2)
    def way(self, left: str, right: str, steps: Any, model: str, kept: Any, *values: Any) -> tuple[str, str]:
        """The way between two places."""
        served, ends, told = self.shelf.get(model), [Place.parse(left), Place.parse(right)], self.named(values)
        if ends[0] == ends[1]:
            raise UserError(f"the way from {ends[0]} to itself is none: keep or write two seeds.")
        further = self._further_told(served, kept, ends[0], told)
        made = self.studio.way(served, ends, whole({"steps": steps}, "steps"), *further)
        named = f"From seed {ends[0]} to {ends[1]}" + (f", label {made.items[0].label}" if made.items[0].label else "")
        return cards.said(f"{named}: {made.milliseconds:.0f} ms."), cards.film(made, named)

    def _further_told(
        self, served: Served, kept: Any, place: Place, values: Mapping[str, Any]
    ) -> tuple[str | None, float | None, float | None]:
        """Class, number and truncation: as a control says, else as the place was kept, else as they take turns."""
        drawn, before = Drawn.of(served), known(read(kept), served.name, str(place))
        label = label_of(values["label"]) if drawn.labels else None
        told = None if drawn.low is None or values["in_turn"] else real(values, "number")
        if before is not None:
            label, told = label or before.label, before.told if told is None else told
        turn = in_turn(served, place.index)
        return label or turn[0], turn[1] if told is None else told, truncation_of(drawn, values)
