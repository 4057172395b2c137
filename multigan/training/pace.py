"""When the regular actions of a training fall due, and how fast it goes."""

from __future__ import annotations

import sys
import time

import torch

from multigan.recipe import Recipe

PREVIEWS, CHECKPOINTS = 30, 10
"""So many of each in a training whose recipe does not say."""


class Due:
    """Which of the regular actions fall due, by samples and, for checkpoints, by minutes."""

    def __init__(self, recipe: Recipe, samples: int):
        training = recipe.training
        every = {
            "preview": training.preview_every or max(training.samples // PREVIEWS, 1),
            "evaluate": training.evaluate_every,
            "checkpoint": training.checkpoint_every or max(training.samples // CHECKPOINTS, 1),
        }
        self._every = {action: step for action, step in every.items() if step}
        self._last = {action: samples // step for action, step in self._every.items()}
        self._seconds = 60 * training.checkpoint_minutes
        self._saved = time.monotonic()

    @property
    def late(self) -> bool:
        """Whether the last checkpoint is older than the recipe allows. Clocks differ: several processes must agree."""
        return time.monotonic() - self._saved > self._seconds

    def now(self, samples: int, late: bool) -> list[str]:
        """The actions that are due at `samples` samples. late: a checkpoint is due in any case."""
        actions = []
        for action, step in self._every.items():
            if samples // step > self._last[action] or (late and action == "checkpoint"):
                self._last[action] = samples // step
                actions.append(action)
        if "checkpoint" in actions:
            self._saved = time.monotonic()
        return actions


class Rate:
    """Samples a second since the last reading."""

    def __init__(self, samples: int):
        self._samples, self._time = samples, time.monotonic()

    def read(self, samples: int) -> float:
        now = time.monotonic()
        rate = (samples - self._samples) / max(now - self._time, 1e-9)
        self._samples, self._time = samples, now
        return rate


def peak_memory(device: torch.device) -> int | None:
    """The most memory in bytes that this process has taken so far: on the GPU if it trains there, else in all. None
    where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cost(seconds: float, device: torch.device, what: str = "the training", more: bool = False) -> str:
    """What a training, or a part of it, will take, as a sentence. more: other phases come after it."""
    time_left = f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
    if seconds < 90:
        time_left = f"{seconds:.0f} seconds"
    where = "the GPU's memory" if device.type == "cuda" else "memory"
    taken = peak_memory(device)
    room = "" if taken is None else f" and {taken / 1e9:.1f} GB of {where}"
    after = "; the phases after it have speeds of their own" if more else ""
    return f"At this speed {what} takes about {time_left}{room}{after}."


def line(figures: dict[str, float], unit: str) -> str:
    """The figures that a person watches, on one line. unit: what the samples are called."""
    shown = [f"{name[0].upper()} {figures[name]:.3f}" for name in ("discriminator", "generator") if name in figures]
    if figures.get("skipped"):
        shown.append(f"{figures['skipped']:.0f} skipped")
    return "  ".join([*shown, f"{figures['samples_per_second']:,.0f} {unit}/s"])
