"""What a phase minimises: `(game, batch) -> (loss, figures)`. Figures are detached scalars for the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from multigan.adversarial.batch import Batch
from multigan.adversarial.game import Game
from multigan.adversarial.losses import Loss, confidence
from multigan.adversarial.regularizers import Penalty, input_gradients

Figures = dict[str, Tensor]


class Objective(Protocol):
    """A loss of one network, computed on a batch."""

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, Figures]:
        """The loss, a scalar with a graph, and figures for the log."""
        ...


class Discriminator:
    """The adversarial loss of the discriminator, and the penalties that are due in this step.

    together: real and generated samples go through in one pass, where there is no penalty: for a discriminator that
    judges each sample by itself, so that it makes no difference but time. Both kinds of samples need the same type.
    """

    def __init__(self, loss: Loss, penalties: Sequence[Penalty] = (), together: bool = False):
        self.loss = loss
        self.penalties = list(penalties)
        self.together = together

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, Figures]:
        due = [penalty for penalty in self.penalties if penalty.due(game.now.step)]
        points = {penalty.point for penalty in due}
        samples = {"real": batch.sample, "fake": game.fakes(batch)}
        if "between" in points:
            samples["between"] = _between(game, samples["real"], samples["fake"])
        if self.together and not due:
            seen = _judge_together(game, batch, samples)
        else:
            seen = {kind: _judge_at(game, batch, sample, kind, kind in points) for kind, sample in samples.items()}
        real, fake = seen["real"][1], seen["fake"][1]
        loss = self.loss.discriminator(real, fake)
        figures = {"discriminator": loss.detach(), "confidence": confidence(real.detach(), fake.detach())}
        for penalty, value in _penalties(game, due, seen):
            figures[penalty.name] = value.detach() / penalty.every
            loss = loss + value
        # A logit of a relativistic discriminator means something only against another.
        game.observe(real - fake if self.loss.generator_sees_real else real)
        return loss, figures


def _penalties(
    game: Game, due: Sequence[Penalty], seen: dict[str, tuple[Tensor, Tensor]]
) -> Iterator[tuple[Penalty, Tensor]]:
    """Each penalty that is due with its value; one backward pass gives the gradients at all points."""
    if not due:
        return
    points = list(dict.fromkeys(penalty.point for penalty in due))
    inputs, logits = [seen[point][0] for point in points], [seen[point][1] for point in points]
    # Each logit's own share of the loss scale, as in the mean that is the loss: half precision cannot hold the whole.
    scale = game.now.scale / len(logits[0]) if isinstance(game.now.scale, Tensor) else 1.0
    gradients = input_gradients(logits, inputs, scale)
    at = dict(zip(points, gradients, strict=True))
    for penalty in due:
        yield penalty, penalty(at[penalty.point], game.now.samples)


def _judge_at(game: Game, batch: Batch, sample: Tensor, kind: str, penalised: bool) -> tuple[Tensor, Tensor]:
    """The tensor at which the gradient is taken, and the logits of what is seen of the sample."""
    point = sample.detach()
    if penalised and game.penalize == "before":
        point.requires_grad_()
    seen = game.augment(point, kind)
    if penalised and game.penalize == "after":
        point = seen = seen.detach().requires_grad_()
    return point, game.judge(seen, batch, kind, twice=penalised)


def _judge_together(game: Game, batch: Batch, samples: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """As `_judge_at` for each kind of samples, in one pass."""
    points = {kind: sample.detach() for kind, sample in samples.items()}
    seen = torch.cat([game.augment(point, kind) for kind, point in points.items()])
    told = {name: torch.cat([value] * len(points)) for name, value in batch.conditions.items()}
    logits = game.judge(seen, Batch(batch.sample, told), "both").chunk(len(points))
    return dict(zip(points, zip(points.values(), logits, strict=True), strict=True))


def _between(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """A point on the line from each generated sample to a real one, uniformly chosen (Gulrajani et al., 2017)."""
    share = game.now.draws.uniform("between", *[1] * (real.dim() - 1)).to(real)
    return game.arithmetic.place(real * share + fake * (1 - share))


class Adversarial:
    """The adversarial loss of the generator."""

    def __init__(self, loss: Loss):
        self.loss = loss

    def __call__(self, game: Game, batch: Batch) -> tuple[Tensor, Figures]:
        fake = game.judge(game.augment(game.fakes(batch), "fake"), batch, "fake")
        real = None
        if self.loss.generator_sees_real:
            with torch.no_grad():
                real = game.judge(game.augment(batch.sample, "real"), batch, "real")
        loss = self.loss.generator(fake, real)
        return loss, {"generator": loss.detach()}
