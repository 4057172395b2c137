"""One iteration of WaveGAN (WGAN-GP: 5 discriminator steps, one of the generator) against mazzzystar/WaveGAN-pytorch:
width 64, 16,384 samples, batch 8. And phase shuffle's share of a discriminator step, and what our LeakyReLU saves.

    git clone https://github.com/mazzzystar/WaveGAN-pytorch PEER
    python benchmarks/wavegan.py --peer PEER

The peer's networks and its gradient penalty are imported as they are; librosa, pescador and matplotlib, which its
`utils` wants for files and figures, are replaced by empty modules. Its train.py is a script that cannot be imported, so
the iteration is played here, step by step what train.py does: a backward pass for the real, the generated and the
penalty's part of each discriminator step, the generator run with its graph, torch's Adam as it comes, and each figure
read. As it ships, each discriminator step also measures losses and the penalty on validation data. Like for like it has
transposed convolutions and no validation. Both read random sounds from memory, where train.py has files decoded.

`by hand` is a plain careful loop over multigan's own networks: one backward pass a step, generated samples without a
graph in the discriminator's steps, fused Adam. multigan also averages the generator's weights and guards against steps
that are not finite; the others do neither.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
import tempfile
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _timing import Times, interleave, machine, pin, ratio, repeat, table

BATCH, LENGTH, WIDTH, STEPS, WEIGHT = 8, 16_384, 64, 5, 10.0
SHIPS, LIKE = "WaveGAN-pytorch, as it ships", "WaveGAN-pytorch, like for like"
PARTS = ["iteration", "shuffle", "leaky"]
WANTED = {"multigan, fp32": "1.7 / 1.0", "multigan, bf16": "1.7 / 1.5"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", type=Path, help="the checkout of WaveGAN-pytorch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=15, help="rounds of single discriminator steps")
    parser.add_argument("--arms", nargs="*", help="only those whose names contain one of these words")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    if "iteration" in given.parts and given.peer is None:
        parser.error("--peer is needed to measure an iteration")
    return given


def main() -> None:
    given = arguments()
    pin(given.threads)
    import torch

    torch.set_num_threads(given.threads)
    if "iteration" in given.parts:
        iteration(given)
    if "shuffle" in given.parts:
        shuffle(given)
    if "leaky" in given.parts:
        leaky(given)


def recipe(*changes: str) -> Any:
    """The recipe `wavegan` at the published size, resolved."""
    from multigan import recipe as recipes

    data = ["data.rate=16000", f"data.length={LENGTH}", "data.channels=1", f"training.batch={BATCH}"]
    return recipes.load("wavegan", [*data, f"generator.width={WIDTH}", f"discriminator.width={WIDTH}", *changes])


def iteration(given: argparse.Namespace) -> None:
    """Print the table of whole iterations."""
    from _training import InMemory, arithmetic, played, trainer

    chosen = recipe()
    sounds = InMemory(chosen)
    networks, penalty = peer_modules(given.peer)
    arms: dict[str, Callable[[], None]] = {
        SHIPS: peer(networks, penalty, sounds, upsample=True, validate=True),
        LIKE: peer(networks, penalty, sounds, upsample=False, validate=False),
        "by hand, fp32": by_hand(chosen, sounds),
        "multigan, fp32": played(trainer(chosen, arithmetic("fp32"))),
        "multigan, bf16": played(trainer(chosen, arithmetic("bf16"))),
    }
    if given.arms:
        arms = {name: arm for name, arm in arms.items() if name == LIKE or any(word in name for word in given.arms)}
    print(f"{machine()}, {given.threads} threads; {given.rounds} rounds of one iteration, batch {BATCH}\n")
    times = interleave({name: repeat(arm, 1) for name, arm in arms.items()}, given.rounds)
    rows = [["arm", "CPU s", "wall s", "times as it ships, CPU", "times like for like, CPU", "wanted"]]
    for name, arm in times.items():
        seconds = [f"{1 / arm.rate(clock):.2f}" for clock in ("cpu", "wall")]
        against = [spread(ratio(times, base, name, "cpu")) if base in times else "" for base in (SHIPS, LIKE)]
        rows.append([name, *seconds, *against, WANTED.get(name, "")])
    print(table(rows) + f"\n\n{machine()}")


def spread(found: tuple[float, float, float]) -> str:
    middle, low, high = found
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


# --- the peer ---------------------------------------------------------------------------------------------------------


def peer_modules(folder: Path) -> tuple[types.ModuleType, Callable[..., Any]]:
    """Its networks' module, and the function of its gradient penalty."""
    for name in ("librosa", "pescador", "matplotlib", "matplotlib.pyplot"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["matplotlib"].use = lambda backend: None  # type: ignore[attr-defined]
    sys.modules["matplotlib"].pyplot = sys.modules["matplotlib.pyplot"]  # type: ignore[attr-defined]

    def load(name: str) -> types.ModuleType:
        # By its path: this script has the name of one of its modules.
        spec = importlib.util.spec_from_file_location(name, folder.resolve() / f"{name}.py")
        if spec is None or spec.loader is None or not (folder / f"{name}.py").is_file():
            raise SystemExit(f"--peer {folder}: there is no {name}.py, so it is no checkout of WaveGAN-pytorch")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):  # utils makes a folder where it is
        load("config")
        penalty = load("utils").calc_gradient_penalty
    return load("wavegan"), penalty


def peer(networks: Any, penalty: Callable[..., Any], sounds: Any, upsample: bool, validate: bool) -> Callable[[], None]:
    """An iteration as its train.py plays it."""
    import torch

    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):  # it calls an initialisation by its old name
        generator = networks.WaveGANGenerator(model_size=WIDTH, upsample=upsample)
        discriminator = networks.WaveGANDiscriminator(model_size=WIDTH)
    adam = {net: torch.optim.Adam(net.parameters(), lr=1e-4, betas=(0.5, 0.9)) for net in (generator, discriminator)}
    # Its loader gives numpy arrays [B, T], of which it makes tensors.
    arrays = [sounds.take(start * BATCH, BATCH).sample[:, 0].numpy() for start in range(8)]
    one, minus = torch.tensor(1.0), torch.tensor(-1.0)
    figures: list[Any] = []
    taken = 0

    def data() -> torch.Tensor:
        nonlocal taken
        taken += 1
        return torch.Tensor(arrays[taken % len(arrays)][:, None, :])

    def noise() -> torch.Tensor:
        return torch.Tensor(BATCH, 100).uniform_(-1, 1)

    def discriminator_step() -> None:
        discriminator.zero_grad()
        latent, real = noise(), data()
        on_real = discriminator(real).mean()
        on_real.backward(minus)
        fake = generator(latent).detach()
        on_fake = discriminator(fake).mean()
        on_fake.backward(one)
        value = penalty(discriminator, real, fake, BATCH, WEIGHT)
        value.backward(one)
        figures.extend([(on_fake - on_real + value).detach().numpy(), (on_real - on_fake).detach().numpy()])
        adam[discriminator].step()
        if validate:
            validation(latent)

    def validation(latent: torch.Tensor) -> None:
        discriminator.zero_grad()
        real = data()
        on_real = discriminator(real).mean()
        fake = generator(latent)
        on_fake = discriminator(fake).mean()
        value = penalty(discriminator, real, fake.detach(), BATCH, WEIGHT)
        figures.extend([(on_fake - on_real + value).detach().numpy(), (on_real - on_fake).detach().numpy()])

    def turn() -> None:
        figures.clear()
        discriminator.requires_grad_(True)
        for _ in range(STEPS):
            discriminator_step()
        discriminator.requires_grad_(False)
        generator.zero_grad()
        on_fake = discriminator(generator(noise())).mean()
        on_fake.backward(minus)
        adam[generator].step()
        figures.append((-on_fake).detach().numpy())

    return turn


# --- a plain loop -----------------------------------------------------------------------------------------------------


def by_hand(chosen: Any, sounds: Any) -> Callable[[], None]:
    """An iteration of a plain loop over multigan's networks, in fp32."""
    import torch
    from _training import arithmetic, networks

    from multigan.adversarial.batch import Draws
    from multigan.adversarial.stochastic import Stochastic

    generator, discriminator = networks(chosen, arithmetic("fp32"))
    layers = [(name, each) for name, each in discriminator.named_modules() if isinstance(each, Stochastic)]
    adam = {
        net: torch.optim.Adam(net.parameters(), lr=1e-4, betas=(0.5, 0.9), fused=True)
        for net in (generator, discriminator)
    }
    uses = 0

    def judge(samples: torch.Tensor) -> torch.Tensor:
        nonlocal uses
        uses += 1
        for name, layer in layers:
            layer.draw(Draws(0, uses, BATCH, 0, BATCH), name)
        return discriminator(samples)

    def noise() -> torch.Tensor:
        return torch.rand(BATCH, chosen.latent.size) * 2 - 1

    def discriminator_step(start: int) -> None:
        real = sounds.take(start, BATCH).sample
        with torch.no_grad():
            fake = generator(noise())
        share = torch.rand(BATCH, 1, 1)
        between = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(2, 1) - 1).square().mean()
        loss = judge(fake).mean() - judge(real).mean() + WEIGHT * penalty
        loss.backward()
        adam[discriminator].step()
        adam[discriminator].zero_grad()

    def turn() -> None:
        for step in range(STEPS):
            discriminator_step(step * BATCH)
        discriminator.requires_grad_(False)
        (-judge(generator(noise())).mean()).backward()
        discriminator.requires_grad_(True)
        adam[generator].step()
        adam[generator].zero_grad()

    return turn


# --- one discriminator step -------------------------------------------------------------------------------------------


def step(precision: str, *changes: str, torchs: bool = False) -> Callable[[], None]:
    """A discriminator step of the Trainer. torchs: with torch's own LeakyReLU in place of multigan's."""
    from _training import arithmetic, trainer
    from torch import nn

    ours = trainer(recipe("training.discriminator_steps=1", *changes), arithmetic(precision))
    ours.phases = [phase for phase in ours.phases if phase.trains == "discriminator"]
    layers = ours.game.discriminator.layers
    for index, layer in enumerate(layers):
        if torchs and isinstance(layer, nn.LeakyReLU):
            layers[index] = nn.LeakyReLU(layer.negative_slope, inplace=True)
    return ours.turn


def shuffle(given: argparse.Namespace) -> None:
    """Print the table of discriminator steps with and without phase shuffle."""
    rows = [["precision", "phase shuffle", "CPU s", "its share of the step (quartiles)", "wanted"]]
    for precision in ("fp32", "bf16"):
        arms = {"none": step(precision, "discriminator.phase_shuffle=0"), "one shift a batch": step(precision)}
        arms["one shift a sample"] = step(precision, "discriminator.shuffle_each=true")
        times = steps(given, arms)
        for name, arm in times.items():
            middle, low, high = (f"{100 * (1 - each):.1f}%" for each in ratio(times, "none", name, "cpu"))
            share = "" if name == "none" else f"{middle} ({high} to {low})"
            rows.append([precision, name, f"{1 / arm.rate('cpu'):.2f}", share, "" if name == "none" else "under 5%"])
    print(table(rows))


def leaky(given: argparse.Namespace) -> None:
    """Print what a LeakyReLU without a second derivative saves."""
    rows = [["precision", "torch's LeakyReLU, CPU s", "multigan's, CPU s", "times torch's (quartiles)"]]
    for precision in ("fp32", "bf16"):
        times = steps(given, {"torch": step(precision, torchs=True), "multigan": step(precision)})
        seconds = [f"{1 / arm.rate('cpu'):.2f}" for arm in times.values()]
        rows.append([precision, *seconds, spread(ratio(times, "torch", "multigan", "cpu"))])
    print(table(rows))


def steps(given: argparse.Namespace, arms: dict[str, Callable[[], None]]) -> dict[str, Times]:
    print(f"\n{machine()}, {given.threads} threads; {given.steps} rounds of one discriminator step, batch {BATCH}\n")
    return interleave({name: repeat(arm, 1) for name, arm in arms.items()}, given.steps)


if __name__ == "__main__":
    main()
