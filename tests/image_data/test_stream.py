"""A stream of pictures: addressed by position, the same however it is stored, honest about damaged files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_files import encoded, gradient, recipe, stream, values, write_flat
from PIL import Image

from multigan.data.cache import free_memory
from multigan.data.order import flips
from multigan.data.reader import Report
from multigan.embedded import digits
from multigan.errors import UserError
from multigan.image.data import open_stream
from multigan.image.data import stream as stream_module


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """23 different pictures of two classes, of many sizes and kinds, two of them damaged."""
    root = tmp_path_factory.mktemp("mixed")
    generator = np.random.default_rng(0)
    for number in range(23):
        folder = root / ("cat" if number < 9 else "dog")
        folder.mkdir(exist_ok=True)
        noise = generator.integers(0, 256, (20 + number, 50 - number, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:02d}.{'jpg' if number % 2 else 'png'}")
    for name in ("cat/08.png", "dog/13.jpg"):
        path = root / name
        path.write_bytes(path.read_bytes()[:200])
    return root


def same(first, second) -> bool:
    return torch.equal(first.sample, second.sample) and all(
        torch.equal(first.conditions[name], second.conditions[name])
        for name in {**first.conditions, **second.conditions}
    )


def test_samples_are_in_range_and_labelled(mixed):
    opened = stream(mixed, conditional=True)
    batch = opened.take(0, 10)
    assert batch.sample.shape == (10, 3, 16, 16)
    assert batch.sample.dtype == torch.float32
    assert batch.sample.min() >= -1
    assert batch.sample.max() <= 1
    assert batch.conditions["label"].dtype == torch.int64
    assert len(opened) == 23


def test_black_and_white_are_the_ends_of_the_range(tmp_path):
    write_flat(tmp_path, 1, start=0)
    write_flat(tmp_path / "more", 1, start=255)
    ends = stream(tmp_path, batch=2).take(0, 2).sample
    assert sorted({float(ends.min()), float(ends.max())}) == pytest.approx([-1, 1], abs=1e-6)


@pytest.mark.parametrize("mirror", [False, True])
def test_kept_and_decoded_are_the_same(mixed, mirror):
    kept = stream(mixed, conditional=True, cache="memory", mirror=mirror)
    decoded = stream(mixed, conditional=True, cache="none", mirror=mirror)
    assert kept.cached
    assert not decoded.cached
    for start in range(0, 70, 7):
        assert same(kept.take(start, 7), decoded.take(start, 7))
    decoded.close()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 30)), min_size=1, max_size=6))
def test_ranges_in_any_order_agree_with_one_reading(mixed, ranges):
    """Whatever was guessed ahead, and wherever training resumes."""
    whole = stream(mixed, conditional=True, cache="memory").take(0, 230)
    decoded = stream(mixed, conditional=True, cache="none")
    for start, count in ranges:
        assert same(decoded.take(start, count), whole.part(start, start + count))
    decoded.close()


def test_a_process_that_takes_every_other_part_reads_the_same(mixed):
    whole = stream(mixed).take(0, 120)
    shares = stream(mixed, cache="none")
    for start in range(6, 120, 12):
        assert same(shares.take(start, 6), whole.part(start, start + 6))
    shares.close()


def test_an_epoch_shows_every_picture_once(tmp_path):
    write_flat(tmp_path, 12)
    opened = stream(tmp_path)
    first, second = values(opened.take(0, 12).sample), values(opened.take(12, 12).sample)
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second
    assert values(opened.take(6, 12).sample) == first[6:] + second[:6]
    assert values(stream(tmp_path, seed=4).take(0, 12).sample) != first


def test_labels_belong_to_their_pictures(tmp_path):
    for number, name in enumerate(("ant", "bee", "cat")):
        write_flat(tmp_path / name, 5, start=100 * number // 2)
    opened = stream(tmp_path, conditional=True)
    batch = opened.take(0, 30)
    for value, label in zip(values(batch.sample), batch.conditions["label"].tolist(), strict=True):
        assert value // 50 == label
    assert opened.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert stream(tmp_path).take(0, 4).conditions == {}


def test_mirroring_flips_exactly_the_positions_that_are_drawn(tmp_path):
    Image.fromarray(gradient(16, 16)).save(tmp_path / "a.png")
    plain, mirrored = (stream(tmp_path, batch=1, mirror=each).take(0, 64).sample for each in (False, True))
    for at, flipped in enumerate(flips(3, np.arange(64))):
        assert torch.equal(mirrored[at], plain[at].flip(-1) if flipped else plain[at])


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_samples_by_number_are_plain_pictures(tmp_path, cache):
    write_flat(tmp_path, 9)
    opened = stream(tmp_path, cache=cache, mirror=True)
    pixels = opened.samples([7, 0, 7])
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (3, 3, 16, 16)
    assert values(pixels) == [7, 0, 7]
    assert opened.samples([]).shape == (0, 3, 16, 16)
    opened.close()


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_the_next_good_one_of_the_class_stands_in(tmp_path, cache):
    write_flat(tmp_path / "ant", 4, start=0)
    write_flat(tmp_path / "bee", 4, start=100)
    (tmp_path / "ant" / "001.png").write_bytes(b"damaged")
    (tmp_path / "ant" / "003.png").write_bytes(b"")
    opened = stream(tmp_path, cache=cache, conditional=True)
    assert values(opened.samples(range(8))) == [0, 2, 2, 0, 100, 101, 102, 103]
    batch = opened.take(0, 8)
    assert sorted(values(batch.sample)) == [0, 0, 2, 2, 100, 101, 102, 103]
    assert [value >= 100 for value in values(batch.sample)] == [bool(label) for label in batch.conditions["label"]]
    assert opened.report.count == 2
    text = str(opened.report)
    assert text.startswith("2 of 8 files cannot be read")
    assert "001.png" in text
    assert "003.png" in text
    opened.close()


def test_a_report_of_nothing_is_empty(tmp_path):
    write_flat(tmp_path, 4)
    assert str(stream(tmp_path).report) == ""


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_a_class_without_a_good_picture_is_named(tmp_path, cache):
    write_flat(tmp_path / "ant", 500)
    (tmp_path / "bee").mkdir()
    for number in range(3):
        (tmp_path / "bee" / f"{number}.png").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"of the class 'bee' in .* can be read"):
        stream(tmp_path, cache=cache, conditional=True).take(0, 503)


def test_all_damaged_is_one_sentence(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"none of the 5 files of .* can be read as a picture"):
        stream(tmp_path)


def test_fewer_pictures_than_a_batch(tmp_path):
    write_flat(tmp_path, 5)
    with pytest.raises(UserError, match="5 pictures, fewer than a batch of 8"):
        stream(tmp_path, batch=8)
    (tmp_path / "001.png").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"only 4 of the 5 files of .* fewer than a batch of 5"):
        stream(tmp_path, batch=5)


def test_a_conditional_recipe_wants_classes(tmp_path):
    write_flat(tmp_path, 5)
    with pytest.raises(UserError, match=r"conditional and .* has no classes"):
        stream(tmp_path, conditional=True)


def test_the_embedded_digits_lie_in_the_middle_of_black():
    images, labels = digits()
    opened = stream(None, size=[32, 32], channels=1, conditional=True)
    expected = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    np.testing.assert_array_equal(opened.samples(range(5000))[:, 0].numpy(), expected)
    assert opened.labels.tolist() == labels.tolist()


@pytest.mark.parametrize(("size", "channels"), [([16, 16], 3), ([64, 96], 1), ([24, 24], 4)])
def test_the_embedded_digits_take_other_shapes(size, channels):
    opened = stream(None, size=size, channels=channels, cache="none")
    assert opened.take(0, 4).sample.shape == (4, channels, *size)
    opened.close()


def test_progress_counts_to_the_end(tmp_path):
    write_flat(tmp_path, 70)
    heard = []
    settings = recipe(source=str(tmp_path))
    open_stream(settings, torch.device("cpu"), 4, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(0, 70), (64, 70), (70, 70)]


def test_auto_keeps_what_is_small(tmp_path):
    write_flat(tmp_path, 4)
    assert stream(tmp_path).cached


def test_bytes_changed_under_way_do_not_stop_an_uncached_stream(tmp_path):
    write_flat(tmp_path, 8)
    opened = stream(tmp_path, cache="none")
    (tmp_path / "002.png").unlink()
    (tmp_path / "005.png").write_bytes(encoded(Image.new("L", (16, 16)))[:40])
    assert sorted(values(opened.samples(range(8)))) == [0, 1, 3, 3, 4, 6, 6, 7]
    assert dict(opened.report.skipped)["002.png"] == "the file is gone"
    opened.close()


def test_what_is_new_in_the_report_is_told_once_and_the_whole_at_any_time(tmp_path):
    write_flat(tmp_path, 8)
    opened = stream(tmp_path, cache="none")
    assert (opened.report.news(), str(opened.report)) == ("", "")
    (tmp_path / "002.png").write_bytes(b"damaged")
    opened.samples(range(8))
    first = opened.report.news()
    assert first == str(opened.report)
    assert first.startswith("1 of 8 files cannot be read")
    assert opened.report.news() == ""
    (tmp_path / "005.png").unlink()
    opened.samples(range(8))
    assert str(opened.report).startswith("2 of 8 files cannot be read")
    assert opened.report.news().splitlines()[0].startswith("1 more of 8 files cannot be read")
    assert str(opened.report).splitlines()[2] == "  005.png: the file is gone"
    opened.close()


def test_a_report_is_whole_while_threads_add_to_it():
    report = Report(4000)
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(report.add, number // 2, str(number // 2), "damaged") for number in range(160)]
        while not all(task.done() for task in tasks):
            first, *names = str(report).splitlines() or ["0 "]
            assert int(first.split()[0]) == len(names)
    assert report.count == len(report.skipped) == 80
    for number in range(4000):
        report.add(number, str(number), "damaged")
    assert str(report).startswith("4,000 of 4,000 files")
    assert str(report).endswith("and 3,900 others")


def test_auto_keeps_no_more_than_the_stated_count(tmp_path, monkeypatch):
    write_flat(tmp_path, 5)
    monkeypatch.setattr(stream_module, "MOST_KEPT", 4)
    for cache, kept in (("auto", False), ("memory", True)):
        opened = stream(tmp_path, cache=cache)
        assert opened.cached == kept
        opened.close()


def test_processes_of_one_machine_share_its_memory(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    alone = free_memory(cpu)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert free_memory(cpu) < alone / 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("cache", ["memory", "none"])
def test_taking_never_waits_for_the_gpu(tmp_path, cache):
    write_flat(tmp_path / "ant", 6)
    write_flat(tmp_path / "bee", 6, start=100)
    settings = recipe(source=str(tmp_path), cache=cache, mirror=True, conditional=True)
    opened, expected = (open_stream(settings, torch.device(name), 4) for name in ("cuda", "cpu"))
    opened.take(0, 4)  # the first use of a kernel may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = [opened.take(start, 4) for start in range(4, 40, 4)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for start, batch in zip(range(4, 40, 4), batches, strict=True):
        on_cpu = expected.take(start, 4)
        torch.testing.assert_close(batch.sample.cpu(), on_cpu.sample)
        assert batch.conditions["label"].tolist() == on_cpu.conditions["label"].tolist()
    opened.close()
    expected.close()
