"""One training from a recipe to its files: the core's trainer, surrounded by everything that a run needs."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from multigan import assemble, checkpoint, heads
from multigan.adversarial.distributed import World
from multigan.adversarial.monitor import NotFinite
from multigan.adversarial.trainer import Trainer, share
from multigan.errors import UserError
from multigan.files import write_text
from multigan.recipe import Recipe, notes, to_yaml
from multigan.runs import Run
from multigan.training.device import arithmetic, choose_device, described
from multigan.training.display import Display, Quiet
from multigan.training.keeping import Keeper
from multigan.training.log import Log
from multigan.training.pace import Due, Rate, cost, line
from multigan.training.previews import Previews
from multigan.training.reserving import claim
from multigan.training.restoring import networks_of, restore, state_of
from multigan.training.shortage import explaining
from multigan.training.signals import StopRequest

POLL_SECONDS = 2.0
"""Several processes agree about this often on whether one was asked to stop."""
WARM = 10
"""Turns that speed is measured after: the first ones choose kernels."""


@dataclass(frozen=True)
class Options:
    """What a training is told beside its recipe. out: the run's folder; absent: a new one under runs/. resume: go on in
    `out`. init_from: a weights file to start from. minutes: stop and finish after so long."""

    out: Path | None = None
    resume: bool = False
    init_from: Path | None = None
    minutes: float | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Outcome:
    """How a training ended. weights: of its last checkpoint. stopped: None, or why it ended before its budget."""

    run: Run
    weights: Path
    samples: int
    seconds: float
    stopped: str | None


def train(recipe: Recipe, options: Options | None = None, display: Display | None = None) -> Outcome:
    """Train by a recipe; see `Options` and `Outcome`. Raises UserError for what the user can mend."""
    options = options or Options()
    device = choose_device(options.device)
    world = World.join(device)
    try:
        with ExitStack() as held, explaining(recipe.training, device):
            session = Session(recipe, options, device, world, display if display and world.leads else Quiet(), held)
            return session.play()
    finally:
        world.leave()


class Session:
    """A training that is set up, or restored, and can be played."""

    def __init__(
        self,
        recipe: Recipe,
        options: Options,
        device: torch.device,
        world: World,
        display: Display,
        held: ExitStack | None = None,
    ):
        """held: what is let go of when the training has ended; absent: when the session has been played."""
        self.options, self.device, self.world, self.display = options, device, world, display
        self.recipe, sentences = heads.resolve(recipe)
        for sentence in [*sentences, *notes(self.recipe)]:
            display.say(sentence)
        self.head = heads.head(self.recipe)
        self.training = self.recipe.training
        try:
            share(self.training.batch, self.training.accumulate, world)
        except ValueError as error:
            raise UserError(f"training.batch: {error}.") from error
        self._held = held or ExitStack()
        folder = claim(self.recipe.name, options.out, options.resume, self._held) if world.leads else None
        self.run = Run(Path(world.share(folder)))
        self.data = self.head.open_data(device, self.training.batch // world.size, self._decoding)
        display.end()
        for sentence in self.data.report:
            display.say(sentence)
        self._say_damaged()
        self.trainer = self._trainer()
        self.previews = Previews(self.head, self.trainer, self.data.diversity, self.run, self.training.samples, display)
        # Now rather than when it is first due: what it lacks shall not end a training that has run for hours.
        self._evaluator: heads.Evaluator | None = None
        if self.training.evaluate_every is not None and world.leads:
            self._evaluator = self.head.evaluator(self.data, device)
        self.keeper = Keeper(self.run, self.training.keep, self._save)
        self.resumed = self._resume() if options.resume else None
        self._poll = 1
        """In turns: how often several processes agree on whether to stop."""
        # When each regular action was last carried out: what a resumed run did at its checkpoint is not done again.
        self._done = {} if self.resumed is None else dict.fromkeys(("log", "preview", "evaluate"), self.resumed)

    # --- setting up -------------------------------------------------------------------------------------------------

    def _say_damaged(self) -> None:
        """Name the files that could not be read and have not been named yet."""
        if damaged := self.data.damaged():
            self.display.say(damaged)

    def _decoding(self, done: int, total: int) -> None:
        if done == 0:
            self.display.begin("decoding", total)
        self.display.show(done)

    def _trainer(self) -> Trainer:
        torch.manual_seed(self.recipe.seed)
        generator, discriminator = self.head.networks()
        if self.options.init_from is not None:
            weights = checkpoint.load(self.options.init_from)
            heads.check_start(self.recipe, weights.recipe)
            checkpoint.start_from(generator, weights, checkpoint.GENERATOR_EMA)
            self._start_discriminator(discriminator, weights)
        how = arithmetic(self.training, self.device)
        self.display.say(described(how, self.device))
        for network in (generator, discriminator):
            network.to(self.device, how.dtype)
            if how.channels_last:
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.world.broadcast([*network.parameters(), *network.buffers()])
        compiled: dict[str, nn.Module] = {}
        if self.training.compile:
            compiled = {"generator": _compile(generator), "discriminator": _compile(discriminator)}
        game = self.head.game(generator, discriminator, how, self.device, compiled)
        return Trainer(
            game,
            self.head.phases(game),
            self.data.stream,
            assemble.ema(generator, self.recipe.ema, self.training.samples),
            batch=self.training.batch,
            accumulate=self.training.accumulate,
            seed=self.recipe.seed,
            world=self.world,
            nonfinite_limit=self.training.nonfinite_limit,
        )

    def _start_discriminator(self, discriminator: nn.Module, weights: checkpoint.Weights) -> None:
        """Begin with the discriminator that trained the generator, or anew where the recipe has one of another kind, as
        where one generator is played on by several objectives."""
        ours, theirs = (each.discriminator.model_dump()["kind"] for each in (self.recipe, weights.recipe))
        if ours == theirs:
            checkpoint.start_from(discriminator, weights, "discriminator")
        else:
            self.display.say(
                f"The discriminator begins anew: the recipe's is of kind {ours}, that of --init-from of kind {theirs}."
            )

    # --- saving and restoring ---------------------------------------------------------------------------------------

    def _save(self) -> None:
        trainer = self.trainer
        state = state_of(trainer, self.device, self.data.identity)
        checkpoint.save(self.run, trainer.samples, self.recipe, networks_of(trainer), state, self.data.count)

    def _resume(self) -> int:
        """Go on from what rank 0 finds, on every process: another machine's disk may hold nothing, or something old."""
        found = self.keeper.find(self.display.say) if self.world.leads else None
        weights, state = self.world.share(found)
        restore(self.trainer, self.device, weights, state)
        if state.numbers.get("data", self.data.identity) != self.data.identity:
            self.display.say(
                "warning: the data is not what it was when this checkpoint was written (files or labels have changed), "
                "so the training goes on with the samples in another order."
            )
        before = weights.recipe.training.samples
        if before != self.training.samples:
            self.display.say(
                f"training.samples was {before:,} and is {self.training.samples:,} now: schedules that end with the "
                "training are stretched to the new end."
            )
        return weights.samples

    # --- playing ----------------------------------------------------------------------------------------------------

    def play(self) -> Outcome:
        """Train to the end of the budget, or until something asks to stop. The last state is always saved."""
        began = time.monotonic()
        log = Log(self.run, self.resumed) if self.world.leads else None
        if log is not None:
            write_text(self.run.recipe, to_yaml(self.recipe))
        self.display.begin(self.recipe.name, self.training.samples, self.trainer.samples)
        try:
            with StopRequest() as request:
                stopped = self._turns(began, request, log)
        finally:
            self.display.end()
            self.data.stream.close()
            if log is not None:
                log.close()
            self._held.close()
        return Outcome(
            self.run, self.run.weights(self.trainer.samples), self.trainer.samples, time.monotonic() - began, stopped
        )

    def _turns(self, began: float, request: StopRequest, log: Log | None) -> str | None:
        due = Due(self.recipe, self.trainer.samples)
        if self.trainer.samples == 0:
            self._once("preview", log)
        rate = Rate(self.trainer.samples)
        first, stopped = self.trainer.turns, None
        _, ends = self.trainer.stage()
        parted = ends is not None
        try:
            while self.trainer.samples < self.training.samples and stopped is None:
                self.trainer.turn()
                turns = self.trainer.turns
                regular = turns % self.training.log_every == 0
                if turns in (WARM, 2 * WARM) or regular:
                    self._log(log, rate)
                if ends is not None and self.trainer.samples >= ends:
                    first, (_, ends) = turns, self.trainer.stage()
                self._say_cost(turns - first, parted)
                late = False
                self.display.show(self.trainer.samples)
                if turns % self._poll == 0:
                    stopped = self._asked_to_stop(began, request)
                    late = self.world.any(due.late, self.device)
                for action in due.now(self.trainer.samples, late):
                    self.trainer.settle()
                    self._once(action, log)
            self.trainer.settle()
            self._finish(log, rate, whole=stopped is None)
        except NotFinite as error:
            self._checkpoint(log)
            raise UserError(
                f"{error}. The weights before those steps are saved: {self.run.weights(self.trainer.samples)}"
            ) from error
        except Exception:  # the data's disk, memory that another took: no reason to lose what was learned
            self._rescue(log)
            raise
        return stopped

    def _rescue(self, log: Log | None) -> None:
        """Save what was learned since the last checkpoint, as far as that is possible between two turns."""
        if log is not None and not self.trainer.mid_turn:
            with suppress(Exception):
                self.trainer.settle()
                self.keeper.save(self.trainer.samples)

    def _finish(self, log: Log | None, rate: Rate, whole: bool) -> None:
        """The last figures, evaluation, checkpoint and preview; what was done at this very moment is not done again."""
        if whole:  # of a training that stops early, the checkpoint holds the figures that are not logged yet
            if self._done.get("log") != self.trainer.samples:
                self._log(log, rate)
            if self.training.evaluate_every is not None:
                self._once("evaluate", log)
        self._once("checkpoint", log)
        self._once("preview", log)
        self._say_damaged()
        if self.world.leads:
            self.previews.save_movie()

    def _once(self, action: str, log: Log | None) -> None:
        """Carry out a regular action, unless it has been at this count of samples."""
        if self._done.get(action) != self.trainer.samples:
            {"preview": self._preview, "checkpoint": self._checkpoint, "evaluate": self._evaluate}[action](log)
            self._done[action] = self.trainer.samples

    def _say_cost(self, turns: int, parted: bool) -> None:
        """Tell, when the speed is known, what these phases will take. turns: since they were begun, or resumed. parted:
        whether there were others, or will be."""
        if turns == WARM:
            self._speed = Rate(self.trainer.samples)
        elif turns == 2 * WARM:
            names, ends = self.trainer.stage()
            left = min(ends or self.training.samples, self.training.samples) - self.trainer.samples
            speed = self._speed.read(self.trainer.samples)
            what = " and ".join(names) if ends else "the rest" if parted else "the training"
            self.display.say(cost(left / speed, self.device, what, ends is not None))
            if self.world.size > 1:
                every = torch.tensor(POLL_SECONDS * speed / self.training.batch, device=self.device)
                self.world.average([every])
                self._poll = max(1, round(every.item()))

    def _asked_to_stop(self, began: float, request: StopRequest) -> str | None:
        late = self.options.minutes is not None and time.monotonic() - began > 60 * self.options.minutes
        if not self.world.any(request.wanted is not None or late, self.device):
            return None
        if late:
            return f"by the limit of {self.options.minutes:g} minutes"
        return f"by {request.wanted.name}" if request.wanted is not None else "by another process"

    def _log(self, log: Log | None, rate: Rate) -> None:
        figures = self.trainer.read()
        figures["samples_per_second"] = rate.read(self.trainer.samples)
        self._done["log"] = self.trainer.samples
        if log is not None:
            log.write(self.trainer.samples, figures)
        self.display.show(self.trainer.samples, line(figures, self.head.unit))

    def _preview(self, log: Log | None) -> None:
        if log is not None:
            self.previews.draw(log)

    def _checkpoint(self, log: Log | None) -> None:
        if log is not None:
            self.keeper.save(self.trainer.samples)
        self.world.barrier()

    def _evaluate(self, log: Log | None) -> None:
        if log is None or self._evaluator is None:
            return
        figures = self._evaluator(self.previews.sample, networks_of(self.trainer), self.trainer.samples)
        log.write(self.trainer.samples, figures)
        name = self._evaluator.name
        self.keeper.keep_best(figures[name], f"{name}, {self._evaluator.protocol}", self._save_best)
        self.display.say(
            f"{self.trainer.samples:,} samples: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
        )

    def _save_best(self) -> None:
        networks = networks_of(self.trainer)
        checkpoint.save_weights(self.run.best, self.recipe, self.trainer.samples, networks, self.data.count)


def _compile(network: nn.Module) -> nn.Module:
    compiled: nn.Module = torch.compile(network)  # type: ignore[assignment]
    return compiled
