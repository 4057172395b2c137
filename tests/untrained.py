"""Checkpoints of small untrained networks of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from multigan import checkpoint, heads, recipe

KINDS: dict[str, dict[str, object]] = {
    "dcgan": {"kind": "dcgan", "width": 8},
    "resnet": {"kind": "resnet", "width": 8},
    "r3gan": {"kind": "r3gan", "width": 16, "blocks": 1},
}


def pictures(kind: str, folder: Path, **data: Any) -> Path:
    """A checkpoint of an untrained conditional network of pictures of 16x16."""
    chosen = recipe.parse(
        {
            "modality": "image",
            "name": kind,
            "conditional": True,
            "data": {"size": [16, 16], "channels": 3, "classes": ["cat", "dog", "bird"], **data},
            "latent": {"size": 8},
            "generator": KINDS[kind],
            "discriminator": KINDS[kind],
            "loss": {"kind": "hinge"},
            "training": {"samples": 64},
        }
    )
    torch.manual_seed(1)
    path = folder / f"{kind}.safetensors"
    checkpoint.save_weights(
        path, chosen, 640, dict(zip(("generator_ema", "discriminator"), heads.head(chosen).networks(), strict=True))
    )
    return path
