"""What an exported file says of itself, so that nothing but the file is needed to use it.

The contract is one JSON object in the ONNX file's `metadata_props`, under the key `multigan`. Heads write it, the
exporters store it, the runtime and the demo read it. Standard library only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from multigan.errors import UserError

KEY = "multigan"
FORMAT = 1
"""Raised when a reader of the present format could not use the file rightly any more."""

Kind = Literal["latent", "label", "condition", "noise", "prefix", "scalar"]


@dataclass(frozen=True)
class Input:
    """One input of the graph. `shape` holds numbers and axis names; its first axis is `batch` unless it is a scalar.

    kind: `latent` (noise of `distribution`), `label` (int64 class numbers, `labels` of the contract names them), or one
    of the kinds of other modalities. distribution: `normal` or `uniform` (in [-1, 1]) for a latent.
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
    """The graph's output: pictures `[batch, C, H, W]` and sound `[batch, C, T]` in [-1, 1], text `[batch, T]` int64."""

    name: str
    dtype: str
    shape: list[int | str]
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Contract:
    """modality, inputs, output; the names of the classes; the recipe that trained it; the version that wrote it."""

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

    def input(self, kind: Kind) -> Input | None:
        """The first input of that kind, if there is one."""
        return next((each for each in self.inputs if each.kind == kind), None)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Contract:
        """Read a contract. Raises UserError where it is malformed or newer than this version of multigan."""
        try:
            raw = json.loads(text)
            newest = int(raw["format"])
            if newest > FORMAT:
                raise UserError(
                    f"this file's contract has format {newest} and this multigan reads up to {FORMAT}: "
                    "pip install --upgrade multigan"
                )
            known = {key: raw[key] for key in Contract.__dataclass_fields__ if key in raw}
            known["inputs"] = [Input(**each) for each in known["inputs"]]
            known["output"] = Output(**known["output"])
            return Contract(**known)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"the file's multigan contract is damaged ({error}): export it again.") from error
