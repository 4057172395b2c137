"""Hostile files: each is one sentence and exit code 2, within seconds and a bounded memory, whatever it would do."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import hostile_onnx as hostile
import numpy as np
import onnx
import pytest
import tiny_onnx
from hypothesis import given, settings
from hypothesis import strategies as st

import multigan
from multigan.cli import run
from multigan.contract import FORMAT, Input
from multigan.errors import LimitError, UserError
from multigan.runtime import UPLOADED, Trust, load, onnx_file
from multigan.runtime.trust import LONGEST

ROOM = 600_000_000
"""Bytes that a command may have for a file of a few kilobytes."""


def _write(path: Path, spoil: hostile.Spoil) -> Path:
    model = hostile.plain()
    spoil(model)
    path.write_bytes(model.SerializeToString())
    return path


_MEASURED = """
import atexit, re, resource, sys
from pathlib import Path

def tell():
    own = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    Path(room).write_text(str(1024 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)))

room = sys.argv.pop(1)
atexit.register(tell)
from multigan.cli import main
main()
"""


def _command(folder: Path, *arguments: object) -> tuple[int, str, float, int]:
    """A command in its own process: status, what it said on the standard error, seconds, bytes at most.

    The process looks at itself: what the system tells its parent (`ru_maxrss`) counts the parent's own memory, too."""
    begun, room = time.monotonic(), folder / "room.txt"
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(room), *map(str, arguments)], capture_output=True, text=True
    )
    return done.returncode, done.stderr, time.monotonic() - begun, int(room.read_text())


# --- refused before onnxruntime sees it -------------------------------------------------------------------------------

REFUSED = {
    "forged sides": (hostile.forged_sides, "data for another count"),
    "no data": (hostile.no_data, "data for another count"),
    "countless axes": (hostile.countless_axes, "a tensor of more than 64 axes"),
    "a negative side": (hostile.negative_side, "data for another count"),
    "sparse": (hostile.sparse, "sparse tensors"),
    "a foreign domain": (hostile.foreign_domain, "operators of 'evil.example'"),
    "a foreign domain in a branch": (hostile.foreign_domain_in_a_branch, "operators of 'evil.example'"),
    "an engine": (hostile.engine, "program for a device"),
    "laughs": (hostile.laughs, "operators of 'own'"),
    "many nodes": (hostile.many_nodes, "more than the limit of 20,000"),
    "above its folder": (hostile.elsewhere("../secret"), "outside its own folder"),
    "an absolute path": (hostile.elsewhere("/etc/passwd"), "outside its own folder"),
    "another's name": (hostile.elsewhere("passwords.txt"), "only model.onnx.data is accepted"),
    "no second file": (hostile.elsewhere("model.onnx.data"), "missing beside it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_multigan_never_writes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spoil, words = REFUSED[name]
    path = _write(tmp_path / "model.onnx", spoil)
    monkeypatch.setattr("multigan.runtime.session.onnxruntime", None)  # refused without it
    for arguments in (["generate", str(path), "--out", str(tmp_path / "out")], ["info", str(path)]):
        assert run(arguments) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_functions_are_refused_though_their_domain_is_known(tmp_path: Path) -> None:
    def spoil(model: onnx.ModelProto) -> None:
        hostile.laughs(model)
        for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
            node.domain = "com.microsoft" if node.domain == "own" else node.domain
        for each in [*model.functions, *model.opset_import]:
            each.domain = "com.microsoft" if each.domain == "own" else each.domain

    with pytest.raises(UserError, match="functions of its own"):
        load(_write(tmp_path / "model.onnx", spoil))


@pytest.mark.parametrize("how", ["symlink", "hard link", "too short", "too large"])
def test_a_second_file_that_is_not_what_it_seems(tmp_path: Path, how: str) -> None:
    path = _write(tmp_path / "model.onnx", hostile.elsewhere("model.onnx.data"))
    good = hostile.plain().graph.initializer[0].raw_data
    beside, secret = tmp_path / "model.onnx.data", tmp_path / "secret"
    secret.write_bytes(good)
    beside.write_bytes(good)
    assert np.array_equal(
        load(path, "cpu").sample(2), load(_write(tmp_path / "plain.onnx", lambda _: None), "cpu").sample(2)
    )
    beside.unlink()
    if how == "symlink":
        beside.symlink_to(secret)
    elif how == "hard link":
        os.link(secret, beside)
    else:
        beside.write_bytes(good[:-1] if how == "too short" else good)
    trust = Trust(weights=len(good) - 1) if how == "too large" else Trust()
    words = {"too short": "less than the model needs", "too large": "more than the limit"}
    with pytest.raises(UserError, match=words.get(how, "a link")):
        load(path, "cpu", trust=trust)


def test_a_strangers_file_stands_alone_and_is_small(tmp_path: Path) -> None:
    path = _write(tmp_path / "model.onnx", hostile.elsewhere("model.onnx.data"))
    (tmp_path / "model.onnx.data").write_bytes(hostile.plain().graph.initializer[0].raw_data)
    with pytest.raises(UserError, match="second file, which is not allowed"):
        load(path, trust=UPLOADED)
    with pytest.raises(UserError, match=r"more than the limit of 0\.00 MB"):
        load(_write(path, lambda _: None), trust=replace(UPLOADED, file=1000))


@pytest.mark.parametrize("limit", ["batch", "length", "values"])
def test_limits_on_what_is_asked_for(tmp_path: Path, limit: str) -> None:
    path = _write(tmp_path / "model.onnx", lambda _: None)
    trust = Trust(**{limit: 3})
    if limit == "values":
        with pytest.raises(UserError, match="samples of 72 numbers, more than the limit of 3"):
            load(path, "cpu", trust=trust)
    elif limit == "batch":
        model = load(path, "cpu", trust=trust)
        assert len(model.sample(7, batch=3)) == 7
        for refused in (lambda: model.sample(1, batch=4), lambda: model.warm_up(4), lambda: model.stream(9, batch=4)):
            with pytest.raises(UserError, match="batch 4"):
                refused()
    else:
        with pytest.raises(UserError, match="length 0"):
            Trust(length=0)
        assert Trust().length == LONGEST


# --- contracts --------------------------------------------------------------------------------------------------------


def test_bombs_of_json(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for text, words in (
        ("[" * 2**20 + "]" * 2**20, "nested too deeply"),
        ('{"format": 1, "labels": [' + '"a",' * 200_000 + '"b"]}', "is missing"),
        ("[" + "0," * 2**23 + "0]", "a text that is too long"),
        (json.dumps({"format": FORMAT + 1}), "pip install --upgrade multigan"),
        ('{"format": ' + "9" * 10**6 + "}", "damaged"),
    ):
        model = hostile.plain()
        model.metadata_props[0].value = text
        path.write_bytes(model.SerializeToString())
        begun = time.process_time()
        with pytest.raises(UserError, match=words):
            onnx_file.read(path)
        assert time.process_time() - begun < 5


def test_more_labels_than_anyone_has(tmp_path: Path) -> None:
    said = tiny_onnx.contract(labels=[str(each) for each in range(100_001)])
    with pytest.raises(UserError, match="contradicts itself"):
        onnx_file.read(tiny_onnx.write(tmp_path / "model.onnx", said))


def _taking(path: Path, *more: Input, **changes: object) -> Path:
    """The small model, whose contract and graph take other inputs, too."""
    model = hostile.plain()
    said = tiny_onnx.contract(conditional=False)
    model.metadata_props[0].value = replace(said, inputs=[*said.inputs, *more], **changes).to_json()  # type: ignore[arg-type]
    for each in more:
        kind = onnx.TensorProto.INT64 if each.dtype == "int64" else onnx.TensorProto.FLOAT
        model.graph.input.append(onnx.helper.make_tensor_value_info(each.name, kind, each.shape))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("inputs", "changes", "words"),
    [
        (
            [Input("more", "noise", "float32", ["batch", 2**40], "normal")],
            {},
            "takes for each sample 1,099,511,627,781",
        ),
        ([Input("prefix", "prefix", "int64", ["batch", 2**40])], {}, "takes for each sample"),
        ([Input(f"z{each}", "noise", "float32", ["batch", 2**21]) for each in range(4)], {}, "takes for each sample"),
        ([Input("prefix", "prefix", "int64", ["batch", "length"])], {}, "contradicts itself"),
        ([], {"modality": "text", "extra": {"length": 10**9}}, "contradicts itself"),
        ([], {"modality": "text"}, "contradicts itself"),
    ],
)
def test_what_a_sample_is_made_of_is_limited(
    tmp_path: Path, inputs: list[Input], changes: dict[str, object], words: str
) -> None:
    """It is drawn in this process, whose memory nothing else limits."""
    with pytest.raises(UserError, match=words):
        onnx_file.read(_taking(tmp_path / "model.onnx", *inputs, **changes), UPLOADED)


def test_the_noise_of_a_batch_counts_as_memory(tmp_path: Path) -> None:
    path = _taking(tmp_path / "model.onnx", Input("more", "noise", "float32", ["batch", 2**20], "uniform"))
    model = load(path, "cpu", threads=1, trust=Trust(memory=2**28))
    assert len(model.sample(1)) == 1
    latents = np.zeros((16, tiny_onnx.SIZE), np.float32)
    for refused in (
        lambda: model.sample(16),
        lambda: model.warm_up(16),
        lambda: model.interpolate([1, 2], steps=8),
        lambda: model.of_latents(latents),
    ):
        with pytest.raises(UserError, match=r"noise of 16 samples takes 1\.3 GB, and the model may have 0\.3 GB"):
            refused()
    assert len(model.of_latents(latents, batch=2)) == 16
    for batch in (0, 5000):
        with pytest.raises(UserError, match=f"batch {batch} is out of range"):
            model.of_latents(latents, batch=batch)


def test_many_labels_do_not_fill_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = tiny_onnx.contract(labels=[f"class {each}" for each in range(90_000)])
    assert run(["info", str(tiny_onnx.write(tmp_path / "model.onnx", said))]) == 0
    shown = capsys.readouterr().out
    assert "class 99 and 89,900 more" in shown
    assert len(shown) < 5000


def test_more_fields_than_can_be_read_in_time(tmp_path: Path) -> None:
    content = hostile.plain().SerializeToString()
    (tmp_path / "model.onnx").write_bytes(content + b"\x28\x01" * 2**22)
    begun = time.process_time()
    with pytest.raises(UserError, match="more than 1,048,576 fields"):
        onnx_file.read(tmp_path / "model.onnx")
    assert time.process_time() - begun < 20


# --- damage -----------------------------------------------------------------------------------------------------------

GOOD = hostile.plain().SerializeToString()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_any_flip_or_cut_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], cut: bool
) -> None:
    content = bytearray(GOOD)
    for place, value in flips:
        content[place] = value
    path = tmp_path_factory.getbasetemp() / "flipped.onnx"
    path.write_bytes(content[: flips[0][0]] if cut else content)
    with contextlib.suppress(UserError):
        onnx_file.read(path)


FLIPPED = """
import sys
from pathlib import Path
import numpy as np
from multigan.errors import UserError
from multigan.runtime import load

good, path = np.frombuffer(Path(sys.argv[1]).read_bytes(), np.uint8), Path(sys.argv[2])
for number in range(int(sys.argv[3])):
    draw, content = np.random.default_rng(number), good.copy()
    for _ in range(draw.integers(1, 4)):
        content[draw.integers(0, len(content))] = draw.integers(0, 256)
    path.write_bytes(content[: draw.integers(0, len(content))] if number % 8 == 0 else content)
    print(number, flush=True)
    try:
        load(path, "cpu", threads=1).sample(2)
    except UserError as error:
        assert "\\n" not in str(error), error
"""


def test_damaged_files_that_reach_onnxruntime_make_no_traceback(tmp_path: Path) -> None:
    """In a process of its own, since what is damaged could end it."""
    (tmp_path / "good.onnx").write_bytes(GOOD)
    command = [sys.executable, "-W", "error", "-c", FLIPPED, str(tmp_path / "good.onnx"), str(tmp_path / "bad.onnx")]
    done = subprocess.run([*command, "250"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), f"after {done.stdout.split()[-1:]}: {done.stderr}"


# --- what a graph does ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("untrusted", [False, True])
@pytest.mark.parametrize("from_latent", [False, True])
def test_a_tensor_larger_than_any_memory(tmp_path: Path, from_latent: bool, untrusted: bool) -> None:
    """4 TiB, which the graph asks for while it is opened, where constants are computed then, or when it is run."""
    path = _write(tmp_path / "model.onnx", partial(hostile.huge, side=2**40, from_latent=from_latent))
    out = tmp_path / "out"
    more = ["--untrusted"] if untrusted else []
    status, said, seconds, room = _command(tmp_path, "generate", path, "-n", 2, "--out", out, "--device", "cpu", *more)
    assert (status, said.count("\n")) == (2, 1), said
    assert "wants more memory than the" in said
    assert seconds < 30
    assert room < ROOM
    assert not out.exists()


@pytest.mark.parametrize("isolated", [False, True])
def test_a_limit_on_memory_holds(tmp_path: Path, isolated: bool) -> None:
    """Of 1 GB asked for, which this machine may well have; and the process goes on with other models."""
    path = _write(tmp_path / "model.onnx", partial(hostile.huge, side=2**28, from_latent=True))
    trust = Trust(memory=2**28, isolated=isolated)
    model = load(path, "cpu", threads=1, trust=trust)
    with pytest.raises(LimitError, match=r"more memory than the 0\.3 GB"):
        model.sample(1)
    assert len(load(_write(path, lambda _: None), "cpu", threads=1, trust=trust).sample(3)) == 3


@pytest.mark.parametrize("untrusted", [False, True])
def test_a_loop_that_never_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str], untrusted: bool) -> None:
    path = _write(tmp_path / "model.onnx", hostile.endless)
    more = ["--untrusted"] if untrusted else []
    begun = time.monotonic()
    arguments = ["generate", str(path), "--seconds", "0.5", "--device", "cpu", "--out", str(tmp_path / "out"), *more]
    assert run(arguments) == 2
    assert time.monotonic() - begun < 20
    said = capsys.readouterr().err
    assert "was stopped after 0.5 s" in said
    assert "more time (--seconds)." in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_operator_that_cannot_be_interrupted_is_ended_with_its_process(tmp_path: Path) -> None:
    path = _write(tmp_path / "model.onnx", hostile.one_long_operator)
    model = load(path, threads=1, trust=replace(UPLOADED, seconds=1.0, memory=4 * 2**30))
    for _ in range(2):  # the next call has a new process
        begun = time.monotonic()
        with pytest.raises(UserError, match="was stopped after 1 s"):
            model.sample(1)
        assert time.monotonic() - begun < 15


def test_a_graph_that_would_take_minutes_to_open(tmp_path: Path) -> None:
    path = _write(tmp_path / "model.onnx", hostile.slow_to_open)
    begun = time.process_time()
    assert len(load(path, "cpu", threads=1).sample(1)) == 1
    assert time.process_time() - begun < 20


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    path = tiny_onnx.write(tmp_path / "nan.onnx", scale=float("nan"))
    with pytest.raises(UserError, match="not numbers"):
        load(path, trust=UPLOADED).sample(1)


def test_an_isolated_model_gives_what_another_gives(tmp_path: Path) -> None:
    path = tiny_onnx.write(tmp_path / "model.onnx")
    with pytest.raises(UserError, match="cpu alone"):
        load(path, "cuda", trust=UPLOADED)
    isolated, here = load(path, threads=1, trust=UPLOADED), load(path, "cpu", threads=1)
    assert isolated.device == "cpu"
    assert np.array_equal(isolated.sample(20, 7, batch=8), here.sample(20, 7, batch=8))
    process = isolated.session.process  # type: ignore[attr-defined]
    process.kill()
    with pytest.raises(UserError, match="brought its process down"):
        isolated.sample(1)
    assert np.array_equal(isolated.sample(2), here.sample(2))
    process = isolated.session.process  # type: ignore[attr-defined]
    isolated.close()
    assert process.poll() is not None


def test_the_other_process_sees_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    model = load(tiny_onnx.write(tmp_path / "model.onnx"), trust=multigan.UPLOADED)
    process = model.session.process  # type: ignore[attr-defined]
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"PYTHONPATH" in environment
    assert b"secret" not in environment
    model.close()
