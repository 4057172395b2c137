"""What a run writes down: metrics.jsonl, and TensorBoard's events where tensorboard is installed."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from multigan.errors import UserError
from multigan.files import write_text
from multigan.runs import Run


class Log:
    """Appends figures at a count of samples. A resumed run's log goes on where its checkpoint was written; another's
    begins anew. Raises UserError where it cannot be written."""

    def __init__(self, run: Run, resumed_at: int | None = None):
        self.run = run
        try:
            run.folder.mkdir(parents=True, exist_ok=True)
            if resumed_at is not None and run.metrics.exists():
                write_text(run.metrics, "".join(_until(run.metrics, resumed_at)))
            mode = "w" if resumed_at is None else "a"
            self._file = run.metrics.open(mode, buffering=1, encoding="utf-8")
            self._board = _board(run.folder, resumed_at or 0)
        except OSError as error:
            raise UserError(f"cannot write {run.metrics}: {error.strerror or error}. Choose another --out.") from error

    def write(self, samples: int, figures: dict[str, float]) -> None:
        """Write one line. A figure that is not finite becomes null: JSON has no word for it."""
        plain = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        try:
            self._file.write(json.dumps({"samples": samples, **plain}) + "\n")
            if self._board is not None:
                for name, value in figures.items():
                    self._board.add_scalar(name, value, samples)
        except OSError as error:
            raise UserError(f"cannot write {self.run.metrics}: {error.strerror or error}. Free some room.") from error

    def show(self, samples: int, path: Path) -> None:
        """Show a preview, a picture, a sound or a text, in TensorBoard; a file with a name and no count under that."""
        if self._board is None or not path.exists():
            return
        name, _, number = path.stem.partition("-")
        name = "preview" if name.isdigit() else name
        if path.suffix == ".wav":
            import soundfile

            sound, rate = soundfile.read(path, always_2d=True)
            self._board.add_audio(f"{name}/{number}", sound.mean(axis=1)[None], samples, sample_rate=rate)
        elif path.suffix == ".txt":
            lines = path.read_text(encoding="utf-8").splitlines()
            self._board.add_text(name, "\n".join(f"    {line}" for line in lines), samples)
        else:
            from PIL import Image

            with Image.open(path) as image:
                self._board.add_image(name, np.asarray(image.convert("RGB")), samples, dataformats="HWC")

    def close(self) -> None:
        """Flush and close the files. What a full disk no longer takes is lost: `write` has said so, or a checkpoint."""
        with suppress(OSError):
            self._file.close()
        if self._board is not None:
            with suppress(OSError):
                self._board.close()


def _until(path: Path, samples: int) -> list[str]:
    """The lines written up to `samples`; a torn last line is left out."""
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["samples"] <= samples:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue
    return kept


def _board(folder: Path, begins_at: int) -> Any:
    """A TensorBoard writer whose events from `begins_at` samples on replace older ones, or None without the package."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=begins_at)
