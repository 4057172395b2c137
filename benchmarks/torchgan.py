"""Training throughput against TorchGAN 0.1.0: the same DCGAN of 32x32 pixels, the same losses and Adam, batch 64.

    pip download --no-deps torchgan==0.1.0 && unzip torchgan-0.1.0-py3-none-any.whl -d PEER
    python benchmarks/torchgan.py --torchgan PEER

TorchGAN wants torchvision to draw its pictures at the end of an epoch. Those pictures and its checkpoints are not
measured (the clocks stop with the epoch's last batch), so torchvision is replaced by an empty module; TensorBoard is
off. All sides read the same pictures from memory. multigan also averages the generator's weights and guards against
steps that are not finite; TorchGAN does neither.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from typing import Any

from _timing import Clocks, clocks, interleave, machine, pin, ratio, repeat, table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--torchgan", required=True, help="folder that holds the package torchgan")
    parser.add_argument("--recipe", default="dcgan")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=20, help="optimizer steps of both networks a round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--arms", nargs="*", help="only those whose names contain one of these words")
    return parser.parse_args()


def torchgan_arm(folder: str, batches: list[Any], turns: int, scratch: str) -> tuple[Callable[[], Clocks], Any]:
    """TorchGAN's own Trainer, epoch by epoch of `turns` batches; and the trainer."""
    os.environ["TENSORBOARD_LOGGING"] = os.environ["VISDOM_LOGGING"] = "0"
    sys.modules["torchvision"] = types.ModuleType("torchvision")
    sys.path.insert(0, folder)
    # This script has the package's name: its folder must not be searched first.
    here = sys.path.pop(1)
    import torch
    from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
    from torchgan.models import DCGANDiscriminator, DCGANGenerator
    from torchgan.trainer import Trainer

    sys.path.insert(1, here)
    adam = {"name": torch.optim.Adam, "args": {"lr": 2e-4, "betas": (0.5, 0.999)}}
    models = {
        "generator": {"name": DCGANGenerator, "args": {"encoding_dims": 100, "step_channels": 64}, "optimizer": adam},
        "discriminator": {"name": DCGANDiscriminator, "args": {"step_channels": 64}, "optimizer": adam},
    }
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = Trainer(
            models,
            [MinimaxGeneratorLoss(), MinimaxDiscriminatorLoss()],
            device=torch.device("cpu"),
            epochs=1,
            checkpoints=f"{scratch}/model/gan",
            recon=f"{scratch}/images",
        )
    trainer.save_model = lambda epoch: None
    trainer.logger.logger_end_epoch.clear()

    class Loader:
        """`turns` batches; keeps the clocks of the first request and of the end."""

        batch_size = len(batches[0])

        def __iter__(self) -> Iterator[Any]:
            self.began = clocks()
            for index in range(turns):
                yield batches[index % len(batches)]
            self.ended = clocks()

    def epoch() -> Clocks:
        loader = Loader()
        with contextlib.redirect_stdout(io.StringIO()):
            trainer(loader)
        return loader.ended[0] - loader.began[0], loader.ended[1] - loader.began[1]

    return epoch, trainer


def main() -> None:
    given = arguments()
    pin(given.threads)
    import torch
    from _training import ByHand, InMemory, Rules, arithmetic, played, trainer
    from torch.nn.functional import softplus

    from multigan import recipe

    torch.set_num_threads(given.threads)
    chosen = recipe.load(given.recipe, ["data.size=[32,32]", "data.channels=3", "training.batch=64"])
    stream = InMemory(chosen)
    batches = [stream.take(index * 64, 64).sample for index in range(8)]
    rules = Rules(
        discriminator=lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
        generator=lambda fake, real: softplus(-fake).mean(),
        paired=False,
    )
    with tempfile.TemporaryDirectory() as scratch:
        arms: dict[str, Any] = {}
        arms["TorchGAN 0.1.0, fp32"], peer = torchgan_arm(given.torchgan, batches, given.turns, scratch)
        ours = trainer(chosen, arithmetic("fp32"))
        sizes(peer, ours.game)
        for precision in ("fp32", "bf16"):
            made = {
                "by hand": ByHand(chosen, rules, arithmetic(precision)).turn,
                "multigan": played(trainer(chosen, arithmetic(precision))),
                "multigan compiled": played(trainer(chosen, arithmetic(precision), compiled=True)),
            }
            for name, turn in made.items():
                arms[f"{name}, {precision}"] = repeat(turn, given.turns)
        base = next(iter(arms))
        if given.arms:
            arms = {name: arm for name, arm in arms.items() if name == base or any(word in name for word in given.arms)}
        print(f"{machine()}, {given.threads} threads; {given.rounds} rounds of {given.turns} turns")
        times = interleave(arms, given.rounds, amount=64 * given.turns)
    rows = [["arm", "images/s, wall", "images/CPU s", "times TorchGAN, wall", "CPU (quartiles)"]]
    for name, arm in times.items():
        wall, (middle, low, high) = ratio(times, base, name, "wall")[0], ratio(times, base, name, "cpu")
        rates = [f"{arm.rate(clock):.0f}" for clock in ("wall", "cpu")]
        rows.append([name, *rates, f"{wall:.2f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"])
    print(table(rows))


def sizes(peer: Any, game: Any) -> None:
    """Print how many parameters the networks of the two sides have."""

    def count(network: Any) -> int:
        return sum(each.numel() for each in network.parameters())

    for name in ("generator", "discriminator"):
        print(f"{name}: TorchGAN {count(getattr(peer, name)):,} parameters, multigan {count(getattr(game, name)):,}")


if __name__ == "__main__":
    main()
