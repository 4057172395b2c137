"""What a training writes, how it ends, and what it says when it cannot go on."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from small import Listening, command, identical, largest_file, lines, pictures, recipe, tensors

from multigan import checkpoint
from multigan.adversarial.batch import Batch
from multigan.adversarial.distributed import World
from multigan.adversarial.game import Game
from multigan.errors import UserError
from multigan.recipe import to_yaml
from multigan.runs import Run, find_checkpoint
from multigan.training.display import Quiet
from multigan.training.keeping import Keeper
from multigan.training.session import Options, Session, train
from multigan.training.shortage import explaining

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training of 160 samples that keeps two checkpoints."""
    out = tmp_path_factory.mktemp("run") / "run"
    train(recipe(data, "training.keep=2"), Options(out=out))
    return Run(out)


# --- what it leaves ---------------------------------------------------------------------------------------------------


def test_the_newest_checkpoints_are_kept_and_no_other_file(run: Run) -> None:
    assert run.saved() == [120, 160]
    names = {path.name for path in run.checkpoints.iterdir()}
    assert names == {f"{count:012d}{kind}.safetensors" for count in (120, 160) for kind in ("", ".state")}


def test_the_log_has_one_line_a_reading_and_one_a_preview(run: Run) -> None:
    # Readings every 3 turns of 8 samples, after turns 10 and 20; previews every 80 samples and at the start.
    read = lines(run)
    assert [line["samples"] for line in read if "generator" in line] == [24, 48, 72, 80, 96, 120, 144, 160]
    assert [line["samples"] for line in read if "diversity" in line] == [0, 80, 160]
    assert all(line["skipped"] == 0 for line in read if "generator" in line)
    assert all(isinstance(value, int | float) and math.isfinite(value) for line in read for value in line.values())


def test_tensorboard_shows_the_same_figures(run: Run) -> None:
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    (path,) = (run.folder / "tensorboard").glob("events.out.tfevents.*")
    seen: dict[tuple[str, int], float] = {}
    pictures_at = []
    for event in loading.LegacyEventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.HasField("image"):
                pictures_at.append(event.step)
            else:
                seen[value.tag, event.step] = value.simple_value
    for line in lines(run):
        for name, figure in line.items():
            assert name == "samples" or seen[name, line["samples"]] == pytest.approx(figure, rel=1e-6)
    assert pictures_at == [0, 80, 160]


def test_previews_are_from_the_same_latents_and_the_film_shows_them_in_a_row(run: Run, data: Path) -> None:
    assert [path.name for path in sorted(run.previews.iterdir())] == [f"{at:012d}.png" for at in (0, 80, 160)]
    with Image.open(run.movie) as film:
        assert (film.format, film.n_frames) == ("GIF", 3)
        with Image.open(run.previews / f"{0:012d}.png") as still:
            assert film.size == still.size
    # The last preview, made anew from the last checkpoint.
    session = Session(recipe(data), Options(out=run.folder, resume=True), CPU, World(), Listening())
    samples = session.previews.sample(session.previews.latents, session.previews.conditions)
    session.head.save_preview(samples, run.folder / "again")
    with Image.open(run.folder / "again.png") as again, Image.open(run.previews / f"{160:012d}.png") as before:
        assert again.tobytes() == before.tobytes()


def test_the_runs_recipe_is_the_resolved_one_and_lies_in_the_weights_too(run: Run, data: Path) -> None:
    text = run.recipe.read_text()
    assert text == to_yaml(checkpoint.load(run.weights(160)).recipe)
    assert "gamma: 0.1" in text
    assert checkpoint.load(run.weights(120)).samples == 120
    assert checkpoint.load(run.weights(120)).count == len([each for each in data.rglob("*") if each.is_file()])
    found, generator, samples = checkpoint.load_generator(find_checkpoint(run.folder))
    assert (found.name, samples, generator.training) == ("small", 160, False)


def test_a_checkpoint_is_found_by_path_by_run_and_the_newest_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_checkpoint(run.weights(120)) == run.weights(120)
    assert find_checkpoint(run.folder) == run.weights(160)
    with pytest.raises(UserError, match=r"holds the optimizer's state: give .*000160\.safetensors"):
        find_checkpoint(run.state(160))
    with pytest.raises(UserError, match="does not exist"):
        find_checkpoint(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no run with a checkpoint under runs/"):
        find_checkpoint()
    for age, name in enumerate(("newer", "older", "empty")):
        folder = Run(tmp_path / "runs" / name)
        folder.checkpoints.mkdir(parents=True)
        if name != "empty":
            for path in (folder.weights(5), folder.state(5)):
                path.touch()
                os.utime(path, (1e9 - age, 1e9 - age))
    assert find_checkpoint() == Run(Path("runs/newer")).weights(5)
    with pytest.raises(UserError, match="has no checkpoint yet"):
        find_checkpoint(tmp_path / "runs" / "empty")
    Run(tmp_path / "runs" / "older").best.touch()
    assert find_checkpoint() == Run(Path("runs/older")).best


def test_the_best_weights_are_those_of_the_smallest_value(tmp_path: Path) -> None:
    run, saved = Run(tmp_path), []
    keeper = Keeper(run, 3, lambda: None)
    for value in (5.0, 3.0, float("nan"), 4.0, 2.5):
        keeper.keep_best(value, "fd", lambda value=value: saved.append(value))  # type: ignore[misc]
    Keeper(run, 3, lambda: None).keep_best(2.6, "fd", lambda: saved.append(2.6))  # a resumed run remembers
    assert saved == [5.0, 3.0, 2.5]
    assert json.loads((run.checkpoints / "best.json").read_text()) == {"metric": "fd", "value": 2.5}
    keeper.keep_best(700.0, "fd@112", lambda: saved.append(700.0))  # another metric's values do not compare
    assert saved[-1] == 700.0


def test_one_training_at_a_time_works_in_a_folder(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is refused before it has touched anything; without a folder of its own it takes the next name."""
    monkeypatch.chdir(tmp_path)
    first = Listening(24, lambda: _second(data))
    assert train(recipe(data), Options(), first).run.folder == Path("runs/small")
    assert train(recipe(data, "training.samples=8"), Options()).run.folder == Path("runs/small-3")
    assert sorted(path.name for path in Path("runs").iterdir()) == ["small", "small-2", "small-3"]


def _second(data: Path) -> None:
    """What another process sees while the first one trains."""
    for arguments in (["--resume", "runs/small"], ["--out", "runs/small", "--recipe", "dcgan"]):
        _, errors = command("train", "image", *arguments, cwd=Path.cwd()).communicate(timeout=100)
        assert "multigan: another training is at work in runs/small: wait for its end" in errors
    assert train(recipe(data, "training.samples=8"), Options()).run.folder == Path("runs/small-2")


def test_a_training_that_cannot_begin_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for options in (Options(), Options(out=Path("mine"))):
        with pytest.raises(UserError, match="no folder or file"):
            train(recipe(tmp_path / "nowhere"), options)
    assert [path.name for path in tmp_path.iterdir()] in ([], ["runs"])
    assert not list(tmp_path.glob("runs/*"))


def test_best_weights_alone_are_a_training_too(data: Path, tmp_path: Path) -> None:
    """Else the export would take the old ones for the new training's best."""
    run = Run(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    run.best.touch()
    with pytest.raises(UserError, match="holds a training already"):
        train(recipe(data), Options(out=run.folder))


def test_others_may_read_a_checkpoint_as_they_may_the_log(run: Run) -> None:
    modes = {path.stat().st_mode for path in (run.metrics, run.weights(160), run.state(160))}
    assert len(modes) == 1


def test_too_little_memory_is_a_sentence_that_names_the_keys(data: Path) -> None:
    training = recipe(data).training
    with (
        pytest.raises(
            UserError, match=r"this machine's memory is not enough: .*training\.accumulate, now 1: 8 samples"
        ),
        explaining(training, CPU),
    ):
        torch.empty(2**50)
    with pytest.raises(UserError, match="the GPU's memory"), explaining(training, torch.device("cuda")):
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="another matter"), explaining(training, CPU):
        raise RuntimeError("another matter")


def test_memory_that_is_gone_half_way_loses_nothing_that_was_learned(data: Path, tmp_path: Path) -> None:
    session = Session(recipe(data), Options(out=tmp_path / "run"), CPU, World(), Quiet())

    def exhausted(log: object) -> None:
        raise MemoryError

    session._preview = exhausted  # type: ignore[method-assign,assignment]
    session._done["preview"] = 0  # the first one has been drawn
    with pytest.raises(MemoryError):
        session.play()
    assert session.run.saved()[-1] == 80  # where a preview was due, and no checkpoint yet


def test_a_generator_that_makes_one_sample_is_called_collapsed_once_and_not_at_its_first_steps(
    data: Path, tmp_path: Path
) -> None:
    """With a learning rate of 0 the class tables alone tell samples apart, and each class has one."""
    heard = Listening()
    still = ["generator_optimizer.lr=0", "discriminator_optimizer.lr=0", "training.preview_every=40", "ema.half_life=0"]
    session = Session(recipe(data, *still), Options(out=tmp_path / "run"), CPU, World(), heard)
    for weight in (session.trainer.game.generator.base.linear.weight, session.trainer.ema.module.base.linear.weight):
        weight.data.zero_()
    session.play()
    assert sum("the generator is collapsing" in sentence for sentence in heard.said) == 1
    judged = [line["samples"] for line in lines(session.run) if line.get("diversity", 1) < 0.15]
    assert judged == [0, 40, 80, 120, 160]


def test_a_run_without_a_folder_of_its_own_gets_the_next_free_name(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [train(recipe(data, "training.samples=8")).run.folder for _ in range(2)]
    assert folders == [Path("runs/small"), Path("runs/small-2")]


def test_minutes_stop_a_training_which_then_saves(data: Path, tmp_path: Path) -> None:
    outcome = train(recipe(data, "training.samples=100000"), Options(out=tmp_path / "run", minutes=0.001))
    assert outcome.stopped == "by the limit of 0.001 minutes"
    assert outcome.run.saved()[-1] == outcome.samples < 100_000
    assert outcome.weights == outcome.run.weights(outcome.samples)


# --- when it cannot go on ---------------------------------------------------------------------------------------------


class Spoilt:
    """An objective that is not a number from a step on."""

    def __init__(self, objective: object, start: int):
        self.objective, self.start = objective, start

    def __call__(self, game: Game, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        loss, figures = self.objective(game, batch)  # type: ignore[operator]
        return (loss * float("nan") if game.now.step >= self.start else loss), figures


def test_a_training_that_turns_not_finite_stops_with_a_sentence_and_a_good_checkpoint(
    data: Path, tmp_path: Path
) -> None:
    changes = ["training.nonfinite_limit=4", "discriminator.normalize=batch"]
    session = Session(recipe(data, *changes), Options(out=tmp_path / "run"), CPU, World(), Listening())
    phase = session.trainer.phases[0]
    object.__setattr__(phase, "objective", Spoilt(phase.objective, 7))
    with pytest.raises(UserError, match=r"not finite in 4 steps in a row: lower the learning rate.*are saved: "):
        session.play()
    run = Run(tmp_path / "run")
    assert run.saved()[-1] == 11 * 8
    weights, state = checkpoint.load_pair(run, 11 * 8)
    everything = {**state.tensors, **{f"{n}.{k}": v for n, d in weights.networks.items() for k, v in d.items()}}
    figures = [name for name, value in everything.items() if not torch.isfinite(value.float()).all()]
    assert all(name.startswith("meter.") for name in figures)
    assert state.tensors["skips.total"] == 4
    # A mended cause, and it goes on.
    outcome = train(recipe(data, *changes), Options(out=run.folder, resume=True))
    assert (outcome.samples, outcome.stopped) == (160, None)


@pytest.mark.parametrize("out", ["a file", "a file/below"])
def test_a_folder_that_cannot_be_written_is_one_sentence(data: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(UserError, match=r"cannot write into .*: .*Choose another --out"):
        train(recipe(data), Options(out=tmp_path / out))


def test_a_batch_that_the_parts_or_processes_do_not_divide_is_one_sentence(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training\.batch: a batch of 8 cannot be split evenly over 3 processes"):
        Session(recipe(data), Options(out=tmp_path / "run"), CPU, World(0, 3), Listening())


def test_a_full_disk_ends_the_training_and_spares_the_checkpoints_before(data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    train(recipe(data, "training.samples=40"), Options(out=run.folder))
    before = tensors(run, 40)
    size = run.weights(40).stat().st_size
    process = command(
        "train", "image", "--resume", run.folder, "--set", "training.samples=160",
        cwd=tmp_path, preexec_fn=largest_file(size // 2),
    )  # fmt: skip
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 2, errors
    assert "Traceback" not in errors
    assert f"multigan: cannot write {run.weights(80)}: " in errors
    assert "Free some room" in errors
    assert identical(tensors(run, 40), before)
    assert run.saved() == [40]
    assert not list(run.checkpoints.glob(".*"))
    assert train(recipe(data), Options(out=run.folder, resume=True)).samples == 160


def test_a_log_that_a_full_disk_refuses_is_one_sentence(data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    train(recipe(data, "training.samples=40"), Options(out=run.folder))
    process = command(
        "train", "image", "--resume", run.folder, "--set", "training.samples=160", "--set", "training.log_every=1",
        cwd=tmp_path, preexec_fn=largest_file(run.metrics.stat().st_size + 200),
    )  # fmt: skip
    _, errors = process.communicate(timeout=100)
    assert (process.returncode, "Traceback" in errors) == (2, False), errors
    assert "multigan: cannot write" in errors
    assert run.saved() == [40]


def test_data_that_fails_half_way_loses_nothing_that_was_learned(data: Path, tmp_path: Path) -> None:
    """The checkpoint is of the turn before, although none was due; going on from it ends in the same bits."""
    changes = ["training.checkpoint_every=160"]
    run, whole = Run(tmp_path / "run"), Run(tmp_path / "whole")
    train(recipe(data, *changes), Options(out=whole.folder))
    session = Session(recipe(data, *changes), Options(out=run.folder), CPU, World(), Quiet())
    take = session.data.stream.take

    def failing(start: int, count: int) -> Batch:
        if start >= 80:
            raise UserError("the disk has gone")
        return take(start, count)

    session.data.stream.take = failing  # type: ignore[method-assign]
    with pytest.raises(UserError, match="the disk has gone"):
        session.play()
    assert run.saved() == [80]
    train(recipe(data, *changes), Options(out=run.folder, resume=True))
    assert identical(tensors(run, 160), tensors(whole, 160))
