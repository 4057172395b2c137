"""Going on with a stopped training: bit for bit, from whole checkpoints alone, and never with other networks."""

from __future__ import annotations

import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from small import DCGAN, PLAIN, R3GAN, Listening, identical, lines, pictures, recipe, send, tensors

from multigan import checkpoint, processor
from multigan.errors import UserError
from multigan.runs import Run
from multigan.training.session import Options, Outcome, train

ADAPTIVE = {"kinds": ["translation", "color"], "probability": "adaptive"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training of 160 samples that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(recipe(data), Options(out=out))
    return Run(out)


def stopped(data: Path, out: Path, number: signal.Signals = signal.SIGTERM, **parts: Any) -> Outcome:
    """The same training, asked to stop by a signal after 80 samples."""
    return train(recipe(data, **parts), Options(out=out), Listening(80, send(number)))


@pytest.mark.parametrize(
    "parts",
    [
        {"generator": DCGAN, "discriminator": DCGAN, "loss": {"kind": "hinge"}, "regularizers": []},
        {"generator": R3GAN, "discriminator": R3GAN, "augment": ADAPTIVE},
        {"generator": {"kind": "resnet", "width": 4}, "discriminator": {"kind": "resnet", "width": 4}},
        {
            "training": {"samples": 160, "batch": 8, "accumulate": 2, "precision": "bf16", "log_every": 3,
                         "discriminator_steps": 2, "preview_every": 80},
            "ema": {"half_life": {"start": 50, "end": 200}},
            "generator_optimizer": {"lr": {"start": 4e-4, "end": 1e-4}},
        },
    ],
    ids=["dcgan", "r3gan-adaptive", "resnet", "bf16-accumulated-scheduled"],
)  # fmt: skip
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(
    data: Path, tmp_path: Path, parts: dict[str, Any]
) -> None:
    if parts.get("training", {}).get("precision") == "bf16" and not processor.bf16():
        parts["training"] = {**parts["training"], "precision": "fp32"}
    one, two = Run(tmp_path / "whole"), Run(tmp_path / "parted")
    train(recipe(data, **parts), Options(out=one.folder))
    first = stopped(data, two.folder, **parts)
    assert (first.stopped, 80 <= first.samples < 160) == ("by SIGTERM", True)
    kept = lines(two)
    second = train(recipe(data, **parts), Options(out=two.folder, resume=True))
    assert (second.stopped, second.samples) == (None, 160)
    assert identical(tensors(one, 160), tensors(two, 160))
    # No line is lost or doubled. The preview of the moment of stopping is the one line more.
    ours, theirs = lines(one), lines(two)
    assert theirs[: len(kept)] == kept
    extra = [line for line in theirs if line not in ours]
    assert [line for line in theirs if line in ours] == ours
    assert all(line.keys() == {"samples", "diversity"} and line["samples"] == first.samples for line in extra)
    assert len(extra) <= 1


def test_ctrl_c_saves_and_leaves_too(data: Path, tmp_path: Path, whole: Run) -> None:
    run = Run(tmp_path / "run")
    outcome = stopped(data, run.folder, signal.SIGINT)
    assert (outcome.stopped, outcome.samples) == ("by SIGINT", 80)
    assert identical(tensors(run, 80), tensors(whole, 80))
    with pytest.raises(KeyboardInterrupt):  # the handlers are those from before again
        send(signal.SIGINT)()


def test_a_second_ctrl_c_is_obeyed_at_once(data: Path, tmp_path: Path) -> None:
    def twice() -> None:
        send(signal.SIGINT)()
        send(signal.SIGINT)()

    with pytest.raises(KeyboardInterrupt):
        train(recipe(data), Options(out=tmp_path / "run"), Listening(80, twice))


def test_resuming_what_is_finished_changes_nothing(data: Path, whole: Run) -> None:
    before = {path: path.read_bytes() for path in whole.folder.rglob("*") if path.is_file() and path.suffix != ".gif"}
    outcome = train(recipe(data), Options(out=whole.folder, resume=True))
    assert (outcome.samples, outcome.weights) == (160, whole.weights(160))
    assert {path: path.read_bytes() for path in before} == before


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    elif how == "empty":
        content = bytearray()
    else:
        content[-3] ^= 16  # in the last tensor's values
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty"])
@pytest.mark.parametrize("file", ["weights", "state"])
def test_a_damaged_newest_checkpoint_is_passed_over_and_written_anew(
    data: Path, tmp_path: Path, whole: Run, file: str, how: str
) -> None:
    run, heard = Run(tmp_path / "run"), Listening()
    stopped(data, run.folder)
    broken = getattr(run, file)(80)
    damage(broken, how)
    outcome = train(recipe(data, "training.keep=1"), Options(out=run.folder, resume=True), heard)
    assert any(f"warning: {broken} is damaged" in sentence for sentence in heard.said)
    assert any(f"Going on from {run.weights(40)} (40 samples)" in sentence for sentence in heard.said)
    assert outcome.samples == 160
    assert run.saved() == [160]
    assert identical(tensors(run, 160), tensors(whole, 160))


def test_a_damaged_checkpoint_does_not_push_out_a_whole_one(data: Path, tmp_path: Path) -> None:
    """Going on from 40 past a damaged 80, the checkpoint after 48 is the newest, and the damaged one goes."""
    run = Run(tmp_path / "run")
    stopped(data, run.folder)
    damage(run.weights(80), "flipped")
    changes = ["training.keep=1", "training.checkpoint_every=8", "training.samples=48"]
    train(recipe(data, *changes), Options(out=run.folder, resume=True))
    assert run.saved() == [48]
    checkpoint.load_pair(run, 48)


def test_without_a_whole_checkpoint_one_sentence_says_so(data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    stopped(data, run.folder)
    for samples in run.saved():
        damage(run.weights(samples), "truncated")
    with pytest.raises(UserError, match=r"no checkpoint in .* is whole: .*is damaged"):
        train(recipe(data), Options(out=run.folder, resume=True))
    with pytest.raises(UserError, match="holds no checkpoint to resume from"):
        train(recipe(data), Options(out=tmp_path, resume=True))


def test_a_checkpoint_that_cannot_be_read_now_is_not_taken_for_damaged(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To go on from an older one would remove it."""
    run = Run(tmp_path / "run")
    stopped(data, run.folder)
    before = run.saved()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    really = checkpoint._read

    def without_descriptors(path: Path) -> object:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            return really(path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    monkeypatch.setattr(checkpoint, "_read", without_descriptors)
    with pytest.raises(UserError, match=r"000000000080\.state\.safetensors cannot be read now: Too many open files"):
        train(recipe(data), Options(out=run.folder, resume=True))
    assert run.saved() == before


@pytest.mark.parametrize("change", ["none", "removed", "renamed", "other class"])
def test_data_that_has_changed_is_said_when_resuming(data: Path, tmp_path: Path, change: str) -> None:
    mine = pictures(tmp_path / "data")
    stopped(mine, tmp_path / "run")
    first = mine / "even" / "000.png"
    if change == "removed":
        first.unlink()
    elif change != "none":
        first.rename(mine / ("odd" if change == "other class" else "even") / "999.png")
    heard = Listening()
    train(recipe(mine), Options(out=tmp_path / "run", resume=True), heard)
    assert any("the data is not what it was" in sentence for sentence in heard.said) == (change != "none")


def test_weights_and_state_of_different_moments_are_no_pair(data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    stopped(data, run.folder)
    run.weights(80).write_bytes(run.weights(40).read_bytes())
    with pytest.raises(UserError, match="is not what 000000000080"):
        checkpoint.load_pair(run, 80)


def test_other_networks_are_refused_and_nothing_is_lost(data: Path, whole: Run) -> None:
    before = {path: path.read_bytes() for path in whole.folder.rglob("*") if path.is_file()}
    for change in ("generator.width=8", "discriminator.width=8", "augment={probability: adaptive}"):
        with pytest.raises(UserError, match=r"of another architecture|does not belong to this recipe"):
            train(recipe(data, change), Options(out=whole.folder, resume=True))
    assert {path: path.read_bytes() for path in whole.folder.rglob("*") if path.is_file()} == before


def test_a_folder_that_holds_a_training_is_refused_without_resume(data: Path, whole: Run) -> None:
    with pytest.raises(UserError, match=r"holds a training already: go on with --resume .* or choose another --out"):
        train(recipe(data), Options(out=whole.folder))


def test_a_training_that_died_before_its_first_checkpoint_begins_anew(data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.metrics.write_text('{"samples": 8, "generator": 1.0}\n{"samples": 1')
    train(recipe(data, "training.samples=16"), Options(out=run.folder))
    assert [line["samples"] for line in lines(run)] == [0, 16, 16]


def test_fine_tuning_starts_from_the_averaged_generator(data: Path, tmp_path: Path, whole: Run) -> None:
    run = Run(tmp_path / "tuned")
    changes = ["generator_optimizer.lr=0", "discriminator_optimizer.lr=0", "training.samples=16", "seed=9"]
    train(recipe(data, *changes), Options(out=run.folder, init_from=whole.weights(160)))
    before, after = checkpoint.load(whole.weights(160)), checkpoint.load(run.weights(16))
    weights = [name for name in after.networks["generator"] if "running" not in name and "batches" not in name]
    for name in weights:
        start = before.networks["generator_ema"][name]
        assert after.networks["generator"][name].equal(start)
        assert after.networks["generator_ema"][name].equal(start)
    assert not all(before.networks["generator"][name].equal(after.networks["generator"][name]) for name in weights)
    for name, value in after.networks["discriminator"].items():
        assert value.equal(before.networks["discriminator"][name])


@pytest.mark.parametrize(
    "parts",
    [{}, {"generator": {"kind": "resnet", "width": 4}, "discriminator": {"kind": "resnet", "width": 4}}],
    ids=["dcgan", "resnet"],
)
def test_fine_tuning_on_another_number_of_classes_begins_their_tables_anew(
    data: Path, tmp_path: Path, parts: dict[str, Any]
) -> None:
    old, new = Run(tmp_path / "old"), Run(tmp_path / "new")
    train(recipe(data, "training.samples=16", **parts), Options(out=old.folder))
    more = pictures(tmp_path / "data")
    (more / "third").mkdir()
    for index in range(8):
        (more / "even" / f"{2 * index:03d}.png").rename(more / "third" / f"{index}.png")
    still = ["generator_optimizer.lr=0", "discriminator_optimizer.lr=0", "training.samples=16"]
    chosen = recipe(more, "data.classes=[even, odd, third]", *still, **parts)
    train(chosen, Options(out=new.folder, init_from=old.weights(16)))
    before, after = (checkpoint.load(run.weights(16)).networks for run in (old, new))
    other = [key for key, value in before["generator_ema"].items() if value.shape != after["generator"][key].shape]
    assert other
    assert all(after["generator"][key].shape[0] == 3 for key in other)
    kept = [
        key for key in before["generator_ema"] if key not in other and "running" not in key and "batches" not in key
    ]
    assert all(before["generator_ema"][key].equal(after["generator"][key]) for key in kept)


def test_a_small_file_does_not_make_a_machine_build_large_networks(data: Path, tmp_path: Path, whole: Run) -> None:
    weights = checkpoint.load(whole.weights(160))
    large = recipe(data, "generator={kind: r3gan, width: 1024, blocks: 16, group_size: 2048, expansion: 2}")
    path = tmp_path / "large.safetensors"
    tensors = {f"{name}.{key}": value for name, each in weights.networks.items() for key, value in each.items()}
    checkpoint._save(path, tensors, {"samples": "160", "recipe": large.model_dump_json()})
    with pytest.raises(UserError, match=r"its recipe asks for networks of [\d,]{13,} values and the file holds"):
        checkpoint.load_generator(path)


def test_fine_tuning_refuses_another_architecture(data: Path, tmp_path: Path, whole: Run) -> None:
    for parts in ({"generator": {**DCGAN, "width": 8}}, {"discriminator": {**PLAIN, "width": 8}}, {"generator": R3GAN}):
        with pytest.raises(UserError, match="is of another architecture than the recipe's"):
            train(recipe(data, **parts), Options(out=tmp_path / "run", init_from=whole.weights(160)))
    assert not (tmp_path / "run").exists()


def test_a_discriminator_of_another_kind_begins_anew_and_that_is_said(data: Path, tmp_path: Path, whole: Run) -> None:
    still = ["generator_optimizer.lr=0", "discriminator_optimizer.lr=0", "training.samples=16"]
    chosen, heard = recipe(data, *still, discriminator={"kind": "resnet", "width": 4}), Listening()
    outcome = train(chosen, Options(out=tmp_path / "run", init_from=whole.weights(160)), heard)
    before, after = (checkpoint.load(path).networks for path in (whole.weights(160), outcome.weights))
    (name,) = (name for name in after["generator"] if name.endswith("embedding.weight"))
    assert after["generator"][name].equal(before["generator_ema"][name])
    fresh = checkpoint.load(train(chosen, Options(out=tmp_path / "fresh")).weights).networks["discriminator"]
    weights = [name for name in fresh if "parametrizations" not in name or name.endswith("original")]
    assert all(after["discriminator"][name].equal(fresh[name]) for name in weights)
    assert any("the recipe's is of kind resnet, that of --init-from of kind dcgan." in each for each in heard.said)
