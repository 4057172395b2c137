"""From a trainer to what a checkpoint holds of it, and back."""

from __future__ import annotations

import torch
from torch import nn

from multigan import checkpoint
from multigan.adversarial.trainer import Trainer
from multigan.errors import UserError


def networks_of(trainer: Trainer) -> dict[str, nn.Module]:
    """What a weights file holds, by name."""
    return {**trainer.game.networks, checkpoint.GENERATOR_EMA: trainer.ema.module}


def state_of(trainer: Trainer, device: torch.device, identity: str) -> checkpoint.State:
    """What resuming needs beside the weights. identity: of the data."""
    tensors = {**trainer.tensors(), "rng.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["rng.cuda"] = torch.cuda.get_rng_state(device)
    return checkpoint.State(tensors, {**trainer.numbers(), "data": identity})


def restore(trainer: Trainer, device: torch.device, weights: checkpoint.Weights, state: checkpoint.State) -> None:
    """Put a trainer, and torch's random state, where a checkpoint was written. Raises UserError where it is of another
    recipe."""
    for name, network in networks_of(trainer).items():
        checkpoint.fill(network, weights, name)
    try:
        trainer.restore(state.tensors, state.numbers)
    except (KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"{weights.path}: its state does not belong to this recipe ({error}).") from error
    torch.set_rng_state(state.tensors["rng.cpu"])
    if device.type == "cuda" and "rng.cuda" in state.tensors:
        torch.cuda.set_rng_state(state.tensors["rng.cuda"], device)
