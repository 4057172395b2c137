"""Streamed files whose header promises more than they hold, or nothing: what the training then sees."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from sound_files import FORMATS, decoded, ramp, sine, stream, write

from multigan.audio.config import AudioData
from multigan.audio.data.positions import AudioStream
from multigan.audio.data.slices import MOST, slices_of
from multigan.audio.data.survey import inspect
from multigan.data import reader
from multigan.errors import UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, frames).astype(np.float32)


def torn(path: Path, frames: int, share: float, rate: int = 16_000) -> np.ndarray:
    """The first part of a flac or mp3 file, and what the whole one would give at 16,000 Hz."""
    write(path, noise(frames), rate, FORMATS[path.suffix[1:]][0])
    whole = decoded(path)[:, 0]
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    return whole


def claiming(path: Path, sound: np.ndarray, frames: int) -> Path:
    """A flac file in whose header the number of frames is this; 0 says that it is not known."""
    content = bytearray(write(path, sound, subtype="PCM_16").read_bytes())
    kept = int.from_bytes(content[18:26], "big") >> 36 << 36
    content[18:26] = (kept | frames).to_bytes(8, "big")
    path.write_bytes(content)
    return path


def shown(opened: AudioStream, start: int = 0) -> Counter[bytes]:
    """How often each slice is shown in an epoch."""
    return Counter(each.numpy().tobytes() for each in opened.take(start, len(opened)).sample)


# --- headers that promise too much ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["flac", "mp3"])
@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_a_torn_file_is_used_up_to_its_end(tmp_path: Path, suffix: str, pad: bool, rate: int) -> None:
    whole = torn(tmp_path / f"z.{suffix}", 40 * rate, 0.25, rate)
    for number in range(8):
        write(tmp_path / f"{number}.wav", noise(1024, 1 + number))
    opened = stream(tmp_path, streaming=True, pad=pad, overlap=0.5)
    theirs = len(opened) - 8
    assert 0.9 * 0.25 * 1248 < theirs <= 0.25 * 1248
    for number, slice_ in enumerate(opened.samples(range(8, len(opened)))[:, 0].numpy()):
        there = int(np.flatnonzero(slice_)[-1]) + 1
        assert there == 1024 or (pad and suffix == "mp3" and number >= theirs - 2), "the rest is filled with silence"
        sure = 1024 if there == 1024 else max(1, there - 200)  # the resampler hears the end before it comes
        assert np.abs(slice_ - whole[512 * number : 512 * number + 1024])[:sure].max() <= 2e-6
    assert max(shown(opened).values()) == 1
    assert opened.news() == ""
    said = "\n".join(opened.sentences())
    assert "1 of 9 files end before their header says and are used up to there:\n" in said
    assert f"  z.{suffix}: nothing can be read after {(512 * theirs + 512) / 16_000:.1f} of its 40.0 seconds" in said
    opened.close()


def test_a_header_that_says_weeks_does_not_end_the_training(tmp_path: Path) -> None:
    claiming(tmp_path / "z.flac", noise(10 * 1024), 2**36 - 1)
    for number in range(4):
        write(tmp_path / f"{number}.wav", noise(1024, 1 + number))
    opened = stream(tmp_path, streaming=True, length=1024)
    assert len(opened) == 4 + 10
    assert max(shown(opened).values()) == 1
    assert "nothing can be read after 0.6 of its 4,294,967.3 seconds" in "\n".join(opened.sentences())
    opened.close()


def test_a_file_that_is_torn_at_its_beginning_is_left_out(tmp_path: Path) -> None:
    torn(tmp_path / "a.flac", 16_000 * 10, 0.02)
    write(tmp_path / "b.wav", noise(4096))
    opened = stream(tmp_path, streaming=True, length=4096)
    assert len(opened) == 1
    assert any("1 of 2 files cannot be read and are left out:\n  a.flac: " in said for said in opened.sentences())
    opened.close()


@pytest.mark.parametrize("pad", [True, False])
def test_whole_files_are_used_whole(tmp_path: Path, pad: bool) -> None:
    for suffix in FORMATS:
        for number, frames in enumerate((500, 1024, 40_000, 41_234)):
            path = tmp_path / f"{suffix}{number}.{suffix}"
            write(path, sine(440, frames / 16_000, 16_000), 16_000, FORMATS[suffix][0])
    kept, opened = (stream(tmp_path, streaming=each, pad=pad) for each in (False, True))
    assert len(opened) == len(kept) > 300
    assert len(opened.sentences()) == 1
    opened.close()


# --- what stands in ---------------------------------------------------------------------------------------------------


def holed(path: Path, slices: int, bad: range, seed: int) -> None:
    """A file of slices of 1024 frames, some of which hold what is no number."""
    sound = noise(1024 * slices, seed)
    for number in bad:
        sound[1024 * number + 7] = np.nan
    write(path, sound)


def test_a_damaged_part_is_replaced_by_many_slices_of_the_class(tmp_path: Path) -> None:
    holed(tmp_path / "kick" / "a.wav", 200, range(40, 160), 0)
    holed(tmp_path / "snare" / "b.wav", 50, range(0), 1)
    opened = stream(tmp_path, streaming=True, conditional=True)
    epoch = opened.take(0, len(opened))
    seen = shown(opened)
    assert len(seen) == 80 + 50
    assert max(seen.values()) <= 8, "120 damaged ones among 80 good ones"
    snares = {each.numpy().tobytes() for each in opened.samples(range(200, 250))}
    for sound, label in zip(epoch.sample, epoch.conditions["label"].tolist(), strict=True):
        assert (sound.numpy().tobytes() in snares) == (label == 1)
    assert opened.news().startswith("120 of 250 slices cannot be read; another good one stands in for each:")
    opened.close()
    for start in (200, 17):
        fresh = stream(tmp_path, streaming=True, conditional=True)
        assert torch.equal(fresh.take(start, 40).sample, epoch.sample[start : start + 40])
        fresh.close()


def test_a_damaged_part_is_replaced_by_slices_of_its_number(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1), ("c", 2)):
        holed(tmp_path / f"{name}.wav", 20, range(5, 15) if name == "b" else range(0), seed)
    (tmp_path / "metadata.csv").write_text("file_name,pitch\na.wav,40\nb.wav,41\nc.wav,50\n")
    bounds = {"minimum": 40, "maximum": 50, "default": 41}
    opened = stream(tmp_path, streaming=True, number_column="pitch", number_range=bounds)
    b = [each.numpy().tobytes() for each in opened.samples(range(20, 40))]
    assert len(set(b)) == 10
    assert max(Counter(b).values()) < 8
    opened.close()


def test_what_is_known_to_be_damaged_does_not_end_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        path = tmp_path / f"{number:02d}.wav"
        if number < 10:
            path.write_text("no sound")
        else:
            write(path, ramp(1024, 5000 * number))
    opened = stream(tmp_path, slices="first", streaming=True)
    opened.samples(range(12))
    monkeypatch.setattr(reader, "_PATIENCE", 3)
    assert np.array_equal(opened.samples([0])[0, 0].numpy(), ramp(1024, 50_000))
    opened.close()


# --- headers that say nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slices", ["all", "first", "random"])
def test_a_length_that_is_not_known_is_counted(tmp_path: Path, slices: str) -> None:
    """As what was written into a pipe has it."""
    write(tmp_path / "a.flac", noise(5000, 1), subtype="PCM_16")
    claiming(tmp_path / "b.flac", noise(30_000), 0)
    kept, streamed = (stream(tmp_path, slices=slices, streaming=each) for each in (False, True))
    assert len(kept) == len(streamed) == (35 if slices == "all" else 2)
    for start in (0, 20, 7):
        assert torch.equal(kept.take(start, 16).sample, streamed.take(start, 16).sample)
    assert streamed.news() == ""
    assert len(streamed.sentences()) == 1
    streamed.close()


def test_a_length_that_is_not_known_is_looked_up_by_the_survey(tmp_path: Path) -> None:
    claiming(tmp_path / "b.flac", noise(32_000), 0)
    assert inspect(tmp_path, AudioData()).seconds == [2.0]


def test_more_slices_than_memory_holds_are_one_sentence() -> None:
    data = AudioData(slices="all", overlap=0.0)
    with pytest.raises(UserError, match=r"data\.slices: the sounds make 268,435,457 slices of 16 samples"):
        slices_of(np.array([16 * MOST, 3]), 16, data)
