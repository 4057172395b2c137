"""How an opened generator is called: by batches, from several threads, with a fixed batch; and files in odd places."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tiny_onnx

from multigan.cli import run
from multigan.errors import UserError
from multigan.memory import Memory
from multigan.runtime import Generator, Trust, devices, load, onnx_file
from multigan.runtime.fixed import FixedSession, check_fixed
from multigan.runtime.session import open_session, start
from multigan.runtime.watchdog import Watch

# --- many samples -----------------------------------------------------------------------------------------------------


def test_a_stream_is_the_samples_a_batch_at_a_time(generator: Generator) -> None:
    parts = list(generator.stream(7, 3, ["dog"] * 6 + [0], batch=3, start=2, truncation=0.5))
    assert [len(each) for each in parts] == [3, 3, 1]
    whole = generator.sample(7, 3, ["dog"] * 6 + [0], batch=3, start=2, truncation=0.5)
    assert np.array_equal(np.concatenate(parts), whole)


def test_a_stream_of_any_length_starts_at_once(generator: Generator) -> None:
    first = next(generator.stream(10**15, 3, batch=5))
    assert np.array_equal(first, generator.sample(5, 3))
    for arguments in ({"n": 0}, {"n": 2**54}, {"n": 3, "seed": -1}, {"n": 3, "label": "none"}, {"n": 3, "label": [1]}):
        with pytest.raises(UserError):
            generator.stream(**arguments)  # type: ignore[arg-type]


def test_more_samples_at_once_than_the_memory_holds(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multigan.runtime.generator.memory", lambda: Memory(2**30, 2**27))
    for call in (lambda: generator.sample(10**6), lambda: generator.interpolate([1, 2], 500_000)):
        with pytest.raises(UserError, match=r"1,000,000 samples at once are 0\.3 GB, and 0\.1 GB of memory are free"):
            call()


@pytest.mark.parametrize("arguments", [["-n", "1000000000"], ["-n", "0"]])
def test_too_many_samples_are_one_sentence(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(["generate", str(model), *arguments, "--out", str(tmp_path / "out")]) == 2
    assert f"n {arguments[1]} is out of range" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_parts_of_large_samples_are_small(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multigan.making.maker.ROOM", 72 * 4 * 5)
    made: list[int] = []
    monkeypatch.setattr(Generator, "stream", lambda self, n, *rest: made.append(n) or iter([np.zeros((n, 3, 4, 6))]))
    assert run(["generate", str(model), "-n", "8", "--batch", "2", "--no-grid", "--out", str(tmp_path)]) == 0
    assert made == [5, 3]


@pytest.mark.parametrize("count", [300, 20])
def test_a_bar_is_shown_on_a_terminal_alone(model: Path, tmp_path: Path, count: int) -> None:
    command = [sys.executable, "-m", "multigan", "generate", str(model), "-n", str(count), "--no-singles"]
    command += ["--device", "cpu", "--out", str(tmp_path)]
    plain = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (plain.stderr, plain.stdout.count("\n")) == ("", 1)
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the terminal's end
                break
            shown += part
            if not part:
                break
        assert process.wait() == 0
    os.close(ours)
    assert (b"pictures" in shown and b"100%" in shown) == (count == 300), shown


# --- threads ----------------------------------------------------------------------------------------------------------


def test_threads_get_what_one_gets(generator: Generator) -> None:
    wanted = {seed: generator.sample(5, seed, batch=2) for seed in range(24)}
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            every = pool.map(lambda seed: generator.sample(5, seed, batch=2), wanted)
            for seed, made in zip(wanted, every, strict=True):
                assert np.array_equal(made, wanted[seed])


def test_threads_share_an_isolated_model(model: Path) -> None:
    isolated = load(model, threads=1, trust=Trust(isolated=True))
    wanted = {seed: isolated.sample(3, seed) for seed in range(8)}
    with ThreadPoolExecutor(4) as pool:
        for seed, made in zip(wanted, pool.map(lambda seed: isolated.sample(3, seed), wanted), strict=True):
            assert np.array_equal(made, wanted[seed])
    isolated.close()


def test_threads_of_the_processor(model: Path) -> None:
    with pytest.raises(UserError, match="threads 0"):
        load(model, "cpu", threads=0)
    assert np.array_equal(load(model, "cpu", threads=2).sample(4), load(model, "cpu", threads=1).sample(4))


def test_warming_up(generator: Generator) -> None:
    before = generator.sample(3)
    generator.warm_up()
    generator.warm_up(batch=7)
    assert np.array_equal(generator.sample(3), before)


# --- the watchdog -----------------------------------------------------------------------------------------------------


def test_a_watch_stops_what_is_late_and_nothing_else() -> None:
    stopped = threading.Event()
    with Watch(3600, lambda: pytest.fail("too early")) as patient, Watch(0.05, stopped.set) as hasty:
        assert stopped.wait(20)
    assert hasty.expired
    assert not patient.expired
    with Watch(0.2, lambda: pytest.fail("after its end")) as done:
        pass
    with Watch(0.4, stopped.clear) as later:
        deadline = time.monotonic() + 20
        while stopped.is_set() and time.monotonic() < deadline:
            stopped.wait(0)
    assert later.expired
    assert not done.expired


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_limit_of_hundreds_of_years_is_watched_as_any_other(model: Path) -> None:
    """No system waits for so long at once."""
    stopped = threading.Event()
    assert len(load(model, "cpu", threads=1, trust=Trust(seconds=1e300)).sample(1)) == 1
    with Watch(1e12, lambda: pytest.fail("too early")), Watch(0.05, stopped.set):
        assert stopped.wait(20)


# --- devices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_device_by_name_works_or_says_what_is_missing(
    model: Path, generator: Generator, device: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    try:
        there = load(model, device)
    except UserError as error:
        said = str(error)
        assert said.startswith(f"device {device}: ")
        assert "cuDNN 9" in said
        assert ("TensorRT" in said) == (device == "tensorrt")
        assert "--device cpu" in said
        assert run(["generate", str(model), "--device", device, "--out", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err == f"multigan: {said}\n"
    else:
        assert there.device == device
        assert np.max(np.abs(there.sample(3) - generator.sample(3))) < 1e-3


@pytest.mark.parametrize(
    ("listed", "driver", "words"),
    [
        ([devices.CPU], False, "is built without CUDA"),
        ([devices.CUDA, devices.CPU], False, "no NVIDIA driver answers"),
        ([devices.CUDA, devices.CPU], True, "could not start it"),
    ],
)
def test_what_is_listed_is_not_taken_for_what_starts(
    model: Path, monkeypatch: pytest.MonkeyPatch, listed: list[str], driver: bool, words: str
) -> None:
    """onnxruntime lists what it was compiled with, and falls back to the CPU without an error."""
    if devices.has_driver():
        pytest.skip("there is a GPU here")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    monkeypatch.setattr(devices, "has_driver", lambda: driver)
    monkeypatch.setattr(devices, "preload", lambda: None)
    with pytest.raises(UserError, match=words):
        load(model, "cuda")
    assert load(model, "auto").device == "cpu"


def test_engines_are_kept_away_from_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = [name for name, _ in devices.providers("tensorrt", b"model")]
    assert names == [devices.TENSORRT, devices.CUDA, devices.CPU]
    options = dict(devices.providers("tensorrt", b"model"))[devices.TENSORRT]
    folder = Path(options["trt_engine_cache_path"])
    assert folder.parent == tmp_path / "cache" / "multigan" / "tensorrt"
    assert folder.is_dir()
    assert folder != devices.engines(b"another model")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        devices.engines(b"model")


def test_a_fixed_batch_gives_the_same_samples(model: Path, generator: Generator) -> None:
    """Bound to the CPU's memory here; on a GPU to its own."""
    file = onnx_file.read(model)
    bound = Generator(FixedSession(start(file, "cpu", 1), file, 4, where="cpu"), file.contract)
    parts = list(bound.stream(9, 5, batch=16))
    assert [len(each) for each in parts] == [4, 4, 1]
    assert np.max(np.abs(np.concatenate(parts) - generator.sample(9, 5))) < 1e-6
    with ThreadPoolExecutor(4) as pool:
        for seed, made in enumerate(pool.map(lambda seed: bound.sample(3, seed), range(12))):
            assert np.max(np.abs(made - generator.sample(3, seed))) < 1e-6


def test_where_a_batch_cannot_be_fixed(model: Path) -> None:
    with pytest.raises(UserError, match="runs on cpu"):
        load(model, "cpu", fixed_batch=4)
    file = onnx_file.read(model)
    with pytest.raises(UserError, match="fixed_batch 0"):
        check_fixed(file, "cuda", 0)
    looping = onnx_file.OnnxFile(file.path, file.content, file.contract, branches=True)
    with pytest.raises(UserError, match="without control flow"):
        check_fixed(looping, "cuda", 4)


# --- files in odd places ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolated", [False, True])
def test_a_model_that_is_swapped_while_it_is_in_use(tmp_path: Path, isolated: bool) -> None:
    path = tiny_onnx.write(tmp_path / "model.onnx")
    model = load(path, "cpu", threads=1, trust=Trust(isolated=isolated))
    before = model.sample(3)
    tiny_onnx.write(tmp_path / "other.onnx", scale=2.0)
    os.replace(tmp_path / "other.onnx", path)
    assert np.array_equal(model.sample(3), before)
    path.write_bytes(b"no model any more")
    assert np.array_equal(model.sample(3), before)
    with pytest.raises(UserError, match="not an ONNX file"):
        load(path, "cpu")
    model.close()


def test_a_model_that_can_only_be_read(tmp_path: Path) -> None:
    """As on a read-only disk: nothing is written beside it, and nobody may write."""
    folder = tmp_path / "disk"
    folder.mkdir()
    path = tiny_onnx.write(folder / "model.onnx")
    path.chmod(0o444)
    folder.chmod(0o555)
    command = ["generate", str(path), "-n", "2", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert run(command) == 0
    assert [each.name for each in folder.iterdir()] == ["model.onnx"]
    folder.chmod(0o755)


@pytest.mark.parametrize("command", ["generate", "info"])
def test_what_is_no_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "loop.onnx").symlink_to("loop.onnx")
    for name, words in {
        "": "is a folder",
        "empty.onnx": "is empty",
        "pipe.onnx": "is no regular file",
        "/dev/zero": "is no regular file",
        "loop.onnx": "cannot read",
        "none.onnx": "does not exist",
        "empty.onnx/model.onnx": "cannot read",
    }.items():
        assert run([command, str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert words in said, name
        assert said.count("\n") == 1


def test_sessions_say_what_they_are(model: Path) -> None:
    session = open_session(onnx_file.read(model), "cpu", 1)
    assert (session.outputs, session.device, session.fixed) == (("image",), "cpu", None)
