"""Which controls a model has, from its contract, and what a visitor asks for with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multigan.demo.making import LONGEST, most_of
from multigan.demo.served import Served
from multigan.errors import UserError
from multigan.making import Options
from multigan.runtime import numbers

IN_TURN = "all in turn"
FIRST = {"image": 16, "audio": 8, "text": 24}
"""Samples that are made unless told."""
WIDEST = 2.5
"""Of the truncation of a normal latent: beyond, it changes next to nothing. A uniform one ends at 1."""
CANDIDATES = 128
"""The most symbols that top-k chooses among: the graphs look at no more."""
EXACT = 2**53 - 1
"""The greatest whole number that a page passes on as it is."""


@dataclass(frozen=True)
class Drawn:
    """What is drawn for a model. widest: the end of the truncation, where there is none; 0 without a latent. low, high,
    middle, column: of the number that the model is told, None without one. length, longest: of texts, 0 for others."""

    modality: str
    most: int
    labels: list[str]
    widest: float
    low: float | None
    high: float | None
    middle: float
    column: str
    length: int
    longest: int
    symbols: int

    @classmethod
    def of(cls, served: Served) -> Drawn:
        """Raises UserError where the contract contradicts itself."""
        contract, modality = served.contract, served.modality
        latent, bounds = contract.input("latent"), numbers.bounds_of(contract)
        low, high = (None, None) if bounds is None else (bounds.minimum, bounds.maximum)
        column = contract.extra.get("number_column")
        language = served.generator.language if modality == "text" else None
        return cls(
            modality=modality,
            most=most_of(served),
            labels=contract.labels if contract.input("label") else [],
            widest=0.0 if latent is None else 1.0 if latent.distribution == "uniform" else WIDEST,
            low=low,
            high=high,
            middle=0.0 if bounds is None else float(bounds.minimum if bounds.default is None else bounds.default),  # type: ignore[arg-type]
            column=column if isinstance(column, str) else "",
            length=language.length if language else 0,
            longest=min(language.longest, LONGEST) if language else 0,
            symbols=min(len(language.vocabulary), CANDIDATES) if language else 0,
        )


def asked(drawn: Drawn, values: Mapping[str, Any]) -> tuple[int, Options]:
    """How many, and what else, from the controls' values. Raises UserError where one is empty or no number.

    The end of a control's range that changes nothing, such as the right end of the truncation, is no wish.
    """
    options: dict[str, Any] = {"seed": whole(values, "seed"), "start": whole(values, "start")}
    if drawn.labels:
        options["label"] = label_of(values.get("label"))
    if drawn.low is not None and not values.get("in_turn"):
        options["number"] = f"{real(values, 'number'):.10g}"
    if drawn.widest:
        options["truncation"] = truncation_of(drawn, values)
    if drawn.modality == "text":
        prompt, gap = str(values.get("prompt") or ""), str(values.get("gap") or "")
        temperature, top_k, top_p = real(values, "temperature"), whole(values, "top_k"), real(values, "top_p")
        options |= {
            "prompt": prompt or None,
            "gap": gap or None,
            "temperature": temperature,
            "top_k": top_k if top_k < drawn.symbols else None,
            "top_p": top_p,
            "length": whole(values, "length"),
        }
    return whole(values, "n"), Options(**options)


def label_of(value: Any) -> str | None:
    """A class, or None where they take turns."""
    return None if value in (None, "", IN_TURN) else str(value)


def truncation_of(drawn: Drawn, values: Mapping[str, Any]) -> float | None:
    """None at the right end."""
    if not drawn.widest:
        return None
    truncation = real(values, "truncation")
    return truncation if truncation < drawn.widest else None


def whole(values: Mapping[str, Any], name: str) -> int:
    """A whole number from 0. Raises UserError for anything else."""
    value = real(values, name)
    if not value.is_integer() or not 0 <= value <= EXACT:
        raise UserError(f"{name} {value:g} is out of range: write a whole number from 0 to {EXACT}.")
    return int(value)


def real(values: Mapping[str, Any], name: str) -> float:
    """A finite number. Raises UserError for anything else."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{name.replace('_', '-')} is empty or no number: write one.")
    return float(value)


def unknown(served: Served, options: Options) -> str:
    """A sentence on what of the prompt the vocabulary does not have, or nothing."""
    if served.modality != "text" or not options.prompt:
        return ""
    text = options.prompt.replace(options.gap, " ") if options.gap and len(options.gap) == 1 else options.prompt
    vocabulary = served.generator.language.vocabulary
    found = [each for each in vocabulary.unknown(text) if each != " " or " " in options.prompt]
    if not found:
        return ""
    shown = ", ".join(repr(each[:20]) for each in found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return f" Not in the vocabulary, taken as the unknown symbol: {shown}."
