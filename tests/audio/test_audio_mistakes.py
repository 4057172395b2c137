"""What is wrong with sounds, or with a recipe for them: one sentence, exit code 2, and no run; cached and streamed."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sound_files import sine, stream, write

from multigan import recipe as recipes
from multigan.audio.choosing import settle
from multigan.audio.config import AudioRecipe
from multigan.cli import run

TONE = sine(440, 0.2, 16_000)
STREAMED = ["data.streaming=true"]
ROWS = ["data.streaming=true", "data.slices=random"]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def header(path: Path, channels: int, rate: int) -> None:
    """A file of 16 bits with this in its header, whatever a writer would say to it."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\0\1" * channels * 3000)
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)


def holed(path: Path) -> None:
    sound = TONE[:1024].copy()
    sound[500] = np.nan
    write(path, sound)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "not audio": (lambda path: path.write_text("no sound"), "(a.wav: Format not recognised)"),
    "zero bytes": (lambda path: path.touch(), "(a.wav: the file is empty)"),
    "zero length": (lambda path: write(path, np.zeros(0)), "it holds no samples"),
    "not numbers": (holed, "it holds samples that are not numbers"),
    "rate of 0": (lambda path: header(path, 1, 0), "can be read"),
    "rate of 1": (lambda path: header(path, 1, 1), "a rate of 1 samples a second is none that a recording has"),
    "200 channels": (lambda path: header(path, 200, 16_000), "200 channels, where 64 are the most"),
}


def told(arguments: list[str], changes: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of a training that is refused with exit code 2 and leaves no run."""
    sets = [part for change in ["data.length=1024", "training.batch=2", *changes] for part in ("--set", change)]
    assert run(["train", "audio", "--recipe", "wavegan", "--out", str(out), *arguments, *sets]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("multigan: ")
    assert "Traceback" not in "\n".join(said)
    assert not out.exists()
    return said[-1]


@pytest.mark.parametrize("flow", [[], STREAMED, ROWS], ids=["cached", "streamed", "random"])
@pytest.mark.parametrize("kind", BAD)
def test_data_without_a_good_file(
    kind: str, flow: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words = BAD[kind]
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a.wav", "b.wav"):
        make(data / name)
    said = told(["--data", str(data)], ["data.rate=16000", "data.channels=1", *flow], tmp_path / "run", capsys)
    assert "none of the" in said
    assert str(data) in said
    assert "(a.wav" in said
    assert words in said
    assert said.endswith("choose another --data.")


@pytest.mark.parametrize("flow", [{}, {"streaming": True}, {"streaming": True, "slices": "random"}])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_among_good_ones_is_named_and_passed_over(
    kind: str, flow: dict[str, object], tmp_path: Path
) -> None:
    make, _ = BAD[kind]
    for number in range(4):
        write(tmp_path / f"good{number}.wav", TONE)
    make(tmp_path / "bad.wav")
    opened = stream(tmp_path, **flow)
    assert opened.take(0, len(opened)).sample.isfinite().all()
    assert "\n  bad.wav" in "\n".join([*opened.sentences(), opened.news()])
    opened.close()


@pytest.mark.parametrize("flow", [[], STREAMED, ROWS], ids=["cached", "streamed", "random"])
def test_clips_that_are_shorter_than_a_slice(
    flow: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        write(tmp_path / "data" / f"{number}.wav", TONE)
    changes = ["data.length=4096", "data.pad=false", *flow]
    said = told(["--data", str(tmp_path / "data")], changes, tmp_path / "run", capsys)
    assert "slice" in said
    assert "4,096 samples" in said
    assert "data.pad" in said


@pytest.mark.parametrize("flow", [[], STREAMED], ids=["cached", "streamed"])
def test_a_label_with_one_clip(flow: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(4):
        write(tmp_path / "data" / ("kick" if number else "snare") / f"{number}.wav", TONE[:1024])
    changes = ["conditional=true", *flow]
    said = told(["--data", str(tmp_path / "data")], changes, tmp_path / "run", capsys)
    assert f"the class 'snare' of {tmp_path / 'data'} has one slice to learn from: add sounds to it, " in said


def test_a_label_with_one_long_clip_has_many_slices(tmp_path: Path) -> None:
    write(tmp_path / "kick" / "a.wav", TONE[:1024])
    write(tmp_path / "kick" / "b.wav", TONE[:1024])
    write(tmp_path / "snare" / "c.wav", TONE)
    assert stream(tmp_path, conditional=True).labels.tolist() == [0, 0, 1, 1, 1, 1]


def test_two_channels_of_sounds_that_have_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    for number in range(3):
        write(data / f"{number}.wav", TONE)
    said = told(["--data", str(data)], ["data.channels=2"], tmp_path / "run", capsys)
    assert said.endswith(
        f"data.channels is 2, and the 3 sounds of {data} that were looked at have one channel: set data.channels=1."
    )
    write(data / "stereo.wav", np.stack([TONE, -TONE], 1))
    recipe = recipes.load("wavegan", [f"data.source={data}", "data.rate=16000", "data.channels=2"])
    assert isinstance(recipe, AudioRecipe)
    settled, why = settle(recipe)
    assert settled.data.channels == 2
    assert why == ["3 of 4 files looked at have one channel, which is doubled."]


def test_a_length_that_the_strides_do_not_make(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = told([], ["data.length=16500"], tmp_path / "run", capsys)
    assert "data.length: 16500 is no multiple of 1024, the product of its strides" in said
    assert "(nearest: 16384)" in said
