"""What was made, as HTML. Every word of a model, a file or a visitor is escaped; addresses of files are relative."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from multigan.demo.results import Item, Made
from multigan.errors import LimitError, UserError, printable

KEYS = "1234qwerasdfzxcv"
"""Of the pads, row after row as they lie on a keyboard."""


def shown(made: Made) -> str:
    """All samples of a request, with what can be downloaded."""
    return (pads(made) if made.modality == "audio" else "") + plain(made) + downloads(made)


def plain(made: Made) -> str:
    """The samples alone."""
    return {"image": gallery, "audio": sounds, "text": texts}[made.modality](made)


def gallery(made: Made) -> str:
    """Pictures with their seeds; a click keeps one."""
    figures = [
        f'<figure><button type="button" class="mg-pick" {_picks(item)}>'
        f'<img src="{address(made.path(str(item.file)))}" alt="{_named(item)}" loading="lazy"></button>'
        f"<figcaption>{caption(item)}</figcaption></figure>"
        for item in made.items
    ]
    return f'<div class="mg-gallery">{"".join(figures)}</div>'


def sounds(made: Made) -> str:
    """A player with waveform and spectrogram for each sound."""
    players = "".join(player(made, item, _keep(item)) for item in made.items)
    return f'<div class="mg-sounds">{players}</div>'


def pads(made: Made) -> str:
    """The first sounds as a grid that is played by keyboard, mouse or fingers."""
    buttons = [
        f'<button type="button" class="mg-pad" data-sound="{address(made.path(str(item.file)))}" data-key="{key}" '
        f'data-seconds="{item.seconds:g}" aria-label="Pad {key}: {_named(item)}">'
        f"<kbd>{key.upper()}</kbd>{waveform(item)}<span>{words(item.caption or item.place)}</span></button>"
        for key, item in zip(KEYS, made.items, strict=False)
    ]
    return (
        f'<div class="mg-pads" role="group" aria-label="Pads">{"".join(buttons)}</div>'
        '<p class="mg-hint">Play the pads with the keys 1 to 4, Q to R, A to F and Z to V, or touch them.</p>'
    )


def player(made: Made, item: Item, more: str = "", name: str | None = None) -> str:
    """One sound: its waveform is the play button."""
    source = address(made.path(str(item.file)))
    named = escape(name) if name else _named(item)
    view = (
        f'<img src="{address(made.path(item.view))}" alt="Spectrogram of {named}" loading="lazy">' if item.view else ""
    )
    return (
        f'<figure class="mg-sound"><button type="button" class="mg-play" data-sound="{source}" '
        f'data-seconds="{item.seconds:g}" aria-label="Play {named}"><span class="mg-icon" aria-hidden="true"></span>'
        f"{waveform(item)}</button>{view}"
        f"<figcaption>{escape(name) if name else caption(item)}</figcaption>"
        f'<div class="mg-row">{more}{link(made, str(item.file), "WAV")}</div>'
        "</figure>"
    )


def waveform(item: Item) -> str:
    """The peaks of a sound as a drawing."""
    if not item.peaks:
        return ""
    lines = "".join(f"M{at + 0.5} {50 - high / 2:g}V{50 - low / 2 + 1:g}" for at, (low, high) in enumerate(item.peaks))
    return (
        f'<svg class="mg-wave" viewBox="0 0 {len(item.peaks)} 101" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="{lines}"/></svg>'
    )


def texts(made: Made) -> str:
    """Texts line by line; a click keeps one."""
    rows = [
        f'<li><button type="button" class="mg-pick" {_picks(item)} data-text="{escape(item.text or "")}">'
        f'<span class="mg-line" dir="auto">{words(item.text or "") or "<i>(empty)</i>"}</span>'
        f"<small>{caption(item)}</small></button></li>"
        for item in made.items
    ]
    return f'<ol class="mg-texts">{"".join(rows)}</ol>'


def film(made: Made, named: str) -> str:
    """The way between two places."""
    (item,) = made.items
    if made.modality == "audio":
        return f'<div class="mg-sounds mg-wide">{player(made, item, name=named)}</div>'
    source = address(made.path(str(item.file)))
    return (
        f'<figure class="mg-film"><img src="{source}" alt="{escape(named)}">'
        f"<figcaption>{escape(named)}</figcaption>"
        f'<div class="mg-row">{link(made, str(item.file), "GIF")}{link(made, str(item.view), "Strip")}</div></figure>'
    )


def one(made: Made, named: str) -> str:
    """The one sample of a walk, large; a sound plays by itself once the page has been touched."""
    (item,) = made.items
    if made.modality == "audio":
        played = player(made, item, name=named).replace("data-sound=", "data-live data-sound=", 1)
        return f'<div class="mg-sounds mg-wide">{played}</div>'
    return (
        f'<figure class="mg-one"><img src="{address(made.path(str(item.file)))}" alt="{escape(named)}">'
        f"<figcaption>{escape(named)}</figcaption>"
        f'<div class="mg-row">{link(made, str(item.file), "PNG")}</div></figure>'
    )


def downloads(made: Made) -> str:
    """Links to everything in one file, and to what shows all."""
    files = [(made.archive, "Download all (zip)"), (made.joined, "As text")]
    links = [link(made, file, named) for file, named in files if file]
    return f'<div class="mg-row mg-downloads">{"".join(links)}</div>' if links else ""


def link(made: Made, file: str, named: str) -> str:
    """A link that saves a file under its name."""
    return f'<a class="mg-link" href="{address(made.path(file))}" download="{escape(file)}">{named}</a>'


def said(sentence: str, wrong: bool = False) -> str:
    """A sentence for the visitor."""
    role = 'role="alert" class="mg-said mg-wrong"' if wrong else 'role="status" class="mg-said"'
    return f"<p {role}>{words(sentence)}</p>" if sentence else ""


def sentence_of(error: UserError) -> str:
    """What a visitor is told, who can give a model no other limits."""
    if isinstance(error, LimitError):
        return f"{error.what} here: ask for less, or run it on a machine of your own with multigan generate."
    return str(error)


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """What is known of something, as pairs."""
    pairs = "".join(f"<div><dt>{words(name)}</dt><dd>{words(value)}</dd></div>" for name, value in rows)
    return f'<dl class="mg-facts">{pairs}</dl>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of words."""
    heads = "".join(f'<th scope="col">{words(each)}</th>' for each in head)
    lines = "".join(
        f'<tr><th scope="row">{words(row[0])}</th>{"".join(f"<td>{words(each)}</td>" for each in row[1:])}</tr>'
        for row in rows
    )
    body = f"<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody>"
    return f'<div class="mg-scroll"><table class="mg-table">{body}</table></div>'


def address(path: Path) -> str:
    """Where the page finds a file, relative to itself."""
    return f"gradio_api/file={quote(path.as_posix(), safe='/:')}"


def _picks(item: Item) -> str:
    label = "" if item.label is None else f' data-label="{escape(item.label)}"'
    told = "" if item.told is None else f' data-told="{item.told:.9g}"'
    return f'data-place="{escape(item.place)}"{label}{told} title="Keep {_named(item)}"'


def _keep(item: Item) -> str:
    return (
        f'<button type="button" class="mg-link mg-pick" {_picks(item)} aria-label="Keep {_named(item)}">Keep</button>'
    )


def _named(item: Item) -> str:
    """In words, escaped."""
    return escape(printable(f"seed {_spoken(item)}" + (f", {item.caption}" if item.caption else "")))


def caption(item: Item) -> str:
    """What tells a sample apart, and its seed."""
    more = f"<b>{words(item.caption)}</b> " if item.caption else ""
    return f'{more}<span class="mg-seed">seed {escape(_spoken(item))}</span>'


def _spoken(item: Item) -> str:
    """`7 #3`, and of a variation `7 #3 ~2@0.30`."""
    return item.place.replace("#", " #").replace("~", " ~")


def words(text: str) -> str:
    """Escaped, without what moves a cursor or turns the order of letters around."""
    return escape(printable(text))
