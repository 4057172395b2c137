"""Adam with scheduled settings, clipping, loss scaling, and steps that are skipped when they are not finite."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from multigan.adversarial.schedules import Schedule


class LossScale:
    """Dynamic loss scaling for fp16 (Micikevicius et al., 2018), held on the device so that nothing waits for it.

    The scale halves after a step that overflowed and doubles after `patience` steps in a row that did not.
    """

    def __init__(self, device: torch.device, enabled: bool, initial: float = 65536.0, patience: int = 2000):
        self.enabled = enabled
        self.patience = patience
        self.value = torch.tensor(initial if enabled else 1.0, device=device)
        self.good = torch.zeros((), device=device)

    @torch.no_grad()
    def update(self, bad: Tensor) -> None:
        """bad: 1.0 after a step that was not finite, else 0.0."""
        if not self.enabled:
            return
        self.good.add_(1).mul_(1 - bad)
        grow = (self.good >= self.patience).float()
        self.value.mul_(1 + grow).mul_(1 - 0.5 * bad).clamp_(1.0, 2.0**24)
        self.good.mul_(1 - grow)


class Updater:
    """One network's optimizer. Its settings are schedules of the samples seen."""

    def __init__(
        self,
        name: str,
        network: nn.Module,
        lr: Schedule,
        betas: tuple[Schedule, Schedule],
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip: float | None = None,
    ):
        self.name = name
        self.parameters = list(network.parameters())
        self.lr, self.betas, self.clip = lr, betas, clip
        # Betas as floats: integers such as 0 are refused by torch.
        start: dict[str, Any] = {"lr": float(lr(0)), "betas": (float(betas[0](0)), float(betas[1](0))), "eps": eps}
        if weight_decay:
            self.adam: torch.optim.Adam = torch.optim.AdamW(
                self.parameters, weight_decay=weight_decay, fused=True, **start
            )
        else:
            self.adam = torch.optim.Adam(self.parameters, fused=True, **start)

    def gradients(self) -> list[Tensor]:
        """The gradients that the backward passes left, in the order of the parameters."""
        return [each.grad for each in self.parameters if each.grad is not None]

    def clear(self) -> None:
        """Forget the gradients."""
        self.adam.zero_grad(set_to_none=True)

    @torch.no_grad()
    def step(self, samples: int, loss: Tensor, scale: LossScale) -> Tensor:
        """Update the weights, or leave weights and moments as they are where the loss or a gradient is not finite.

        Returns 1.0 for a skipped step and 0.0 for another, on the device: nothing is read back.
        """
        gradients = self.gradients()
        if scale.enabled:
            torch._foreach_mul_(gradients, 1 / scale.value)
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        bad = 1 - (torch.isfinite(norm) & torch.isfinite(loss)).to(torch.float32)
        if self.clip is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.clip, norm)
        group = self.adam.param_groups[0]
        group["lr"] = self.lr(samples)
        group["betas"] = (self.betas[0](samples), self.betas[1](samples))
        self.adam.found_inf = bad  # type: ignore[attr-defined]
        self.adam.step()
        scale.update(bad)
        return bad
