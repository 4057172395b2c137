"""A training that is killed at random moments, also while it writes, and gone on with, ends where it would have."""

from __future__ import annotations

import random
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from small import command, identical, lines, pictures, recipe, tensors, until

from multigan import checkpoint
from multigan.recipe import to_yaml
from multigan.runs import Run
from multigan.training.session import Options, train

KILLS = 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_kill_9_at_random_moments_loses_no_bit(tmp_path: Path, seed: int) -> None:
    """A checkpoint after every turn, so that about every second kill falls into the writing of one."""
    changes = ["training.samples=640", "training.checkpoint_every=8", "training.keep=2", "training.preview_every=320"]
    chosen = recipe(pictures(tmp_path / "data"), *changes)
    (tmp_path / "small.yaml").write_text(to_yaml(chosen))
    whole, killed = Run(tmp_path / "whole"), Run(tmp_path / "killed")
    train(chosen, Options(out=whole.folder))
    draw, newest = random.Random(seed), 0
    arguments = ["--recipe", "small.yaml", "--out", killed.folder]
    for _ in range(KILLS):
        process = command("train", "image", *arguments, cwd=tmp_path)
        until(process, lambda: max(killed.saved(), default=0) > newest)  # noqa: B023
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=draw.uniform(0, 0.3))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it came to its end before it was killed"
        saved = killed.saved()
        for samples in saved:  # what is there under its own name is whole
            checkpoint.load_pair(killed, samples)
        assert saved[-1] > newest
        newest, arguments = saved[-1], ["--resume", killed.folder]
    _, errors = (process := command("train", "image", *arguments, cwd=tmp_path)).communicate(timeout=300)
    assert process.returncode == 0, errors
    assert identical(tensors(whole, 640), tensors(killed, 640))
    assert lines(killed) == lines(whole)
    assert not list(killed.checkpoints.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_command_saves_says_how_to_go_on_and_succeeds(tmp_path: Path, number: signal.Signals) -> None:
    chosen = recipe(pictures(tmp_path / "data"), "training.samples=1000000", "training.checkpoint_every=80")
    (tmp_path / "small.yaml").write_text(to_yaml(chosen))
    run = Run(tmp_path / "run")
    process = command(
        "train", "image", "--recipe", "small.yaml", "--out", run.folder, cwd=tmp_path,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # where nohup has had it ignored
    )  # fmt: skip
    until(process, lambda: bool(run.saved()))
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert f"Stopped by {number.name} after " in errors
    assert f"go on:   multigan train image --resume {run.folder}" in errors
    checkpoint.load_pair(run, run.saved()[-1])


def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    chosen = recipe(pictures(tmp_path / "data"), "training.samples=16")
    run.checkpoints.mkdir(parents=True)
    torn = [run.checkpoints / name for name in (".000000000008.abcd1234.tmp.safetensors", ".tmp5LeCYT")]
    for path in torn:
        path.write_bytes(b"half")
    (run.checkpoints / "000000000008.safetensors").write_bytes(b"weights without a state")
    train(chosen, Options(out=run.folder))
    assert not any(path.exists() for path in torn)
    assert run.saved()[-1] == 16


def test_another_architecture_at_the_command_line_is_one_sentence(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    train(recipe(pictures(tmp_path / "data"), "training.samples=16"), Options(out=run.folder))
    before = tensors(run, 16)
    process = command("train", "image", "--resume", run.folder, "--set", "generator.width=8", cwd=tmp_path)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors) == (2, False), errors
    sentence = errors.splitlines()[-1]
    assert sentence.startswith(f"multigan: {run.weights(16)}: its generator is of another architecture")
    assert identical(tensors(run, 16), before)
