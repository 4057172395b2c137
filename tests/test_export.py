"""Networks as ONNX files: the same function, nothing of the machine inside, nothing written unless it is right."""

from __future__ import annotations

import os
import re
import site
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from multigan import checkpoint, heads, load, noise, recipe
from multigan.cli import run
from multigan.contract import KEY, Contract, Input, Output
from multigan.errors import UserError
from multigan.exporters import Choices, Report, export, export_module
from multigan.exporters.clean import strip_traces
from multigan.exporters.export import write_checked
from multigan.exporters.graph import frozen, to_onnx
from multigan.exporters.making import Making
from multigan.exporters.parity import Comparison, Reference, difference

LABELS = ["cat", "dog", "bird"]


class Tiny(nn.Module):
    """A bit of all that generators hold: classes, spectral and batch normalisation, dropout, upsampling, groups."""

    def __init__(self, latent: int = 6):
        super().__init__()
        self.classes = nn.Embedding(3, 4)
        self.project = spectral_norm(nn.Linear(latent + 4, 16 * 4))
        self.normalize = nn.BatchNorm2d(16)
        self.drop = nn.Dropout(0.5)
        self.up = nn.ConvTranspose2d(16, 8, 4, 2, 1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.last = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        x = torch.cat([latent, self.classes(label)], 1)
        x = self.drop(torch.relu(self.normalize(self.project(x).reshape(len(x), 16, 2, 2))))
        x = nn.functional.interpolate(torch.relu(self.up(x)), scale_factor=2, mode="nearest")
        return torch.tanh(self.last(x + self.grouped(x)))


class Shifted(nn.Module):
    """Draws its own noise: what no seed can repeat."""

    def forward(self, latent: Tensor) -> Tensor:
        return (latent + torch.randn_like(latent)).reshape(len(latent), 1, 2, 3)


def _contract(conditional: bool = True, shape: tuple[int, ...] = (3, 8, 8)) -> Contract:
    latent = Input("latent", "latent", "float32", ["batch", 6], "normal")
    label = Input("label", "label", "int64", ["batch"], minimum=0, maximum=2)
    return Contract(
        modality="image",
        name="tiny",
        inputs=[latent, label] if conditional else [latent],
        output=Output("image", "float32", ["batch", *shape], -1.0, 1.0),
        labels=LABELS if conditional else [],
        version="0.1.0",
    )


def _network() -> Tiny:
    torch.manual_seed(0)
    network = Tiny()
    for _ in range(3):  # gives the batch normalisation statistics of its own
        network(torch.randn(8, 6), torch.arange(8) % 3)
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, Path, Report]:
    torch.set_num_threads(1)
    network, path = _network(), tmp_path_factory.mktemp("export") / "tiny.onnx"
    return network, path, export_module(network, _contract(), path)


def test_the_file_is_the_network_at_batches_that_were_never_checked(exported: tuple[Tiny, Path, Report]) -> None:
    network, path, _ = exported
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch in (1, 5, 33):
        latent, label = torch.randn(batch, 6), torch.arange(batch) % 3
        with torch.no_grad():
            reference = network.eval()(latent, label).numpy()
        made = session.run(None, {"latent": latent.numpy(), "label": label.numpy()})[0]
        assert made.shape == (batch, 3, 8, 8)
        assert np.max(np.abs(made - reference)) < 1e-5
    assert np.std(reference) > 0.01


def test_the_report_states_each_batch(exported: tuple[Tiny, Path, Report]) -> None:
    _, path, report = exported
    assert [each.batch for each in report.comparisons] == [1, 2, 3, 16]
    assert report.error == max(each.error for each in report.comparisons) <= report.tolerance
    assert report.files == [path]
    assert report.size == path.stat().st_size
    assert report.snr > 100
    text = str(report)
    assert all(f"{each.error:.2e}" in text for each in report.comparisons)
    assert all(
        words in text for words in ("fp32", f"{report.snr:.1f} dB", "opset 20", f"{report.nodes}", "batch of 16")
    )
    assert all(times["fp32"] > 0 and times["torch"] > 0 for times in report.latencies.values())
    assert list(report.latencies) == [1, 16]
    assert [child.name for child in path.parent.iterdir()] == ["tiny.onnx"]


def test_versions_names_and_contract(exported: tuple[Tiny, Path, Report]) -> None:
    _, path, _ = exported
    model = onnx.load(path)
    assert model.ir_version == 10
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 20)]
    assert {each.key: each.value for each in model.metadata_props} == {KEY: _contract().to_json()}
    named = [
        (value.name, value.type.tensor_type.shape.dim[0].dim_param)
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert named == [("latent", "batch"), ("label", "batch"), ("image", "batch")]
    assert not {"Dropout", "RandomNormalLike"} & {node.op_type for node in model.graph.node}


def test_nothing_of_the_machine_is_inside(exported: tuple[Tiny, Path, Report]) -> None:
    content = exported[1].read_bytes()
    places = {os.getcwd(), str(Path.home()), sys.prefix, str(exported[1].parent), *site.getsitepackages()}
    for place in [*places, __file__, "site-packages", "stack_trace", "test_export", "Tiny", ".py"]:
        assert place in {"/", ""} or place.encode() not in content, place


def test_exporting_again_gives_the_same_bytes_and_leaves_the_network_as_it_was(
    exported: tuple[Tiny, Path, Report], capfd: pytest.CaptureFixture[str]
) -> None:
    network = _network()
    again = to_onnx(frozen(network), _contract())
    assert again.SerializeToString(deterministic=True) == exported[1].read_bytes()
    assert network.training
    assert parametrize.is_parametrized(network.project)
    assert all(each.requires_grad for each in network.parameters())
    assert capfd.readouterr() == ("", "")


def test_the_runtime_reads_what_the_exporter_writes(exported: tuple[Tiny, Path, Report]) -> None:
    network, path, _ = exported
    made = load(path, device="cpu", threads=1).sample(4, seed=9, label="dog")
    with torch.no_grad():
        reference = network.eval()(torch.from_numpy(noise.normal(9, 0, 4, 6)), torch.ones(4, dtype=torch.int64))
    assert np.max(np.abs(made - reference.numpy())) < 1e-5


def _write(exported: tuple[Tiny, Path, Report], out: Path, tolerance: float = 1e-4, one_file: int = 2**31) -> Report:
    """Check and write what was exported before."""
    network, path, _ = exported
    made = Making(_contract(), onnx.load(path), Reference(frozen(network), _contract()))
    return write_checked(made, Choices(tolerance=tolerance), out, one_file)


def test_a_difference_above_the_tolerance_writes_nothing(exported: tuple[Tiny, Path, Report], tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    out.write_bytes(b"the one before")
    with pytest.raises(UserError, match=r"differs from torch by .* at batch"):
        _write(exported, out, tolerance=1e-12)
    assert out.read_bytes() == b"the one before"
    assert list(tmp_path.iterdir()) == [out]


def test_nothing_in_the_present_folder_is_run(
    exported: tuple[Tiny, Path, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "hostile"
    place.mkdir()
    for name in ("numpy", "onnxruntime", "zipfile"):
        (place / f"{name}.py").write_text("open('run', 'w').close()\nraise SystemExit(3)\n")
    monkeypatch.chdir(place)
    _write(exported, tmp_path / "model.onnx")
    assert not (place / "run").exists()


def test_the_oldest_numpy_can_feed_the_fresh_process(
    exported: tuple[Tiny, Path, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """numpy 1.26's savez takes whatever has a name for an array, also `allow_pickle`."""

    def savez(file: Path, **arrays: Any) -> None:
        with zipfile.ZipFile(file, "w") as whole:
            for name, value in arrays.items():
                with whole.open(f"{name}.npy", "w") as part:
                    np.lib.format.write_array(part, np.asanyarray(value))

    monkeypatch.setattr(np, "savez", savez)
    _write(exported, tmp_path / "model.onnx")


def test_noise_inside_the_graph_is_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="differs from torch"):
        export_module(Shifted(), _contract(False, (1, 2, 3)), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_weights_above_the_limit_go_beside_the_model(exported: tuple[Tiny, Path, Report], tmp_path: Path) -> None:
    path = exported[1]
    report = _write(exported, tmp_path / "large.onnx", one_file=1000)
    assert sorted(each.name for each in report.files) == ["large.onnx", "large.onnx.data"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["large.onnx", "large.onnx.data"]
    small = load(path, device="cpu", threads=1).sample(3, seed=1)
    assert np.array_equal(load(tmp_path / "large.onnx", device="cpu", threads=1).sample(3, seed=1), small)


@pytest.mark.parametrize(
    ("name", "tolerance", "word"),
    [
        (".", 1e-4, "is a folder"),
        ("..", 1e-4, "is a folder"),
        ("model.pt", 1e-4, "model.onnx"),
        ("model.onnx", 0.0, "tolerance 0"),
        ("model.onnx", float("nan"), "tolerance"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, name: str, tolerance: float, word: str) -> None:
    with pytest.raises(UserError, match=word):
        export_module(nn.Identity(), _contract(), tmp_path / name, tolerance)


def test_a_place_that_cannot_be_written(exported: tuple[Tiny, Path, Report], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"):
        export_module(exported[0], _contract(), tmp_path / "file" / "model.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        export_module(exported[0], _contract(), tmp_path / "folder.onnx")


def test_a_network_that_torch_cannot_export_is_one_sentence(tmp_path: Path) -> None:
    class Branching(nn.Module):
        def forward(self, latent: Tensor) -> Tensor:
            return latent if float(latent.sum()) > 0 else -latent

    with pytest.raises(UserError, match="torch cannot export") as caught:
        export_module(Branching(), _contract(False, (6,)), tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


NETWORKS: dict[str, dict[str, object]] = {
    "dcgan": {"kind": "dcgan", "width": 4},
    "resnet": {"kind": "resnet", "width": 4},
    "r3gan": {"kind": "r3gan", "width": 16, "blocks": 1},
}


def _shipped(name: str, conditional: bool) -> dict[str, object]:
    """A shipped recipe, with the classes and the shape that its data would give."""
    mapping = recipe.load(name).model_dump(mode="json")
    if mapping["modality"] == "text":
        mapping = heads.resolve(recipe.load(name))[0].model_dump(mode="json")
        return {**mapping, "conditional": conditional, "data": {**mapping["data"], "classes": LABELS}}
    data = {"classes": LABELS, "channels": mapping["data"]["channels"] or (3 if mapping["modality"] == "image" else 1)}
    if mapping["modality"] == "image":
        data["size"] = mapping["data"]["size"] or [32, 32]
    else:
        data["rate"] = mapping["data"]["rate"] or 16_000
    return {**mapping, "conditional": conditional, "data": {**mapping["data"], **data}}


def _small(kind: str) -> dict[str, object]:
    return {
        "modality": "image",
        "name": kind,
        "conditional": True,
        "data": {"size": [64, 48], "channels": 4, "classes": LABELS, "source": "/home/someone/cats"},
        "latent": {"size": 8},
        "generator": NETWORKS[kind],
        "discriminator": NETWORKS[kind],
        "loss": {"kind": "hinge"},
        "training": {"samples": 64},
    }


def _export_checkpoint(mapping: dict[str, object], folder: Path) -> Path:
    """A checkpoint of untrained networks, exported, and its file compared with torch through the runtime."""
    chosen = recipe.parse(mapping)
    torch.manual_seed(1)
    network = heads.head(chosen).networks()[0]
    weights, out = folder / "weights.safetensors", folder / "model.onnx"
    checkpoint.save_weights(weights, chosen, 640, {"generator_ema": network})
    report = export(weights, out)
    allowed = heads.tolerance(chosen) or 1e-4
    assert report.error <= report.tolerance == allowed
    generator = load(out, device="cpu", threads=1)
    assert generator.contract == heads.contract(chosen, 640)
    drawn = [torch.from_numpy(each) for each in noise.inputs(generator.contract, 5, 0, 3).values()]
    with torch.no_grad():
        reference = heads.exportable(chosen, network).eval()(*drawn)
    made = generator.sample(3, seed=5)
    if chosen.modality == "text":  # at the edge of rounding another symbol may be drawn
        assert np.mean(made == reference.numpy()) > 0.6
    else:
        assert np.max(np.abs(made - reference.numpy())) < allowed
    return out


@pytest.mark.parametrize("kind", list(NETWORKS))
def test_every_kind_of_network_exports_from_its_checkpoint(kind: str, tmp_path: Path) -> None:
    out = _export_checkpoint(_small(kind), tmp_path)
    assert b"/home/someone" not in out.read_bytes()


def test_the_command_exports_and_shows_the_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = recipe.parse(_small("dcgan"))
    checkpoints = tmp_path / "runs" / "a" / "checkpoints"
    checkpoints.mkdir(parents=True)
    weights = checkpoints / "best.safetensors"
    checkpoint.save_weights(weights, chosen, 640, {"generator_ema": heads.head(chosen).networks()[0]})
    out = tmp_path / "model.onnx"
    assert run(["export", str(tmp_path / "runs" / "a"), "--onnx", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert re.findall(r"^ +(\d+) +\d\.\d\de[-+]\d\d$", said.out, re.MULTILINE) == ["1", "2", "3", "16"]
    assert said.err == ""
    assert load(out, device="cpu").contract.samples_seen == 640
    for arguments in ([str(tmp_path / "none")], [str(weights), "--tolerance", "0"], [str(out)]):
        assert run(["export", *arguments, "--out", str(tmp_path / "other.onnx")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["model.md", "model.onnx", "runs"]


@pytest.mark.slow
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", sorted(recipe.packaged()))
def test_every_shipped_recipe_exports_at_its_full_size(name: str, conditional: bool, tmp_path: Path) -> None:
    _export_checkpoint(_shipped(name, conditional), tmp_path)


def test_traces_are_cleared_at_every_depth() -> None:
    def marked(node: onnx.NodeProto) -> onnx.NodeProto:
        node.doc_string = "secret"
        node.metadata_props.add(key="stack", value="secret")
        return node

    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    value.doc_string = "secret"
    tensor = helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [0.5])
    tensor.doc_string = "secret"
    inner = helper.make_graph([marked(helper.make_node("Constant", [], ["c"], value=tensor))], "inner", [], [value])
    branch = marked(helper.make_node("If", ["a"], ["b"], then_branch=inner, else_branch=inner))
    outer = helper.make_graph([branch], "outer", [value], [value], [tensor], doc_string="secret", value_info=[value])
    model = helper.make_model(outer, doc_string="secret")
    model.functions.append(
        helper.make_function("own", "f", [], [], [marked(helper.make_node("Tanh", ["x"], ["y"]))], [])
    )
    model.functions[0].doc_string = "secret"
    model.metadata_props.add(key="k", value="secret")
    assert model.SerializeToString().count(b"secret") > 10
    strip_traces(model)
    assert b"secret" not in model.SerializeToString()
    assert model.graph.node[0].attribute[0].g.node[0].attribute[0].t.float_data[0] == 0.5


def test_the_comparison_sees_what_differs() -> None:
    one = np.zeros((2, 3), np.float32)
    assert difference(one, one) == 0.0
    assert difference(one, one + np.float32(0.25)) == 0.25
    assert difference(one, np.full_like(one, np.nan)) == np.inf
    assert difference(one, one[:1]) == np.inf


def test_the_noise_of_several_comparisons_is_that_of_all_together() -> None:
    assert Comparison(1, 0.1, power=900.0, noise=0.5) + Comparison(2, 0.2, power=100.0, noise=0.5) == Comparison(
        2, 0.2, power=1000.0, noise=1.0
    )
    assert Comparison(1, 0.0, power=1000.0, noise=1.0).snr == pytest.approx(30.0)
    assert Comparison(1, 0.0, power=1.0).snr == np.inf
    assert Comparison(1, 1.0, noise=1.0).snr == Comparison(1, np.inf, power=1.0, noise=np.inf).snr == -np.inf


def test_the_checked_inputs_are_the_runtimes() -> None:
    made = Reference(nn.Identity(), _contract()).inputs(4)
    assert list(made) == ["latent", "label"]
    assert np.array_equal(made["latent"], noise.normal(0, 0, 4, 6))
    assert made["label"].tolist() == [0, 1, 2, 0]


def test_the_exported_model_has_the_contracts_inputs() -> None:
    class Deaf(nn.Module):
        def forward(self, latent: Tensor, label: Tensor) -> Tensor:
            return latent.reshape(len(latent), 1, 2, 3) * 2

    model = to_onnx(Deaf().eval(), _contract(shape=(1, 2, 3)))
    assert [each.name for each in model.graph.input] == ["latent", "label"]
