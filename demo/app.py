"""A Hugging Face Space of multigan: the models in `models/` beside this file, else those that come with multigan."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from multigan.demo.app import Serving, start
from multigan.demo.finding import find, shipped

MODELS = Path(__file__).parent / "models"


def models() -> list[Path]:
    """The exported files of the Space."""
    return find([MODELS]) if MODELS.is_dir() else shipped()


if __name__ == "__main__":
    host, port = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"), os.environ.get("GRADIO_SERVER_PORT", "7860")  # noqa: S104
    start(models, Serving(host=host, port=int(port), browse=False), typer.echo)
