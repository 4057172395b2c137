"""Which device a training runs on, and with what arithmetic."""

from __future__ import annotations

import torch

from multigan import processor
from multigan.adversarial.distributed import World
from multigan.adversarial.game import Arithmetic
from multigan.errors import UserError
from multigan.settings import Training

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp64": torch.float64}


def choose_device(name: str = "auto") -> torch.device:
    """`auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`. Raises UserError for a device that is not there.

    Of several processes on one machine, each takes the GPU of its local rank unless a number is given.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if name not in ("auto", "cuda") and not (name.startswith("cuda:") and name[5:].isdigit()):
        raise UserError(f"--device {name}: choose auto, cpu, cuda or cuda:N.")
    if not torch.cuda.is_available():
        why = "this torch is built without CUDA" if torch.version.cuda is None else "torch finds no usable NVIDIA GPU"
        raise UserError(f"--device {name}: {why}. Use --device cpu, or see what multigan doctor says.")
    index = int(name[5:]) if name.startswith("cuda:") else World.local_rank()
    if index >= torch.cuda.device_count():
        raise UserError(f"--device cuda:{index}: this machine has {torch.cuda.device_count()} GPU(s), numbered from 0.")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def described(how: Arithmetic, device: torch.device) -> str:
    """A sentence on where and in what arithmetic a training runs."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    place = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"the CPU, {torch.get_num_threads()} threads"
    )
    return f"On {place}, in {names[how.autocast or how.dtype]}."


def arithmetic(training: Training, device: torch.device) -> Arithmetic:
    """The arithmetic of a recipe on a device. Raises UserError where the GPU has no bf16."""
    precision = training.precision
    has_bf16 = (
        torch.cuda.is_bf16_supported(including_emulation=False) if device.type == "cuda" else bool(processor.bf16())
    )
    if precision == "auto":
        precision = "bf16" if has_bf16 else "fp32"
    if precision == "bf16" and device.type == "cuda" and not has_bf16:
        raise UserError("training.precision: this GPU has no bf16: choose fp16 or fp32.")
    wide = torch.float64 if precision == "fp64" else torch.float32
    half = DTYPES[precision] if precision in ("bf16", "fp16") else None
    return Arithmetic(wide, half, training.channels_last)
