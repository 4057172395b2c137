"""Streamed sounds: the cached ones' slices without a cache, the same at a position whenever it is asked for."""

from __future__ import annotations

import io
import os
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_hub import ask, serving
from sound_files import FORMATS, decoded, ramp, recipe, sine, stream, write

from multigan import recipe as recipes
from multigan.audio import evaluation
from multigan.audio.choosing import chosen
from multigan.audio.config import AudioData
from multigan.audio.data import cache
from multigan.audio.data.decode import resampled_length, slice_of
from multigan.audio.data.medium import Sound
from multigan.audio.data.survey import inspect
from multigan.data import shards as shards_module
from multigan.errors import UserError
from multigan.metrics import Plan
from multigan.starting import recipe_for


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def encoded(samples: np.ndarray, rate: int = 16_000, form: str = "WAV", subtype: str = "FLOAT") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def number_of(sound: torch.Tensor) -> int:
    """Which row a slice of `rows` is of."""
    return int(float(sound[0, 0]) * 2**20) // 5000


def cell(number: int, frames: int = 2500) -> bytes:
    return encoded(ramp(frames, 5000 * number))


def rows(numbers: list[int], group: int = 3) -> bytes:
    """A table of sounds that tell their number and, by it, their class."""
    buffer = io.BytesIO()
    table = {"audio": [cell(each) for each in numbers], "label": [("low", "high")[each % 2] for each in numbers]}
    pq.write_table(pa.table(table), buffer, row_group_size=group)
    return buffer.getvalue()


def table(path: Path, lengths: list[int], group: int = 3) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for number, length in enumerate(lengths):
        start = sum(lengths[:number])
        (path / f"train-{number}.parquet").write_bytes(rows(list(range(start, start + length)), group))
    return path


# --- a part of a file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "subtype"), [(suffix, FORMATS[suffix][0]) for suffix in FORMATS])
@pytest.mark.parametrize("rate", [16_000, 44_100, 11_025])
def test_a_slice_is_what_lies_there_when_the_whole_file_is_decoded(
    tmp_path: Path, suffix: str, subtype: str, rate: int
) -> None:
    sound = np.stack([sine(441, 12, rate), sine(2000, 12, rate) * np.linspace(0, 1, 12 * rate, dtype=np.float32)], 1)
    path = write(tmp_path / f"a.{suffix}", sound, rate, subtype)
    whole = decoded(path, channels=2)
    opener = partial(Sound.open, str(path))
    for start in (0, 1, 1000, 77_777, 123_456, len(whole) - 3000):
        found = slice_of(opener, 16_000, 2, 4096, True, lambda total, start=start: start)
        part = whole[start : start + 4096]
        wanted = np.pad(part, ((0, 4096 - len(part)), (0, 0))).T
        exact = suffix in ("wav", "flac", "aiff") and rate == 16_000
        assert np.abs(found - wanted).max() <= (0 if exact else 1e-6)


@settings(max_examples=60)
@given(st.integers(500, 40_000), st.integers(1_000, 96_000), st.sampled_from([8_000, 16_000, 44_100]))
def test_the_header_tells_the_resampled_length_to_a_frame(frames: int, before: int, after: int) -> None:
    buffer = io.BytesIO(encoded(np.zeros(frames, np.float32), before))
    told = resampled_length(frames, before, after)
    assert told <= len(decoded(buffer, after)) <= told + 1


# --- folders ----------------------------------------------------------------------------------------------------------


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.lists(st.integers(1, 5000), min_size=1, max_size=5),
    overlap=st.sampled_from([0.0, 0.3]),
    slices=st.sampled_from(["all", "first", "random"]),
    ranges=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), min_size=1, max_size=4),
)
def test_what_is_streamed_is_what_the_cache_gives(
    tmp_path_factory: pytest.TempPathFactory,
    frames: list[int],
    overlap: float,
    slices: str,
    ranges: list[tuple[int, int]],
) -> None:
    """At every position, in any order, whatever was guessed ahead; at the files' own rate to the bit."""
    folder = tmp_path_factory.mktemp("files")
    for number, count in enumerate(frames):
        write(folder / f"{number}.wav", ramp(count, 5000 * number))
    kept, streamed = (stream(folder, slices=slices, overlap=overlap, streaming=each) for each in (False, True))
    assert len(kept) == len(streamed)
    assert torch.equal(kept.samples(range(len(kept))), streamed.samples(range(len(kept))))
    for start, count in ranges:
        assert torch.equal(kept.take(start, count).sample, streamed.take(start, count).sample)
    streamed.close()


def test_resampled_streams_agree_with_the_cache(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number, rate in enumerate((44_100, 8_000, 48_000, 22_050, 16_000)):
        write(tmp_path / f"{number}.flac", generator.uniform(-0.5, 0.5, 3 * rate), rate, "PCM_16")
    kept, streamed = (stream(tmp_path, streaming=each) for each in (False, True))
    assert len(kept) == len(streamed) > 200
    assert (kept.take(0, len(kept)).sample - streamed.take(0, len(kept)).sample).abs().max() < 1e-6
    streamed.close()


def test_nothing_is_written_and_labels_follow_their_slices(tmp_path: Path) -> None:
    write(tmp_path / "kick" / "a.wav", ramp(3000))
    write(tmp_path / "snare" / "b.wav", ramp(3000, 10_000))
    opened = stream(tmp_path, conditional=True, streaming=True)
    batch = opened.take(0, 12)
    for sound, label in zip(batch.sample, batch.conditions["label"].tolist(), strict=True):
        assert (float(sound[0, 0]) * 2**20 >= 10_000) == (label == 1)
    opened.close()
    assert not cache.folder().exists()


def test_ten_hours_are_never_read_whole(tmp_path: Path) -> None:
    """A sparse file of 3.2 GB, of which the log says the length and a stream reads a few slices."""
    path = write(tmp_path / "long.wav", np.zeros(44_100, np.float32), 44_100, "PCM_16")
    content = bytearray(path.read_bytes())
    size = 10 * 3600 * 44_100 * 2
    content[4:8], content[40:44] = ((size + each).to_bytes(4, "little") for each in (36, 0))
    path.write_bytes(content)
    os.truncate(path, 44 + size)

    def read() -> int:
        return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])

    before = read()
    opened = stream(tmp_path, streaming=True, length=16_384)
    assert len(opened) == -(-10 * 3600 * 16_000 // 16_384)
    assert opened.sentences()[0].startswith("10.0 hours of sound by the headers of 1 files")
    assert opened.sentences()[1] == "Of 64 slices listened to: 64 are silent."
    for start in range(0, 64, 16):
        assert opened.take(start, 16).sample.shape == (16, 1, 16_384)
    opened.close()
    assert read() - before < 100e6


@pytest.mark.parametrize("slices", ["all", "random"])
def test_a_good_slice_of_the_class_stands_in(tmp_path: Path, slices: str) -> None:
    for number in range(6):
        write(tmp_path / ("high", "low")[number % 2] / f"{number}.wav", ramp(1024, 5000 * number))
    holed = ramp(1024, 10_000)
    holed[700] = np.nan
    write(tmp_path / "high" / "2.wav", holed)
    opened = stream(tmp_path, slices=slices, streaming=True, conditional=True)
    batches = [opened.take(start, 4) for start in range(0, 24, 4)]
    shown = [number_of(sound) for batch in batches for sound in batch.sample]
    labels = [label for batch in batches for label in batch.conditions["label"].tolist()]
    assert [number % 2 for number in shown] == labels
    for epoch in range(0, 24, 6):
        instead = sum(shown[epoch : epoch + 6]) - 13  # of the others
        assert sorted(shown[epoch : epoch + 6]) == sorted([0, 1, 3, 4, 5, instead])
        assert instead in ((0, 4) if slices == "all" else (4,))
    news = opened.news()
    name = "high/2.wav at 0.00 seconds" if slices == "all" else "high/2.wav"
    assert f"  {name}: it holds samples that are not numbers" in news
    said = "slices cannot be read; another good" if slices == "all" else "files cannot be read; the next good"
    assert news.startswith(f"1 of 6 {said} one stands in for each:")
    assert opened.news() == ""
    opened.close()


def test_what_a_damaged_file_gives_does_not_depend_on_what_was_read_before(tmp_path: Path) -> None:
    """Its first half is good: random crops of it are given, or replaced, whatever the passes before have met."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 60_000)
    torn = write(tmp_path / "a.flac", sound, subtype="PCM_16")
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    write(tmp_path / "b.flac", sound[::-1], subtype="PCM_16")
    opened = stream(tmp_path, slices="random", streaming=True)
    whole = opened.take(0, 80).sample
    assert opened.news()
    opened.close()
    good = decoded(tmp_path / "b.flac")[:, 0]
    from_b = [any(np.array_equal(good[at : at + 1024], each) for at in range(len(good) - 1023) if good[at] == each[0])
              for each in whole[:, 0].numpy()]  # fmt: skip
    assert 40 < sum(from_b) < 80
    for start in (64, 3, 41):
        fresh = stream(tmp_path, slices="random", streaming=True)
        assert torch.equal(fresh.take(start, 16).sample, whole[start : start + 16])
        fresh.close()


def test_files_whose_header_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", ramp(3000))
    (tmp_path / "b.wav").write_text("no sound")
    opened = stream(tmp_path, streaming=True)
    assert len(opened) == 3
    assert any(said.startswith("1 of 2 files cannot be read and are left out:\n  b.wav") for said in opened.sentences())
    opened.close()


def test_short_files_are_filled_or_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", ramp(500))
    write(tmp_path / "b.wav", ramp(2000, 5000))
    padded = stream(tmp_path, slices="first", streaming=True)
    assert np.array_equal(padded.samples([0])[0, 0].numpy(), np.pad(ramp(500), (0, 524)))
    whole = stream(tmp_path, slices="first", streaming=True, pad=False)
    assert np.array_equal(whole.samples([0])[0, 0].numpy(), ramp(1024, 5000))
    assert "  a.wav: shorter than a slice of 1,024 samples, and data.pad is false" in whole.news()
    assert len(stream(tmp_path, streaming=True, pad=False)) == 1
    for opened in (padded, whole):
        opened.close()


def test_what_is_clipped_is_said(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", np.clip(sine(125, 0.1, 16_000, 3.0), -1, 1))
    write(tmp_path / "b.wav", sine(440, 0.1, 16_000) * 0.1 + 0.3)
    opened = stream(tmp_path, slices="first", streaming=True)
    said = "Of 2 slices listened to: 1 are clipped, their mean is 0.15, a constant offset (DC)."
    assert opened.sentences()[1] == said
    opened.close()


# --- tables -----------------------------------------------------------------------------------------------------------


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    lengths=st.lists(st.integers(1, 8), min_size=1, max_size=3),
    group=st.integers(1, 4),
    count=st.integers(1, 9),
    slices=st.sampled_from(["first", "random"]),
    data=st.data(),
)
def test_a_streamed_row_is_the_same_whenever_it_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    group: int,
    count: int,
    slices: str,
    data: st.DataObject,
) -> None:
    folder = table(tmp_path_factory.mktemp("table"), lengths, group)
    size = sum(lengths)
    first = stream(folder, streaming=True, slices=slices)
    read = torch.cat([first.take(at, min(count, 2 * size - at)).sample for at in range(0, 2 * size, count)])
    seen = [number_of(sound) for sound in read]
    assert sorted(seen[:size]) == sorted(seen[size:]) == list(range(size))
    starts = [int(float(sound[0, 0]) * 2**20) % 5000 for sound in read]
    assert all(0 <= start <= 2500 - 1024 for start in starts)
    assert any(starts) == (slices == "random")
    start = data.draw(st.integers(0, 2 * size - 1))
    resumed = stream(folder, streaming=True, slices=slices)
    assert torch.equal(resumed.take(start, 2 * size - start).sample, read[start:])
    for opened in (first, resumed):
        opened.close()


def test_streamed_rows_have_their_labels_and_equal_the_cached_ones(tmp_path: Path) -> None:
    folder = table(tmp_path, [5, 4])
    kept, streamed = (stream(folder, slices="first", conditional=True, streaming=each) for each in (False, True))
    assert torch.equal(kept.samples(range(9)), streamed.samples(range(9)))
    batch = streamed.take(0, 9)
    names = [streamed.source.classes[label] for label in batch.conditions["label"].tolist()]
    assert names == [("low", "high")[number_of(sound) % 2] for sound in batch.sample]
    streamed.close()


def test_a_saved_data_set_is_mapped_and_cut(tmp_path: Path) -> None:
    """As `save_to_disk` leaves it: its cells are at hand, so that all slices can be counted."""
    import datasets

    datasets.Dataset.from_dict({"audio": [cell(each) for each in range(3)]}).save_to_disk(tmp_path / "saved")
    opened = stream(tmp_path / "saved", streaming=True)
    assert len(opened) == 9
    assert np.array_equal(opened.samples([4])[0, 0].numpy(), ramp(1024, 6024))
    opened.close()


def test_a_damaged_cell_is_replaced_within_its_class(tmp_path: Path) -> None:
    cells = [cell(0), b"damaged", cell(2), None, cell(4), cell(5)]
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"audio": cells, "label": [0, 1, 0, 0, 1, 0]}), path, row_group_size=2)
    opened = stream(path, slices="first", streaming=True, conditional=True)
    assert [number_of(each) for each in opened.samples(range(6))] == [0, 4, 2, 5, 4, 5]
    assert "  row 3: the cell is empty" in opened.news()
    opened.close()


def test_large_row_groups_make_a_small_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = table(tmp_path, [12, 12], group=2)
    opened = stream(folder, slices="first", streaming=True)
    assert opened.source.blocks.window == 12
    size = opened.source._metadata[0].row_group(0).total_byte_size
    opened.close()
    monkeypatch.setattr(shards_module, "_WINDOW_BYTES", 0)
    for most, window in ((100 * size, 4), (3 * size, 3), (size // 2, 1)):
        monkeypatch.setattr(shards_module, "_LARGEST", most)
        opened = stream(folder, slices="first", streaming=True)
        assert opened.source.blocks.window == window
        opened.take(0, 48)
        assert len(opened.source._slots) <= 3 * window
        opened.close()


def test_rows_that_are_asked_for_by_chance_are_read_by_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of windows of one row group, as large ones make them: each is read once, in the evaluation too."""
    folder = table(tmp_path, [24, 16], group=2)
    monkeypatch.setattr(shards_module, "_WINDOW", (1, 1))
    monkeypatch.setattr(evaluation, "CHUNK", 8)
    fetched: list[int] = []
    fetch = shards_module.Shards._fetch
    monkeypatch.setattr(shards_module.Shards, "_fetch", lambda self, block: fetched.append(block) or fetch(self, block))
    opened = stream(folder, slices="first", streaming=True)
    asked = np.random.default_rng(0).permutation(40)[:30]
    assert [number_of(each) for each in opened.samples(asked)] == asked.tolist()
    assert [number_of(each) for each in opened.samples([7, 3, 7])] == [7, 3, 7]
    assert opened.samples([]).shape == (0, 1, 1024)
    opened.close()
    fetched.clear()
    settings = recipe(folder, slices="first", streaming=True)
    evaluation.measure(settings, lambda seed, start, count, labels: made(count, start), Plan(count=12, search=40, k=3))
    assert sorted(fetched) == list(range(20))


def made(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (count, 1, 1024)).astype(np.float32)


def test_all_slices_of_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.slices: .* set data\.slices to random or first"):
        stream(table(tmp_path, [4]), streaming=True)


@pytest.mark.parametrize(("key", "value"), [("normalize", "peak"), ("trim", -40.0)])
def test_what_wants_the_whole_file_is_refused(key: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"data\.{key}: it asks for the peak of each whole file"):
        recipes.load("wavegan", ["data.streaming=true", f"data.{key}={value}"])


# --- the hub ----------------------------------------------------------------------------------------------------------

PROGRAM = """
import json, sys
from sound_files import stream
from test_audio_streaming import number_of
for name, changes in json.loads(sys.argv[1]):
    opened = stream(name, conditional=True, streaming=True, **changes)
    batch = opened.take(0, 12)
    print(json.dumps([opened.source.classes, [number_of(each) for each in batch.sample],
                      batch.conditions["label"].tolist(), opened.news()]))
    opened.close()
"""


def test_a_hub_data_set_is_streamed_in_ranges(tmp_path: Path) -> None:
    files = {f"data/train-0000{n}-of-00002.parquet": rows(list(range(6 * n, 6 * n + 6))) for n in range(2)}
    with serving({"someone/sounds": files}) as hub:
        answers = ask(
            hub, tmp_path, PROGRAM, os.path.dirname(__file__),
            ["someone/sounds", {"slices": "random"}], ["someone/sounds", {"slices": "first"}],
        )  # fmt: skip
        asked = [where for method, path, where in hub.requests if method == "GET" and path.endswith(".parquet")]
    for classes, shown, labels, news in answers:
        assert (classes, sorted(shown), news) == (["high", "low"], list(range(12)), "")
        assert labels == [1 - number % 2 for number in shown]
    assert answers[0][1] == answers[1][1] != list(range(12))
    assert asked
    assert all(asked), "a shard was downloaded whole"


# --- what is chosen ---------------------------------------------------------------------------------------------------


def test_a_recipe_is_chosen_from_four_blocks_of_a_streamed_table(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    cells = [encoded(np.stack([sine(200 + each, 0.3, 44_100)] * 2, 1), 44_100, "FLAC", "PCM_16") for each in range(40)]
    labels = [("low", "high")[each % 2] for each in range(40)]
    pq.write_table(pa.table({"audio": cells, "label": labels}), folder / "train-0.parquet", row_group_size=2)
    changes = ["data.streaming=true", "training.batch=8"]
    found, sentences = recipe_for("audio", None, str(folder), changes)
    data = found.data
    assert (data.streaming, data.slices, data.rate, data.length, data.channels) == (True, "random", 16_000, 8192, 2)
    assert (found.conditional, data.classes) == (True, ["high", "low"])
    assert any("8 of 8 files looked at have them" in sentence for sentence in sentences)
    assert inspect(folder, AudioData(streaming=True)).count == 40
    assert "slices" not in chosen(str(folder), False, None)[0]["data"]
    with pytest.raises(UserError, match=r"the recipe: data\.streaming is 'often'"):
        recipe_for("audio", None, str(folder), ["data.streaming=often"])
