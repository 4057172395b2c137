"""The training loop of every modality: it walks the phases and knows nothing of what the tensors show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from multigan.adversarial.batch import Batch, Draws, Stream
from multigan.adversarial.distributed import World
from multigan.adversarial.ema import Ema
from multigan.adversarial.game import Game, Now
from multigan.adversarial.monitor import Meter, Skips, Statistics
from multigan.adversarial.optimizer import LossScale
from multigan.adversarial.phases import Phase


@dataclass(frozen=True)
class Drawn:
    """This process's parts of one batch, with their random draws."""

    parts: list[Batch]
    draws: list[Draws]


def share(batch: int, accumulate: int, world: World) -> int:
    """Samples in one part of one process. Raises ValueError where the batch cannot be split evenly."""
    if batch % (accumulate * world.size):
        raise ValueError(f"a batch of {batch} cannot be split evenly over {world.size} processes x {accumulate} parts")
    return batch // (accumulate * world.size)


class Trainer:
    """Plays the game phase by phase.

    batch: samples in one optimizer step, over all processes and all `accumulate` parts together. Raises ValueError
    where it cannot be split evenly, or two phases or two updaters have one name.
    """

    def __init__(
        self,
        game: Game,
        phases: Sequence[Phase],
        stream: Stream,
        ema: Ema,
        *,
        batch: int,
        accumulate: int = 1,
        seed: int = 0,
        world: World | None = None,
        nonfinite_limit: int = 25,
    ):
        self.game, self.phases, self.stream, self.ema = game, list(phases), stream, ema
        _check_names(self.phases)
        self.batch, self.accumulate, self.seed = batch, accumulate, seed
        self.world = world or World()
        self.part = share(batch, accumulate, self.world)
        fp16 = game.arithmetic.autocast == torch.float16
        self.scales = {phase.name: LossScale(game.device, fp16) for phase in phases}
        self.skips = Skips(game.device, nonfinite_limit, [phase.name for phase in phases])
        self.skipped = 0
        """Steps skipped, as far as they have been read from the device."""
        self.statistics = Statistics(game.networks.values())
        self.meter = Meter()
        self.samples = 0
        """Real samples shown so far, over all processes: the training's clock and its position in the data."""
        self.batches = 0
        """Batches drawn so far: the number that random draws are a function of."""
        self.turns = 0
        self.mid_turn = False
        """Whether a turn was broken off after it had begun to change things."""
        self.steps = {phase.name: 0 for phase in phases}

    def stage(self) -> tuple[list[str], int | None]:
        """The phases that are played from here, and the samples after which others are; None where these are the
        last."""
        ends = [end for phase in self.phases for end in (phase.start, phase.stop) if end and end > self.samples]
        return [phase.name for phase in self.phases if phase.within(self.samples)], min(ends, default=None)

    def turn(self) -> None:
        """One round of all phases that are active now. On a CPU, raises NotFinite as `settle` does."""
        now = self.samples
        plan = [(phase, step) for phase in self.phases if phase.active(now, self.turns) for step in range(phase.steps)]
        if not plan:
            raise ValueError(f"no phase is active after {now} samples")
        reused = [index > 0 and phase.reuse and step == 0 for index, (phase, step) in enumerate(plan)]
        drawn = self._draw_all(reused)
        kept = False
        for index, (phase, _) in enumerate(plan):
            self.mid_turn = True
            following = index + 1 < len(plan) and plan[index + 1][0].trains == "generator" and reused[index + 1]
            keep = self.accumulate == 1 and phase.trains != "generator" and following
            self._step(phase, drawn[index], now, keep_fakes=kept and reused[index], share_fakes=keep)
            kept = keep
        self.mid_turn = False
        self.turns += 1
        if self.world.size > 1:
            self.world.average(self.game.generator.buffers())
        self.ema.update(self.samples - now, self.samples)
        if self.game.device.type == "cpu":  # where nothing has to wait for a reading
            self.settle()

    def _draw_all(self, reused: Sequence[bool]) -> list[Drawn]:
        """Each step's batch, or that of the step before it where it is reused. All are drawn before the first step, so
        that data that fails finds the networks between two turns."""
        before = self.samples, self.batches
        drawn: list[Drawn] = []
        try:
            for same in reused:
                drawn.append(drawn[-1] if same else self._draw())
        except BaseException:
            self.samples, self.batches = before
            raise
        return drawn

    def _draw(self) -> Drawn:
        """The next batch of the data stream: this process's parts of it."""
        part = self.part
        first = self.world.rank * self.accumulate * part
        taken = self.stream.take(self.samples + first, part * self.accumulate)
        parts, draws = [], []
        for index in range(self.accumulate):
            piece = taken.part(index * part, (index + 1) * part)
            parts.append(Batch(self.game.arithmetic.place(piece.sample), piece.conditions))
            start = first + index * part
            draws.append(Draws(self.seed, self.batches, self.batch, start, start + part))
        self.samples += self.batch
        self.batches += 1
        return Drawn(parts, draws)

    def _step(self, phase: Phase, drawn: Drawn, samples: int, keep_fakes: bool, share_fakes: bool) -> None:
        """One optimizer step of one phase over all parts of a batch."""
        scale = self.scales[phase.name]
        self.game.train_only(phase.trains, share_fakes)
        # What a network does once a step of its own, however many parts the step has: a power iteration, say.
        prepare = getattr(self.game.networks[phase.trains], "before_step", None)
        if prepare is not None:
            prepare()
        total = torch.zeros((), device=self.game.device)
        for part, draws in zip(drawn.parts, drawn.draws, strict=True):
            now = Now(draws, samples, self.steps[phase.name], phase.name, scale.value if scale.enabled else 1.0)
            self.game.begin(now, keep_fakes)
            loss, figures = phase.objective(self.game, part)
            loss = loss / len(drawn.parts)
            (loss * scale.value if scale.enabled else loss).backward()
            total += loss.detach()
            for name, value in figures.items():
                self.meter.add(name, value)
        surety = self.game.surety()
        self.world.average([total, *phase.updater.gradients(), *surety])
        bad = phase.updater.step(samples, total, scale)
        self.skips.add(phase.name, bad)
        if surety and self.game.augmentation is not None:
            self.game.augmentation.observe(surety[0], self.batch)
        phase.updater.clear()
        self.steps[phase.name] += 1

    def _adaptive(self) -> dict[str, Tensor]:
        return {} if self.game.augmentation is None else self.game.augmentation.tensors()

    def settle(self) -> None:
        """See whether steps were skipped since the last call; if so, mend the statistics that they have spoilt.

        Reads from the device. Raises NotFinite past the limit of skips, with everything mended.
        """
        total, longest = self.skips.read()
        if total == self.skipped:
            self.statistics.keep()
        else:
            self.statistics.mend()
            self.ema.follow()
            self.skipped = total
        self.skips.check(longest)

    def read(self) -> dict[str, float]:
        """The mean figures since the last reading. Reads from the device. Raises NotFinite as `settle` does."""
        self.settle()
        return {**self.meter.read(), "skipped": float(self.skipped)}

    # --- state ------------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Everything but the networks' weights that a resumed training needs as tensors, by name."""
        state: dict[str, Tensor] = {"skips.total": self.skips.total}
        state.update({f"augmentation.{name}": value for name, value in self._adaptive().items()})
        state.update({f"meter.{name}": value for name, value in self.meter.tensors().items()})
        for phase in self.phases:
            for key, value in _flat(phase.updater.adam.state_dict()["state"]).items():
                state[f"optimizer.{phase.updater.name}.{key}"] = value
            state[f"skips.row.{phase.name}"] = self.skips.rows[phase.name]
            state[f"scale.{phase.name}.value"] = self.scales[phase.name].value
            state[f"scale.{phase.name}.good"] = self.scales[phase.name].good
        return state

    def numbers(self) -> dict[str, Any]:
        """The counters that a resumed training needs, as JSON values."""
        return {
            "samples": self.samples,
            "batches": self.batches,
            "turns": self.turns,
            "steps": dict(self.steps),
            "meter": self.meter.numbers(),
        }

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Take up what `tensors` and `numbers` gave, once the networks have their weights.

        Raises KeyError where something is missing.
        """
        self.samples, self.batches = int(numbers["samples"]), int(numbers["batches"])
        self.turns = int(numbers["turns"])
        self.steps = {phase.name: int(numbers["steps"][phase.name]) for phase in self.phases}
        self.skips.total.copy_(tensors["skips.total"])
        self.skipped = int(self.skips.total)
        self.statistics.keep()
        sums = {name.removeprefix("meter."): value for name, value in tensors.items() if name.startswith("meter.")}
        self.meter.restore(sums, numbers["meter"], self.game.device)
        for name, value in self._adaptive().items():
            value.copy_(tensors[f"augmentation.{name}"])
        for phase in self.phases:
            _restore_adam(phase.updater.adam, tensors, f"optimizer.{phase.updater.name}.", self.steps[phase.name])
            self.skips.rows[phase.name].copy_(tensors[f"skips.row.{phase.name}"])
            self.scales[phase.name].value.copy_(tensors[f"scale.{phase.name}.value"])
            self.scales[phase.name].good.copy_(tensors[f"scale.{phase.name}.good"])


def _check_names(phases: Sequence[Phase]) -> None:
    """Raise ValueError where what is saved by name would be mixed up."""
    names = [phase.name for phase in phases]
    if len(set(names)) < len(names):
        raise ValueError(f"two phases have one name: {', '.join(names)}")
    updaters = {id(phase.updater): phase.updater.name for phase in phases}
    if len(set(updaters.values())) < len(updaters):
        raise ValueError(f"two updaters have one name: {', '.join(updaters.values())}")


def _flat(state: dict[int, dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{index}.{key}": value for index, entry in state.items() for key, value in entry.items()}


def _restore_adam(adam: torch.optim.Adam, tensors: dict[str, Tensor], prefix: str, steps: int) -> None:
    """Give Adam the moments saved under `prefix`, in each weight's own memory format: fused kernels read them flat.

    steps: that were taken with them. Raises KeyError where there are steps and no moments."""
    weights = adam.param_groups[0]["params"]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix):
            index, key = name[len(prefix) :].split(".", 1)
            like = weights[int(index)]
            placed = torch.empty_like(like).copy_(value) if value.shape == like.shape else value.to(like.device)
            state.setdefault(int(index), {})[key] = placed
    if steps and not state:
        raise KeyError(f"the moments of {prefix.rstrip('.')}")
    adam.load_state_dict({"state": state, "param_groups": adam.state_dict()["param_groups"]})
