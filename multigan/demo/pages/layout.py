"""All pages on one: the model at the top, and a tab for each thing that can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from multigan.demo import cards
from multigan.demo.about import about
from multigan.demo.api import Api
from multigan.demo.making import Studio
from multigan.demo.pages.answering import UNSEEN, answering, refusing, shown
from multigan.demo.pages.compare import Compare
from multigan.demo.pages.create import Create
from multigan.demo.pages.explore import Explore
from multigan.demo.pages.training import Training
from multigan.demo.pages.upload import Upload
from multigan.demo.served import Served
from multigan.demo.shelf import Shelf

TITLE = '<div class="mg-title"><h1>multigan</h1><p>Play with what your generators have learned.</p></div>'


CHOSEN = 1 + Create.changing + Explore.changing
"""What changes with the model: its facts and the two pages."""


class Layout:
    """Builds everything where it is made."""

    def __init__(self, blocks: gr.Blocks, shelf: Shelf, studio: Studio):
        self.shelf = shelf
        api = Api(shelf, studio)
        for name in ("generate", "models"):  # before all else: a name that is taken would get a number
            gr.api(refusing(getattr(api, name)), api_name=name)
        first = shelf.first()
        shown(TITLE)
        with gr.Row(equal_height=False, elem_classes="mg-models"):
            self.model = gr.Dropdown(
                shelf.names(), value=first.name, label="Model", scale=3, min_width=200, elem_id="mg-model"
            )
            self.again = gr.Button("Reload models", size="md", scale=0, min_width=140, elem_id="mg-again")
        self.mine = gr.State([])
        self.message = shown(name="mg-message")
        with gr.Accordion("About this model", open=False):
            self.about = shown(about(first))
        with gr.Tabs():
            with gr.Tab("Create") as creating:
                self.create = Create(shelf, studio, self.model)
            with gr.Tab("Explore") as exploring:
                self.explore = Explore(shelf, studio, self.model)
            with gr.Tab("Compare") as comparing:
                self.compare = Compare(shelf, studio, self.listed)
            with gr.Tab("Training") as watching:
                self.training = Training(studio)
            with gr.Tab("Upload") as uploading:
                self.upload = Upload()
        self._connect(blocks)
        self._look_at([creating, exploring, comparing, uploading], exploring, comparing, watching)

    def _connect(self, blocks: gr.Blocks) -> None:
        create, explore, again = self.create, self.explore, [self.message, self.model]
        chosen = [self.about, *create.drawn, *explore.drawn]
        compared = [self.compare.left, self.compare.right]
        changed = [
            self.model.input(self.choose, self.model, [self.message, *chosen], **UNSEEN),
            self.again.click(self.look_again, [self.model, self.mine], [*again, *compared, *chosen], **UNSEEN),
        ]
        for event in changed:  # the visitor may be looking at the walk
            event.then(explore.here, explore.inputs, [explore.status, explore.result], **UNSEEN)
        given = [self.upload.status, self.upload.file, self.mine, self.model, *compared, *chosen]
        waiting = {**UNSEEN, "show_progress": "full", "show_progress_on": self.upload.file}
        self.upload.file.upload(self.uploaded, [self.upload.file, self.mine], given, concurrency_limit=1, **waiting)
        loading = [self.model, create.kept, *create.controls.components]
        blocks.load(self.visited, loading, [*again, create.strip, create.status, create.results], **UNSEEN)

    def _look_at(self, others: list[Any], exploring: Any, comparing: Any, watching: Any) -> None:
        """A page that is turned to begins at once, and the training is followed only while it is looked at."""
        explore, training, compare = self.explore, self.training, self.compare
        exploring.select(explore.here, explore.inputs, [explore.status, explore.result], **UNSEEN)
        comparing.select(compare.look, [*compare.chosen, self.mine], compare.drawn, **UNSEEN)
        outputs = [training.status, training.run, training.preview, training.curves]
        watching.select(lambda: gr.Timer(active=True), None, training.timer, **UNSEEN)
        watching.select(training.look, [training.run, training.share], outputs, **UNSEEN)
        gr.on([each.select for each in others], lambda: gr.Timer(active=False), None, training.timer, **UNSEEN)

    # --- what happens -------------------------------------------------------------------------------------------------

    @answering(5)
    def visited(self, model: str, kept: Any, *values: Any) -> tuple[Any, ...]:
        """The first samples, as soon as the page is there."""
        made = self.create.made(model, self.create.named(values))
        return "", gr.update(choices=self.listed([])), self.create.kept_strip(kept), *made

    @answering(CHOSEN + 1)
    def choose(self, model: str) -> tuple[Any, ...]:
        """Draw the controls of a model, and make its first samples."""
        return "", *self._chosen(self.shelf.get(model))

    @answering(CHOSEN + 4)
    def look_again(self, model: str, mine: list[str]) -> tuple[Any, ...]:
        """Find the files anew."""
        said = "; ".join(self.shelf.look_again())
        listed = gr.update(choices=self.listed(mine))
        chosen = self._chosen(self.shelf.get(model))
        return cards.said(said[:1].upper() + said[1:] + "."), listed, listed, listed, *chosen

    @answering(CHOSEN + 6)
    def uploaded(self, path: str, mine: list[str]) -> tuple[Any, ...]:
        """Open a visitor's file and choose it."""
        file = Path(path)
        try:
            served = self.shelf.upload(file, file.name)
        finally:
            file.unlink(missing_ok=True)
            with suppress(OSError):  # the folder of its own that Gradio gave it
                file.parent.rmdir()
        mine = [*(each for each in mine if each != served.name), served.name]
        names = self.listed(mine)
        chosen, listed = gr.update(choices=names, value=served.name), gr.update(choices=names)
        sentence = f"{file.name} is a generator of {served.many}: it is chosen at the top of the page."
        return cards.said(sentence), None, mine, chosen, listed, listed, *self._chosen(served)

    def listed(self, mine: Sequence[str]) -> list[str]:
        """What can be chosen: all models, and of the visitor's own those that are still held."""
        return [*self.shelf.names(), *(each for each in mine if self.shelf.holds(each))]

    def _chosen(self, served: Served) -> tuple[Any, ...]:
        """CHOSEN updates."""
        return about(served), *self.create.updates(served), *self.explore.updates(served)


def lay_out(blocks: gr.Blocks, shelf: Shelf, studio: Studio) -> None:
    """Build all pages inside of `blocks`."""
    Layout(blocks, shelf, studio)
