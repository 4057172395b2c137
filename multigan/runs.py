"""Where the files of a run are. No torch.

runs/NAME/recipe.yaml                       the recipe, with everything that was chosen from the data filled in
runs/NAME/metrics.jsonl                     one JSON object a line
runs/NAME/previews/000012800.png            grids from fixed latents; training.gif shows them in a row
runs/NAME/checkpoints/000012800.safetensors         weights, with the recipe inside
runs/NAME/checkpoints/000012800.state.safetensors   what resuming needs beside them
runs/NAME/checkpoints/best.safetensors      the weights that the evaluation found best
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from multigan.errors import UserError

RUNS = Path("runs")
STATE = ".state.safetensors"
WEIGHTS = ".safetensors"
BEST = "best.safetensors"


class Run:
    """The paths of one run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.recipe = folder / "recipe.yaml"
        self.metrics = folder / "metrics.jsonl"
        self.previews = folder / "previews"
        self.movie = folder / "training.gif"
        self.checkpoints = folder / "checkpoints"
        self.best = self.checkpoints / BEST

    def weights(self, samples: int) -> Path:
        """The weights after `samples` samples."""
        return self.checkpoints / f"{samples:012d}{WEIGHTS}"

    def state(self, samples: int) -> Path:
        """What resuming after `samples` samples needs beside the weights."""
        return self.checkpoints / f"{samples:012d}{STATE}"

    def saved(self) -> list[int]:
        """The sample counts of the checkpoints that have both files, oldest first."""
        found = (path.name.removesuffix(STATE) for path in self.checkpoints.glob(f"*{STATE}"))
        counts = sorted(int(name) for name in found if name.isdigit())
        return [count for count in counts if self.weights(count).exists()]

    def written(self) -> float:
        """When a checkpoint was last written; files that a training replaces meanwhile are passed over."""
        times = [0.0]
        for path in self.checkpoints.iterdir():
            with suppress(FileNotFoundError):
                times.append(path.stat().st_mtime)
        return max(times)


def find_run(path: Path) -> Path:
    """The folder of a run to resume. Raises UserError where there is none."""
    with readable(path):
        if not path.is_dir():
            raise UserError(f"--resume {path}: there is no such run; give a run's folder, such as runs/dcgan.")
    return path


def newest_run(root: Path = RUNS) -> Run:
    """The run that was written to last. Raises UserError where there is none with a checkpoint."""
    with readable(root):
        folders = [path for path in root.iterdir() if (path / "checkpoints").is_dir()] if root.is_dir() else []
        runs = [run for run in map(Run, folders) if run.saved() or run.best.exists()]
        if not runs:
            raise UserError(f"there is no run with a checkpoint under {root}/: train one first, or give a path.")
        return max(runs, key=lambda run: run.written())


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn the system's refusal to look at `path` into a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{str(path)[:200]} cannot be read: {error.strerror or error}.") from error


def find_checkpoint(path: Path | None = None) -> Path:
    """The weights file that `path` means: itself, a run's best or newest, or those of the newest run (None).

    Raises UserError where there is none.
    """
    with readable(RUNS if path is None else path):
        return _checkpoint(path)


def _checkpoint(path: Path | None) -> Path:
    if path is not None and path.is_file():
        if path.name.endswith(STATE):
            weights = path.name.removesuffix(STATE) + WEIGHTS
            raise UserError(f"{path} holds the optimizer's state: give {weights} instead.")
        return path
    if path is not None and not path.exists():
        raise UserError(f"{path} does not exist: give a run's folder or a .safetensors file.")
    run = newest_run() if path is None else Run(path)
    if run.best.exists():
        return run.best
    saved = run.saved()
    if not saved:
        raise UserError(f"{run.folder} has no checkpoint yet: give the folder of a run that has saved one.")
    return run.weights(saved[-1])
