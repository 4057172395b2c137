"""The cache of decoded sounds: when it is made anew, and what becomes of a torn one."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from sound_files import ramp, stream, write

from multigan.audio.data import cache
from multigan.errors import UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    made: list[Path] = []
    really = cache._build

    def build(place: Path, *rest: object) -> None:
        made.append(place)
        really(place, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "_build", build)
    return made


def test_sounds_are_decoded_once_and_again_when_anything_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.wav", ramp(3000))
    write(tmp_path / "b.wav", ramp(2000))
    made = builds(monkeypatch)
    for _ in range(2):
        stream(tmp_path)
        stream(tmp_path, length=512, slices="first", overlap=0.0)  # how it is cut is no part of it
    assert len(made) == 1
    stream(tmp_path, rate=8000)
    stream(tmp_path, channels=2)
    stream(tmp_path, normalize="peak")
    stream(tmp_path, trim=-40.0)
    assert len(made) == 5
    write(path, ramp(3000, 9))
    os.utime(path, ns=(1, 1))
    assert np.array_equal(stream(tmp_path).samples([0])[0, 0].numpy(), ramp(1024, 9))
    (tmp_path / "b.wav").rename(tmp_path / "c.wav")
    stream(tmp_path)
    assert len(made) == 7
    assert len(set(made)) == 7


def test_other_labels_and_numbers_are_the_same_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.wav", ramp(3000))
    made = builds(monkeypatch)
    opened = [stream(tmp_path)]
    for rows in ("a.wav,x,1\nb.wav,y,2\nc.wav,x,3", "a.wav,y,1\nb.wav,x,5\nc.wav,z,3"):
        (tmp_path / "metadata.csv").write_text(f"file_name,kind,pitch\n{rows}\n")
        bounds = {"minimum": 1, "maximum": 5, "default": 2}
        opened.append(stream(tmp_path, label_column="kind", number_column="pitch", number_range=bounds))
    assert len({each.identity() for each in opened}) == 3
    assert len(made) == 1
    (tmp_path / "metadata.csv").write_text("file_name,kind\na.wav,x\nc.wav,x\n")
    assert len(stream(tmp_path, label_column="kind")) == 6, "without b.wav"
    assert len(made) == 2


def test_another_column_of_a_table_is_another_cache(tmp_path: Path) -> None:
    columns = {}
    for name, start in (("near", 0), ("far", 5000)):
        soundfile.write(tmp_path / "t.wav", ramp(1024, start), 16_000, subtype="FLOAT")
        columns[name] = [(tmp_path / "t.wav").read_bytes()]
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    for name, start in (("near", 0), ("far", 5000)):
        opened = stream(tmp_path / "t.parquet", audio_column=name)
        assert np.array_equal(opened.samples([0])[0, 0].numpy(), ramp(1024, start))


@pytest.mark.parametrize("struct", [False, True])
def test_other_content_of_the_files_that_a_table_names_is_another_cache(tmp_path: Path, struct: bool) -> None:
    write(tmp_path / "s" / "a.wav", ramp(1024))
    inside = io.BytesIO()
    soundfile.write(inside, ramp(1024, 9), 16_000, subtype="FLOAT", format="WAV")
    cells: list[object] = ["s/a.wav", "s/b.wav", "../up.wav"]
    if struct:
        cells = [*({"bytes": None, "path": path} for path in cells), {"bytes": inside.getvalue(), "path": "s/a.wav"}]
    pq.write_table(pa.table({"audio": cells}), tmp_path / "t.parquet")

    def heard() -> list[float]:
        opened = stream(tmp_path / "t.parquet", audio_column="audio")
        return [round(float(each[0, 1]) * 2**20) for each in opened.samples(range(len(opened)))]

    rest = [10] if struct else []
    assert heard() == [1, *rest], "the others are missing"
    write(tmp_path / "s" / "a.wav", ramp(1024, 50))
    os.utime(tmp_path / "s" / "a.wav", ns=(1, 1))
    assert heard() == [51, *rest]
    write(tmp_path / "s" / "b.wav", ramp(1024, 70))
    assert heard() == [51, 71, *rest]


def test_a_file_that_may_be_read_at_last_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as place:  # below pytest's own folders nobody else may read
        folder = Path(place)
        folder.chmod(0o755)
        write(folder / "a.wav", ramp(1024))
        forbidden = write(folder / "b.wav", ramp(1024, 50))
        forbidden.chmod(0)
        cache_folder = folder / "cache"
        cache_folder.mkdir()
        cache_folder.chmod(0o777)
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache_folder))
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may read everything
        try:
            assert "b.wav: " in stream(folder).sentences()[-1]
        finally:
            os.seteuid(user)
        forbidden.chmod(0o644)
        opened = stream(folder)
        assert len(opened) == 2
        assert len(opened.sentences()) == 1


def test_files_that_make_other_slices_are_other_data(tmp_path: Path) -> None:
    """So that resuming can say it: the order of the slices is another."""
    write(tmp_path / "a.wav", ramp(3000))
    write(tmp_path / "b.wav", ramp(3000))
    before = stream(tmp_path).identity()
    assert stream(tmp_path).identity() == before
    write(tmp_path / "b.wav", ramp(9000))
    assert stream(tmp_path).identity() != before


@pytest.mark.parametrize("file", [cache.FRAMES, cache.INDEX])
@pytest.mark.parametrize("how", ["truncated", "emptied", "flipped", "gone"])
def test_a_torn_cache_is_made_again(tmp_path: Path, file: str, how: str) -> None:
    write(tmp_path / "a.wav", ramp(3000))
    opened = stream(tmp_path)
    torn = opened.sounds.place / file
    if how == "gone":
        torn.unlink()
    elif how == "flipped" and file == cache.INDEX:
        content = bytearray(torn.read_bytes())
        content[len(content) // 2 :] = bytes(255 - each for each in content[len(content) // 2 :])
        torn.write_bytes(content)
    else:
        torn.write_bytes(torn.read_bytes()[: 0 if how == "emptied" else torn.stat().st_size // 2])
    assert np.array_equal(stream(tmp_path).samples([1])[0, 0].numpy(), ramp(1024, 1024))


def test_a_file_where_the_cache_belongs_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", ramp(3000))
    place = stream(tmp_path).sounds.place
    for make in (Path.touch, lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to(path.name)):
        shutil.rmtree(place)
        make(place)
        assert np.array_equal(stream(tmp_path).samples([0])[0, 0].numpy(), ramp(1024))


def test_a_cache_that_cannot_be_read_back_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that loses what is written to it."""
    write(tmp_path / "a.wav", ramp(3000))
    really = cache._put

    def lose(draft: Path, place: Path) -> None:
        (draft / cache.FRAMES).write_bytes(b"")
        really(draft, place)

    monkeypatch.setattr(cache, "_put", lose)
    with pytest.raises(UserError, match=r"cannot be read back \(the cache is not whole\): remove that folder"):
        stream(tmp_path)


def test_a_cache_that_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.wav", ramp(3000))
    opened = stream(tmp_path / "data", cache="none")
    place = opened.sounds.place
    assert np.array_equal(opened.samples([0])[0, 0].numpy(), ramp(1024))
    opened.close()
    assert not place.exists()
    assert not cache.folder().exists()


def test_a_disk_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "data" / "a.wav", ramp(3000))
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot write the decoded sounds into .*XDG_CACHE_HOME"):
        stream(tmp_path / "data")


def test_the_index_holds_no_code(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", ramp(3000))
    index = stream(tmp_path).sounds.place / cache.INDEX
    with np.load(index, allow_pickle=False) as found:
        assert set(json.loads(str(found["said"]))) == {"heard", "skipped"}
