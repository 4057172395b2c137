"""Optional parts of the installation, and the command that adds a missing one."""

from __future__ import annotations

import importlib
from types import ModuleType

from multigan.errors import UserError


def need(module: str, extra: str) -> ModuleType:
    """Import `module`, which the extra `extra` installs; raise UserError with the pip command where it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        package = module.split(".")[0]
        raise UserError(f"this needs {package}, which is not installed: pip install 'multigan[{extra}]'") from error
