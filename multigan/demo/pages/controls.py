"""The controls of a model: all are there, and those that its contract speaks of are seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from multigan.demo.asked import EXACT, FIRST, IN_TURN, Drawn
from multigan.demo.served import Served


class Controls:
    """Builds the components where it is made. names: of `components`, in their order."""

    names = (
        "n", "seed", "start", "label", "in_turn", "number", "truncation", "prompt", "gap", "temperature", "top_k",
        "top_p", "length",
    )  # fmt: skip
    _order = ("label", "number", "prompt", "temperature", "truncation", "n", "top_k", "top_p", "length", "gap")
    changing = len(_order) + 1
    """How many components `drawn` are."""

    def __init__(self, served: Served):
        drawn = Drawn.of(served)
        kept = self._properties(drawn)
        with gr.Row(elem_classes="mg-seeds"):
            self.seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=EXACT, min_width=120)
            self.random = gr.Button("Random", size="md", min_width=90, scale=0, elem_id="mg-random")
        self.label = gr.Dropdown(label="Label", **kept["label"])
        with gr.Group(visible=drawn.low is not None) as self.told:
            self.number = gr.Slider(**kept["number"])
            self.in_turn = gr.Checkbox(True, label="A number for each sample, in turn")
        self.prompt = gr.Textbox(
            label="Prompt", placeholder="how texts begin, with _ for what is free", max_lines=3, **kept["prompt"]
        )
        self.temperature = gr.Slider(
            0, 2, 1, step=0.05, label="Temperature", info="0: always the likeliest.", **kept["temperature"]
        )
        self.truncation = gr.Slider(label="Truncation", info="Left: typical. Right end: off.", **kept["truncation"])
        self.n = gr.Slider(label="How many", step=1, minimum=1, **kept["n"])
        with gr.Accordion("More", open=False):
            self.start = gr.Number(0, label="First sample of the seed", precision=0, minimum=0, maximum=EXACT)
            self.top_k = gr.Slider(label="Top-k", info="Right end: off.", minimum=1, step=1, **kept["top_k"])
            self.top_p = gr.Slider(0.05, 1, 1, step=0.05, label="Top-p", info="Right end: off.", **kept["top_p"])
            self.length = gr.Slider(label="Length in symbols", minimum=1, step=1, **kept["length"])
            self.gap = gr.Textbox("_", label="Gap", info="Stands for one free symbol.", max_length=1, **kept["gap"])
        self.generate = gr.Button("Generate", variant="primary", elem_id="mg-generate")

    @property
    def components(self) -> list[Any]:
        return [getattr(self, name) for name in self.names]

    @property
    def triggers(self) -> list[Any]:
        """What makes new samples: the button, and each control when a visitor has settled it, but for the number, which
        ends its taking turns before."""
        sliders = (self.n, self.truncation, self.temperature, self.top_k, self.top_p, self.length)
        boxes = (self.seed, self.start, self.prompt, self.gap)
        chosen = (self.label, self.in_turn)
        return [
            self.generate.click,
            *(each.release for each in sliders),
            *(each.submit for each in boxes),
            *(each.input for each in chosen),
        ]

    @property
    def drawn(self) -> list[Any]:
        """What changes with the model."""
        return [self.told, *(getattr(self, name) for name in self._order)]

    def updates(self, served: Served) -> list[Any]:
        """Of `drawn`, for another model."""
        drawn = Drawn.of(served)
        kept = self._properties(drawn)
        return [gr.update(visible=drawn.low is not None), *(gr.update(**kept[name]) for name in self._order)]

    def beginning(self, served: Served) -> dict[str, Any]:
        """The values with which a model begins."""
        fixed = {"seed": 0, "start": 0, "in_turn": True, "prompt": "", "gap": "_", "temperature": 1.0, "top_p": 1.0}
        drawn = self._properties(Drawn.of(served))
        return fixed | {name: told["value"] for name, told in drawn.items() if "value" in told}

    @staticmethod
    def _properties(drawn: Drawn) -> dict[str, dict[str, Any]]:
        """Of each control that changes with the model."""
        text = drawn.modality == "text"
        low, high = (0.0, 1.0) if drawn.low is None or drawn.high is None else (drawn.low, drawn.high)
        labels: Sequence[str] = [IN_TURN, *drawn.labels]
        return {
            "label": {"choices": labels, "value": IN_TURN, "visible": bool(drawn.labels)},
            "number": {
                "minimum": low,
                "maximum": high,
                "value": drawn.middle,
                "step": _step(low, high),
                "label": f"Number ({drawn.column})" if drawn.column else "Number",
            },
            "prompt": {"visible": text},
            "temperature": {"visible": text},
            "truncation": {
                "minimum": 0.1,
                "maximum": drawn.widest or 1.0,
                "value": drawn.widest or 1.0,
                "step": 0.05,
                "visible": bool(drawn.widest),
            },
            "n": {"maximum": drawn.most, "value": min(FIRST[drawn.modality], drawn.most)},
            "top_k": {"maximum": max(drawn.symbols, 2), "value": max(drawn.symbols, 2), "visible": text},
            "top_p": {"visible": text},
            "length": {
                "maximum": min(drawn.longest, max(64, 4 * drawn.length)) if text else 2,
                "value": drawn.length if text else 1,
                "visible": text,
            },
            "gap": {"visible": text},
        }


def _step(low: float, high: float) -> float:
    """A slider's: whole numbers over wide ranges."""
    width = high - low
    return 1.0 if width > 10 and low == int(low) else width / 100
