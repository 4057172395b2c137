"""The samples that a visitor keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from multigan.demo import cards
from multigan.demo.making import Studio
from multigan.demo.places import Place
from multigan.demo.shelf import Shelf
from multigan.errors import UserError

MOST = 24
"""Kept at once: the oldest goes."""
HEAD = '<h3 class="mg-head">Kept</h3>'
NOTHING = "Click a sample to keep it: its seed is written down here, and can be varied and morphed."


@dataclass(frozen=True)
class Kept:
    """A sample of `model`. label, told: its class and its number, where the model has them. text: of a text."""

    model: str
    place: str
    label: str | None = None
    told: float | None = None
    truncation: float | None = None
    text: str | None = None

    @classmethod
    def clicked(cls, model: str, data: Mapping[str, Any], truncation: float | None) -> Kept:
        """From what the sample's button says of itself. Raises UserError where that is nothing."""
        place = Place.parse(str(data.get("place", "")))
        label, told, text = data.get("label"), data.get("told"), data.get("text")
        try:
            number = None if told is None else float(told)
        except (TypeError, ValueError) as error:
            raise UserError(f"{str(told)[:40]!r} is no number.") from error
        return cls(model, str(place), label and str(label), number, truncation, text and str(text)[:2000])


def read(raw: Any) -> list[dict[str, Any]]:
    """What a visitor's browser has kept; what is not of that form is left out."""
    found = []
    for each in raw if isinstance(raw, list) else []:
        with suppress(UserError, LookupError, TypeError, ValueError, AttributeError, OverflowError):
            kept = Kept.clicked(str(each["model"])[:200], each, each.get("truncation"))
            told = {} if kept.truncation is None else {"truncation": float(kept.truncation)}
            found.append(asdict(kept) | told)
    return found[-MOST:]


def added(kept: Sequence[dict[str, Any]], new: Kept) -> list[dict[str, Any]]:
    """The list with another, which is there once."""
    found = asdict(new)
    return [*(each for each in kept if each != found), found][-MOST:]


def known(kept: Sequence[dict[str, Any]], model: str, place: str) -> Kept | None:
    """What was kept of a place of this model, the newest."""
    matching = (Kept(**each) for each in reversed(kept) if each["model"] == model and each["place"] == place)
    return next(matching, None)


def strip(kept: Sequence[dict[str, Any]], shelf: Shelf, studio: Studio) -> str:
    """What is kept, as cards in a row."""
    if not kept:
        return f'{HEAD}<p class="mg-hint">{NOTHING}</p>'
    kept_cards = "".join(_card(Kept(**each), at, shelf, studio) for at, each in enumerate(kept))
    return f'{HEAD}<div class="mg-kept">{kept_cards}</div>'


def _card(kept: Kept, at: int, shelf: Shelf, studio: Studio) -> str:
    drop = (
        f'<button type="button" class="mg-link" data-drop="{at}" '
        f'aria-label="Let {escape(kept.place)} go">Remove</button>'
    )
    if kept.text is not None:
        words = f'<span class="mg-line" dir="auto">{cards.words(kept.text)}</span>'
        caption = f'<figcaption><span class="mg-seed">seed {escape(kept.place)}</span></figcaption>'
        return f'<figure class="mg-kept-text">{words}{caption}{drop}</figure>'
    try:
        served = shelf.get(kept.model)
        made = studio.places(served, [Place.parse(kept.place)], kept.label, kept.told, kept.truncation)
    except UserError as error:
        refusal = cards.words(cards.sentence_of(error))
        return f'<figure class="mg-kept-text"><figcaption>{refusal}</figcaption>{drop}</figure>'
    (item,) = made.items
    if made.modality == "audio":
        return cards.player(made, item, drop)
    return (
        f'<figure><img src="{cards.address(made.path(str(item.file)))}" alt="Kept: seed {escape(kept.place)}">'
        f"<figcaption>{cards.caption(item)}</figcaption>{drop}</figure>"
    )
