"""`multigan info`: what an exported file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from multigan.contract import Contract, Input, Output


def info(
    model: Annotated[Path, typer.Argument(help="An .onnx file that multigan export wrote.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print the contract as it stands in the file.")] = False,
) -> None:
    """Show what an exported model makes, takes and is made of."""
    from multigan.errors import printable
    from multigan.runtime.onnx_file import read

    file = read(model)
    contract = file.contract
    if json:
        typer.echo(contract.to_json())
        return
    rows = [
        ("file", f"{model} ({len(file.content) / 1e6:.2f} MB)"),
        ("makes" if contract.role == "generator" else "judges", f"{contract.modality}: {_describe(contract.output)}"),
        ("name", contract.name),
        *((f"input {each.name}", _describe_input(each, contract)) for each in contract.inputs),
        ("precision", contract.precision),
        ("trained on", f"{contract.samples_seen:,} samples"),
        ("written by", f"multigan {contract.version or 'of unknown version'}, contract format {contract.format}"),
    ]
    if contract.modality == "text":
        rows[-2:-2] = _language(contract)
    if contract.labels:
        more = f" and {len(contract.labels) - _LABELS:,} more" if len(contract.labels) > _LABELS else ""
        rows.insert(-2, (f"{len(contract.labels):,} classes", ", ".join(contract.labels[:_LABELS]) + more))
    if file.external:
        rows.insert(1, ("weights in", ", ".join(sorted(file.external))))
    rows += [(f"recipe {key}", text) for key, text in _flat(contract.recipe)]
    shown = [(_cut(printable(name), _WIDEST), _cut(printable(text), _LONGEST)) for name, text in rows]
    width = max(len(name) for name, _ in shown)
    for name, text in shown:
        typer.echo(f"{name:<{width}}  {text}")


def _describe(output: Output | Input) -> str:
    """`float32 [batch, 3, 32, 32] in [-1, 1]`."""
    shape = ", ".join(map(str, output.shape))
    bounds = "" if output.minimum is None or output.maximum is None else f" in [{output.minimum:g}, {output.maximum:g}]"
    return f"{output.dtype} [{shape}]{bounds}"


def _describe_input(each: Input, contract: Contract) -> str:
    if each.kind == "condition":
        column = contract.extra.get("number_column")
        middle = f", in the middle {each.default:g}" if each.default is not None else ""
        return f"{_describe(each)}, {each.kind}{middle}" + (f", of the column {column}" if column else "")
    distribution = f", {each.distribution}" if each.distribution else ""
    default = f", {each.default:g} if not given" if each.default is not None else ""
    return f"{_describe(each)}, {each.kind}{distribution}{default}"


def _language(contract: Contract) -> list[tuple[str, str]]:
    """The vocabulary and the lengths of a generator of text."""
    from multigan.vocabulary import Vocabulary

    vocabulary = Vocabulary.from_json(contract.extra.get("vocabulary"))
    shown = ", ".join(map(repr, vocabulary.symbols[vocabulary.specials : vocabulary.specials + _SYMBOLS]))
    more = " ..." if len(vocabulary) > vocabulary.specials + _SYMBOLS else ""
    special = ", with an end and an unknown" if vocabulary.end else ", with an unknown" if vocabulary.specials else ""
    longest = contract.extra.get("longest")
    limit = "any other may be asked for" if longest is None else f"{longest} at most"
    return [
        ("vocabulary", f"{len(vocabulary):,} {_KINDS[vocabulary.kind]}{special}: {shown}{more}"),
        ("length", f"{contract.extra.get('length')} symbols, {limit}"),
    ]


_LABELS, _SYMBOLS = 100, 12
_WIDEST, _LONGEST = 80, 4000
"""Characters of a row's name and of its text, which may be anyone's."""
_KINDS = {"characters": "characters", "words": "words", "bpe": "parts of words", "symbols": "symbols"}


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The recipe's parts on one line each; nothing for what is absent."""
    rows = []
    for key, value in values.items():
        if isinstance(value, dict) and not prefix:
            rows.append(
                (key, ", ".join(f"{name} {part}" for name, part in value.items() if part not in (None, [], {})))
            )
        elif value not in (None, [], {}):
            rows.append((key, str(value)))
    return [(key, _cut(text, 160)) for key, text in rows if text]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
