"""Trainings of seconds, and what they left."""

from __future__ import annotations

import copy
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from multigan.recipe import Recipe, override, parse
from multigan.runs import Run
from multigan.training.display import Quiet

ROOT = Path(__file__).resolve().parents[2]
DCGAN = {"kind": "dcgan", "width": 4}
PLAIN = {"kind": "dcgan", "width": 4, "normalize": "none"}
R3GAN = {"kind": "r3gan", "width": 8, "blocks": 1, "group_size": 4}


def pictures(folder: Path, count: int = 48) -> Path:
    """A folder of two classes of small pictures."""
    draw = np.random.default_rng(0)
    for index in range(count):
        place = folder / ("even", "odd")[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(place / f"{index:03d}.png")
    return folder


def recipe(data: Path, *changes: str, **parts: Any) -> Recipe:
    """160 samples in turns of 8, with a checkpoint every 40."""
    mapping: dict[str, Any] = {
        "modality": "image",
        "name": "small",
        "conditional": True,
        "data": {"source": str(data), "size": [16, 16], "channels": 3, "classes": ["even", "odd"]},
        "latent": {"size": 8},
        "generator": DCGAN,
        "discriminator": PLAIN,
        "loss": {"kind": "relativistic"},
        "regularizers": [{"kind": "r1", "gamma": 0.1, "every": 2}, {"kind": "r2", "gamma": 0.1, "every": 2}],
        "training": {
            "samples": 160, "batch": 8, "precision": "fp32",
            "log_every": 3, "checkpoint_every": 40, "preview_every": 80,
        },
    }  # fmt: skip
    mapping = copy.deepcopy({**mapping, **parts})
    for change in changes:
        override(mapping, change)
    return parse(mapping)


class Listening(Quiet):
    """Keeps what was said. at: calls `act` the first time that figures are shown at so many samples or more."""

    def __init__(self, at: int | None = None, act: Callable[[], None] = lambda: None):
        self.said: list[str] = []
        self.at, self.act = at, act

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def show(self, done: int, figures: str = "") -> None:
        if self.at is not None and figures and done >= self.at:
            self.at = None
            self.act()


def send(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def tensors(run: Run, samples: int) -> dict[str, torch.Tensor]:
    """Everything that a checkpoint holds."""
    return {**load_file(run.weights(samples)), **load_file(run.state(samples))}


def identical(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    """Whether the same names hold the same bits."""
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype and torch.equal(ours[name], theirs[name]) for name in ours
    )


def lines(run: Run) -> list[dict[str, Any]]:
    """The log without what depends on the clock."""
    read = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "samples_per_second"} for line in read]


def command(*arguments: str | Path, cwd: Path, **settings: Any) -> subprocess.Popen[str]:
    """`multigan ARGUMENTS` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "multigan", *map(str, arguments)],
        cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings,
    )  # fmt: skip


def until(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """Wait until `ready()`. The process must not end before."""
    while not ready():
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
            raise AssertionError(f"it ended: {process.communicate()}")


def largest_file(size: int) -> Callable[[], None]:
    """For `preexec_fn`: a process that cannot write a file larger than `size` bytes, as on a disk that is full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
