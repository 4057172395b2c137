"""Sounds from end to end with the real commands: train, resume, export, generate; and what is refused."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import load_file
from sound_files import sine, write

import multigan
from multigan import heads
from multigan import recipe as recipes
from multigan.audio.choosing import chosen, settle
from multigan.audio.config import AudioData
from multigan.audio.data.medium import open_source
from multigan.audio.data.survey import survey
from multigan.checkpoint import load_generator
from multigan.cli import run
from multigan.making import Options as Making
from multigan.making.sounds import Sounds
from multigan.runs import Run, find_checkpoint
from multigan.sounds import pcm
from multigan.training.display import Quiet
from multigan.training.session import Options, train

SMALL = [
    "data.length=1024", "training.samples=64", "training.batch=8", "training.preview_every=32",
    "training.checkpoint_every=32", "training.precision=fp32", "training.log_every=2",
]  # fmt: skip
TINY = {
    "wavegan": ["generator.width=2", "discriminator.width=2", "training.discriminator_steps=2"],
    "specgan": [
        *(f"{role}.{change}" for role in ("generator", "discriminator") for change in (
            "width=2", "transform={window: 64, hop: 16}")),
        "training.discriminator_steps=2", "generator.griffin_lim=2",
    ],
    "drums": [
        *(f"{role}.{change}" for role in ("generator", "discriminator") for change in (
            "network.width=4", "transform={window: 64, hop: 16}")),
        "data.classes=[high, low]",
    ],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def folder(path: Path, count: int = 12) -> Path:
    for index in range(count):
        name = ("high", "low")[index % 2]
        tone = sine(2000 + 50 * index if name == "high" else 200 + 5 * index, 0.1, 16_000, 0.3)
        write(path / name / f"{index:02d}.wav", tone * np.linspace(1, 0, len(tone), dtype=np.float32))
    return path


def sets(changes: list[str]) -> list[str]:
    return [part for change in changes for part in ("--set", change)]


def test_no_recipe_of_sounds_is_left_out() -> None:
    assert {name for name in recipes.packaged() if recipes.load(name).modality == "audio"} == set(TINY)


def check_data_beside_previews(previews: Path, data: Path, classes: bool) -> None:
    """The data's own sounds are written, the classes in turn where the recipe has them."""
    whole = {path: soundfile.read(path)[0] for path in data.glob("*/*.wav")}
    with Image.open(previews / "data.png") as picture:
        assert picture.mode == "RGB"
    found = sorted(previews.glob("data-*.wav"))
    assert len(found) >= 12
    for index, path in enumerate(found):
        slice_ = soundfile.read(path)[0]
        near = [
            source.parent.name
            for source, sound in whole.items()
            for at in range(0, len(sound), 1024)
            if np.abs(np.pad(sound, (0, 1024))[at : at + 1024] - slice_).max() < 2**-14
        ]
        assert near
        assert not classes or near[0] == ("high", "low")[index % 2]


@pytest.mark.parametrize("name", TINY)
def test_from_a_folder_to_sounds(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = folder(tmp_path / "data")
    command = ["train", "audio", "--recipe", name, "--data", str(data), *sets([*SMALL, *TINY[name]])]
    assert run([*command, "--out", "run"]) == 0
    said = capsys.readouterr().err
    assert "1 seconds of sound from 12 files" in said
    assert "of 0.064 seconds at 16,000 Hz" in said
    made = Run(Path("run"))
    assert made.saved()[-1] == 64
    names = {path.name for path in made.previews.iterdir()}
    assert {"000000000064.png", "000000000064-00.wav", "000000000064-15.wav"} <= names
    assert made.movie.exists()
    assert soundfile.info(made.previews / "000000000064-00.wav").frames == 1024
    check_data_beside_previews(made.previews, data, name == "drums")
    assert run(["export", "--onnx", "run"]) == 0
    assert run(["generate", "model.onnx", "-n", "5", "--seed", "7", "--out", "hits"]) == 0
    words = [f"-{('high', 'low')[index % 2]}" if name == "drums" else "" for index in range(5)]
    files = [f"seed7-{index:04d}{word}.wav" for index, word in enumerate(words)]
    assert sorted(path.name for path in Path("hits").iterdir()) == [*files, "seed7-grid.png"]
    generator = multigan.load("model.onnx")
    assert generator.contract.extra["sample_rate"] == 16_000
    sounds = generator.sample(5, seed=7)
    assert sounds.shape == (5, 1, 1024)
    assert sounds.dtype == np.float32
    for index, file in enumerate(files):
        found, rate = soundfile.read(Path("hits") / file)
        assert rate == 16_000
        assert np.abs(found - sounds[index, 0]).max() < 2**-15


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        data = f"data.source={folder(place / 'data')}"
        outcome = train(recipes.load("drums", [*SMALL, *TINY["drums"], data]), Options(out=place / "run"))
    assert run(["export", "--onnx", str(outcome.run.folder), "--out", str(place / "model.onnx")]) == 0
    return place / "model.onnx"


def test_depth_loudness_and_the_way_between_seeds(model: Path, tmp_path: Path) -> None:
    arguments = ["generate", str(model), "--out", str(tmp_path), "--label", "low"]
    assert run([*arguments, "-n", "2", "--format", "flac", "--bits", "24", "--normalize", "--no-grid"]) == 0
    for index in range(2):
        path = tmp_path / f"seed0-{index:04d}-low.flac"
        assert soundfile.info(path).subtype == "PCM_24"
        assert np.abs(soundfile.read(path)[0]).max() == pytest.approx(1, abs=1e-5)
    assert run([*arguments, "--interpolate", "3,4", "--steps", "3"]) == 0
    found, _ = soundfile.read(tmp_path / "seeds3-4-low.wav")
    generator = multigan.load(model)
    way = generator.interpolate([3, 4], 3, "low")
    assert np.abs(found - way.reshape(-1)).max() < 2**-15
    with Image.open(tmp_path / "seeds3-4-low.png") as picture:
        assert picture.mode == "RGB"


def test_raw_samples_go_to_a_pipe(model: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["generate", str(model), "-n", "3", "--seed", "5", "--stream"]) == 0
    found = np.frombuffer(capfdbinary.readouterr().out, "<i2").reshape(3, 1, 1024) / 32767
    assert np.abs(found - multigan.load(model).sample(3, seed=5)).max() < 2**-15


@pytest.mark.parametrize("name", TINY)
def test_a_conditional_generator_is_fine_tuned_on_a_folder_without_classes(
    name: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It begins as what it was told the mean of its classes."""
    start = model.parent / "run"
    if name != "drums":
        data = [f"data.source={folder(tmp_path / 'two')}", "conditional=true"]
        start = train(recipes.load(name, [*SMALL, *TINY[name], *data]), Options(out=tmp_path / "before")).run.folder
    flat = tmp_path / "flat"
    for index in range(8):
        write(flat / f"{index}.wav", sine(500 + 40 * index, 0.1, 16_000, 0.3))
    still = ["generator_optimizer.lr=0", "discriminator_optimizer.lr=0", "training.samples=16", "training.batch=8"]
    out = tmp_path / "after"
    assert run(["train", "audio", "--init-from", str(start), "--data", str(flat), "--out", str(out), *sets(still)]) == 0
    assert "No classes here, so the generator begins at the mean of those that " in capsys.readouterr().err
    (_, told, _), (_, found, _) = (load_generator(find_checkpoint(each)) for each in (start, out))
    mean = next(each for each in told.modules() if isinstance(each, torch.nn.Embedding)).weight
    mean.copy_(mean.mean(0, keepdim=True).expand_as(mean))
    count = len(mean.T)
    inputs = [torch.randn(3, count)]
    if name == "specgan":
        inputs.append(torch.rand(3, 1, 32, 64) * 2 - 1)
    with torch.no_grad():
        torch.testing.assert_close(found(*inputs), told(*inputs, label=torch.tensor([0, 1, 0])), atol=1e-4, rtol=1e-3)


def test_gamma_is_spoken_of_where_there_is_one() -> None:
    silence = torch.zeros(4, 1, 16_384)
    for name, wanted in (("drums", True), ("wavegan", False)):
        chosen, _ = heads.resolve(recipes.load(name, ["data.length=16384", "data.rate=16000", "data.channels=1"]))
        _, said = heads.head(chosen).remarks(silence)
        assert "100% of the previews are silent" in said["silent"]
        assert ("gamma" in "".join(said.values())) == wanted


class Pipe(io.BytesIO):
    """Remembers how much came at once."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[int] = []

    def write(self, content: object) -> int:
        self.came.append(super().write(content))  # type: ignore[arg-type]
        return self.came[-1]


def test_a_pipe_has_each_batch_as_soon_as_it_is_made(model: Path) -> None:
    generator, pipe = multigan.load(model), Pipe()
    Sounds(generator, Making(seed=5, batch=3)).stream(8, pipe)
    assert [came // 2048 for came in pipe.came] == [3, 3, 2]
    assert pipe.getvalue() == pcm(generator.sample(8, seed=5, batch=3))


def test_large_samples_are_made_few_at_a_time(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multigan.making.maker.ROOM", 4 * 7 * 1024)
    generator = multigan.load(model)
    for batch, wanted in ((3, [7, 3]), (16, [10]), (1, [7, 3])):
        parts = list(Sounds(generator, Making(seed=5, batch=batch)).parts(10))
        assert [len(samples) for _, samples, _ in parts] == wanted
        made = np.concatenate([samples for _, samples, _ in parts])
        np.testing.assert_allclose(made, generator.sample(10, seed=5), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "png"], "choose wav or flac"),
        (["--stream", "--interpolate", "3,4"], "no files: leave --interpolate away"),
        (["--stream"], "no files: leave --out away"),
        (["--format", "flac", "--bits", "32"], "choose 16, 24"),
        (["--bits", "12"], "12 bits are no depth of wav"),
        (["--label", "mid"], "the label 'mid' is unknown"),
        (["-n", "0"], "n 0 is out of range"),
    ],
)
def test_generate_says_what_is_wrong(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(["generate", str(model), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Stopping(Quiet):
    """Asks the training to stop once 32 samples have been seen."""

    def show(self, done: int, figures: str = "") -> None:
        if done >= 32 and figures:
            os.kill(os.getpid(), signal.SIGTERM)
            self.show = lambda done, figures="": None  # type: ignore[method-assign]


def table(files: Path, place: Path) -> Path:
    """The sounds of a folder of classes, two in each row group."""
    paths = sorted(files.rglob("*.wav"))
    columns = {"audio": [path.read_bytes() for path in paths], "label": [path.parent.name for path in paths]}
    pq.write_table(pa.table(columns), place, row_group_size=2)
    return place


@pytest.mark.parametrize("kind", ["kept", "streamed folder", "streamed table"])
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(kind: str, tmp_path: Path) -> None:
    """Phase shuffle and augmentation draw as they would have, and the data goes on."""
    source = folder(tmp_path / "data")
    if kind == "streamed table":
        source = table(source, tmp_path / "data.parquet")
    data = f"data.source={source}"
    shuffled = "discriminator={kind: wavegan, width: 2, strides: [4, 4, 4]}"
    generator = [change for change in TINY["drums"] if not change.startswith("discriminator")]
    flow = [f"data.streaming={str(kind != 'kept').lower()}", "data.slices=random"]
    chosen = recipes.load("drums", [*SMALL, shuffled, *generator, data, *flow])
    train(chosen, Options(out=tmp_path / "whole"))
    first = train(chosen, Options(out=tmp_path / "parted"), Stopping())
    assert (first.stopped, 32 <= first.samples < 64) == ("by SIGTERM", True)
    train(chosen, Options(out=tmp_path / "parted", resume=True))
    for kind in ("weights", "state"):
        one, two = (load_file(getattr(Run(tmp_path / name), kind)(64)) for name in ("whole", "parted"))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "dcgan"], "dcgan is of modality image: train it with multigan train image"),
        (["--recipe", "wavegan", "--set", "data.length=1000"], "nearest: 1024"),
        (["--recipe", "wavegan", "--data", "{text}"], "holds 1 files but no sounds"),
        (["--recipe", "wavegan", "--data", "{broken}"], "can be read as a sound"),
        (["--recipe", "wavegan", "--data", "{short}", "--set", "data.pad=false"], "makes 0 slices of 16,384 samples"),
        (["--recipe", "wavegan", "--set", "data.rate=0"], "data.rate"),
        (["--recipe", "wavegan", "--set", "evaluation.extractor=logmell"], "evaluation.extractor"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_run(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {name: tmp_path / name for name in ("text", "broken", "short")}
    for place in places.values():
        place.mkdir()
    (places["text"] / "a.txt").touch()
    (places["broken"] / "a.wav").write_text("no sound")
    write(places["short"] / "a.wav", sine(440, 0.1, 16_000))
    out = tmp_path / "run"
    assert run(["train", "audio", "--out", str(out), *(each.format(**places) for each in arguments)]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("multigan: ")
    assert words in said[-1], said[-1]
    assert not out.exists()


def test_pictures_are_not_trained_from_a_recipe_of_sounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "image", "--recipe", "wavegan"]) == 2
    assert "wavegan is of modality audio: train it with multigan train audio" in capsys.readouterr().err


# --- what is chosen ---------------------------------------------------------------------------------------------------


def test_a_recipe_is_chosen_from_the_data(tmp_path: Path) -> None:
    data = folder(tmp_path / "my drums")
    write(data / "low" / "long.flac", np.stack([sine(100, 0.4, 44_100)] * 2, 1), 44_100, "PCM_16")
    mapping, sentences = chosen(str(data), False, None)
    found = recipes.parse(mapping)
    assert found.name == "my-drums"
    assert found.conditional
    assert found.data.classes == ["high", "low"]
    assert (mapping["data"]["rate"], mapping["data"]["length"], mapping["data"]["channels"]) == (16_000, 4096, 1)
    assert any("2 classes of 6 to 7 files" in sentence for sentence in sentences)
    assert any("16,000 Hz: 12 of 13 files looked at have it" in sentence for sentence in sentences)


def test_a_cpu_takes_a_lower_rate_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", np.stack([sine(100, 0.4, 48_000)] * 2, 1), 48_000)
    recipe, why = settle(recipes.load("wavegan", [f"data.source={tmp_path}", "data.length=null"]))  # type: ignore[arg-type]
    assert (recipe.data.rate, recipe.data.length, recipe.data.channels) == (16_000, 8192, 2)
    assert any("--set data.rate=48000 asks for it" in sentence for sentence in why)
    assert any("--set data.channels=1 mixes them" in sentence for sentence in why)


def test_the_survey_of_the_embedded_drums() -> None:
    seen = survey(open_source(AudioData()))
    assert (seen.count, seen.unreadable, dict(seen.rates)) == (91, 0, {16_000: 91})


@pytest.mark.slow
def test_the_quick_start_of_sounds_leaves_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["generator.network.width=4", "discriminator.network.width=4", "training.samples=64"]
    sets = [part for each in changes for part in ("--set", each)]
    assert run(["quickstart", "audio", "--out", str(tmp_path / "run"), *sets]) == 0
    said = capsys.readouterr()
    words = " ".join((said.out + said.err).split())
    assert "91 real clips" in words
    assert "times as far from the nearest real clip" in words
    sounds = sorted((tmp_path / "run" / "hits").glob("*.wav"))
    assert len(sounds) == 48
    samples, rate = soundfile.read(sounds[0])
    assert (len(samples), rate) == (8192, 16_000)
    with Image.open(tmp_path / "run" / "hits" / "seed0-grid.png") as sheet:
        assert sheet.width > 500
    for name in ("drums.onnx", "training.gif", "evaluation/neighbours.wav", "evaluation/report.json"):
        assert (tmp_path / "run" / name).exists()
