"""What programs ask for: the stable `/generate`. docs/demo.md describes it."""

from __future__ import annotations

from typing import Any

from multigan.demo.making import Studio
from multigan.demo.results import Item, Made
from multigan.demo.shelf import Shelf
from multigan.errors import UserError
from multigan.making import Options

TYPES: dict[str, type] = {
    **dict.fromkeys(("model", "label", "number", "prompt", "gap"), str),
    **dict.fromkeys(("n", "seed", "start", "top_k", "length"), int),
    **dict.fromkeys(("truncation", "temperature", "top_p"), float),
}
"""Of what `generate` takes: programs send what they like."""
WORDS = {str: "a text", int: "a whole number", float: "a number"}


class Api:
    """The functions that are served under their names."""

    def __init__(self, shelf: Shelf, studio: Studio):
        self.shelf, self.studio = shelf, studio

    def generate(
        self,
        model: str = "",
        n: int = 4,
        seed: int = 0,
        start: int = 0,
        label: str = "",
        number: str = "",
        truncation: float = 0.0,
        prompt: str = "",
        gap: str = "",
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        length: int = 0,
    ) -> list[dict[str, Any]]:
        """Samples `start` to `start + n` of a seed: for each its seed, number, label, told number, file and text.

        Everything means what it means to `multigan generate`; an empty text, and 0 for truncation, top_k and length,
        is what that does where the option is left away. Raises UserError where something is out of range.
        """
        told = {name: value for name, value in locals().items() if name in TYPES}
        for name, value in told.items():
            _check(name, value)
        served = self.shelf.get(model)
        text = served.modality == "text"
        options = Options(
            seed=seed,
            start=start,
            label=label or None,
            number=number or None,
            truncation=truncation or None,
            prompt=prompt or None,
            gap=gap or None,
            temperature=temperature if text or temperature != 1.0 else None,
            top_k=top_k or None,
            top_p=top_p if text or top_p != 1.0 else None,
            length=length or None,
        )
        made = self.studio.samples(served, n, options)
        return [_told(made, item) for item in made.items]

    def models(self) -> list[str]:
        """The names of the models."""
        return self.shelf.names()


def _check(name: str, value: Any) -> None:
    kind = TYPES[name]
    if isinstance(value, bool) or not isinstance(value, int | float if kind is float else kind):
        raise UserError(f"{name} is {str(value)[:40]!r}, where {WORDS[kind]} is wanted.")


def _told(made: Made, item: Item) -> dict[str, Any]:
    """One sample for a program. The file is described as Gradio's clients know it, who fetch it."""
    file = None
    if item.file is not None:
        path = made.path(item.file)
        file = {"path": str(path), "orig_name": item.file, "meta": {"_type": "gradio.FileData"}}
    return {
        "seed": item.seed,
        "number": item.number,
        "label": item.label,
        "told": item.told,
        "file": file,
        "text": item.text,
    }
