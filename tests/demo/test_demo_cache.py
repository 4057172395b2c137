"""Results are made once, whole, and only the old ones go."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from multigan.demo.cache import HARDEST, PREFIX, Cache
from multigan.errors import UserError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Iterator[Cache]:
    made = Cache(limit=1000, grace=60, overhead=0, clock=clock)
    yield made
    made.close()


def writes(size: int) -> object:
    return lambda folder: (folder / "file").write_bytes(b"x" * size)


def test_many_who_ask_at_once_get_what_one_made(cache: Cache) -> None:
    made, everyone = [], threading.Barrier(8, timeout=20)

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("whole")

    def ask(_: int) -> Path:
        everyone.wait()
        return cache.get("key", make)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(ask, range(8)))
    assert len(made) == 1
    assert found == {cache.folder / "key"}
    assert (cache.folder / "key" / "file").read_text() == "whole"
    assert os.listdir(cache.folder) == ["key"]


def test_a_result_is_there_whole_or_not_at_all(cache: Cache) -> None:
    def fails(folder: Path) -> None:
        (folder / "file").write_text("half")
        raise UserError("no")

    for _ in range(2):  # a failure is not remembered
        with pytest.raises(UserError, match="no"):
            cache.get("key", fails)
    assert os.listdir(cache.folder) == []
    assert cache.get("key", writes(3)).is_dir()  # type: ignore[arg-type]
    assert (cache.size, len(cache)) == (3, 1)


def test_the_oldest_go_first_but_not_what_was_just_handed_out(cache: Cache, clock: Clock) -> None:
    for name in ("a", "b", "c"):
        cache.get(name, writes(300))  # type: ignore[arg-type]
        clock.now += 100
    cache.get("a", writes(0))  # type: ignore[arg-type]
    cache.get("d", writes(300))  # type: ignore[arg-type]
    assert sorted(os.listdir(cache.folder)) == ["a", "c", "d"]  # b was used longest ago
    cache.get("e", writes(900))  # type: ignore[arg-type]
    assert sorted(os.listdir(cache.folder)) == ["a", "d", "e"]  # a and d may still be fetched
    clock.now += 100
    cache.get("f", writes(10))  # type: ignore[arg-type]
    assert cache.size <= 1000


def test_what_the_system_has_removed_is_made_again(cache: Cache) -> None:
    write = writes(300)
    (cache.get("a", write) / "file").unlink()  # type: ignore[arg-type]
    assert (cache.get("a", write) / "file").stat().st_size == 300  # type: ignore[arg-type]
    shutil.rmtree(cache.folder.parent)
    assert (cache.get("a", write) / "file").stat().st_size == 300  # type: ignore[arg-type]
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert (cache.size, len(cache)) == (300, 1)


def test_a_temporary_folder_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"temporary folder cannot be written.*TMPDIR"):
        Cache()


def test_there_is_an_end_to_what_is_held_for_those_who_still_fetch(cache: Cache) -> None:
    for number in range(HARDEST):
        cache.get(str(number), writes(1000))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="wait a minute"):
        cache.get("more", writes(1))  # type: ignore[arg-type]
    assert cache.size == HARDEST * 1000


def test_the_folder_is_private_and_goes_with_the_process() -> None:
    code = (
        "import os, sys; from multigan.demo.cache import Cache; cache = Cache(); print(cache.folder, flush=True);"
        "os._exit(0) if sys.argv[1] == 'killed' else None"
    )
    ended, killed = (
        Path(
            subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, check=True).stdout.strip()
        )
        for how in ("ended", "killed")
    )
    assert not ended.parent.exists()
    for folder in (killed.parent, killed, killed.with_name("uploads")):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert killed.parent.name.startswith(PREFIX)
    Cache().close()  # the next one clears up
    assert not killed.parent.exists()
