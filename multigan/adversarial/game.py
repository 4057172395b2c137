"""The two networks of a game, and how samples, noise and precision reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from multigan.adversarial.batch import Batch, Draws
from multigan.adversarial.stochastic import Stochastic

Distribution = Literal["normal", "uniform"]


@dataclass(frozen=True)
class Arithmetic:
    """dtype: of the weights. autocast: of the heavy operations, if it is another. channels_last: for rank 4 and 5."""

    dtype: torch.dtype = torch.float32
    autocast: torch.dtype | None = None
    channels_last: bool = False

    def context(self, device: torch.device) -> AbstractContextManager[object]:
        """What the networks run in."""
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(device.type, self.autocast, cache_enabled=False)

    def place(self, samples: Tensor) -> Tensor:
        """The samples in this arithmetic's type and memory format; token numbers stay as they are."""
        if not samples.is_floating_point():
            return samples
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        if self.channels_last and samples.dim() in formats:
            return samples.to(self.dtype, memory_format=formats[samples.dim()])
        return samples.to(self.dtype)


@dataclass
class Now:
    """Where the training stands while an objective is computed.

    samples: real samples shown before this turn. step: steps that this phase has taken. phase: its name, which
    keeps the random streams of the phases of one turn apart. scale: the loss scale of half precision.
    """

    draws: Draws
    samples: int = 0
    step: int = 0
    phase: str = ""
    scale: Tensor | float = 1.0


class Augmentation(Protocol):
    """What both real and generated samples go through before the discriminator sees them."""

    def __call__(self, samples: Tensor, now: Now, stream: str) -> Tensor:
        """Augment `[B, ...]`; every random value comes from `now.draws`, under names that begin with `stream`."""
        ...

    def observe(self, surety: Tensor, count: int) -> None:
        """See the mean sign of the discriminator's logits on the `count` real samples of one of its steps.

        It is the mean over all parts and processes, so that an adaptive probability is the same in each. It is not
        finite where the logits were not.
        """
        ...

    def tensors(self) -> dict[str, Tensor]:
        """The state that adapts, by name: averaged over processes, saved and restored in place."""
        ...


@dataclass
class Game:
    """generator(latent, **conditions) -> samples; discriminator(samples, **conditions) -> logits `[B]`.

    latent: the size of the generator's noise. compiled: stands in for a network, by name, where its gradient is not
    differentiated again. view: a fixed transform of samples, after the augmentation, to what the discriminator takes.
    penalize: where penalties take the gradient: at the sample, or after both. companions: further networks, which are
    saved and restored with the two.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent: int
    distribution: Distribution = "normal"
    augmentation: Augmentation | None = None
    view: Callable[[Tensor], Tensor] | None = None
    arithmetic: Arithmetic = field(default_factory=Arithmetic)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    compiled: Mapping[str, Callable[..., Tensor]] = field(default_factory=dict)
    penalize: Literal["before", "after"] = "before"
    companions: Mapping[str, nn.Module] = field(default_factory=dict)
    now: Now = field(default_factory=lambda: Now(Draws(0, 0, 1, 0, 1)))

    def __post_init__(self) -> None:
        # Listed once: walking the modules in every step would cost small networks a percent.
        self._weights = {name: list(network.parameters()) for name, network in self.networks.items()}
        self._stochastic = {
            name: [(place, layer) for place, layer in network.named_modules() if isinstance(layer, Stochastic)]
            for name, network in self.networks.items()
        }
        self._training = ""
        self._fakes: Tensor | None = None
        self._share = False
        self._sureties: list[Tensor] = []

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator, **self.companions}

    def train_only(self, name: str, share_fakes: bool = False) -> None:
        """Let gradients reach the weights of one network alone.

        share_fakes: samples that are generated while the discriminator trains keep the generator's graph, for the
        generator's step that comes next.
        """
        self._training, self._share = name, share_fakes
        for each, weights in self._weights.items():
            wanted = each == name or (share_fakes and each == "generator")
            for weight in weights:
                weight.requires_grad_(wanted)

    def begin(self, now: Now, keep_fakes: bool = False) -> None:
        """Begin a part of a step. keep_fakes: the samples that the step before generated serve this one too."""
        self.now = now
        if not keep_fakes:
            self._fakes = None

    def noise(self) -> Tensor:
        """The latents `[B, latent]` of the part of the batch at hand."""
        draws = self.now.draws
        if self.distribution == "normal":
            values = draws.normal("latent", self.latent)
        else:
            values = draws.uniform("latent", self.latent) * 2 - 1
        return values.to(self.device, self.arithmetic.dtype, non_blocking=True)

    def fakes(self, batch: Batch) -> Tensor:
        """Generated samples for the batch's conditions, built once from this draw's latents.

        They carry the generator's graph in a step that trains it, and are detached in every other. Discrete samples
        have none.
        """
        graph = self._training == "generator" or self._share
        if self._fakes is None or (graph and self._fakes.is_floating_point() and not self._fakes.requires_grad):
            with torch.set_grad_enabled(graph):
                self._fakes = self.generate(self.noise(), batch)
        return self._fakes if self._training == "generator" else self._fakes.detach()

    def generate(self, latent: Tensor, batch: Batch) -> Tensor:
        """The generator's samples for given latents and the batch's conditions."""
        run = self.compiled.get("generator", self.generator)
        self.draw("generator", "")
        with self.arithmetic.context(self.device):
            return self.arithmetic.place(run(latent, **batch.conditions))

    def augment(self, samples: Tensor, kind: str) -> Tensor:
        """What the discriminator sees of `samples`; `kind` (real, fake, between) names the random stream."""
        if self.augmentation is not None:
            samples = self.augmentation(samples, self.now, f"{self.now.phase}/{kind}")
        return samples if self.view is None else self.arithmetic.place(self.view(samples))

    def observe(self, real_logits: Tensor) -> None:
        """Note how sure the discriminator is of the real samples of a part `[B]`, for the augmentation."""
        if self.augmentation is not None:
            self._sureties.append(real_logits.detach().float().sign().mean())

    def surety(self) -> list[Tensor]:
        """The mean over the parts noted since the last call, or nothing where none was."""
        noted, self._sureties = self._sureties, []
        return [torch.stack(noted).mean()] if noted else []

    def draw(self, name: str, use: str) -> None:
        """Have a network's stochastic layers draw. use: tells its uses in one step apart; empty for the generator,
        whose samples are the same for every phase that shares a batch, as its latents are."""
        for place, layer in self._stochastic[name]:
            layer.draw(self.now.draws, "/".join(filter(None, (use, name, place))))

    def judge(self, samples: Tensor, batch: Batch, kind: str, twice: bool = False) -> Tensor:
        """The discriminator's logits `[B]` on samples as `augment` gives them.

        kind: real, fake or between, which names the random streams of its layers. twice: the gradient will be
        differentiated again.
        """
        self.draw("discriminator", f"{self.now.phase}/{kind}")
        run = self.discriminator if twice else self.compiled.get("discriminator", self.discriminator)
        with self.arithmetic.context(self.device):
            logits = run(samples, **batch.conditions)
        return logits if logits.dtype == torch.float64 else logits.float()
