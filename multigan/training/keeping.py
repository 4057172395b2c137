"""Which checkpoints of a run are kept, and which one a training goes on from."""

from __future__ import annotations

import json
from collections.abc import Callable

from multigan import checkpoint
from multigan.errors import UserError
from multigan.files import write_text
from multigan.runs import WEIGHTS, Run


class Keeper:
    """Keeps the newest `keep` checkpoints, and remembers the best value of the evaluation's metric.

    save: writes the pair of files for the present moment.
    """

    def __init__(self, run: Run, keep: int, save: Callable[[], None]):
        self.run, self.keep, self._save = run, keep, save
        self._record = run.checkpoints / "best.json"
        self._at: int | None = None
        """The samples of the checkpoint that was last written, or gone on from: one that is known to be whole."""

    def save(self, samples: int) -> None:
        """Write a checkpoint, then remove those that are too old: never the other way round.

        Checkpoints past `samples` are the damaged ones that resuming passed over: they go too, since they would count
        among the newest.
        """
        if samples != self._at:
            self._save()
            self._at = samples
        # Left by a process that was killed while it wrote: multigan's temporary files, and safetensors' own.
        for torn in [*self.run.checkpoints.glob(f".*.tmp{WEIGHTS}"), *self.run.checkpoints.glob(".tmp??????")]:
            torn.unlink(missing_ok=True)
        for weights in self.run.checkpoints.glob(f"[0-9]*{WEIGHTS}"):
            stem = weights.name.removesuffix(WEIGHTS)
            if stem.isdigit() and not self.run.state(int(stem)).exists():
                weights.unlink(missing_ok=True)
        past = [count for count in self.run.saved() if count > samples]
        old = [count for count in self.run.saved() if count <= samples][: -self.keep]
        for gone in [*past, *old]:
            # The state goes first: weights without a state are no checkpoint to resume from, the reverse neither.
            self.run.state(gone).unlink(missing_ok=True)
            self.run.weights(gone).unlink(missing_ok=True)

    def keep_best(self, value: float, metric: str, save: Callable[[], None]) -> None:
        """Call `save`, which writes the best weights, if `value` is the smallest so far by the same metric; then
        remember it. metric: with all that its value depends on, since other values do not compare."""
        try:
            record = json.loads(self._record.read_text())
            before = float(record["value"]) if record["metric"] == metric else float("inf")
        except (OSError, ValueError, KeyError, TypeError):
            before = float("inf")
        if value < before:
            save()
            write_text(self._record, json.dumps({"metric": metric, "value": value}))

    def find(self, say: Callable[[str], None]) -> tuple[checkpoint.Weights, checkpoint.State]:
        """Read the newest checkpoint that is whole, saying which damaged ones were passed over.

        Raises UserError where none is whole, or one that may be cannot be read now: to go on from an older one would
        remove it.
        """
        damaged = []
        for samples in reversed(self.run.saved()):
            try:
                weights, state = checkpoint.load_pair(self.run, samples)
            except checkpoint.DamagedError as error:
                damaged.append(str(error))
                continue
            for sentence in damaged:
                say(f"warning: {sentence}")
            self._at = samples
            say(f"Going on from {self.run.weights(samples)} ({samples:,} samples).")
            return weights, state
        if damaged:
            raise UserError(f"no checkpoint in {self.run.checkpoints} is whole: {damaged[0]}")
        raise UserError(f"{self.run.folder} holds no checkpoint to resume from.")
