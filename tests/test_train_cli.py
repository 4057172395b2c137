"""The command line from a folder to pictures, on tiny budgets: `train`, `export`, `generate`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multigan import checkpoint
from multigan import recipe as recipes
from multigan.cli import run
from multigan.runtime import Generator

TINY = ["training.samples=32", "training.batch=16", "training.precision=fp32"]
SMALL_NETWORKS = {
    "dcgan": ["generator.width=4", "discriminator.width=4"],
    "quickstart": ["generator.width=4", "discriminator.width=4"],
    "resnet": ["generator.width=4", "discriminator.width=4"],
    "r3gan": ["generator.width=8", "discriminator.width=8"],
    "r3gan_cifar": [
        "generator.widths=[16,16,16,16]",
        "discriminator.widths=[16,16,16,16]",
        "data.size=[32,32]",
        "training.accumulate=2",
    ],
}


CLASSES = ("ash", "oak")


def folder(path: Path, size: tuple[int, int], mode: str, each: int = 10, classes: tuple[str, ...] = CLASSES) -> Path:
    """Noise of a colour of its class, `each` pictures a class."""
    rng = np.random.default_rng(0)
    bands = len(Image.new(mode, (1, 1)).getbands())
    for number, name in enumerate(classes):
        (path / name).mkdir(parents=True)
        for index in range(each):
            pixels = rng.integers(100 * number, 100 * number + 80, (*size, bands), np.uint8)
            pixels[..., 1:2] //= 3  # coloured, also when it is made small
            Image.fromarray(pixels.squeeze()).save(path / name / f"{index}.png")
    return path


def command(*arguments: str | Path, expect: int = 0) -> None:
    assert run([str(each) for each in arguments]) == expect


def trained(out: Path, *arguments: str | Path, sets: list[str] = TINY) -> Generator:
    """Train by the command line into `out`, export, and load what was exported."""
    command("train", "image", "--out", out, "--device", "cpu", *arguments, *(f"--set={each}" for each in sets))
    command("export", "--onnx", out, "-o", out / "model.onnx")
    return Generator.load(out / "model.onnx")


def test_from_a_folder_alone_to_labelled_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folder(tmp_path / "trees", (24, 40), "RGB", each=24)
    out = tmp_path / "run"
    small = ["generator.width=4", "discriminator.width=4"]
    generator = trained(out, "--data", data, sets=[*TINY, *small])
    said = " ".join(capsys.readouterr().err.split())
    for sentence in ("Size 40x24", "3 channels", "2 classes", "gamma 0.18 to 0.018", "multigan export"):
        assert sentence in said, sentence
    assert generator.contract.labels == ["ash", "oak"]
    assert generator.sample(3).shape == (3, 3, 24, 40)
    command("generate", out / "model.onnx", "-n", "4", "--label", "oak", "--seed", "7", "-o", tmp_path / "made")
    assert len(list((tmp_path / "made").glob("seed7-*-oak.png"))) == 4
    with Image.open(out / "training.gif") as film:
        assert film.n_frames >= 2
    assert (out / "recipe.yaml").exists()
    assert list((out / "tensorboard").iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "dcgan", "--data", "{missing}"], ["missing"]),
        (["--recipe", "dcgan", "--data", "{empty}"], ["empty"]),
        (["--recipe", "dcgan", "--data", "{few}"], ["20", "batch of 64"]),
        (["--recipe", "dcgan", "--set", "generator.widht=8"], ["generator.widht", "'width'"]),
        (["--recipe", "dcgan", "--set", "training.batch=many"], ["training.batch", "many"]),
        (["--recipe", "dcgan", "--set", "modality=audio"], ["generator.kind", "wavegan"]),
        (["--recipe", "dcgan", "--device", "cuda:7"], ["cuda:7"]),
        (["--recipe", "dcgan", "--device", "gpu"], ["--device gpu"]),
        (["--recipe", "dcgan", "--init-from", "{missing}"], ["missing"]),
        (["--resume", "{missing}"], ["--resume", "missing"]),
        (["--recipe", "dcgan", "--set", "conditional=true", "--data", "{flat}"], ["conditional", "classes"]),
        (["--recipe", "dcgan", "--set", "training.accumulate=3"], ["accumulate"]),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2_and_leaves_no_run(
    arguments: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {name: tmp_path / name for name in ("missing", "empty", "few", "flat")}
    places["empty"].mkdir()
    folder(places["few"], (16, 16), "L")
    folder(tmp_path, (16, 16), "L", each=70, classes=("flat",))
    out = tmp_path / "run"
    place = [] if "--resume" in arguments else ["--out", str(out)]
    command("train", "image", *place, *(each.format(**places) for each in arguments), expect=2)
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("multigan: ")
    for word in words:
        assert word in said[-1], said[-1]
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", sorted(SMALL_NETWORKS))
def test_every_recipe_goes_from_its_data_to_pictures(name: str, conditional: bool, tmp_path: Path) -> None:
    sets = [*TINY, *SMALL_NETWORKS[name], f"conditional={str(conditional).lower()}"]
    generator = trained(tmp_path / "run", "--recipe", name, sets=sets)
    assert generator.sample(2, seed=1).shape == (2, 1, 32, 32)
    assert bool(generator.contract.labels) == conditional


def test_no_recipe_of_pictures_is_left_out() -> None:
    shipped = {name for name in recipes.packaged() if recipes.load(name).modality == "image"}
    assert shipped == set(SMALL_NETWORKS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "mode"), [((128, 128), "RGB"), ((256, 256), "RGB"), ((64, 96), "RGBA"), ((16, 16), "L"), ((256, 128), "L")]
)
@pytest.mark.parametrize("name", ["dcgan", "resnet", "r3gan"])
def test_every_size_and_number_of_channels(name: str, size: tuple[int, int], mode: str, tmp_path: Path) -> None:
    data = folder(tmp_path / "data", size, mode)
    height, width = size
    sets = [*TINY, *SMALL_NETWORKS[name], f"data.size=[{height},{width}]", "training.batch=8", "training.samples=16"]
    generator = trained(tmp_path / "run", "--recipe", name, "--data", data, sets=sets)
    assert generator.sample(1).shape == (1, {"L": 1, "RGB": 3, "RGBA": 4}[mode], *size)


def test_fine_tuning_takes_the_checkpoints_networks_and_learns_its_own_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [f"--set={each}" for each in [*TINY, "generator.width=4", "discriminator.width=4", "data.size=[16,16]"]]
    command("train", "image", "--recipe", "quickstart", "--out", tmp_path / "digits", *sets)
    data = folder(tmp_path / "trees", (24, 24), "L", each=24)
    few = [f"--set={each}" for each in TINY]
    command("train", "image", "--data", data, "--init-from", tmp_path / "digits", "--out", tmp_path / "fine", *few)
    assert "Networks and size, 16x16, are those of quickstart" in " ".join(capsys.readouterr().err.split())
    tuned = recipes.load(tmp_path / "fine" / "recipe.yaml")
    assert (tuned.generator.width, tuned.data.size, tuned.data.classes) == (4, (16, 16), ["ash", "oak"])


def test_evaluation_during_training_keeps_the_best_and_export_takes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder(tmp_path / "trees", (16, 16), "RGB", each=40)
    sets = ["generator.width=4", "discriminator.width=4", "evaluation.samples=64", "training.evaluate_every=16"]
    out = tmp_path / "run"
    trained(out, "--recipe", "dcgan", "--data", data, sets=[*TINY, *sets])
    assert f"best:    {out}" in capsys.readouterr().err.replace("\n", "")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    scores = {line["samples"]: line["FD-EffLite0@112"] for line in lines if "FD-EffLite0@112" in line}
    assert sorted(scores) == [16, 32]
    best = checkpoint.load(out / "checkpoints" / "best.safetensors")
    assert scores[best.samples] == min(scores.values())
    assert Generator.load(out / "model.onnx").contract.samples_seen == best.samples
