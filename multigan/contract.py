"""What an exported file says of itself, so that nothing but the file is needed to use it.

The contract is one JSON object in the ONNX file's `metadata_props`, under the key `multigan`. Heads write it, the
exporters store it, the runtime and the demo read it. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from multigan.errors import UserError

KEY = "multigan"
FORMAT = 1
"""Raised when a reader of the present format could not use the file rightly any more."""

Kind = Literal["latent", "label", "condition", "noise", "prefix", "scalar", "sample"]
Role = Literal["generator", "discriminator"]
Precision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Input:
    """One input of the graph. `shape` holds numbers and axis names; its first axis is `batch` unless it is a scalar.

    kind: `latent` (noise of `distribution`), `label` (int64 class numbers, `labels` of the contract names them),
    `sample` (what a discriminator judges), or one of the kinds of other modalities. distribution: `normal` or `uniform`
    (in [-1, 1]) for a latent.
    """

    name: str
    kind: Kind
    dtype: str
    shape: list[int | str]
    distribution: Literal["normal", "uniform"] | None = None
    default: float | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Output:
    """The graph's output: pictures `[batch, C, H, W]` and sound `[batch, C, T]` in [-1, 1], text `[batch, T]` int64; of
    a discriminator the score `[batch]`, a logit that is higher where a sample looks real."""

    name: str
    dtype: str
    shape: list[int | str]
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Contract:
    """modality, inputs, output; the names of the classes; the recipe that trained it; the version that wrote it.

    role: whether the graph makes samples or judges them. precision: of the weights and of what is computed inside;
    inputs and outputs are float32 in all.
    """

    modality: str
    name: str
    inputs: list[Input]
    output: Output
    labels: list[str] = field(default_factory=list)
    recipe: dict[str, Any] = field(default_factory=dict)
    samples_seen: int = 0
    version: str = ""
    format: int = FORMAT
    extra: dict[str, Any] = field(default_factory=dict)
    """What one modality alone needs: a sample rate, a vocabulary."""
    role: Role = "generator"
    precision: Precision = "fp32"

    def input(self, kind: Kind) -> Input | None:
        """The first input of that kind, if there is one."""
        return next((each for each in self.inputs if each.kind == kind), None)

    def expect(self, role: Role, path: object) -> None:
        """Raise UserError where the file at `path` has another role."""
        if self.role != role:
            mend = {
                "generator": "it makes no samples; give a file that multigan export wrote without --discriminator",
                "discriminator": "it judges no samples; give one that multigan export --discriminator wrote",
            }
            raise UserError(f"{path} holds a {self.role}: {mend[role]}.")

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Contract:
        """Read a contract. Raises UserError where it is malformed or newer than this version of multigan.

        Every field is checked, so that who reads a contract may rely on its types. Fields that are not known are left
        out.
        """
        try:
            raw = json.loads(text)
            if not isinstance(raw, dict):
                raise ValueError("it is no object")
            newest = raw.get("format", -1)
            if not _is_count(newest):
                raise ValueError("format is not a whole number from 0")
            if newest > FORMAT:
                raise UserError(
                    f"this file's contract has format {newest} and this multigan reads up to {FORMAT}: "
                    "pip install --upgrade multigan"
                )
            known = _checked(raw, Contract, _CONTRACT, "")
            known["inputs"] = [
                Input(**_checked(each, Input, _INPUT, f"inputs[{index}]."))
                for index, each in enumerate(known["inputs"])
            ]
            known["output"] = Output(**_checked(known["output"], Output, _OUTPUT, "output."))
            return Contract(**known)
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise UserError(f"the file's multigan contract is damaged ({reason}): export it again.") from error


# --- what a field may hold ------------------------------------------------------------------------------------------

_DEEPEST, _MOST_AXES = 32, 8
_LARGEST = 2**53
"""Whole numbers up to here are the same in every language."""
_DTYPES = ("float32", "int64")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _is_number(value: Any) -> bool:
    """Or absent."""
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_shape(value: Any) -> bool:
    known = isinstance(value, list) and len(value) <= _MOST_AXES
    return known and all(_is_text(axis) or (_is_count(axis) and axis > 0) for axis in value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and _is_shallow(value, _DEEPEST)


def _is_shallow(value: Any, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(each, levels - 1) for each in inside)


def _one_of(allowed: tuple[str, ...], absent: bool = False) -> Callable[[Any], bool]:
    return lambda value: (absent and value is None) or (isinstance(value, str) and value in allowed)


_Rules = dict[str, tuple[Callable[[Any], bool], str]]
"""By field: what its value fulfils, and that in words."""

_TEXT, _COUNT = (_is_text, "text"), (_is_count, "a whole number from 0")
_NUMBER, _SHAPE = (
    (_is_number, "a finite number"),
    (_is_shape, f"a list of up to {_MOST_AXES} names and numbers above 0"),
)
_OBJECT = (_is_object, f"an object of at most {_DEEPEST} levels")
_CONTRACT: _Rules = {
    "modality": _TEXT,
    "name": _TEXT,
    "inputs": (_is_objects, "a list of objects"),
    "output": _OBJECT,
    "labels": (_is_texts, "a list of texts"),
    "recipe": _OBJECT,
    "samples_seen": _COUNT,
    "version": _TEXT,
    "format": _COUNT,
    "extra": _OBJECT,
    "role": (_one_of(get_args(Role)), f"one of {', '.join(get_args(Role))}"),
    "precision": (_one_of(get_args(Precision)), f"one of {', '.join(get_args(Precision))}"),
}
_OUTPUT: _Rules = {
    "name": _TEXT,
    "dtype": (_one_of(_DTYPES), f"one of {', '.join(_DTYPES)}"),
    "shape": _SHAPE,
    "minimum": _NUMBER,
    "maximum": _NUMBER,
}
_INPUT: _Rules = {
    **_OUTPUT,
    "kind": (_one_of(get_args(Kind)), f"one of {', '.join(get_args(Kind))}"),
    "distribution": (_one_of(("normal", "uniform"), absent=True), "normal or uniform"),
    "default": _NUMBER,
}


def _checked(raw: dict[str, Any], kind: type[Contract | Input | Output], rules: _Rules, place: str) -> dict[str, Any]:
    """The fields of `raw` that `kind` has. Raises ValueError where one is missing or breaks its rule."""
    known = {}
    for each in fields(kind):
        if each.name in raw:
            holds, words = rules[each.name]
            known[each.name] = raw[each.name]
            if not holds(raw[each.name]):
                raise ValueError(f"{place}{each.name} is not {words}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"{place}{each.name} is missing")
    return known
