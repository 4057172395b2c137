"""A Hugging Face Space of multigan: the models in `models/` beside this file, else those that come with multigan."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from multigan.cli import run

MODELS = Path(__file__).parent / "models"


def arguments() -> list[str]:
    """The command line that the Space stands for; it has to listen to all addresses unless told."""
    told = os.environ.get
    where = ["--host", told("GRADIO_SERVER_NAME", "0.0.0.0"), "--port", told("GRADIO_SERVER_PORT", "7860")]  # noqa: S104
    return ["demo", *([str(MODELS)] if MODELS.is_dir() else []), *where, "--no-browser"]


if __name__ == "__main__":
    sys.exit(run(arguments()))
