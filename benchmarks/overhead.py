"""What multigan's Trainer costs beside a hand-written loop of the same maths: the same networks, data, losses,
penalties, optimizer and moving average. Before anything is timed, both play some turns in float64 with the same noise
and must end with the same weights, so that the maths is shown to be the same.

    python benchmarks/overhead.py
"""

from __future__ import annotations

import argparse
import sys

from _timing import interleave, machine, pin, ratio, repeat, table

ADAM = "{lr: 4.0e-4, betas: [0.5, 0.99]}"


def quickstart(every: int) -> tuple[str, list[str]]:
    """The quick start's recipe with its schedules held where they begin."""
    penalties = f"[{{kind: r1, gamma: 0.2, every: {every}}}, {{kind: r2, gamma: 0.2, every: {every}}}]"
    adam = [f"generator_optimizer={ADAM}", f"discriminator_optimizer={ADAM}"]
    return "quickstart", ["data.channels=1", f"regularizers={penalties}", *adam]


CASES = {
    "dcgan": ("dcgan", ["data.size=[32,32]", "data.channels=3"]),
    "quickstart, penalties every 4": quickstart(4),
    "quickstart, penalties every turn": quickstart(1),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=8, help="turns a round: a multiple of 4 holds whole cycles")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--dcgan", default="dcgan", help="the recipe of the case dcgan")
    parser.add_argument("--cases", nargs="*", help="only those whose names contain one of these words")
    parser.add_argument("--precision", nargs="*", default=["fp32", "bf16"])
    return parser.parse_args()


def main() -> None:
    given = arguments()
    pin(given.threads)
    import torch
    from _training import ByHand, Rules, arithmetic, played, trainer
    from torch.nn.functional import softplus

    from multigan import recipe
    from multigan.adversarial.batch import Draws
    from multigan.image.config import ImageRecipe
    from multigan.settings import R1

    torch.set_num_threads(given.threads)

    def rules(chosen: ImageRecipe) -> Rules:
        if chosen.loss.kind == "non_saturating":
            return Rules(
                discriminator=lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
                generator=lambda fake, real: softplus(-fake).mean(),
                paired=False,
            )
        first = chosen.regularizers[0]
        if not (chosen.loss.kind == "relativistic" and isinstance(first, R1) and isinstance(first.gamma, float)):
            raise ValueError(f"the loop by hand does not know {chosen.name}'s loss")
        return Rules(
            discriminator=lambda real, fake: softplus(fake - real).mean(),
            generator=lambda fake, real: softplus(real - fake).mean(),
            paired=True,
            gamma=first.gamma,
            every=first.every,
        )

    def same_weights(chosen: ImageRecipe, turns: int = 6) -> float:
        """The largest difference of any weight after `turns` turns of both in float64."""

        def noise(turn: int) -> torch.Tensor:
            size = chosen.training.batch
            return Draws(0, turn, size, 0, size).normal("latent", chosen.latent.size)

        how = arithmetic("fp64", channels_last=False)
        ours, theirs = trainer(chosen, how), ByHand(chosen, rules(chosen), how, noise)
        for _ in range(turns):
            ours.turn()
            theirs.turn()
        pairs = [
            (ours.game.generator, theirs.generator),
            (ours.game.discriminator, theirs.discriminator),
            (ours.ema.module, theirs.average),
        ]
        return max(
            float((one - other).abs().max())
            for mine, hand in pairs
            for one, other in zip(mine.state_dict().values(), hand.state_dict().values(), strict=True)
        )

    print(f"{machine()}, {given.threads} threads; {given.rounds} rounds of {given.turns} turns")
    head = ["by hand, images/s", "multigan, images/s", "time, CPU (quartiles)", "time, wall", "weights differ by"]
    rows = [["case", *head]]
    for name, (which, overrides) in CASES.items():
        if given.cases and not any(word in name for word in given.cases):
            continue
        chosen = recipe.load(given.dcgan if which == "dcgan" else which, overrides)
        if chosen.conditional:
            classes = [str(each) for each in range(10)]
            chosen = chosen.model_copy(update={"data": chosen.data.model_copy(update={"classes": classes})})
        small = chosen.model_copy(update={"training": chosen.training.model_copy(update={"batch": 8})})
        difference = same_weights(small)
        if difference > 1e-9:
            raise SystemExit(f"{name}: the two loops are not the same maths: their weights differ by {difference:.1e}")
        for precision in given.precision:
            how = arithmetic(precision)
            ours, theirs = trainer(chosen, how), ByHand(chosen, rules(chosen), how)
            arms = {"by hand": repeat(theirs.turn, given.turns), "multigan": repeat(played(ours), given.turns)}
            times = interleave(arms, given.rounds, amount=chosen.training.batch * given.turns)
            middle, low, high = (1 / each for each in ratio(times, "by hand", "multigan", "cpu"))
            wall = 1 / ratio(times, "by hand", "multigan", "wall")[0]
            rates = [f"{times[arm].rate('wall'):.0f}" for arm in arms]
            cpu = f"{middle:.3f} ({high:.3f} to {low:.3f})"
            print(f"{name}, {precision}: {middle:.3f}", file=sys.stderr)
            rows.append([f"{name}, {precision}", *rates, cpu, f"{wall:.3f}", f"{difference:.0e}"])
    print(table(rows))


if __name__ == "__main__":
    main()
