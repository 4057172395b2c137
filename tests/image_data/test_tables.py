"""Tables of pictures: parquet and arrow files, whole or streamed, with the columns that people really have."""

from __future__ import annotations

import os

import datasets
import huggingface_hub.constants
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_files import encoded, flat, stream, values, write_flat

from multigan.data import access, columns, tables
from multigan.data import shards as shards_module
from multigan.errors import UserError
from multigan.image.config import ImageData
from multigan.image.data import inspect
from multigan.image.data.medium import PICTURES


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
    datasets.disable_progress_bars()


def png(value: int) -> bytes:
    return encoded(flat(value))


def rows(count: int, start: int = 0, **columns) -> pa.Table:
    pictures = [{"bytes": png(start + number), "path": f"{number}.png"} for number in range(count)]
    return pa.table({"image": pictures, **columns})


def shards(folder, lengths, group=3):
    """Parquet files of the split train, whose rows are numbered through; labels are the number modulo 3."""
    start = 0
    for number, length in enumerate(lengths):
        labels = [("red", "green", "blue")[(start + at) % 3] for at in range(length)]
        table = rows(length, start, label=labels)
        pq.write_table(table, folder / f"train-{number:05d}-of-{len(lengths):05d}.parquet", row_group_size=group)
        start += length
    return folder


def test_bytes_with_a_split_column(tmp_path):
    """The columns of many copies on the web: encoded bytes, integer labels, a split."""
    path = tmp_path / "t.parquet"
    table = {"jpeg": [png(n) for n in range(10)], "label": [n % 2 * 7 for n in range(10)], "path": ["x.png"] * 10}
    pq.write_table(pa.table({**table, "split": ["train"] * 6 + ["test"] * 4}), path)
    train, test = stream(path, conditional=True), stream(path, split="test", conditional=True)
    assert values(train.samples(range(6))) == [0, 1, 2, 3, 4, 5]
    assert values(test.samples(range(4))) == [6, 7, 8, 9]
    assert train.survey.classes == ["0", "7"]
    assert test.labels.tolist() == [0, 1, 0, 1]
    with pytest.raises(UserError, match=r"'split' of .* has test, train and no 'dev'"):
        inspect(path, ImageData(split="dev"))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_split_cannot_be_chosen_without_a_column(tmp_path, streaming):
    pq.write_table(rows(4), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"no column 'split'"):
        inspect(tmp_path / "t.parquet", ImageData(split="test", streaming=streaming))


def test_features_of_datasets_keep_their_class_names(tmp_path):
    features = datasets.Features({"y": datasets.ClassLabel(names=["no", "yes", "never"]), "photo": datasets.Image()})
    made = datasets.Dataset.from_dict({"y": [1, 0, 1], "photo": [flat(n) for n in range(3)]}, features=features)
    made.to_parquet(str(tmp_path / "t.parquet"))
    made.save_to_disk(str(tmp_path / "saved"))
    for place in (tmp_path / "t.parquet", tmp_path / "saved"):
        opened = stream(place, batch=2, conditional=True)
        assert opened.survey.classes == ["no", "yes"]
        assert opened.labels.tolist() == [1, 0, 1]
        assert values(opened.samples(range(3))) == [0, 1, 2]


@pytest.mark.parametrize("writer", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_files(tmp_path, writer):
    table = rows(5, label=[3, 1, 2, 1, 3])
    with writer(tmp_path / "t.arrow", table.schema) as sink:
        sink.write_table(table, max_chunksize=2)
    opened = stream(tmp_path / "t.arrow", conditional=True)
    assert values(opened.samples([4, 0])) == [4, 0]
    assert (opened.survey.classes, opened.labels.tolist()) == (["1", "2", "3"], [2, 0, 1, 0, 2])


def test_a_folder_of_parquet_takes_the_split_of_the_names(tmp_path):
    shards(tmp_path, [4, 3])
    pq.write_table(rows(2, 90, label=["red", "red"]), tmp_path / "test-00000-of-00001.parquet")
    assert values(stream(tmp_path).samples(range(7))) == list(range(7))
    assert values(stream(tmp_path, batch=2, split="test").samples(range(2))) == [90, 91]
    with pytest.raises(UserError, match="dev"):
        inspect(tmp_path, ImageData(split="dev"))


def test_columns_by_name(tmp_path):
    left, right = [png(n) for n in range(4)], [png(n + 50) for n in range(4)]
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"left": left, "right": right, "kind": ["b", "a", "b", "b"]}), path)
    assert values(stream(path).samples(range(4))) == [0, 1, 2, 3]
    opened = stream(path, image_column="right", label_column="kind", conditional=True)
    assert values(opened.samples(range(4))) == [50, 51, 52, 53]
    assert (opened.survey.classes, opened.labels.tolist()) == (["a", "b"], [1, 0, 1, 1])


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"label_column": "lable"}, r"data.label_column: .* has no column 'lable' .* Did you mean 'label'\?"),
        ({"image_column": "imag"}, r"data.image_column: .* has no column 'imag' .* Did you mean 'image'\?"),
        ({"label_column": "score"}, "no classes: name a column of integers or strings"),
    ],
)
def test_a_column_that_is_missing_or_unfit(tmp_path, chosen, sentence):
    pq.write_table(rows(4, label=[0, 1, 0, 1], score=[0.5] * 4), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=sentence):
        inspect(tmp_path / "t.parquet", ImageData(**chosen))


def test_no_column_of_pictures(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"no column of pictures \(its columns: text, label\)"):
        inspect(tmp_path / "t.parquet", ImageData())


def test_rows_without_a_label_are_left_out_and_said(tmp_path):
    pq.write_table(rows(5, label=["b", None, "a", "b", None]), tmp_path / "t.parquet")
    opened = stream(tmp_path / "t.parquet", batch=2, conditional=True)
    assert values(opened.samples(range(3))) == [0, 2, 3]
    assert opened.labels.tolist() == [1, 0, 1]
    assert "2 rows without a label" in " ".join(opened.survey.reasons)


def test_labels_that_are_all_missing_are_no_labels(tmp_path):
    pq.write_table(rows(4, label=pa.array([None] * 4, pa.int64())), tmp_path / "t.parquet")
    assert inspect(tmp_path / "t.parquet", ImageData()).classes is None


def test_arrays_of_pixels(tmp_path):
    pixels = np.arange(4, dtype=np.uint8)[:, None, None, None].repeat(16, 1).repeat(16, 2).repeat(3, 3)
    pq.write_table(pa.table({"pixels": pixels.tolist()}), tmp_path / "t.parquet")
    assert values(stream(tmp_path / "t.parquet").samples(range(4))) == [0, 1, 2, 3]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_damaged_or_empty_cell_is_replaced_within_its_class(tmp_path, streaming):
    table = {"image": [png(0), b"damaged", png(2), None, png(4), png(5)], "label": [0, 1, 0, 0, 1, 0]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet", row_group_size=2)
    opened = stream(tmp_path / "t.parquet", streaming=streaming, conditional=True)
    assert values(opened.samples(range(6))) == [0, 4, 2, 5, 4, 5]
    assert sorted(opened.report.skipped)[1] == ("row 3", "the cell is empty")
    opened.close()


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("whole", [False, True], ids=["file", "folder"])
def test_a_path_is_opened_only_below_the_table(tmp_path, streaming, whole):
    folder = tmp_path / "table"
    write_flat(folder / "pictures", 1, start=50)
    write_flat(tmp_path / "private", 1, start=99)
    outside = str(tmp_path / "private" / "000.png")
    (folder / "link.png").symlink_to(outside)
    os.mkfifo(folder / "pipe.png")
    paths = ["pictures/000.png", str(folder / "pictures" / "000.png"), outside, "../private/000.png", "link.png"]
    pictures = [{"bytes": None, "path": path} for path in [*paths, "pipe.png", "absent.png"]]
    pq.write_table(pa.table({"image": [*pictures, {"bytes": png(7), "path": outside}]}), folder / "t.parquet")
    for number in range(5 if whole else 0):  # `datasets` takes a folder for what most of its files are
        pq.write_table(rows(2), folder / f"test-{number}.parquet")
    name = "train-0.parquet" if whole else "t.parquet"
    (folder / "t.parquet").rename(folder / name)
    opened = stream(folder if whole else folder / name, batch=2, streaming=streaming)
    assert values(opened.samples(range(8))) == [50, 50, 7, 7, 7, 7, 7, 7]
    reasons = dict(opened.report.skipped)
    assert sorted(reasons) == [f"row {number}" for number in range(2, 7)]
    assert all("which does not lie below" in reasons[f"row {number}"] for number in (2, 3, 4))
    assert reasons["row 5"] == "the cell names pipe.png, which is no file"
    assert reasons["row 6"] == "the file is gone"
    opened.close()


def test_single_files_of_the_hub_are_read_from_its_cache_alone(tmp_path, monkeypatch):
    """As its client lays them out: a snapshot of links to blobs, a folder for each data set."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for name, value in (("ours", 3), ("other", 99)):
        snapshot = tmp_path / f"datasets--someone--{name}" / "snapshots" / "0123"
        write_flat(snapshot.parent.parent / "blobs", 1, start=value)
        snapshot.mkdir(parents=True)
        (snapshot / "a.png").symlink_to("../../blobs/000.png")
    below = tables._downloaded("someone/ours:default")
    path = tmp_path / "datasets--someone--ours" / "snapshots" / "0123" / "a.png"
    with columns.content({"bytes": None, "path": str(path)}, PICTURES, below) as image:
        assert image.getpixel((0, 0)) == 3
    with pytest.raises(ValueError, match="does not lie below"):
        columns.content({"bytes": None, "path": str(path).replace("ours", "other")}, PICTURES, below)


def test_a_shard_that_is_away_for_a_while_damages_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(access, "WAITS", (0.0, 0.0))
    opened = stream(shards(tmp_path, [60], group=4), streaming=True)
    opened._source._slots.clear()  # what the survey had read
    (file,) = tmp_path.iterdir()
    file.rename(tmp_path / "away")
    with pytest.raises(UserError, match=rf"{file.name} of .* cannot be read now, after 3 tries"):
        opened.samples([33])
    (tmp_path / "away").rename(file)
    assert values(opened.samples([33, 34])) == [33, 34]
    assert str(opened.report) == ""
    opened.close()


@pytest.mark.parametrize("content", [b"", b"PAR1 this is no parquet PAR1"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_damaged_table_is_one_sentence(tmp_path, content, streaming):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"t\.parquet cannot be loaded: "):
        inspect(tmp_path / "t.parquet", ImageData(streaming=streaming))


def test_an_empty_table_has_no_pictures(tmp_path):
    pq.write_table(rows(1).slice(0, 0), tmp_path / "t.parquet")
    with pytest.raises(UserError):
        inspect(tmp_path / "t.parquet", ImageData())


def test_streaming_wants_parquet(tmp_path):
    table = rows(3)
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as sink:
        sink.write_table(table)
    with pytest.raises(UserError, match=r"set data\.streaming to false"):
        inspect(tmp_path / "t.arrow", ImageData(streaming=True))


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 5), st.integers(1, 9), st.data())
def test_a_streamed_position_is_the_same_whenever_it_is_read(tmp_path_factory, lengths, group, count, data):
    """Any shards and row groups; resuming at a position gives what an uninterrupted reading gave; no row is lost."""
    folder = shards(tmp_path_factory.mktemp("shards"), lengths, group)
    size = sum(lengths)
    first = stream(folder, batch=1, streaming=True, conditional=True)
    read = [first.take(at, min(count, 2 * size - at)) for at in range(0, 2 * size, count)]
    pixels = torch.cat([batch.sample for batch in read])
    labels = torch.cat([batch.conditions["label"] for batch in read]).tolist()
    seen = values(pixels)
    assert sorted(seen[:size]) == sorted(seen[size:]) == list(range(size))
    names = first.survey.classes
    assert [names[label] for label in labels] == [("red", "green", "blue")[value % 3] for value in seen]
    start = data.draw(st.integers(0, 2 * size - 1))
    resumed = stream(folder, batch=1, streaming=True, conditional=True).take(start, 2 * size - start)
    assert torch.equal(resumed.sample, pixels[start:])


def test_streamed_rows_equal_mapped_rows(tmp_path):
    shards(tmp_path, [7, 5])
    mapped, streamed = (stream(tmp_path, streaming=each, classes=["red", "blue"]) for each in (False, True))
    assert torch.equal(mapped.samples(range(8)), streamed.samples(range(8)))
    assert mapped.labels.tolist() == streamed.labels.tolist()
    assert sorted(values(streamed.take(0, 8).sample)) == [0, 2, 3, 5, 6, 8, 9, 11]


def test_a_class_that_few_shards_hold_is_found_by_the_survey(tmp_path):
    """The blocks that are looked at are among those that have pictures left."""
    for number, name in enumerate(["red"] * 9 + ["blue"]):
        cells = [encoded(flat(number))] * 3
        pq.write_table(pa.table({"image": cells, "label": [name] * 3}), tmp_path / f"{number}.parquet")
    seen = inspect(tmp_path, ImageData(streaming=True, classes=["blue"]))
    assert (seen.count, seen.classes) == (3, ["blue"])


def test_streaming_reads_a_block_once_an_epoch_and_keeps_three_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(shards_module, "_WINDOW", (4, 4))
    opened = stream(shards(tmp_path, [60, 60], group=4), streaming=True)
    source, reads, most = opened._source, [], 0
    read = source._read
    monkeypatch.setattr(source, "_read", lambda block, column: (reads.append(block), read(block, column))[1])
    source._slots.clear()  # what the survey had read
    for at in range(0, 84, 6):  # what is read ahead of that lies within the first epoch
        opened.take(at, 6)
        most = max(most, len(source._slots))
    opened.close()
    assert len(set(reads)) >= 20  # five windows whole, and what of the sixth was ready
    assert len(reads) == len(set(reads))
    assert most <= 3 * 4


def test_offline_is_said_at_once(tmp_path):
    """An address where nothing listens: the client's own retries would take half a minute."""
    import subprocess
    import sys

    code = (
        "from multigan.image.config import ImageData\n"
        "from multigan.image.data import inspect\n"
        "try: inspect('some/where', ImageData())\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    environment = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("UserError there is no folder or file some/where, and the hub"), done.stderr
    assert "Retrying" not in done.stderr
