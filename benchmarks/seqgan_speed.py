"""SeqGAN's generator step and its discriminator's epoch against ZiJianZhao/SeqGAN-PyTorch: batch 64, length 20, 5,000
symbols, 16 rollouts, the paper's networks.

    git clone https://github.com/ZiJianZhao/SeqGAN-PyTorch PEER
    python benchmarks/seqgan_speed.py --peer PEER

The peer's modules are imported as they are. Its main.py is a script, so the generator's step is played here line by
line as it has it (its loss selects with a mask of bytes, which torch no longer takes: of booleans here). Its
discriminator's highway has one matrix where the paper's has two, one for the gate and one for the transform: `same
discriminator` is multigan's with one, `the paper's` with both. multigan's step is the objective as a training runs it:
sampling, rollouts from kept states, grading, gradient, Adam with clipping and its guard against what is not finite.
An epoch is 20,000 texts, half of them real; a share of it is measured.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

from _timing import interleave, machine, pin, ratio, repeat, table

BATCH, LENGTH, VOCABULARY, ROLLOUTS, EPOCH = 64, 20, 5000, 16, 20_000
WIDTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20]
FILTERS = [100, 200, 200, 200, 200, 100, 100, 100, 100, 100, 160, 160]
WANTED = {"generator": "4 / goal 8 in bf16", "discriminator": "1.5 fp32, 2.5 bf16"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", type=Path, required=True, help="the checkout of SeqGAN-PyTorch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=16, help="of the discriminator, a round")
    given = parser.parse_args()
    pin(given.threads)
    import torch

    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(given.peer))
    print(f"{machine()}, {given.threads} thread(s), torch {torch.__version__}")
    peer = Peer()
    sides: dict[str, Any] = {"SeqGAN-PyTorch": peer}
    for tied in (True, False):
        for precision in ("fp32", "bf16"):
            name = f"multigan {precision}, {'same discriminator' if tied else 'the paper’s discriminator'}"
            sides[name] = Ours(precision, tied)
    steps = interleave({name: side.generator_step for name, side in sides.items()}, given.rounds)
    show("generator step", steps, WANTED["generator"], 1)
    epochs = {name: repeat(side.discriminator_batch, given.batches) for name, side in sides.items()}
    share = EPOCH / (given.batches * BATCH)
    show("discriminator epoch", interleave(epochs, given.rounds), WANTED["discriminator"], share)


def show(what: str, times: Any, wanted: str, share: float) -> None:
    """A table of CPU seconds and how many times as fast as the peer. share: seconds are multiplied by it."""
    import statistics

    rows = [[what, "CPU seconds", "times as fast (quartiles)"]]
    for name, each in times.items():
        seconds = share * statistics.median(each.of("cpu"))
        middle, low, high = ratio(times, "SeqGAN-PyTorch", name, "cpu")
        rows.append([name, f"{seconds:.2f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"])
    print(f"\n{table(rows)}\nwanted: {wanted}")


class Peer:
    """The peer's networks and its main.py's steps."""

    def __init__(self) -> None:
        import torch
        from discriminator import Discriminator
        from generator import Generator
        from rollout import Rollout

        torch.manual_seed(0)
        self.torch = torch
        self.generator = Generator(VOCABULARY, 32, 32, False)
        self.discriminator = Discriminator(2, VOCABULARY, 64, WIDTHS, FILTERS, 0.75)
        self.rollout = Rollout(self.generator, 0.8)
        self.optimizer = torch.optim.Adam(self.generator.parameters())
        self.dis_optimizer = torch.optim.Adam(self.discriminator.parameters())
        self.criterion = torch.nn.NLLLoss(reduction="sum")
        self.data = torch.randint(VOCABULARY, (BATCH, LENGTH))
        self.labels = torch.randint(2, (BATCH,))

    def generator_step(self) -> None:
        torch = self.torch
        samples = self.generator.sample(BATCH, LENGTH)
        inputs = torch.cat([torch.zeros((BATCH, 1), dtype=torch.long), samples.data], dim=1)[:, :-1].contiguous()
        targets = samples.data.contiguous().view((-1,))
        rewards = torch.Tensor(self.rollout.get_reward(samples, ROLLOUTS, self.discriminator))
        rewards = torch.exp(rewards).contiguous().view((-1,))
        prob = self.generator.forward(inputs)
        one_hot = torch.zeros(prob.shape).scatter_(1, targets.view((-1, 1)), 1).bool()
        loss = -torch.sum(torch.masked_select(prob, one_hot) * rewards)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.rollout.update_params()

    def discriminator_batch(self) -> None:
        loss = self.criterion(self.discriminator.forward(self.data), self.labels)
        loss.item()
        self.dis_optimizer.zero_grad()
        loss.backward()
        self.dis_optimizer.step()


class Ours:
    """multigan's networks and objectives, as a training of the recipe plays them."""

    def __init__(self, precision: str, tied: bool):
        import torch
        from _training import arithmetic

        from multigan import recipe as recipes
        from multigan.adversarial.batch import Batch
        from multigan.text.head import Head
        from multigan.text.networks import Shape, build_discriminator, build_generator

        torch.manual_seed(0)
        chosen = recipes.parse(settings(precision))
        shape = Shape(VOCABULARY, LENGTH, False)
        generator = build_generator(chosen.generator, shape)
        judge = build_discriminator(chosen.discriminator, shape)
        if tied:
            judge.highway = torch.nn.Linear(judge.highway.in_features, judge.highway.in_features)
            judge._finish = lambda pooled: tied_finish(judge, pooled)
        head = Head(chosen)
        self.game = head.game(generator, judge, arithmetic(precision, False), torch.device("cpu"), {})
        self.phases = {phase.name: phase for phase in head.phases(self.game)}
        self.batch = Batch(torch.randint(VOCABULARY, (BATCH, LENGTH)))
        self.half = self.batch.part(0, BATCH // 2)
        self.count, self.kept = 0, False

    def _step(self, name: str, batch: Any) -> None:
        import torch

        from multigan.adversarial.batch import Draws
        from multigan.adversarial.game import Now
        from multigan.adversarial.optimizer import LossScale

        phase = self.phases[name]
        self.count += 1
        self.game.train_only(phase.trains)
        now = Now(Draws(0, self.count, len(batch), 0, len(batch)), step=self.count, phase=name)
        self.game.begin(now, keep_fakes=name == "discriminator" and self.kept)
        loss, _ = phase.objective(self.game, batch)
        loss.backward()
        phase.updater.step(0, loss.detach(), LossScale(torch.device("cpu"), False))
        phase.updater.clear()

    def generator_step(self) -> None:
        self.kept = False
        self._step("generator", self.batch)

    def discriminator_batch(self) -> None:
        """As many texts as the peer's batch: half real, half made. Neither side makes them here."""
        if not self.kept:
            self._step("discriminator", self.half)
            self.kept = True
        self._step("discriminator", self.half)


def tied_finish(judge: Any, pooled: Any) -> Any:
    """multigan's discriminator from the pooled values on, with one matrix in the highway as the peer has it."""
    import torch
    from torch.nn import functional

    features = functional.relu(torch.cat(pooled, dim=1))
    both = judge.highway(features)
    gate = torch.sigmoid(both)
    features = gate * functional.relu(both) + (1 - gate) * features
    return judge.output(judge.dropout(features)).squeeze(1)


def settings(precision: str) -> dict[str, Any]:
    """The paper's networks and rollouts as a recipe, on symbols that are numbers."""
    return {
        "modality": "text",
        "name": "speed",
        "data": {
            "tokens": {"kind": "words"},
            "vocabulary": [str(number) for number in range(VOCABULARY)],
            "length": LENGTH,
            "end": False,
        },
        "generator": {"kind": "lstm", "embedding": 32, "hidden": 32, "deviation": 0.1},
        "discriminator": {"kind": "cnn", "embedding": 64, "widths": WIDTHS, "filters": FILTERS, "decay": 0.1},
        "objective": {"kind": "rollouts", "rollouts": ROLLOUTS},
        "likelihood": {"baseline": False},
        "generator_optimizer": {"lr": 0.01, "clip": 5.0},
        "training": {"samples": 1_000_000, "batch": BATCH, "precision": precision},
    }


if __name__ == "__main__":
    main()
