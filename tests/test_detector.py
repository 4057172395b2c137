"""Exported discriminators: the scores and the features that torch gives, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_onnx
import torch
import untrained

from multigan import checkpoint, heads, load, recipe
from multigan.cli import run
from multigan.errors import UserError
from multigan.exporters import Choices, export
from multigan.runtime.detector import Detector

JUDGES = Choices(role="discriminator")
LABELS = ["a", "b", "c"]
SMALL: dict[str, dict[str, Any]] = {
    "wavegan": {"data": {"rate": 8000, "length": 4096, "channels": 1}, "discriminator": {"width": 4}},
    "drums": {"data": {"rate": 8000, "length": 2048, "channels": 1}},
    "specgan": {"data": {"rate": 8000, "length": 4096, "channels": 1}},
}


def _spoken(name: str, folder: Path) -> Path:
    """A checkpoint of a shipped recipe of sounds or texts, conditional on three classes, untrained."""
    mapping = recipe.load(name).model_dump(mode="json")
    if mapping["modality"] == "text":
        mapping = heads.resolve(recipe.load(name))[0].model_dump(mode="json")
    for part, changes in SMALL.get(name, {}).items():
        mapping[part] = {**mapping[part], **changes}
    mapping = {**mapping, "conditional": True, "data": {**mapping["data"], "classes": LABELS}}
    chosen = recipe.parse(mapping)
    torch.manual_seed(1)
    path = folder / f"{name}.safetensors"
    networks = dict(zip(("generator_ema", "discriminator"), heads.head(chosen).networks(), strict=True))
    checkpoint.save_weights(path, chosen, 640, networks)
    return path


@pytest.mark.parametrize("kind", list(untrained.KINDS))
def test_pictures_are_judged_as_torch_judges_them(kind: str, tmp_path: Path) -> None:
    weights, out = untrained.pictures(kind, tmp_path), tmp_path / "judge.onnx"
    report = export(weights, out, choices=JUDGES)
    assert report.error < 1e-4
    chosen, network, _ = checkpoint.load_detector(weights)
    pictures = np.random.default_rng(0).uniform(-1, 1, (7, 3, 16, 16)).astype(np.float32)
    labels = [0, 1, 2, 2, 1, 0, 0]
    found = Detector.load(out, device="cpu", threads=1).judge(pictures, labels, batch=3)
    _, discriminator = heads.head(chosen).networks()
    checkpoint.fill(discriminator, checkpoint.load(weights), "discriminator")
    with torch.no_grad():
        told = torch.tensor(labels)
        wanted = discriminator.eval()(torch.from_numpy(pictures), told).numpy()
        features = network(torch.from_numpy(pictures), told)[1]
    largest = max(1.0, float(np.abs(features.numpy()).max()))
    assert np.max(np.abs(found.score - wanted)) < 1e-4 * largest
    assert np.max(np.abs(found.features - features.numpy())) < 1e-4 * largest
    # What the score is made of: the last layer and the class's projection of these features give it.
    flat = discriminator.logit.weight.flatten(1)  # type: ignore[union-attr, operator]
    with torch.no_grad():
        again = (features @ flat.T).flatten() + discriminator.logit.bias  # type: ignore[union-attr]
        again += discriminator.projection(features, told)  # type: ignore[operator]
    assert np.max(np.abs(found.score - again.numpy())) < 1e-4 * largest
    assert not {"Dropout", "RandomUniformLike"} & {node.op_type for node in onnx.load(out).graph.node}


@pytest.mark.parametrize(
    "name", ["drums", pytest.param("wavegan", marks=pytest.mark.slow), pytest.param("specgan", marks=pytest.mark.slow)]
)
def test_sounds_are_judged_from_the_waveform(name: str, tmp_path: Path) -> None:
    weights, out = _spoken(name, tmp_path), tmp_path / "judge.onnx"
    export(weights, out, choices=JUDGES)
    detector = Detector.load(out, device="cpu", threads=1)
    said = detector.contract.inputs[0]
    assert detector.contract.extra["sample_rate"] == 8000
    assert said.shape == ["batch", 1, SMALL[name]["data"]["length"]]
    sounds = np.random.default_rng(0).uniform(-1, 1, (3, *said.shape[1:])).astype(np.float32)  # type: ignore[arg-type]
    sounds[2] *= 0.01
    found = detector.judge(sounds, "b")
    chosen = checkpoint.load(weights).recipe
    generator, discriminator = heads.head(chosen).networks()
    checkpoint.fill(discriminator, checkpoint.load(weights), "discriminator")
    seen = torch.from_numpy(sounds)
    if name == "drums":
        seen = discriminator.view(seen)  # type: ignore[operator]
    if name == "specgan":
        seen = generator.spectrograms(seen)  # type: ignore[operator]
    with torch.no_grad():
        wanted = discriminator.eval()(seen, torch.ones(3, dtype=torch.int64)).numpy()
    assert np.max(np.abs(found.score - wanted)) < 1e-3 * max(1, np.abs(wanted).max())
    assert np.ptp(found.score) > 0


@pytest.mark.parametrize("name", ["seqgan", pytest.param("scratchgan", marks=pytest.mark.slow)])
def test_texts_are_judged_by_their_symbols(name: str, tmp_path: Path) -> None:
    weights, out = _spoken(name, tmp_path), tmp_path / "judge.onnx"
    export(weights, out, choices=JUDGES)
    detector = Detector.load(out, device="cpu", threads=1)
    length = detector.contract.inputs[0].shape[1]
    texts = np.random.default_rng(0).integers(1, 20, (4, int(length)))
    texts[1, 3:] = 0
    found = detector.judge(texts, 2)
    _, discriminator = heads.head(checkpoint.load(weights).recipe).networks()
    checkpoint.fill(discriminator, checkpoint.load(weights), "discriminator")
    with torch.no_grad():
        wanted = discriminator.eval()(torch.from_numpy(texts), torch.full((4,), 2)).numpy()
    if wanted.ndim == 2:
        wanted = np.array([row[: 4 if index == 1 else None].mean() for index, row in enumerate(wanted)])
    assert np.max(np.abs(found.score - wanted)) < 1e-5
    changed = texts.copy()
    changed[1, 4:] = 5  # behind the end
    if name == "scratchgan":
        assert np.max(np.abs(detector.judge(changed, 2).score - found.score)) < 1e-6
    with pytest.raises(UserError, match="values outside of 0"):
        detector.judge(texts - 2, 2)
    with pytest.raises(UserError, match="give whole numbers"):
        detector.judge(texts + 0.5, 2)


def test_float16_judges_nearly_the_same(tmp_path: Path) -> None:
    weights = untrained.pictures("dcgan", tmp_path)
    report = export(weights, tmp_path / "half.onnx", choices=Choices("fp16", role="discriminator"))
    assert report.snr > 50
    with pytest.raises(UserError, match="sees real samples"):
        export(weights, tmp_path / "int8.onnx", choices=Choices("int8", role="discriminator"))


def test_each_file_is_refused_where_the_other_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, out = untrained.pictures("dcgan", tmp_path), tmp_path / "judge.onnx"
    assert run(["export", str(weights), "--discriminator", "--out", str(out)]) == 0
    assert "Detector.load" in capsys.readouterr().out
    assert run(["info", str(out)]) == 0
    assert "judges" in capsys.readouterr().out
    with pytest.raises(UserError, match="holds a discriminator: it makes no samples"):
        load(out, device="cpu")
    with pytest.raises(UserError, match="holds a generator: it judges no samples"):
        Detector.load(tiny_onnx.write(tmp_path / "tiny.onnx"))
    for arguments in (
        ["generate", str(out), "-n", "1", "--out", str(tmp_path / "made")],
        ["export", str(out), "--web", str(tmp_path / "site"), "--ort", str(tmp_path)],
        ["export", str(weights), "--discriminator", "--web", str(tmp_path / "site")],
        ["export", str(weights), "--discriminator", "--int8", "--out", str(tmp_path / "x.onnx")],
    ):
        assert run(arguments) == 2, arguments
        assert capsys.readouterr().err.count("\n") == 1
    for samples, label, words in (
        (np.zeros((2, 3, 8, 16)), 1, r"shape \[2, 3, 8, 16\]"),
        (np.zeros((0, 3, 16, 16)), 1, "shape"),
        (np.full((2, 3, 16, 16), 1.5), 1, "outside of -1 to 1"),
        (np.full((2, 3, 16, 16), np.nan), 1, "outside"),
        (np.zeros((2, 3, 16, 16)), None, "give a label"),
        (np.zeros((2, 3, 16, 16)), "cow", "'cow' is unknown"),
    ):
        with pytest.raises(UserError, match=words):
            Detector.load(out, device="cpu").judge(samples, label)


def test_samples_of_a_generator_are_judged_though_rounding_took_them_out_of_their_range(tmp_path: Path) -> None:
    """onnxruntime's tanh gives -1.0000001."""
    out = tmp_path / "judge.onnx"
    export(untrained.pictures("dcgan", tmp_path), out, choices=JUDGES)
    detector = Detector.load(out, device="cpu", threads=1)
    ends = np.where(np.arange(2 * 3 * 16 * 16).reshape(2, 3, 16, 16) % 2, 1, -1).astype(np.float32)
    wanted = detector.judge(ends, 1)
    beyond = np.nextafter(ends, 2 * ends)
    assert np.abs(beyond).min() > 1
    assert np.array_equal(detector.judge(beyond, 1).score, wanted.score)
    assert np.abs(beyond).min() > 1  # what was given is left as it is
    with pytest.raises(UserError, match="outside of -1 to 1"):
        detector.judge(ends * 1.001, 1)
    for samples in ("abc", [[1], [1, 2]]):
        with pytest.raises(UserError, match="no array of numbers"):
            detector.judge(samples, 1)  # type: ignore[arg-type]


def test_a_contract_that_is_no_detectors_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "judge.onnx"
    export(untrained.pictures("dcgan", tmp_path), out, choices=JUDGES)
    model = onnx.load(out)
    good = json.loads(model.metadata_props[0].value)
    sample, label = good["inputs"]
    zeros = np.zeros((2, 3, 16, 16))
    for changes, words in (
        ({"extra": {}}, "no detector's"),
        ({"extra": {"features": "other"}}, "no detector's"),
        ({"extra": {"features": ["features"]}}, "no detector's"),
        ({"inputs": [label, sample]}, "no detector's"),
        ({"inputs": [{**sample, "kind": "noise"}, label]}, "no detector's"),
        ({"inputs": [sample, {**label, "kind": "scalar"}]}, "no detector's"),
        ({"inputs": [{**sample, "shape": ["batch", "C", 16, 16]}, label]}, "no detector's"),
        ({"output": {**good["output"], "name": "features", "shape": ["batch", 3]}}, "gave scores"),
        ({"inputs": [{**sample, "minimum": 0.5, "maximum": None}, label]}, "outside of 0.5 to inf"),
    ):
        model.metadata_props[0].value = json.dumps({**good, **changes})
        (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(UserError, match=words):
            Detector.load(tmp_path / "bad.onnx", device="cpu", threads=1).judge(zeros, 1)
    unbounded = {**sample, "minimum": None, "maximum": None}
    model.metadata_props[0].value = json.dumps({**good, "inputs": [unbounded, label]})
    (tmp_path / "wide.onnx").write_bytes(model.SerializeToString())
    assert Detector.load(tmp_path / "wide.onnx", device="cpu", threads=1).judge(zeros + 3, 1).score.shape == (2,)


def test_scores_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "judge.onnx"
    export(untrained.pictures("dcgan", tmp_path), out, choices=JUDGES)
    model = onnx.load(out)
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            spoilt = onnx.numpy_helper.to_array(weight) * np.float32("nan")
            weight.CopyFrom(onnx.numpy_helper.from_array(spoilt, weight.name))
    out.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="not numbers"):
        Detector.load(out, device="cpu", threads=1).judge(np.zeros((2, 3, 16, 16)), 1)


def test_a_detector_runs_without_torch(tmp_path: Path) -> None:
    out = tmp_path / "judge.onnx"
    export(untrained.pictures("dcgan", tmp_path), out, choices=JUDGES)
    script = (
        "import sys, numpy\n"
        "from multigan.runtime.detector import Detector\n"
        f"found = Detector.load({str(out)!r}).judge(numpy.zeros((2, 3, 16, 16)), 'cat')\n"
        "assert found.score.shape == (2,) and len(found.features) == 2\n"
        "assert not {'torch', 'onnx'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_likelihood_alone_has_no_discriminator(tmp_path: Path) -> None:
    mapping = heads.resolve(recipe.load("names"))[0].model_dump(mode="json")
    chosen = recipe.parse({**mapping, "objective": {"kind": "likelihood"}})
    weights = tmp_path / "names.safetensors"
    networks = dict(zip(("generator_ema", "discriminator"), heads.head(chosen).networks(), strict=True))
    checkpoint.save_weights(weights, chosen, 640, networks)
    with pytest.raises(UserError, match="likelihood alone"):
        export(weights, tmp_path / "judge.onnx", choices=JUDGES)
