"""Two Gloo processes on one machine: equal to each other to the bit, and to one process up to rounding."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from small import ROOT, identical, lines, pictures, recipe, until
from two import play

from multigan import checkpoint
from multigan.recipe import to_yaml
from multigan.runs import Run
from multigan.training.session import Options, train

HERE = Path(__file__).resolve().parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{HERE}", "OMP_NUM_THREADS": "1", **more}


def test_two_processes_are_one(tmp_path: Path) -> None:
    data, budget = pictures(tmp_path / "data"), 5 * 8
    alone = load_file(play(data, tmp_path / "alone", budget))
    port = str(free_port())
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE / "two.py"), str(data), str(tmp_path / "both"), str(budget)],
            env=environment(
                RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port
            ),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    first, second = (load_file(tmp_path / f"both.rank{rank}.safetensors") for rank in range(2))
    assert identical(first, second)
    assert first.keys() == alone.keys()
    for name, value in alone.items():
        assert float((value.double() - first[name].double()).abs().max()) < 1e-9, name
    assert float(first["probability"]) != 0.5  # it moved, in both by as much
    # One log, one set of previews: rank 1 wrote nothing.
    one, two = Run(tmp_path / "alone"), Run(tmp_path / "both")
    assert [line["samples"] for line in lines(two)] == [line["samples"] for line in lines(one)]
    names = [sorted(p.name for p in run.folder.rglob("*") if p.parent.name != "tensorboard") for run in (one, two)]
    assert names[0] == names[1]
    assert len(list((two.folder / "tensorboard").iterdir())) == 1
    for samples in two.saved():
        checkpoint.load_pair(two, samples)


def torchrun(folder: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(free_port()),
            "-m", "multigan", "train", "image", *map(str, arguments),
        ],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def difference(ours: Run, theirs: Run, samples: int) -> float:
    one, two = (load_file(run.weights(samples)) for run in (ours, theirs))
    assert one.keys() == two.keys()
    return max(float((one[name].double() - two[name].double()).abs().max()) for name in one)


@pytest.mark.slow
def test_torchrun_trains_and_resumes_as_one_process_does(tmp_path: Path) -> None:
    chosen = recipe(pictures(tmp_path / "data"), "training.precision=fp64", "generator={kind: r3gan, width: 16}")
    (tmp_path / "small.yaml").write_text(to_yaml(chosen))
    alone, both = Run(tmp_path / "alone"), Run(tmp_path / "both")
    train(chosen, Options(out=alone.folder))
    for arguments in (
        ["--recipe", "small.yaml", "--out", both.folder, "--set", "training.samples=80"],
        ["--resume", both.folder, "--set", "training.samples=160"],
    ):
        _, errors = (process := torchrun(tmp_path, *arguments)).communicate(timeout=200)
        assert process.returncode == 0, errors
        assert errors.count("Finished after") == 1
    assert errors.count("Going on from") == 1
    assert difference(alone, both, 160) < 1e-9


@pytest.mark.slow
def test_torchrun_hands_sigterm_on_and_both_processes_save_and_leave(tmp_path: Path) -> None:
    chosen = recipe(pictures(tmp_path / "data"), "training.samples=1000000", "training.checkpoint_every=80")
    (tmp_path / "small.yaml").write_text(to_yaml(chosen))
    run = Run(tmp_path / "run")
    process = torchrun(tmp_path, "--recipe", "small.yaml", "--out", run.folder)
    until(process, lambda: bool(run.saved()))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert errors.count("Stopped by SIGTERM after") == 1
    checkpoint.load_pair(run, run.saved()[-1])


@pytest.mark.slow
def test_a_batch_that_two_processes_cannot_share_is_one_sentence_and_no_hang(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(to_yaml(recipe(pictures(tmp_path / "data"), "training.batch=5")))
    process = torchrun(tmp_path, "--recipe", "small.yaml", "--out", tmp_path / "run")
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "multigan: training.batch: a batch of 5 cannot be split evenly over 2 processes" in errors
    assert not (tmp_path / "run").exists()
