"""Trainings of generators of text: their three phases, resumed, parted, and what each objective does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import trained_texts
from safetensors.torch import load_file
from torch import Tensor
from trained_texts import BATCH, BEGINS, GAMES, LIKELIHOOD, RECURRENT, SAMPLES, Listening, recipe, session

from multigan import checkpoint
from multigan import recipe as recipes
from multigan.adversarial.batch import Draws
from multigan.errors import UserError
from multigan.recipe import to_yaml
from multigan.runs import Run
from multigan.text.head import Head
from multigan.text.networks.policy import GumbelNoise
from multigan.training.session import Options, train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_texts.write(tmp_path_factory.mktemp("data"))


def tensors(run: Run, samples: int) -> dict[str, Tensor]:
    """Everything that a checkpoint holds."""
    return {**load_file(run.weights(samples)), **load_file(run.state(samples))}


def different(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> list[str]:
    """The names of what is not the same, bit for bit."""
    assert ours.keys() == theirs.keys()
    return [name for name in ours if not torch.equal(ours[name], theirs[name])]


def weights(network: torch.nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten().clone() for each in network.parameters()])


# --- resuming -------------------------------------------------------------------------------------------------------


def resumed(data: Path, folder: Path, stops: list[int], **parts: Any) -> None:
    """Assert that a training that is stopped at each of `stops` ends as one that is not."""
    whole, parted = Run(folder / "whole"), Run(folder / "parted")
    train(recipe(data, **parts), Options(out=whole.folder))
    for number, stop in enumerate(stops):
        heard = Listening(stop, lambda: os.kill(os.getpid(), signal.SIGTERM))
        outcome = train(recipe(data, **parts), Options(out=parted.folder, resume=number > 0), heard)
        assert (outcome.stopped, outcome.samples) == ("by SIGTERM", stop)
    train(recipe(data, **parts), Options(out=parted.folder, resume=True))
    assert different(tensors(whole, SAMPLES), tensors(parted, SAMPLES)) == []


def test_a_training_that_was_stopped_in_each_phase_ends_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    resumed(data, tmp_path, [24, 64, BEGINS, 120], conditional=True)
    names = tensors(Run(tmp_path / "parted"), SAMPLES)
    for network in ("generator", "generator_ema", "discriminator", "rollout", "baseline"):
        assert any(name.startswith(f"{network}.") for name in names), network
    for phase in ("likelihood", "discriminator", "generator", "baseline"):
        assert any(name.startswith(f"optimizer.{phase}.") for name in names), phase


@pytest.mark.parametrize("game", [name for name in GAMES if name != "rollouts"])
def test_every_game_resumes_bit_for_bit(data: Path, tmp_path: Path, game: str) -> None:
    resumed(data, tmp_path, [BEGINS, 120], **GAMES[game])


# --- parts of a batch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", ["likelihood", *GAMES])
def test_a_batch_in_parts_is_the_batch(data: Path, tmp_path: Path, game: str) -> None:
    parts = {"objective": {"kind": "likelihood"}} if game == "likelihood" else GAMES[game]
    found = []
    for number in (1, 2):
        chosen = recipe(data, "training.precision=fp64", f"training.accumulate={number}", **parts)
        run = Run(tmp_path / str(number))
        train(chosen, Options(out=run.folder))
        found.append(load_file(run.weights(SAMPLES)))
    for name, whole in found[0].items():
        assert torch.allclose(whole, found[1][name], rtol=0, atol=1e-9), name


@pytest.mark.slow
def test_two_processes_train_as_one_does(data: Path, tmp_path: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    chosen = recipe(data, "training.precision=fp64", "training.samples=120", "conditional=true")
    (tmp_path / "small.yaml").write_text(to_yaml(chosen))
    train(chosen, Options(out=tmp_path / "alone"))
    subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(port), "-m",
            "multigan", "train", "text", "--recipe", "small.yaml", "--out", tmp_path / "both",
        ],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, check=True, timeout=300,
    )  # fmt: skip
    one, two = (load_file(Run(tmp_path / name).weights(120)) for name in ("alone", "both"))
    for name, whole in one.items():
        assert torch.allclose(whole, two[name], rtol=0, atol=1e-9), name


# --- phases ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES)
def test_the_generator_learns_by_likelihood_then_rests_and_then_plays(data: Path, tmp_path: Path, game: str) -> None:
    playing = session(recipe(data, **GAMES[game]), tmp_path / "run")
    trainer = playing.trainer
    moved: dict[str, list[int]] = {"generator": [], "discriminator": [], "baseline": []}
    while trainer.samples < SAMPLES:
        before = {name: weights(trainer.game.networks[name]) for name in moved}
        start = trainer.samples
        trainer.turn()
        for name, old in before.items():
            if not torch.equal(old, weights(trainer.game.networks[name])):
                moved[name].append(start)
    turns = range(0, SAMPLES, BATCH)
    assert moved["generator"] == [turn for turn in turns if turn < LIKELIHOOD or turn >= BEGINS]
    assert moved["discriminator"] == [turn for turn in turns if turn >= LIKELIHOOD]
    assert moved["baseline"] == [turn for turn in turns if turn >= BEGINS]
    assert trainer.batches == len(turns)  # discriminator, generator and baseline see the same texts


@pytest.mark.parametrize("steps", [1, 3])
def test_the_baseline_begins_as_the_generator_when_the_game_begins(data: Path, tmp_path: Path, steps: int) -> None:
    still = ["likelihood.baseline_lr=0", f"training.discriminator_steps={steps}"]
    trainer = session(recipe(data, *still), tmp_path / "run").trainer
    while trainer.samples < BEGINS:
        trainer.turn()
    begun = weights(trainer.game.generator)
    assert not torch.equal(weights(trainer.game.networks["baseline"]), begun)
    for _ in range(steps):
        trainer.turn()
    assert torch.equal(weights(trainer.game.networks["baseline"]), begun)
    assert not torch.equal(weights(trainer.game.generator), begun)


def test_the_generator_plays_after_so_many_steps_of_the_discriminator(data: Path, tmp_path: Path) -> None:
    trainer = session(recipe(data, "training.discriminator_steps=3"), tmp_path / "run").trainer
    while trainer.samples < SAMPLES:
        trainer.turn()
    assert trainer.steps == {"likelihood": 6, "discriminator": 14, "baseline": 10, "generator": 3}


def test_the_inverse_temperature_of_gumbels_game_rises_exponentially(data: Path, tmp_path: Path) -> None:
    trainer = session(recipe(data, **GAMES["gumbel"]), tmp_path / "run").trainer
    found: dict[int, float] = {}
    while trainer.samples < SAMPLES:
        start = trainer.samples
        trainer.turn()
        found[start] = trainer.game.generator.inverse_temperature
    for start, value in found.items():
        share = max(0, start - BEGINS) / (SAMPLES - BEGINS)
        assert value == pytest.approx(8.0**share), start
    assert found[BEGINS] == 1.0


def test_likelihood_draws_no_gumbel_noise(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large vocabulary it would cost more than the step."""
    asked: list[int] = []
    really = GumbelNoise.noise
    trainer = session(recipe(data, "likelihood.weight=0.5", **GAMES["gumbel"]), tmp_path / "run").trainer
    monkeypatch.setattr(
        GumbelNoise, "noise", lambda self, *sizes: asked.append(trainer.samples) or really(self, *sizes)
    )
    while trainer.samples < LIKELIHOOD:
        trainer.turn()
    assert not asked
    while trainer.samples < SAMPLES:
        trainer.turn()
    # The generator's step takes the discriminator's own samples, with their graph.
    assert len(asked) == (SAMPLES - LIKELIHOOD) // BATCH


def test_gumbel_noise_is_the_logarithm_of_an_exponentials_inverse() -> None:
    layer = GumbelNoise()
    layer.draw(Draws(0, 0, 4000, 0, 4000), "noise")
    values = layer.noise(3, 5)
    assert values.shape == (4000, 3, 5)
    assert float(values.mean()) == pytest.approx(0.5772, abs=0.02)
    assert float(values.var()) == pytest.approx(torch.pi**2 / 6, abs=0.05)


# --- what is left of a training ---------------------------------------------------------------------------------------


def test_previews_are_what_the_averaged_generator_makes_of_the_seed(data: Path, tmp_path: Path) -> None:
    chosen = recipe(data, "ema={half_life: 60, warmup: 0}", "conditional=true")
    outcome = train(chosen, Options(out=tmp_path / "run"))
    found, made, _ = checkpoint.load_generator(outcome.weights)
    head = Head(found)
    latents, told = head.preview_batch()
    uniform, label = (latents + 1) / 2, told.conditions["label"]
    networks = checkpoint.load(outcome.weights).networks
    assert not torch.equal(networks["generator"]["output.bias"], networks["generator_ema"]["output.bias"])
    expected = head.strings(made.policy.sample(uniform, label))
    lines = (outcome.run.previews / f"{SAMPLES:012d}.txt").read_text().splitlines()
    assert lines == [f"{('even', 'odd')[index % 2]}\t{text}" for index, text in enumerate(expected)]


def test_the_oracles_experiment_in_small(tmp_path: Path) -> None:
    changes = [
        "data.oracle.texts=100", "data.length=5", "generator.hidden=4", "generator.embedding=4",
        "discriminator.widths=[1,2]", "discriminator.filters=[3,3]", "discriminator.embedding=4",
        "objective.rollouts=2", "likelihood.samples=64", "warmup=32", "training.samples=192", "training.batch=32",
        "training.discriminator_steps=2", "training.evaluate_every=96", "evaluation.samples=64",
    ]  # fmt: skip
    outcome = train(recipes.load("seqgan_oracle", changes), Options(out=tmp_path / "run"))
    lines = [json.loads(line) for line in outcome.run.metrics.read_text().splitlines()]
    measured = {line["samples"]: line for line in lines if "NLL_oracle" in line}
    assert sorted(measured) == [96, 192]
    assert "NLL_oracle of the baseline" not in measured[96]
    assert measured[192].keys() >= {"NLL_oracle", "NLL_test", "NLL_oracle of the baseline", "NLL_test of the baseline"}
    assert 8 < measured[192]["NLL_oracle"] < 16
    assert outcome.run.best.exists()


@pytest.mark.parametrize("precision", ["bf16", "fp64"])
def test_other_arithmetic(data: Path, tmp_path: Path, precision: str) -> None:
    outcome = train(recipe(data, f"training.precision={precision}", **GAMES["dense"]), Options(out=tmp_path / "run"))
    made = checkpoint.load(outcome.weights).networks["generator"]
    assert all(value.isfinite().all() for value in made.values())
    assert made["output.bias"].dtype == (torch.float64 if precision == "fp64" else torch.float32)


# --- starting from other weights ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    return train(recipe(data, "training.samples=96", **GAMES["transformer"]), Options(out=out)).weights


def test_a_training_starts_from_the_averaged_generator(data: Path, tmp_path: Path, trained: Path) -> None:
    still = ["likelihood.optimizer.lr=0", "generator_optimizer.lr=0", "training.samples=96"]
    outcome = train(recipe(data, *still, **GAMES["transformer"]), Options(out=tmp_path / "run", init_from=trained))
    before, after = checkpoint.load(trained).networks, checkpoint.load(outcome.weights).networks
    for name, value in before["generator_ema"].items():
        assert torch.equal(after["generator"][name], value)
        assert torch.equal(after["rollout"][name], value)


def test_weights_of_other_symbols_or_positions_are_refused(data: Path, tmp_path: Path, trained: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("".join(f"{text}\n" for text in trained_texts.texts()).translate(str.maketrans("abcd", "wxyz")))
    options = Options(out=tmp_path / "run", init_from=trained)
    with pytest.raises(
        UserError, match=r"small has another vocabulary \(6 symbols, characters\) .* leave --recipe away"
    ):
        train(recipe(other, **GAMES["transformer"]), options)
    with pytest.raises(UserError, match=r"data.length: 9 where small of --init-from has 8.*set it to 8\."):
        train(recipe(data, "data.length=9", **GAMES["transformer"]), options)
    assert not (tmp_path / "run").exists()


def test_a_recurrent_discriminators_mean_counts_each_symbol_once(data: Path) -> None:
    """Short texts beside long ones: the loss's gradient is that of the sum over symbols."""
    chosen = recipe(data, discriminator=RECURRENT, objective={"kind": "dense"})
    made = chosen.model_copy(
        update={"data": chosen.data.model_copy(update={"vocabulary": ["<end>", "<unk>", *"abcd"]})}
    )
    torch.manual_seed(0)
    _, judge = Head(made).networks()
    texts = torch.tensor([[2, 3, 4, 5, 2, 3, 4, 0], [2, 0, 0, 0, 0, 0, 0, 0]])
    torch.nn.functional.softplus(judge(texts)).mean().backward()
    found = judge.output.weight.grad.clone()
    judge.zero_grad()
    symbols = torch.cat([judge.verdicts(texts)[0], judge.verdicts(texts)[1, :2]])
    (torch.nn.functional.softplus(symbols).sum() / texts.numel()).backward()
    assert torch.allclose(found, judge.output.weight.grad, atol=1e-6)


def test_what_a_training_takes_is_said_of_its_phases_by_themselves(data: Path, tmp_path: Path) -> None:
    changes = ["training.batch=4", "likelihood.samples=100", "warmup=100", "training.samples=300"]
    heard = Listening()
    train(recipe(data, *changes), Options(out=tmp_path / "run"), heard)
    said = [sentence for sentence in heard.said if sentence.startswith("At this speed ")]
    assert [sentence.split(" takes about ")[0] for sentence in said] == [
        "At this speed likelihood",
        "At this speed discriminator",
        "At this speed the rest",
    ]
    assert [sentence.endswith("; the phases after it have speeds of their own.") for sentence in said] == [
        True,
        True,
        False,
    ]


def test_rollouts_of_long_texts_are_worth_a_note(data: Path) -> None:
    assert recipe(data).notes() == []
    (note,) = recipe(data, "data.length=512", "objective.rollouts=32").notes()
    assert note.startswith("objective.rollouts: a step of the generator completes 130,816 texts of 512 symbols, 0.8 GB")


def test_what_is_of_each_part_of_a_batch_is_worth_a_note(data: Path) -> None:
    objective = {"kind": "rollouts", "baseline": "mean", "normalize": True}
    assert recipe(data, objective=objective).notes() == []
    notes = recipe(data, "training.accumulate=2", objective=objective).notes()
    assert [note.split(":")[0] for note in notes] == ["objective.baseline", "objective.normalize"]
    assert recipe(data, "training.accumulate=2").notes() == []
