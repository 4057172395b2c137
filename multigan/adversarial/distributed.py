"""Several processes that train one model: each works on its share of every batch, and gradients are averaged.

Averaging flat gradients with torch.distributed keeps all ranks' weights bit-equal and, without batch normalisation,
equal to a single process's up to rounding. The launcher (torchrun, accelerate launch) sets the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")
PATIENCE = timedelta(hours=2)
"""How long the others wait for one: rank 0 evaluates, and writes files, alone."""


@dataclass(frozen=True)
class World:
    """This process's number and how many there are."""

    rank: int = 0
    size: int = 1

    @staticmethod
    def join(device: torch.device) -> World:
        """Join the processes that a launcher started, if one did: NCCL between GPUs, Gloo elsewhere."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return World()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
        return World(dist.get_rank(), dist.get_world_size())

    @staticmethod
    def local_rank() -> int:
        """The number of this process on its machine, which chooses its GPU."""
        return int(os.environ.get("LOCAL_RANK", "0"))

    def leave(self) -> None:
        """Leave the group, once every process has come to this point."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, in one message per type."""
        if self.size == 1:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            if tensor.is_floating_point():
                by_type.setdefault(tensor.dtype, []).append(tensor)
        for group in by_type.values():
            flat = torch.cat([each.reshape(-1) for each in group])
            dist.all_reduce(flat)
            flat /= self.size
            for each, mean in zip(group, flat.split([each.numel() for each in group]), strict=True):
                each.copy_(mean.view_as(each))

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Give every process rank 0's values."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), 0)

    def share(self, value: T | None) -> T:
        """Rank 0's value, for every process. Raises ValueError where rank 0 has none."""
        held = [value]
        if self.size > 1:
            dist.broadcast_object_list(held, 0)
        if held[0] is None:
            raise ValueError("rank 0 has nothing to share")
        return held[0]

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        value = torch.tensor(float(flag), device=device)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value.item())

    def barrier(self) -> None:
        """Wait until every process has come here."""
        if self.size > 1:
            dist.barrier()
