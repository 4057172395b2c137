"""How sounds are measured: mel spectra, features, the classifier, the report, and `multigan evaluate` on a model."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from multigan import evaluation
from multigan.audio import features
from multigan.audio.features import BANDS, STEPS, LogMel, Speech, course, log_mel, mel_filters
from multigan.cli import run
from multigan.embedded import drums
from multigan.errors import UserError
from multigan.metrics import Told, frechet_distance
from multigan.metrics.discriminant import Discriminant, inception_score, judge

RATE = 16_000


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> tuple[np.ndarray, np.ndarray]:
    """The embedded drums as `[91, 1, 8192]`, and their kinds as numbers."""
    found = drums()
    kinds = sorted({drum.kind for drum in found})
    sounds = np.zeros((len(found), 1, 8192), np.float32)
    for row, drum in enumerate(found):
        part = drum.samples[:8192]
        sounds[row, 0, : len(part)] = part
    return sounds, np.array([kinds.index(drum.kind) for drum in found])


# --- spectra --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "window"), [(8_000, 256), (16_000, 512), (44_100, 1024), (4_000, 64)])
def test_every_mel_band_hears_something_and_weighs_one(rate: int, window: int) -> None:
    filters = mel_filters(rate, window)
    assert filters.shape == (BANDS, window // 2 + 1)
    assert (filters >= 0).all()
    np.testing.assert_allclose(filters.sum(axis=1), 1)
    centres = filters @ np.arange(window // 2 + 1)
    assert (np.diff(centres) > 0).all()


@pytest.mark.parametrize("frequency", [200.0, 1000.0, 3500.0, 7000.0])
def test_a_sine_is_heard_in_its_band_at_its_level(frequency: float) -> None:
    sine = 0.5 * np.sin(2 * np.pi * frequency * np.arange(16_000) / RATE)[None, None]
    spectra = log_mel(sine, RATE)[0].mean(axis=1)
    points = 700 * (10 ** (np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 8000 / 700), 42) / 2595) - 1)
    assert abs(points[1 + spectra.argmax()] - frequency) <= np.diff(points).max()
    quieter = log_mel(sine / 10, RATE)[0].mean(axis=1)
    assert spectra.max() - quieter.max() == pytest.approx(20, abs=0.1)
    assert log_mel(np.zeros_like(sine), RATE) == pytest.approx(-80)


def test_the_course_averages_equal_parts() -> None:
    spectra = np.random.default_rng(0).normal(size=(2, BANDS, 64)).astype(np.float32)
    found = course(spectra)
    np.testing.assert_allclose(found, spectra.reshape(2, BANDS, STEPS, 4).mean(axis=3), rtol=1e-5, atol=1e-6)
    assert np.isfinite(course(spectra[:, :, :3])).all(), "fewer frames than parts"


def test_distance_on_log_mel_orders_drums_before_noise(clips: tuple[np.ndarray, np.ndarray]) -> None:
    sounds, _ = clips
    measure = LogMel(RATE)
    seen = measure(sounds)
    assert seen.shape == (91, 2 * BANDS)
    order = np.random.default_rng(0).permutation(91)
    real = frechet_distance(seen[order[:45]], seen[order[45:]])
    noise = np.random.default_rng(0).normal(0, 0.1, sounds.shape).astype(np.float32)
    louder = frechet_distance(seen, measure(np.clip(sounds + noise / 10, -1, 1)))
    assert frechet_distance(seen, seen) == pytest.approx(0, abs=1e-4 * real)
    assert real < louder < frechet_distance(seen, measure(noise))


@pytest.mark.skipif(
    importlib.util.find_spec("openwakeword") is None, reason="pip install --no-deps openwakeword==0.4.0"
)
def test_the_speech_embedding_hears_what_is_said_and_not_the_batch(clips: tuple[np.ndarray, np.ndarray]) -> None:
    sounds, _ = clips
    measure = Speech(RATE)
    alone, together = measure(sounds[:1]), measure(sounds[:4])
    assert together.shape == (4, 96)
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)
    assert np.abs(together[0] - together[3]).max() > 0.1
    slower = Speech(8_000)(sounds[:1, :, ::2])
    assert np.linalg.norm(slower - alone) < 0.5 * np.linalg.norm(together[3] - alone), "resampled to the network's rate"


def test_an_extractor_that_is_unknown_or_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="Did you mean 'logmel'"):
        features.extractor("logmell", RATE)
    monkeypatch.setattr(features.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps openwakeword"):
        features.extractor("speech", RATE)


# --- the classifier -------------------------------------------------------------------------------------------------


def test_the_discriminant_is_the_most_likely_gaussian() -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(60) % 3
    points = draw.normal(size=(60, 5)) @ draw.normal(size=(5, 5)) + 2 * draw.normal(size=(3, 5))[labels]
    found = Discriminant.fit(points.astype(np.float32), labels, 3, shrinkage=0.3)
    means = np.stack([points[labels == each].mean(axis=0) for each in range(3)])
    offsets = points - means[labels]
    covariance = offsets.T @ offsets / 57
    covariance = 0.7 * covariance + 0.3 * np.trace(covariance) / 5 * np.eye(5)
    new = draw.normal(size=(40, 5)) * 3
    likelihood = np.stack(
        [-0.5 * np.einsum("nd,de,ne->n", new - mean, np.linalg.inv(covariance), new - mean) for mean in means], axis=1
    )
    expected = np.exp(likelihood) / np.exp(likelihood).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probabilities(new.astype(np.float32)), expected, atol=1e-4)
    assert (found(new.astype(np.float32)) == expected.argmax(axis=1)).all()


def test_a_class_without_samples_is_never_said() -> None:
    points = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    found = Discriminant.fit(points, np.arange(20) % 2 * 2, 3)
    assert set(found(points).tolist()) == {0, 2}
    assert (found.probabilities(points)[:, 1] == 0).all()


@pytest.mark.parametrize("count", [60, 600])
def test_the_judge_is_right_by_chance_where_the_labels_mean_nothing(count: int) -> None:
    """A judge tested on what it has seen would be right far more often: there are more features than samples."""
    draw = np.random.default_rng(1)
    points, labels = draw.normal(size=(count, 300)).astype(np.float32), draw.integers(0, 2, count)
    assert judge(points, labels, 2).accuracy == pytest.approx(0.5, abs=0.2)
    points[:, 0] += 20 * labels
    assert judge(points, labels, 2).accuracy > 0.95


def test_the_inception_score_is_between_one_and_the_number_of_classes() -> None:
    assert inception_score(np.full((8, 4), 0.25)) == pytest.approx(1)
    assert inception_score(np.eye(4)) == pytest.approx(4)
    assert inception_score(np.eye(4)[[0] * 8]) == pytest.approx(1)


def test_the_judge_knows_the_embedded_drums(clips: tuple[np.ndarray, np.ndarray]) -> None:
    sounds, labels = clips
    found = judge(course(log_mel(sounds, RATE)).reshape(91, -1), labels, 6)
    assert found.accuracy > 0.75
    assert "leave-one-out" in found.protocol


# --- the evaluation -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained conditional generator of drums: its checkpoint, beside its exported file."""
    from multigan import checkpoint, exporters, heads, recipe

    small = recipe.load("drums", ["generator.network.width=4", "discriminator.network.width=4"])
    resolved, _ = heads.resolve(small)
    torch.manual_seed(0)
    weights = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    checkpoint.save_weights(weights, resolved, 640, {"generator_ema": heads.head(resolved).networks()[0]})
    exporters.export(weights, weights.with_suffix(".onnx"))
    return weights


def test_the_command_gives_the_same_figures_for_a_checkpoint_and_its_export(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = []
    for path in (model, model.with_suffix(".onnx")):
        out = tmp_path / path.suffix
        assert run(["evaluate", str(path), "--out", str(out), "--samples", "40", "--seed", "5"]) == 0
        printed = capsys.readouterr().out
        for part in (
            "FD-LogMel",
            "40 of 91 real slices",
            "classified as the label",
            "share that is clipped",
            "the embedded",
        ):
            assert part in printed
        reports.append(json.loads((out / "report.json").read_text()))
        with Image.open(out / "neighbours.png") as picture:
            assert picture.size[0] > 500
        heard, rate = soundfile.read(out / "neighbours.wav")
        assert rate == RATE
        assert len(heard) == 8 * (4 * (8192 + round(0.15 * RATE)) + round(0.6 * RATE))
    assert reports[0]["floor"] == reports[1]["floor"]
    assert reports[0]["figures"] == pytest.approx(reports[1]["figures"], rel=1e-3, abs=1e-6)
    assert reports[0]["figures"]["FD-LogMel"] > 3 * reports[0]["floor"]["FD-LogMel"], "it is untrained"


class Real:
    """A generator that gives the real clips of the labels that are asked for."""

    def __init__(self, sounds: np.ndarray, labels: np.ndarray, noise: float = 0.0) -> None:
        self.sounds, self.labels, self.noise = sounds, labels, noise

    def __call__(self, seed: int, start: int, count: int, told: Told) -> np.ndarray:
        assert told.labels is not None
        draw = np.random.default_rng([seed, start])
        chosen = [draw.choice(np.flatnonzero(self.labels == each)) for each in told.labels]
        found = self.sounds[chosen] * (1 + 0.2 * draw.normal(size=(count, 1, 1)))
        return np.clip(found + self.noise * draw.normal(size=found.shape), -1, 1).astype(np.float32)


def test_real_clips_pass_and_noise_does_not(clips: tuple[np.ndarray, np.ndarray]) -> None:
    from multigan import heads, recipe
    from multigan.audio.evaluation import measure
    from multigan.metrics import Plan

    resolved, _ = heads.resolve(recipe.load("drums", []))
    names = resolved.data.classes
    found = drums()
    labels = np.array([names.index(drum.kind) for drum in found])
    plan = Plan(count=120, seed=3, role="real")
    copies = measure(resolved, Real(clips[0], labels), plan).report
    noisy = measure(resolved, Real(clips[0], labels, noise=0.3), plan).report
    assert copies.figures["classified as the label"] > 0.9
    assert copies.figures["distance to nearest real / real's"] < 0.5, "copies are near"
    assert copies.figures["FD-LogMel"] < 0.2 * noisy.figures["FD-LogMel"]
    assert noisy.figures["spectral flatness"] > 10 * copies.figures["spectral flatness"]
    assert noisy.figures["distance to nearest real / real's"] > 1
    assert copies.figures["variance / data's"] == pytest.approx(1, abs=0.4)
    assert {f"  of {name}" for name in names} <= copies.figures.keys(), "the diversity of each class"
    assert any("91 are compared instead of 120" in note for note in copies.notes)
    assert "the first 91 with 91 of 91 real slices" in copies.protocol["compared"]


def test_evaluation_during_training_keeps_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["generator.network.width=4", "discriminator.network.width=4", "training.samples=64", "training.batch=16"]
    sets += ["training.evaluate_every=32", "evaluation.samples=64"]
    arguments = [part for each in sets for part in ("--set", each)]
    assert run(["train", "audio", "--recipe", "drums", "--out", str(tmp_path / "run"), *arguments]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    measured = [line["FD-LogMel"] for line in lines if "FD-LogMel" in line]
    assert len(measured) == 2
    assert (tmp_path / "run" / "checkpoints" / "best.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--extractor", "efflite0"], "there is no extractor 'efflite0' of sounds"),
        (["--precision", "bf16"], "leave it away for sounds"),
        (["--samples", "8", "--k", "9"], "too few"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing_behind(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    out = tmp_path / "out"
    assert run(["evaluate", str(model), "--out", str(out), "--samples", "20", *arguments]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert not out.exists()


def test_other_sounds_are_measured_against_by_their_classes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, drum in enumerate(drums()):
        folder = tmp_path / "data" / drum.kind
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{number}.wav", drum.samples, RATE)
    arguments = ["evaluate", str(model.with_suffix(".onnx")), "--data", str(tmp_path / "data"), "--samples", "30"]
    assert run([*arguments, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "given with --data" in printed
    assert "30 of 91 real slices" in printed
    assert (
        evaluation.open_model(model).contract.labels
        == evaluation.open_model(model.with_suffix(".onnx")).contract.labels
    )


def test_samples_are_told_what_the_real_ones_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes and numbers come together as in the data: no low snare is asked for where there is none."""
    from multigan import heads, recipe
    from multigan.audio.evaluation import measure
    from multigan.metrics import Plan

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    draw, rows = np.random.default_rng(0), ["file_name,kind,pitch"]
    (tmp_path / "data").mkdir()
    for index in range(24):
        kind, pitch = ("kick", "snare")[index % 2], 36 + index // 2 + 24 * (index % 2)
        soundfile.write(tmp_path / "data" / f"{index}.wav", 0.1 * draw.normal(size=2048), RATE)
        rows.append(f"{index}.wav,{kind},{pitch}")
    (tmp_path / "data" / "metadata.csv").write_text("\n".join(rows))
    changes = [f"data.source={tmp_path / 'data'}", "data.label_column=kind", "data.number_column=pitch"]
    resolved, _ = heads.resolve(recipe.load("drums", [*changes, "data.length=2048"]))
    asked: list[tuple[int, float]] = []

    def run_noise(seed: int, start: int, count: int, told: Told) -> np.ndarray:
        assert told.labels is not None
        assert told.numbers is not None
        asked.extend(zip(told.labels.tolist(), told.numbers.tolist(), strict=True))
        return draw.normal(size=(count, 1, 2048)).astype(np.float32)

    report = measure(resolved, run_noise, Plan(count=100)).report
    assert len(asked) == 100
    assert set(asked) == {(index % 2, 36.0 + index // 2 + 24 * (index % 2)) for index in range(24)}
    assert "labels and numbers in turn" in report.protocol["generated"]


def test_a_class_with_one_sound_can_be_measured_against(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = drums()
    only = found[-1].kind
    kept = [drum for drum in found if drum.kind != only] + [found[-1]]
    for number, drum in enumerate(kept):
        folder = tmp_path / "data" / drum.kind
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{number}.wav", drum.samples, RATE)
    arguments = ["evaluate", str(model.with_suffix(".onnx")), "--data", str(tmp_path / "data"), "--samples", "30"]
    assert run([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert f"30 of {len(kept)} real slices" in capsys.readouterr().out
