"""multigan: GANs trained, exported to ONNX and run without torch. Importing it imports no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multigan.contract import Contract as Contract
    from multigan.errors import UserError as UserError
    from multigan.runtime import UPLOADED as UPLOADED
    from multigan.runtime import Generator as Generator
    from multigan.runtime import Trust as Trust
    from multigan.runtime import load as load

__version__ = "0.1.0"

_PLACES = {
    "Contract": "multigan.contract",
    "Generator": "multigan.runtime",
    "Trust": "multigan.runtime",
    "UPLOADED": "multigan.runtime",
    "UserError": "multigan.errors",
    "load": "multigan.runtime",
}
"""Where each public name lives; it is imported when it is first asked for."""

__all__ = ["UPLOADED", "Contract", "Generator", "Trust", "UserError", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'multigan' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
