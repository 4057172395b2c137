"""One training from a recipe to its files: the core's trainer, surrounded by everything that a run needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from multigan import assemble, checkpoint, heads
from multigan.adversarial.batch import Batch
from multigan.adversarial.distributed import World
from multigan.adversarial.monitor import NotFinite, diversity
from multigan.adversarial.trainer import Trainer
from multigan.errors import UserError
from multigan.recipe import Recipe, notes, to_yaml
from multigan.files import write_text
from multigan.runs import RUNS, Run
from multigan.training.device import arithmetic, choose_device
from multigan.training.display import Display, Quiet
from multigan.training.keeping import Keeper
from multigan.training.log import Log
from multigan.training.pace import Due, Rate, cost, line
from multigan.training.signals import StopRequest

COLLAPSED = 0.15
"""Previews with less than this share of the data's diversity, after a fifth of the training, are called collapsed."""
PREVIEW_PART = 64
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
        session = Session(recipe, options, device, world, display if display and world.leads else Quiet())
        return session.play()
    finally:
        world.leave()


class Session:
    """A training that is set up, or restored, and can be played."""

    def __init__(self, recipe: Recipe, options: Options, device: torch.device, world: World, display: Display):
        self.options, self.device, self.world, self.display = options, device, world, display
        self.recipe, sentences = heads.resolve(recipe)
        for sentence in [*sentences, *notes(self.recipe)]:
            display.say(sentence)
        self.head = heads.head(self.recipe)
        self.training = self.recipe.training
        self.run = self._folder()
        self.data = self.head.open_data(device, self.training.batch // world.size, self._decoding)
        display.end()
        for sentence in self.data.report:
            display.say(sentence)
        self.trainer = self._trainer()
        self.latents, self.conditions = self.head.preview_batch()
        self.variety = diversity(self.data.reference.sample, self.data.reference.conditions.get("label"))
        self.keeper = Keeper(self.run, self.training.keep, self._save)
        self.resumed = self.keeper.restore(self._restore, display.say) if options.resume else None
        self.figures: dict[str, float] = {}
        self.collapsed = False

    # --- setting up -------------------------------------------------------------------------------------------------

    def _folder(self) -> Run:
        """The run's folder: the one asked for, or a new one named after the recipe."""
        out = self.options.out
        if out is None:
            out = RUNS / self.recipe.name
            for number in range(2, 10_000):
                if not out.exists():
                    break
                out = RUNS / f"{self.recipe.name}-{number}"
        run = Run(out)
        if not self.options.resume and run.saved():
            raise UserError(f"{out} holds a training already: go on with --resume {out}, or choose another --out.")
        return run

    def _decoding(self, done: int, total: int) -> None:
        if done == 0:
            self.display.begin("decoding", total)
        self.display.show(done)

    def _trainer(self) -> Trainer:
        torch.manual_seed(self.recipe.seed)
        generator, discriminator = self.head.networks()
        if self.options.init_from is not None:
            weights = checkpoint.load(self.options.init_from)
            checkpoint.fill(generator, weights, checkpoint.GENERATOR_EMA)
            checkpoint.fill(discriminator, weights, "discriminator")
        how = arithmetic(self.training, self.device)
        for network in (generator, discriminator):
            network.to(self.device, how.dtype)
            if how.channels_last:
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.world.broadcast([*network.parameters(), *network.buffers()])
        compiled: dict[str, nn.Module] = {}
        if self.training.compile:
            compiled = {"generator": _compile(generator), "discriminator": _compile(discriminator)}
        game = self.head.game(generator, discriminator, how, self.device, compiled)
        try:
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
        except ValueError as error:
            raise UserError(f"training.batch: {error}.") from error

    # --- saving and restoring ---------------------------------------------------------------------------------------

    def _networks(self) -> dict[str, nn.Module]:
        return {**self.trainer.game.networks, checkpoint.GENERATOR_EMA: self.trainer.ema.module}

    def _save(self) -> None:
        tensors = {**self.trainer.tensors(), "rng.cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        state = checkpoint.State(tensors, self.trainer.numbers())
        checkpoint.save(self.run, self.trainer.samples, self.recipe, self._networks(), state)

    def _restore(self, weights: checkpoint.Weights, state: checkpoint.State) -> None:
        for name, network in self._networks().items():
            checkpoint.fill(network, weights, name)
        try:
            self.trainer.restore(state.tensors, state.numbers)
        except (KeyError, ValueError, RuntimeError) as error:
            raise UserError(f"{weights.path}: its state does not belong to this recipe ({error}).") from error
        torch.set_rng_state(state.tensors["rng.cpu"])
        if self.device.type == "cuda" and "rng.cuda" in state.tensors:
            torch.cuda.set_rng_state(state.tensors["rng.cuda"], self.device)

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
        return Outcome(
            self.run, self.run.weights(self.trainer.samples), self.trainer.samples, time.monotonic() - began, stopped
        )

    def _turns(self, began: float, request: StopRequest, log: Log | None) -> str | None:
        due = Due(self.recipe, self.trainer.samples)
        if self.trainer.samples == 0:
            self._preview(log)
        rate = Rate(self.trainer.samples)
        turns, stopped = 0, None
        try:
            while self.trainer.samples < self.training.samples and stopped is None:
                self.trainer.turn()
                turns += 1
                if turns in (WARM, 2 * WARM) or turns % self.training.log_every == 0:
                    self._log(log, rate)
                if turns == 2 * WARM:
                    left = self.training.samples - self.trainer.samples
                    self.display.say(cost(left / self.figures["images_per_second"], self.device))
                if self.world.size == 1 or turns % self.training.log_every == 0:
                    stopped = self._asked_to_stop(began, request)
                for action in due.now(self.trainer.samples):
                    {"preview": self._preview, "checkpoint": self._checkpoint, "evaluate": self._evaluate}[action](log)
        except NotFinite as error:
            self._checkpoint(log)
            raise UserError(
                f"{error}. The weights before those steps are saved: {self.run.weights(self.trainer.samples)}"
            ) from error
        self._log(log, rate)
        self._preview(log)
        if self.training.evaluate_every is not None and stopped is None:
            self._evaluate(log)
        self._checkpoint(log)
        if self.world.leads:
            self.head.save_movie(self.run.previews, self.run.movie)
        return stopped

    def _asked_to_stop(self, began: float, request: StopRequest) -> str | None:
        late = self.options.minutes is not None and time.monotonic() - began > 60 * self.options.minutes
        if not self.world.any(request.wanted is not None or late, self.device):
            return None
        return f"after {self.options.minutes:g} minutes" if late else f"by {request.wanted.name if request.wanted else 'another process'}"

    def _log(self, log: Log | None, rate: Rate) -> None:
        figures = self.trainer.read()
        figures["images_per_second"] = rate.read(self.trainer.samples)
        self.figures.update(figures)
        if log is not None:
            log.write(self.trainer.samples, figures)
        self.display.show(self.trainer.samples, line(figures))

    @torch.no_grad()
    def _sample(self, latents: Tensor, batch: Batch) -> Tensor:
        """Samples of the averaged generator, in parts, on the CPU."""
        game, made = self.trainer.game, []
        for start in range(0, len(latents), PREVIEW_PART):
            part = slice(start, start + PREVIEW_PART)
            conditions = {name: value[part].to(self.device) for name, value in batch.conditions.items()}
            latent = latents[part].to(self.device, game.arithmetic.dtype)
            with game.arithmetic.context(self.device):
                made.append(self.trainer.ema.module(latent, **conditions).float().cpu())
        return torch.cat(made)

    def _preview(self, log: Log | None) -> None:
        if log is None:
            return
        samples = self._sample(self.latents, self.conditions)
        share = diversity(samples, self.conditions.conditions.get("label")) / max(self.variety, 1e-12)
        path = self.run.previews / f"{self.trainer.samples:012d}.png"
        self.head.save_preview(samples, path)
        log.picture(self.trainer.samples, path)
        log.write(self.trainer.samples, {"diversity": share})
        collapsed, self.collapsed = self.collapsed, share < COLLAPSED and 5 * self.trainer.samples > self.training.samples
        if self.collapsed and not collapsed:
            self.display.say(
                f"warning: the previews have {100 * share:.0f}% of the data's diversity, so the generator is collapsing: "
                "choose the relativistic loss with r1 and r2, raise gamma, or add augmentation."
            )

    def _checkpoint(self, log: Log | None) -> None:
        if log is not None:
            self.keeper.save(self.trainer.samples)
        self.world.barrier()

    def _evaluate(self, log: Log | None) -> None:
        if log is None:
            return
        if self._evaluator is None:
            self._evaluator = self.head.evaluator(self.data, self.device)
        figures = self._evaluator(self._sample)
        log.write(self.trainer.samples, figures)
        name = self._evaluator.name
        if self.keeper.is_best(figures[name], name):
            checkpoint.save_weights(self.run.best, self.recipe, self.trainer.samples, self._networks())
        self.display.say(
            f"{self.trainer.samples:,} samples: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
        )

    _evaluator: heads.Evaluator | None = None


def _compile(network: nn.Module) -> nn.Module:
    compiled: Callable[..., nn.Module] = torch.compile
    return compiled(network)
