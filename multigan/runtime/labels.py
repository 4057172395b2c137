"""Which class a person means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from multigan.contract import Contract
from multigan.errors import UserError, nearest

Label = str | int | Sequence[str | int] | None
_SHOWN = 12


def resolve(contract: Contract, label: Label, count: int, start: int = 0) -> NDArray[np.int64] | None:
    """Class numbers `[count]` for a name, a number, or one of those for each sample.

    None gives sample i of the seed the class i mod (number of classes), and None where the model has no classes. Raises
    UserError where a class is unknown, the model has none, or the sequence has another length.
    """
    classes = len(contract.labels) if contract.input("label") else 0
    if label is None:
        return (start % classes + np.arange(count, dtype=np.int64)) % classes if classes else None
    if not classes:
        raise UserError(f"this model was trained without classes: leave the label {label!r} away.")
    if isinstance(label, str | int | np.integer):
        return np.full(count, number(contract, label), np.int64)
    if len(label) != count:
        raise UserError(f"{len(label)} labels were given for {count} samples: give one, or one for each.")
    return np.array([number(contract, each) for each in label], np.int64)


def is_sequence(asked: object) -> bool:
    """Whether a label or a number is one for each sample."""
    return asked is not None and not isinstance(asked, str | int | float | np.number)


def number(contract: Contract, label: str | int | np.integer) -> int:
    """The number of one class, by its name or its number (also as text, where no class has that name)."""
    names = contract.labels
    if isinstance(label, str):
        if label in names:
            return names.index(label)
        if not (label.isascii() and label.isdecimal()):
            listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
            raise UserError(f"the label {label!r} is unknown.{nearest(label, names)} The model knows {listed}.")
    index = int(label)
    if not 0 <= index < len(names):
        raise UserError(f"there is no class {index}: the model has {len(names)}, numbered 0 to {len(names) - 1}.")
    return index
