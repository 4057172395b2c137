"""Runs of the command line, and a model to measure the speed of: its weights need not be any good."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MULTIGAN = [sys.executable, "-m", "multigan"]
SMALL = {"image": ["data.size=[32,32]", "data.channels=3"], "audio": []}
"""Changes that make a recipe a benchmark's: pictures of 32x32 in colour; sounds as the recipe has them."""


def multigan(*arguments: str | Path) -> str:
    """Run a command in a process of its own and give what it printed; stop with its words where it fails."""
    command = [*MULTIGAN, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"multigan {' '.join(command[3:])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def hardly_trained(
    recipe: str, folder: Path, overrides: Sequence[str] = (), modality: str = "image"
) -> tuple[Path, Path]:
    """A recipe trained for one turn of 8 samples on the embedded data and exported: its run and its .onnx file."""
    run, model = folder / "run", folder / "model.onnx"
    small = [*SMALL[modality], "training.batch=8", "training.samples=8", *overrides]
    settings = [part for each in small for part in ("--set", each)]
    multigan("train", modality, "--recipe", recipe, *settings, "--out", run, "--device", "cpu")
    multigan("export", run, "--onnx", "--out", model)
    return run, model
