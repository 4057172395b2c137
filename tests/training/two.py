"""One of two processes that train together: `python two.py DATA OUT SAMPLES`, started by a launcher's environment.

Leaves the run in OUT, and this rank's weights beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from small import Listening, recipe

from multigan.adversarial.distributed import World
from multigan.training.session import Options, Session

KINDS = ["translation", "cutout", "color"]


def play(data: Path, out: Path, budget: int) -> Path:
    """Train in this process's world for `budget` samples in float64, with penalties and an adaptive augmentation."""
    torch.set_num_threads(1)
    changes = [f"training.samples={budget}", "training.precision=fp64", "training.checkpoint_every=16"]
    parts = {
        "generator": {"kind": "r3gan", "width": 8, "blocks": 1, "group_size": 4},
        "augment": {"kinds": KINDS, "probability": "adaptive"},
    }
    world = World.join(torch.device("cpu"))
    try:
        heard = Listening()
        session = Session(recipe(data, *changes, **parts), Options(out=out), torch.device("cpu"), world, heard)
        controller = session.trainer.game.augmentation.adaptive  # type: ignore[union-attr]
        controller.samples = 200.0
        controller.probability.fill_(0.5)
        session.play()
        networks = {**session.trainer.game.networks, "average": session.trainer.ema.module}
        weights = {
            f"{name}.{key}": value.detach().clone().contiguous()
            for name, network in networks.items()
            for key, value in network.state_dict().items()
        }
        weights["probability"] = session.trainer.tensors()["augmentation.probability"].clone()
        path = out.parent / f"{out.name}.rank{world.rank}.safetensors"
        save_file(weights, path)
        return path
    finally:
        world.leave()


if __name__ == "__main__":
    play(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
