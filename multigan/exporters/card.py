"""The model card beside an exported file: what it was trained on and how, what was measured, what it is good for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from multigan import plain_yaml
from multigan.checkpoint import load
from multigan.contract import Contract
from multigan.errors import UserError, printable
from multigan.exporters.report import Report
from multigan.files import write_text
from multigan.metrics.report import REPORT

MARK = (
    "<!-- This card is written by multigan export, and written again by the next one: remove this line to keep it. -->"
)
NOT_STATED = "not stated"

_KINDS = {"image": "pictures", "audio": "sounds", "text": "texts"}
_PIECES = {**_KINDS, "audio": "slices of sound"}
"""What a sample of the data is."""
_TASKS = {"image": "unconditional-image-generation", "text": "text-generation"}
"""Names of the Hugging Face hub; it has none for sounds without a text."""


def beside(model: Path) -> Path:
    """Where the card of an exported file is."""
    return model.with_suffix(".md")


def check(card: Path) -> None:
    """Raise UserError where `card` is there and somebody else's."""
    try:
        if card.is_dir() or (card.exists() and MARK not in card.read_text(encoding="utf-8", errors="replace")):
            raise UserError(
                f"{card} is there and not of multigan's writing: move it, or leave the card away with --no-card."
            )
    except OSError as error:
        raise UserError(f"cannot read {card}: {error.strerror or error}. --no-card leaves the card away.") from error


def write(card: Path, report: Report, licence: str | None, weights: Path) -> None:
    """Write the card of an export of `weights`, whole or not at all."""
    check(card)
    write_text(card, text(report, licence, _read(evaluation_of(weights)), load(weights).count))


def evaluation_of(weights: Path) -> Path | None:
    """The report that `multigan evaluate` wrote of a checkpoint, if it did."""
    found = weights.parent / f"{weights.stem}-evaluation" / REPORT
    return found if found.is_file() else None


def text(
    report: Report, licence: str | None, evaluation: dict[str, Any] | None = None, count: int | None = None
) -> str:
    """The card in Markdown, with the front matter that the Hugging Face hub reads. count: samples of the data, if they
    were counted."""
    contract = report.contract
    what = _KINDS.get(contract.modality, contract.modality)
    judge = contract.role == "discriminator"
    recipe = plain_yaml.dumps(contract.recipe).rstrip()
    fence = "~" * max(4, 1 + max(map(len, re.findall("~+", recipe)), default=0))
    parts = [
        f"---\n{plain_yaml.dumps(_front(contract, licence)).rstrip()}\n---\n{MARK}",
        f"# {_plain(contract.name)}",
        f"A {contract.role} of {what}, trained with multigan {_plain(contract.version)} and exported to ONNX "
        f"({contract.precision}).",
        "## Use\n\n" + (_JUDGE if judge else _GENERATOR).format(name=report.files[0].name, **_calls(contract)),
        "## Inputs and outputs\n\n" + _inputs(contract),
        "## Data\n\n" + _data(contract, count),
        f"## Training\n\n{contract.samples_seen:,} samples were shown, those that came again counted again. The recipe:"
        f"\n\n{fence}yaml\n{recipe}\n{fence}",
        "## Figures\n\n" + _figures(evaluation),
        "## Export\n\n" + _table(report.rows()) + f"\n\n{_TIMES}" + _measured(report),
        f"## Licence\n\n{_plain(licence or NOT_STATED)}",
        "## Intended use\n\n" + (_USE_OF_SCORES if judge else _USE),
        "## Limits\n\n" + "\n".join(f"- {each}" for each in _limits(contract, report)),
    ]
    return "\n\n".join(parts) + "\n"


def _front(contract: Contract, licence: str | None) -> dict[str, Any]:
    """What the hub reads. Its licence is a word of its list, or `other` with a name."""
    front: dict[str, Any] = {"library_name": "onnx", "tags": ["onnx", "gan", "multigan", contract.modality]}
    if licence is None:
        front["license"] = "unknown"
    elif re.fullmatch(r"[a-z0-9][a-z0-9.-]*", licence.lower()):
        front["license"] = licence.lower()
    else:
        front |= {"license": "other", "license_name": printable(licence)}
    if contract.role == "generator" and contract.modality in _TASKS:
        front["pipeline_tag"] = _TASKS[contract.modality]
    return front


_GENERATOR = """    pip install multigan
    multigan generate {name} -n 16 --seed 7

    import multigan
    {many} = multigan.load("{name}").{call}(16, seed=7)    # numpy and onnxruntime, no torch"""
_JUDGE = """    from multigan.runtime.detector import Detector
    found = Detector.load("{name}").judge(samples)          # found.score, found.features; no torch"""
_TIMES = (
    "Times are those of one call on the processor of the machine that exported it: they compare the columns, no more."
)
_USE = (
    "Samples for studies, sketches and programs, by people who know the data above and may use what is learned from "
    "it. It is not made to pass samples off as real ones, nor to stand for people or events."
)
_USE_OF_SCORES = (
    "Comparing samples with each other, and features for other tasks. A score is no proof of where a sample comes from."
)


def _calls(contract: Contract) -> dict[str, str]:
    """What samples are called, and the method that gives them as a person takes them."""
    many = _KINDS.get(contract.modality, "samples")
    return {"many": many, "call": {"image": "images", "text": "texts"}.get(contract.modality, "sample")}


def _inputs(contract: Contract) -> str:
    rows = [["name", "kind", "type", "shape"]]
    rows += [[each.name, each.kind, each.dtype, _shape(each.shape)] for each in contract.inputs]
    made = contract.output
    rows.append([made.name, "output", made.dtype, _shape(made.shape)])
    for key in ("log_probability", "features"):
        if key in contract.extra:
            rows.append([str(contract.extra[key]), "output", "float32", "beside it"])
    return _table(rows)


def _shape(shape: Sequence[int | str]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


def _data(contract: Contract, count: int | None) -> str:
    data = contract.recipe.get("data", {})
    source = data.get("source")
    place = "data that multigan carries; multigan/embedded names its origin and its licence"
    if source:
        place = f"{_plain(source)}, split {_plain(data.get('split', 'train'))}"
    lines = [f"Trained on {place}."]
    if count is not None:
        lines.append(f"{count:,} {_PIECES.get(contract.modality, 'samples')}.")
    if contract.labels:
        lines.append(f"{len(contract.labels)} classes: {_plain(', '.join(contract.labels[:50]))}.")
    if rate := contract.extra.get("sample_rate"):
        lines.append(f"{rate} samples a second.")
    return " ".join(lines)


def _figures(evaluation: dict[str, Any] | None) -> str:
    if evaluation is None:
        return "None was measured: `multigan evaluate` measures them."
    figures, floor = evaluation["figures"], evaluation["floor"]
    rows = [["", "generated", "real against real"]]
    rows += [[str(name), _number(value), _number(floor.get(name))] for name, value in figures.items()]
    said = [f"- {_plain(name)}: {_plain(_public(str(value)))}" for name, value in evaluation["protocol"].items()]
    said += [f"- {_plain(_public(str(note)))}" for note in evaluation.get("notes", [])]
    return _table(rows) + "\n\nHow it was measured:\n\n" + "\n".join(said)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else ""


def _measured(report: Report) -> str:
    return f"\n\nBefore and after the export:\n\n{_table(report.measured)}" if report.measured else ""


def _public(words: str) -> str:
    """Of each path of the machine that wrote it the last part alone."""
    return re.sub(r"(?<!\S)(?:~|\.{1,2}|[A-Za-z]:)?[\\/](?:[^\s,]*[\\/])?([^\s\\/,]+)", r"\1", words)


def _limits(contract: Contract, report: Report) -> list[str]:
    found = ["It has learned what its data shows, with its gaps and its biases, and may repeat single samples of it."]
    if contract.samples_seen < 10_000:
        found.append("It has hardly been trained.")
    if contract.precision == "int8":
        found.append(f"Convolutions are int8, which adds noise {report.snr:.0f} dB below the signal.")
    if contract.modality == "text" and contract.role == "generator":
        found.append("It knows no facts: what its texts say is likely among the training texts, and not true.")
    if contract.role == "discriminator":
        found.append("It was trained against one generator; to samples of others its scores say little.")
    return found


def _read(path: Path | None) -> dict[str, Any] | None:
    """An evaluation's report; None where there is none, or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path is not None else None
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and all(
        isinstance(found.get(key), dict) for key in ("figures", "floor", "protocol")
    )
    return found if whole else None


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _plain(words: Any) -> str:
    """Words of others as text of one line, which Markdown does not take for its own."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", printable(" ".join(str(words).split())))
