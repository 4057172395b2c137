"""Sounds from files to slices: to the sample, whatever the format, the rate and the blocks."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import signal
from sound_files import FORMATS, decoded, ramp, sine, stream, write

from multigan.audio.config import AudioData
from multigan.audio.data import medium
from multigan.audio.data.decode import frames_of
from multigan.audio.data.medium import Sound
from multigan.audio.data.slices import hop_of, slices_of
from multigan.data.access import UnreadableError
from multigan.errors import UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


# --- decoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "subtype"), [(suffix, each) for suffix in FORMATS for each in FORMATS[suffix]])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_is_read(tmp_path: Path, suffix: str, subtype: str, channels: int) -> None:
    wanted = np.stack([sine(440 * (1 + each), 1, 16_000) for each in range(channels)], 1)
    found = decoded(write(tmp_path / f"a.{suffix}", wanted, subtype=subtype), channels=channels)
    lossy = subtype in ("VORBIS", "MPEG_LAYER_III", "ULAW", "PCM_U8")
    length = min(len(found), len(wanted))
    assert length >= 16_000
    error = np.sqrt(np.mean((found[2000 : length - 2000] - wanted[2000 : length - 2000]) ** 2))
    assert error < (0.02 if lossy else 1e-4)


@pytest.mark.parametrize("suffix", FORMATS)
def test_blocks_of_a_file_are_the_whole_of_it(tmp_path: Path, suffix: str) -> None:
    """Also of an mp3, whose frames are made of bits of the frames before them."""
    tone = np.stack([sine(441, 8, 44_100), sine(2000, 8, 44_100) * np.linspace(0, 1, 8 * 44_100, dtype=np.float32)], 1)
    path = write(tmp_path / f"a.{suffix}", tone, 44_100, FORMATS[suffix][0])
    assert len(tone) > 4 * medium.BLOCK
    assert np.array_equal(decoded(path, 44_100, 2), soundfile.read(path, dtype="float32")[0])


def test_channels_become_their_mean_or_the_first_two(tmp_path: Path) -> None:
    three = np.stack([ramp(100), ramp(100, 50), ramp(100, 7)], 1)
    path = write(tmp_path / "a.wav", three)
    np.testing.assert_allclose(decoded(path)[:, 0], three.mean(1), atol=1e-7)
    assert np.array_equal(decoded(path, channels=2), three[:, :2])
    mono = write(tmp_path / "b.wav", ramp(100))
    assert np.array_equal(decoded(mono, channels=2), np.stack([ramp(100)] * 2, 1))


@pytest.mark.parametrize(("before", "after"), [(44_100, 16_000), (8_000, 16_000), (48_000, 44_100), (16_000, 11_025)])
def test_resampling_against_another_resampler(tmp_path: Path, before: int, after: int) -> None:
    """A tone and a chirp below both rates' halves; scipy's polyphase filter as the reference."""
    seconds = 1.5
    place = np.arange(round(seconds * before)) / before
    high = 0.35 * min(before, after)
    sound = (0.4 * signal.chirp(place, 100, seconds, high) + 0.2 * np.sin(2 * np.pi * 300 * place)).astype(np.float32)
    found = decoded(write(tmp_path / "a.wav", sound, before), after)[:, 0]
    common = np.gcd(before, after)
    wanted = signal.resample_poly(sound, after // common, before // common, window=("kaiser", 12.0))
    assert abs(len(found) - seconds * after) <= 1
    inside = slice(1000, int(seconds * after) - 1000)
    assert np.sqrt(np.mean((found[inside] - wanted[inside]) ** 2)) < 1e-3


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8), st.sampled_from([8_000, 22_050, 48_000]))
def test_resampling_does_not_depend_on_the_blocks(lengths: list[int], rate: int) -> None:
    sound = np.random.default_rng(0).normal(0, 0.2, (sum(lengths), 1)).astype(np.float32)
    parts = np.split(sound, np.cumsum(lengths)[:-1])

    def frames(blocks: list[np.ndarray]) -> np.ndarray:
        made = Sound(rate, 1, len(sound), lambda start, count: iter(blocks))
        return np.concatenate([*frames_of(lambda: made, 16_000, 1), np.zeros((0, 1), np.float32)])

    assert np.array_equal(frames(parts), frames([sound]))


def bad_wav(path: Path, rate: int, channels: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0\0" * channels * 100)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "^the file is empty$"),
        (lambda path: path.write_text("this is text"), "^Format not recognised$"),
        (lambda path: write(path, np.zeros(0)), "no samples"),
        (lambda path: write(path, np.array([0.1, np.nan, 0.2], np.float32)), "not numbers"),
        (lambda path: write(path, np.array([0.1, np.inf], np.float32)), "not numbers"),
        (lambda path: bad_wav(path, 16_000, 65), "65 channels, where 64 are the most"),
        (lambda path: None, "gone|No such file"),
    ],
    ids=["empty", "text", "zero length", "nan", "infinite", "many channels", "missing"],
)
def test_what_cannot_be_read_says_why_in_a_line(tmp_path: Path, make: object, reason: str) -> None:
    path = tmp_path / "a.wav"
    make(path)  # type: ignore[operator]
    with pytest.raises(UnreadableError, match=reason) as raised:
        decoded(path)
    assert "\n" not in str(raised.value)


# --- slices -----------------------------------------------------------------------------------------------------------


@given(
    frames=st.lists(st.integers(0, 5000), min_size=1, max_size=6),
    length=st.integers(1, 1500),
    overlap=st.floats(0, 0.99),
    pad=st.booleans(),
)
def test_slices_cover_each_file_and_no_more(frames: list[int], length: int, overlap: float, pad: bool) -> None:
    data = AudioData(overlap=overlap, pad=pad)
    found = slices_of(np.array(frames), length, data)
    hop = hop_of(length, overlap)
    for file, count in enumerate(frames):
        starts = found.starts[found.files == file].tolist()
        assert starts == [index * hop for index in range(len(starts))]
        ends = [start + length for start in starts]
        if pad:
            assert (not starts) == (count == 0)
            assert all(start < count for start in starts)
            assert count == 0 or ends[-1] >= count
            assert all(end < count for end in ends[:-1])
        else:
            assert all(end <= count for end in ends)
            assert count - (len(starts) - 1) * hop - length < hop if starts else count < length


def test_one_slice_of_each_file(tmp_path: Path) -> None:
    for name, frames in (("a", 3000), ("b", 500), ("c", 1024)):
        write(tmp_path / f"{name}.wav", ramp(frames))
    first = stream(tmp_path, slices="first")
    assert len(first) == 3
    assert np.array_equal(first.samples([0])[0, 0].numpy(), ramp(1024))
    assert np.array_equal(first.samples([1])[0, 0].numpy(), np.pad(ramp(500), (0, 524)))
    assert len(stream(tmp_path, slices="first", pad=False)) == 2


def test_random_slices_lie_within_their_files_and_move(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", ramp(5000))
    opened = stream(tmp_path, slices="random")
    taken = [opened.take(position, 1).sample[0, 0].numpy() for position in range(50)]
    starts = [round(float(each[0]) * 2**20) for each in taken]
    assert all(np.array_equal(each, ramp(1024, start)) for each, start in zip(taken, starts, strict=True))
    assert len(set(starts)) > 40
    assert 0 <= min(starts) < 500 < 3400 < max(starts) <= 5000 - 1024
    assert np.array_equal(opened.take(7, 1).sample[0, 0].numpy(), taken[7])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=4), st.sampled_from([0.0, 0.25, 0.5]))
def test_an_epoch_shows_every_slice_once_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory, frames: list[int], overlap: float
) -> None:
    folder = tmp_path_factory.mktemp("files")
    for number, count in enumerate(frames):
        write(folder / f"{number}.wav", ramp(count, 1 + number * 5000))
    opened = stream(folder, overlap=overlap)
    found = opened.take(0, len(opened)).sample[:, 0].numpy()
    wanted = []
    for number, count in enumerate(frames):
        whole = np.pad(ramp(count, 1 + number * 5000), (0, 1024))
        hop = hop_of(1024, overlap)
        starts = [0] + [start for start in range(hop, count, hop) if start + 1024 - hop < count]
        wanted += [whole[start : start + 1024].tobytes() for start in starts]
    assert sorted(each.tobytes() for each in found) == sorted(wanted)


# --- the whole --------------------------------------------------------------------------------------------------------


def test_normalising_is_really_on_or_off(tmp_path: Path) -> None:
    quiet = sine(440, 0.1, 16_000, 0.01)
    write(tmp_path / "a.wav", quiet)
    assert np.array_equal(stream(tmp_path).samples([0])[0, 0].numpy(), quiet[:1024])
    loud = stream(tmp_path, normalize="peak").samples([0])[0, 0].numpy()
    np.testing.assert_allclose(loud, quiet[:1024] / np.abs(quiet).max(), rtol=1e-6)


def test_silence_at_the_ends_is_trimmed_and_within_it_is_not(tmp_path: Path) -> None:
    tone = sine(440, 0.05, 16_000)[1:-1]
    gap = np.zeros(300, np.float32)
    write(tmp_path / "a.wav", np.concatenate([gap, tone, gap, tone, gap + 1e-4]))
    opened = stream(tmp_path, trim=-60.0, length=4096)
    assert len(opened) == 1
    found = opened.samples([0])[0, 0].numpy()
    whole = np.concatenate([tone, gap, tone])
    start = int(np.flatnonzero(np.abs(tone) > 0.0005)[0])
    assert np.array_equal(found[: len(whole) - start - 2], whole[start:-2])
    assert np.abs(found[len(whole) - start :]).max() == 0


def test_what_is_odd_about_the_data_is_said(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", ramp(3000))
    write(tmp_path / "silent.wav", np.zeros(2000, np.float32))
    write(tmp_path / "clipped.wav", np.clip(sine(100, 0.1, 16_000, 3.0), -1, 1))
    write(tmp_path / "offset.wav", sine(440, 0.1, 16_000) * 0.1 + 0.3)
    write(tmp_path / "integers.wav", sine(440, 0.1, 16_000, 1.0) * 32_768)
    (tmp_path / "broken.wav").write_text("no sound")
    opened = stream(tmp_path)
    said = "\n".join(opened.sentences())
    assert "from 5 files" in said
    assert "slices of 0.064 seconds at 16,000 Hz" in said
    assert "1 files hold nothing but silence" in said
    assert "1 files are clipped" in said
    assert "constant offset" in said
    assert "1 of 6 files cannot be read" in said
    assert "broken.wav: " in said
    wanted = "1 files pass full scale, where all that is generated ends, by up to 90 dB: set data.normalize=peak."
    assert wanted in said
    loud = stream(tmp_path, normalize="peak")
    assert "full scale" not in "\n".join(loud.sentences())
    assert float(loud.samples(range(len(loud))).abs().max()) <= 1
    streamed = stream(tmp_path, streaming=True)
    assert "1 are silent, 1 are clipped, 1 are far beyond full scale" in streamed.sentences()[-1].replace(
        "2 are", "1 are"
    )
    streamed.close()


@pytest.mark.parametrize("gap", [0, 5000, 20_000])
def test_how_much_is_silence_is_said(tmp_path: Path, gap: int) -> None:
    """Whatever the blocks: of 30,000 frames a gap of so many."""
    tone = sine(440, 1.875, 16_000) + 0.1
    tone[3000 : 3000 + gap] = 1e-4
    write(tmp_path / "a.wav", tone)
    (said,) = [each for each in stream(tmp_path).sentences() if "silence" in each]
    share = int(said.split("% of what was decoded is silence")[0].split()[-1])
    assert share == pytest.approx(100 * gap / 30_000, abs=2)


def test_classes_are_the_folders_and_follow_their_slices(tmp_path: Path) -> None:
    write(tmp_path / "kick" / "a.wav", ramp(3000))
    write(tmp_path / "snare" / "b.wav", ramp(1500, 10_000))
    opened = stream(tmp_path, conditional=True)
    assert opened.source.classes == ["kick", "snare"]
    batch = opened.take(0, len(opened))
    assert sorted(batch.conditions["label"].tolist()) == [0, 0, 0, 1, 1]
    for sound, label in zip(batch.sample, batch.conditions["label"].tolist(), strict=True):
        assert (float(sound[0, 0]) * 2**20 >= 10_000) == (label == 1)


def test_the_embedded_drums() -> None:
    opened = stream(None, conditional=True, slices="first", length=8192)
    assert len(opened) == 91
    assert opened.source.classes == ["kick", "snare", "tom", "cymbal", "tabla", "blip"]
    assert np.bincount(opened.labels).tolist() == [17, 13, 8, 10, 26, 17]
    assert opened.sounds.heard.silent == 0
    assert 0.3 < float(opened.samples([0]).abs().max()) <= 1


def test_too_few_slices_are_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", ramp(3000))
    with pytest.raises(UserError, match=r"makes 3 slices of 1,024 samples, fewer than a batch of 4: add sounds"):
        stream(tmp_path, batch=4)
    with pytest.raises(UserError, match="has no classes"):
        stream(tmp_path, conditional=True)


def test_ten_hours_take_little_memory(tmp_path: Path) -> None:
    """A file of an hour at 48 kHz, of which nothing but blocks is ever held."""
    import tracemalloc

    path = tmp_path / "long.wav"
    block = np.zeros((48_000, 2), np.float32)
    with soundfile.SoundFile(path, "w", 48_000, 2, "PCM_16") as file:
        for _ in range(600):
            file.write(block)
    tracemalloc.start()
    opened = stream(tmp_path, slices="first", trim=-40.0, normalize="peak")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert opened.sounds.counts.tolist() == [600 * 16_000]
    assert peak < 40e6


def test_a_table_of_sounds(tmp_path: Path) -> None:
    """Bytes in a column of parquet, as `datasets` stores them; decoded by soundfile and nothing else."""
    import datasets

    rows = []
    for number in range(4):
        path = write(tmp_path / "files" / f"{number}.flac", ramp(1500, 100 * number), subtype="PCM_24")
        rows.append({"bytes": path.read_bytes(), "path": "sound.flac"})
    features = datasets.Features({"audio": datasets.Audio(), "label": datasets.ClassLabel(names=["low", "high"])})
    table = pa.table({"audio": rows, "label": [0, 0, 1, 1]}, schema=features.arrow_schema)
    pq.write_table(table, tmp_path / "sounds.parquet")
    opened = stream(tmp_path / "sounds.parquet", conditional=True, slices="first")
    assert opened.source.classes == ["low", "high"]
    np.testing.assert_allclose(opened.samples([3])[0, 0].numpy(), ramp(1024, 300), atol=2e-7)


def test_a_cell_with_its_array(tmp_path: Path) -> None:
    cell = {"array": np.stack([ramp(500), ramp(500, 9)]), "sampling_rate": 16_000}
    sound = medium.SOUNDS.array(cell)
    assert (sound.rate, sound.channels, sound.frames) == (16_000, 2, 500)
    for wrong in (
        {"array": [0.0]},
        3,
        {"array": [[[0.0]]], "sampling_rate": 8000},
        {"array": [0.0], "sampling_rate": 0},
    ):
        with pytest.raises((ValueError, TypeError)):
            medium.SOUNDS.array(wrong)
