"""A training that is killed at random moments, also while it writes, and gone on with, ends where it would have."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path

import pytest
from small import command, identical, lines, pictures, recipe, tensors, until

from multigan import checkpoint
from multigan.recipe import to_yaml
from multigan.runs import Run
from multigan.training.session import Options, train


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_kill_9_at_random_moments_loses_no_bit(tmp_path: Path, seed: int) -> None:
    """A checkpoint after every turn, so that about every second kill falls into the writing of one."""
    changes = ["training.samples=2400", "training.checkpoint_every=8", "training.keep=2", "training.preview_every=800"]
    chosen = recipe(pictures(tmp_path / "data"), *changes)
    (tmp_path / "small.yaml").write_text(to_yaml(chosen))
    whole, killed = Run(tmp_path / "whole"), Run(tmp_path / "killed")
    train(chosen, Options(out=whole.folder))
    draw, kills, progress = random.Random(seed), 0, []
    process = command("train", "image", "--recipe", "small.yaml", "--out", killed.folder, cwd=tmp_path)
    while True:
        try:
            # Long enough to start; then any moment will do.
            _, errors = process.communicate(timeout=(20 if not killed.saved() else 6) * draw.uniform(0.5, 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            assert kills < 40
            saved = killed.saved()
            progress.append(saved[-1] if saved else 0)
            for samples in saved:  # what is there under its own name is whole
                checkpoint.load_pair(killed, samples)
            again = ["--resume", killed.folder] if saved else ["--recipe", "small.yaml", "--out", killed.folder]
            process = command("train", "image", *again, cwd=tmp_path)
            continue
        assert process.returncode == 0, errors
        break
    assert kills > 0
    assert progress == sorted(progress)
    assert identical(tensors(whole, 2400), tensors(killed, 2400))
    assert lines(killed) == lines(whole)
    assert not list(killed.checkpoints.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_saves_says_how_to_go_on_and_succeeds(tmp_path: Path, number: signal.Signals) -> None:
    chosen = recipe(pictures(tmp_path / "data"), "training.samples=1000000", "training.checkpoint_every=80")
    (tmp_path / "small.yaml").write_text(to_yaml(chosen))
    run = Run(tmp_path / "run")
    process = command("train", "image", "--recipe", "small.yaml", "--out", run.folder, cwd=tmp_path)
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
    torn = run.checkpoints / ".000000000008.abcd1234.tmp.safetensors"
    torn.write_bytes(b"half")
    (run.checkpoints / "000000000008.safetensors").write_bytes(b"weights without a state")
    train(chosen, Options(out=run.folder))
    assert not torn.exists()
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
