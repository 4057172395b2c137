"""SpecGAN from end to end: one graph to the waveform, what its phase does, its statistics, what is refused."""

from __future__ import annotations

import os
import signal
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from sound_files import sine, write

import multigan
from multigan import checkpoint, heads, noise
from multigan import recipe as recipes
from multigan.audio.choosing import chosen
from multigan.audio.transform import Stft
from multigan.cli import run
from multigan.errors import UserError
from multigan.runs import Run
from multigan.settings import Schedule
from multigan.training.display import Quiet
from multigan.training.session import Options, train

ROLES = ("generator", "discriminator")
SMALL = [
    "data.length=1024", "training.samples=64", "training.batch=8", "training.preview_every=32", "training.log_every=2",
    "training.checkpoint_every=32", "training.precision=fp32", "training.discriminator_steps=2", "seed=3",
    *(f"{role}.{change}" for role in ROLES for change in ("width=2", "transform={window: 64, hop: 16}")),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _alone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    torch.manual_seed(0)


def folder(path: Path, level: float = 0.3, count: int = 12) -> Path:
    """Fading tones in two channels, of which the second is quieter."""
    for index in range(count):
        tone = sine((200, 2000)[index % 2] + 30 * index, 0.08, 16_000, level)
        noisy = tone + np.random.default_rng(index).normal(0, level / 3, len(tone)).astype(np.float32)
        fading = noisy * np.linspace(1, 0.1, len(tone), dtype=np.float32)
        write(path / ("low", "high")[index % 2] / f"{index:02d}.wav", np.stack([fading, 0.7 * fading], 1))
    return path


# --- from end to end --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by class in two channels, and its export."""
    place = tmp_path_factory.mktemp("specgan")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        source = f"data.source={folder(place / 'data')}"
        train(recipes.load("specgan", [*SMALL, source, "conditional=true", "data.channels=2"]), Options(place / "run"))
    said = StringIO()
    with redirect_stdout(said):
        assert run(["export", "--onnx", str(place / "run"), "--out", str(place / "model.onnx")]) == 0
    (place / "said.txt").write_text(said.getvalue())
    return place


def test_one_graph_from_the_latent_to_the_waveform(trained: Path) -> None:
    generator = multigan.load(trained / "model.onnx", device="cpu")
    inputs = [(each.name, each.kind, each.shape, each.distribution) for each in generator.contract.inputs]
    assert inputs == [
        ("latent", "latent", ["batch", 100], "uniform"),
        ("phase", "noise", ["batch", 2, 32, 64], "uniform"),
        ("label", "label", ["batch"], None),
    ]
    assert generator.contract.output.shape == ["batch", 2, 1024]
    graph = onnx.load(trained / "model.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert not {"STFT", "DFT", "Loop", "Scan", "If", "RandomUniformLike"} & set(kinds)
    assert len({each.name for each in graph.initializer}) < 60  # one basis for all iterations
    five = generator.sample(5, seed=9)
    one = np.concatenate([generator.sample(1, seed=9, start=index, batch=1) for index in range(5)])
    assert np.abs(five - one).max() < 1e-4
    assert np.abs(five).max() > 0.01
    recipe, network, samples = checkpoint.load_generator(Run(trained / "run").weights(64))
    drawn = noise.inputs(heads.contract(recipe, samples), 9, 0, 5)
    with torch.no_grad():
        eager = network(**{name: torch.from_numpy(value) for name, value in drawn.items()}).numpy()
    assert np.abs(five - eager).max() < heads.tolerance(recipe)


def test_the_phase_is_an_input_that_is_heard(trained: Path) -> None:
    generator = multigan.load(trained / "model.onnx", device="cpu")
    drawn = noise.inputs(generator.contract, 9, 0, 1)
    (one,) = generator.session.run(["sound"], drawn)
    (other,) = generator.session.run(["sound"], {**drawn, "phase": np.roll(drawn["phase"], 1, axis=3)})
    (turned,) = generator.session.run(["sound"], {**drawn, "phase": -drawn["phase"]})
    assert np.abs(one - other).max() > 0.01
    assert np.abs(one - turned).max() > 0.01
    spectra = [torch.hypot(*Stft(64, 16)(torch.from_numpy(each))) for each in (one, other)]
    assert (spectra[0] - spectra[1]).norm() < 0.5 * spectra[0].norm()


def test_the_way_between_seeds_keeps_the_first_ones_phase(trained: Path, tmp_path: Path) -> None:
    generator = multigan.load(trained / "model.onnx", device="cpu")
    way = generator.interpolate([3, 4], 2, "low")
    assert np.abs(way[0] - generator.sample(1, seed=3, label="low")[0]).max() < 1e-4
    last = {**noise.inputs(generator.contract, 4, 0, 1, labels=np.array([1])), "phase": noise.inputs(
        generator.contract, 3, 0, 1)["phase"]}  # fmt: skip
    assert np.abs(way[2] - generator.session.run(["sound"], last)[0][0]).max() < 1e-4
    out = ["--out", str(tmp_path / "way")]
    assert run(["generate", str(trained / "model.onnx"), "--interpolate", "3,4", "--steps", "2", *out]) == 0
    assert soundfile.info(tmp_path / "way" / "seeds3-4-high.wav").frames == 3 * 1024


def test_previews_are_what_generate_makes(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    previews, generator = Run(trained / "run").previews, multigan.load(trained / "model.onnx", device="cpu")
    made = generator.sample(16, seed=3)
    for index, sound in enumerate(made):
        heard, rate = soundfile.read(previews / f"{64:012d}-{index:02d}.wav")
        assert rate == 16_000
        assert np.abs(heard.T - sound).max() < heads.tolerance(recipes.load("specgan")) + 2**-15
    assert run(["info", str(trained / "model.onnx")]) == 0
    assert "float32 [batch, 2, 32, 64] in [-1, 1], noise, uniform" in capsys.readouterr().out


def test_an_export_states_its_tolerance(trained: Path) -> None:
    assert "within the tolerance of 0.001;" in (trained / "said.txt").read_text()
    assert heads.tolerance(recipes.load("specgan")) == 1e-3
    assert heads.tolerance(recipes.load("wavegan")) is None


# --- the statistics ---------------------------------------------------------------------------------------------------


class Stopping(Quiet):
    """Asks the training to stop once 32 samples have been seen."""

    def show(self, done: int, figures: str = "") -> None:
        if done >= 32 and figures:
            os.kill(os.getpid(), signal.SIGTERM)
            self.show = lambda done, figures="": None  # type: ignore[method-assign]


def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    recipe = recipes.load("specgan", [*SMALL, f"data.source={folder(tmp_path / 'data')}"])
    train(recipe, Options(tmp_path / "whole"))
    assert train(recipe, Options(tmp_path / "parted"), Stopping()).stopped == "by SIGTERM"
    train(recipe, Options(tmp_path / "parted", resume=True))
    one, two = (checkpoint.load_pair(Run(tmp_path / name), 64) for name in ("whole", "parted"))
    for ours, theirs in ((one[0].networks, two[0].networks), ({"": one[1].tensors}, {"": two[1].tensors})):
        for name, tensors in ours.items():
            assert tensors.keys() == theirs[name].keys()
            assert all(torch.equal(value, theirs[name][key]) for key, value in tensors.items())
    mean = one[0].networks["generator_ema"]["spectrograms.mean"]
    assert torch.equal(mean, one[0].networks["generator"]["spectrograms.mean"])
    assert mean.std() > 0.1


def test_a_generator_that_is_trained_on_keeps_its_statistics(trained: Path, tmp_path: Path) -> None:
    """Other data is standardised as the generator has learned, and not by its own statistics."""
    start = Run(trained / "run").weights(64)
    source = f"data.source={folder(tmp_path / 'quiet', level=0.02)}"
    changes = [*SMALL, source, "conditional=true", "data.channels=2"]
    outcome = train(recipes.load("specgan", changes), Options(tmp_path / "run", init_from=start))
    before, after = (checkpoint.load(each).networks["generator_ema"] for each in (start, outcome.weights))
    for name in ("spectrograms.mean", "spectrograms.deviation"):
        assert torch.equal(before[name], after[name])
    head = heads.head(checkpoint.load(outcome.weights).recipe)
    data = head.open_data(torch.device("cpu"), 8)
    own = data.stream.take(0, 8).sample
    generator, discriminator = head.networks()
    assert torch.equal(data.stream.take(0, 8).sample, own)
    generator.load_state_dict(after)
    head.game(generator, discriminator, None, torch.device("cpu"), {})  # type: ignore[arg-type]
    learned = data.stream.take(0, 8).sample
    assert learned.mean() < own.mean() - 0.1  # the quiet sounds are heard as quiet


def test_diversity_is_that_of_the_spectrograms_and_not_of_the_phases(tmp_path: Path) -> None:
    head = heads.head(heads.resolve(recipes.load("specgan", [*SMALL, f"data.source={folder(tmp_path)}"]))[0])
    data = head.open_data(torch.device("cpu"), 8)
    planes = data.stream.take(0, 12).sample
    assert head.diversity(planes, None) == pytest.approx(data.diversity, rel=0.2)
    collapsed = planes[:1].repeat(12, 1, 1, 1)
    assert head.diversity(collapsed, None) < 1e-3 * data.diversity
    _, said = head.remarks(collapsed)  # though each is heard with phases of its own
    assert said == {}


def test_training_on_takes_over_the_rules_of_the_game(trained: Path) -> None:
    like = checkpoint.load(Run(trained / "run").weights(64)).recipe
    found = recipes.parse(chosen(None, False, like)[0])
    assert (found.generator, found.loss, found.augment) == (like.generator, like.loss, None)
    assert found.training.discriminator_steps == 2


def test_gamma_is_that_of_the_size_of_the_spectrograms() -> None:
    changes = ["loss={kind: relativistic}", "regularizers=[{kind: r1}, {kind: r2}]", "data.length=8192"]
    settled, why = heads.resolve(recipes.load("specgan", [*changes, "data.rate=16000", "data.channels=1"]))
    assert [each.gamma for each in settled.regularizers] == [Schedule(start=4.5, end=0.45)] * 2
    assert any(sentence.startswith("gamma 4.5 to 0.45, for spectra of 128 x 64") for sentence in why)


def test_the_penaltys_derivative_asks_nothing_of_the_forward_pass() -> None:
    """The features at which the gradient of straight pieces is taken do not change it."""
    recipe = heads.resolve(recipes.load("specgan", [*SMALL, "data.rate=16000", "data.channels=1"]))[0]
    _, discriminator = heads.head(recipe).networks()
    planes = torch.randn(2, 1, 32, 64, requires_grad=True)
    kept: list[torch.Tensor] = []

    def keep(layer: torch.nn.Module, given: object, features: torch.Tensor) -> torch.Tensor:
        kept.append(features)
        return features.clone()

    discriminator.layers[0].register_forward_hook(keep)
    (gradient,) = torch.autograd.grad(discriminator(planes).sum(), planes, create_graph=True)
    loss = (gradient.flatten(1).norm(dim=1) - 1).square().sum()
    weight = discriminator.layers[0].weight
    found = torch.autograd.grad(loss, [kept[0], weight], allow_unused=True)
    assert found[0] is None
    assert found[1].abs().max() > 0


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["discriminator={kind: wavegan}"], "discriminator.kind: wavegan plays on waveforms and the other network"),
        (["generator={kind: wavegan}"], "generator.kind: wavegan plays on waveforms and the other network"),
        (["discriminator.transform={window: 512, hop: 128}"], "discriminator.transform: it differs from the generator"),
        (["augment={kinds: [gain]}"], "augment: it changes waveforms"),
        (["data.length=16000"], "16000 is no multiple of 2048, 16 hops of its transform"),
        (["data.length=16000"], "nearest: 16384"),
        (["generator.kernel=4"], "generator.kernel: 4 has no middle: choose 3 or 5"),
        (["generator.griffin_lim=-1"], "generator.griffin_lim"),
        (["generator.post_filter=8"], "Kind wavegan has it"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(
    changes: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [part for change in changes for part in ("--set", change)]
    assert run(["train", "audio", "--recipe", "specgan", "--out", str(tmp_path / "run"), *sets]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert words in said[0], said[0]
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_is_not_resolved_makes_no_networks() -> None:
    with pytest.raises((UserError, ValueError)):
        heads.head(recipes.load("specgan", ["data.length=null"])).networks()
