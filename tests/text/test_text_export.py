"""A generator of text as a graph: the symbols that torch draws, one for one, and their chances."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_texts
import torch
from scipy.stats import chisquare

from multigan import load
from multigan.errors import UserError
from multigan.exporters import Choices, Report, export_module
from multigan.exporters.export import write_checked
from multigan.exporters.graph import frozen
from multigan.exporters.looping import loop_to_onnx
from multigan.exporters.making import Making
from multigan.exporters.text_parity import TextReference
from multigan.text.networks.sampler import Sampler

Exported = tuple[Sampler, Path, Report]


def _inputs(sampler: Sampler, batch: int, length: int, dtype: torch.dtype, **scalars: float) -> dict[str, Any]:
    """Noise of its own for each call, everything free."""
    draw = torch.Generator().manual_seed(batch * 100 + length)
    made = {
        "noise": torch.rand(batch, length, generator=draw, dtype=dtype) * 2 - 1,
        "prefix": torch.full((batch, length), -1),
        "temperature": torch.tensor(scalars.get("temperature", 1.0), dtype=dtype),
        "top_k": torch.tensor(int(scalars.get("top_k", 0))),
        "top_p": torch.tensor(scalars.get("top_p", 1.0), dtype=dtype),
    }
    if getattr(sampler.policy, "classes", None) is not None:
        made["label"] = torch.arange(batch) % 3
    return made


def _numpy(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: each.numpy() for name, each in inputs.items()}


@pytest.mark.parametrize(
    ("network", "vocabulary", "ends", "classes", "unknown", "longer"),
    [
        (tiny_texts.lstm, 307, False, 0, None, 19),
        (tiny_texts.lstm, 300, True, 3, 1, 19),
        (tiny_texts.transformer, 40, True, 3, 1, tiny_texts.LENGTH),
    ],
)
def test_in_double_precision_every_symbol_is_torchs(
    network: Callable[..., Sampler],
    vocabulary: int,
    ends: bool,
    classes: int,
    unknown: int | None,
    longer: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # onnxruntime has no error function in double precision; that of float32 is compared by the export itself.
    monkeypatch.setattr(torch.nn.functional, "gelu", torch.nn.functional.silu)
    sampler = frozen(network(vocabulary, ends, classes, unknown)).double()
    assert isinstance(sampler, Sampler)
    model = loop_to_onnx(sampler, tiny_texts.contract(sampler, tiny_texts.LABELS[:classes]))
    onnx.checker.check_model(model, full_check=True)
    content, seen = model.SerializeToString(), set()
    for batch, length, scalars in (
        (64, longer, {}),
        (1, 7, {}),
        (48, 12, {"temperature": 0.6}),
        (48, 12, {"temperature": 1.7, "top_k": 9}),
        (48, 12, {"top_p": 0.8}),
        (48, 12, {"top_k": 200, "top_p": 0.5, "temperature": 0.9}),
        (33, 11, {"temperature": 0.0}),
    ):
        inputs = _inputs(sampler, batch, length, torch.float64, **scalars)
        for given in ((), (0, 1), (2, 5)):
            for place in given:
                inputs["prefix"][:, place] = torch.arange(batch) * 5 % (vocabulary - 2) + 2
            text, chances = sampler.trace(**inputs)
            made, theirs = tiny_texts.run(content, _numpy(inputs))
            assert np.array_equal(made, text.numpy()), (batch, length, scalars, given)
            # ONNX keeps the epsilon of a layer normalisation in float32.
            assert np.max(np.abs(theirs - chances.numpy())) < (1e-11 if network is tiny_texts.lstm else 1e-6)
            seen.update(made.ravel().tolist())
    assert len(seen) > 0.7 * vocabulary
    assert vocabulary < 256 or len(seen) > 256 or ends


def test_the_report_counts_symbols_and_the_file_is_plain(exported_names: Exported) -> None:
    sampler, path, report = exported_names
    assert [each.batch for each in report.comparisons] == [1, 2, 3, 16]
    assert report.error < 1e-5
    assert report.comparisons[-1].symbols > 900
    assert sum(each.left_out for each in report.comparisons) < 0.05 * sum(each.symbols for each in report.comparisons)
    said = str(report)
    assert "log-probability" in said
    assert f"{report.comparisons[-1].symbols:,}" in said
    assert "within the tolerance" in said
    model = onnx.load(path)
    assert model.ir_version == 10
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 20)]
    assert [each.name for each in model.graph.output] == ["text", "log_probability"]
    content = path.read_bytes()
    assert not re.search(rb"stack_trace|site-packages|\.py\b|Random", content)
    assert content.count(sampler.policy.output.weight.numpy().tobytes()) == 1  # type: ignore[union-attr, operator]


@pytest.mark.slow
def test_exporting_again_gives_the_same_bytes(exported_names: Exported) -> None:
    sampler = tiny_texts.names()
    said = tiny_texts.contract(sampler, tiny_texts.LABELS, tiny_texts.NAMES)
    again = loop_to_onnx(frozen(sampler), said)  # type: ignore[arg-type]
    assert again.SerializeToString(deterministic=True) == exported_names[1].read_bytes()


def test_other_symbols_than_torchs_are_refused(exported_names: Exported, tmp_path: Path) -> None:
    _, path, report = exported_names
    other = tiny_texts.names()
    with torch.no_grad():
        other.policy.output.bias[2] += 0.5  # type: ignore[index, union-attr]
    made = Making(report.contract, onnx.load(path), TextReference(frozen(other), report.contract))
    with pytest.raises(UserError, match="other symbols than torch"):
        write_checked(made, Choices(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scalars", [{}, {"temperature": 0.7}, {"top_k": 6}, {"temperature": 1.5, "top_p": 0.7}])
def test_symbols_have_the_chances_of_the_softmax(exported_names: Exported, scalars: dict[str, float]) -> None:
    sampler, path, _ = exported_names
    count = 20_000
    inputs = _inputs(sampler, count, 1, torch.float32, **scalars)
    inputs["label"].fill_(1)
    text, chances = tiny_texts.run(path, _numpy(inputs))
    features, _ = sampler.policy.step(*_first(sampler, 1))
    logits = sampler.policy.logits(features)[0].double()
    assert np.allclose(chances[:, 0], torch.log_softmax(logits, 0).numpy()[text[:, 0]], atol=1e-5)
    logits[1] = -np.inf
    wanted = torch.softmax(logits / scalars.get("temperature", 1.0), 0).numpy()
    order = np.argsort(-wanted)
    if "top_k" in scalars:
        wanted[order[int(scalars["top_k"]) :]] = 0
    if "top_p" in scalars:
        wanted[order[np.cumsum(wanted[order]) - wanted[order] >= scalars["top_p"]]] = 0
    found = np.bincount(text[:, 0], minlength=len(wanted))
    assert found[wanted == 0].sum() == 0
    expected = wanted[wanted > 0] / wanted.sum() * count
    rare = expected < 5
    pairs = [np.append(each[~rare], each[rare].sum()) if rare.any() else each for each in (found[wanted > 0], expected)]
    kept = pairs[1] > 0
    assert chisquare(pairs[0][kept], pairs[1][kept]).pvalue > 0.01


def _first(sampler: Sampler, label: int) -> tuple[torch.Tensor, Any]:
    symbol, _, state = sampler.begin(1, torch.tensor([label]))
    return symbol, state


def test_temperature_0_takes_the_likeliest_and_unknown_is_never_drawn(exported_names: Exported) -> None:
    sampler, path, _ = exported_names
    inputs = _inputs(sampler, 200, 12, torch.float32, temperature=0.0)
    inputs["prefix"][:, 0] = torch.arange(200) % 38 + 2
    text, _ = tiny_texts.run(path, _numpy(inputs))
    assert np.array_equal(tiny_texts.run(path, _numpy({**inputs, "noise": -inputs["noise"]}))[0], text)
    logits = sampler.policy.logits(sampler.policy.read(torch.from_numpy(text), inputs["label"]))
    assert (logits.argmax(dim=2) == 1).float().mean() > 0.1  # the unknown would often be
    logits[:, :, 1] = -np.inf
    free = np.cumsum(text == 0, axis=1) - (text == 0) == 0
    free[:, 0] = False
    assert np.array_equal(text[free], logits.argmax(dim=2).numpy()[free])
    assert len(np.unique(text, axis=0)) > 38
    for scalars in ({}, {"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.3}, {"temperature": 50.0}):
        made, _ = tiny_texts.run(path, _numpy(_inputs(sampler, 300, 12, torch.float32, **scalars)))
        assert not (made == 1).any(), scalars


def test_what_is_given_stays_up_to_the_end(exported_names: Exported) -> None:
    sampler, path, _ = exported_names
    for scalars in ({}, {"top_k": 4}, {"temperature": 0.0}):
        inputs = _inputs(sampler, 300, 12, torch.float32, **scalars)
        inputs["prefix"][:, :2] = torch.tensor([5, 1])
        inputs["prefix"][:, 6] = 9
        text, chances = tiny_texts.run(path, _numpy(inputs))
        assert (text[:, :2] == [5, 1]).all()
        ended = (text[:, :6] == 0).any(axis=1)
        assert (text[~ended, 6] == 9).all()
        after = np.cumsum(text == 0, axis=1) - (text == 0) > 0
        assert not text[after].any()
        assert not chances[after].any()
        likely, _ = sampler.policy.likelihood(torch.from_numpy(text), inputs["label"])
        assert np.max(np.abs(likely.numpy() - chances)) < 1e-5


def test_weights_in_float16_draw_what_the_rounded_network_draws(exported_names: Exported, tmp_path: Path) -> None:
    sampler, path, whole = exported_names
    out = tmp_path / "half.onnx"
    report = export_module(tiny_texts.names(), whole.contract, out, choices=Choices("fp16"))
    assert report.contract.precision == "fp16"
    numbers = sum(each.numel() for each in sampler.parameters())
    assert path.stat().st_size - out.stat().st_size > 1.5 * numbers  # of 2 bytes each; there are some casts
    assert 60 < report.snr < 120
    rounded = tiny_texts.names()
    with torch.no_grad():
        for weight in rounded.parameters():
            weight.copy_(weight.half().float())
    inputs = _inputs(sampler, 40, 12, torch.float32)
    made, _ = tiny_texts.run(out, _numpy(inputs))
    with torch.no_grad():
        wanted = frozen(rounded)(**inputs).numpy()
    assert np.mean(made == wanted) > 0.99


def test_int8_is_refused_with_a_reason(exported_names: Exported, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--fp16, which halves"):
        export_module(tiny_texts.names(), exported_names[2].contract, tmp_path / "m.onnx", choices=Choices("int8"))
    assert list(tmp_path.iterdir()) == []


# --- without control flow -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unrolled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    sampler, path = tiny_texts.names(), tmp_path_factory.mktemp("unrolled") / "names.onnx"
    said = tiny_texts.contract(sampler, tiny_texts.LABELS, tiny_texts.NAMES)
    return path, export_module(sampler, said, path, choices=Choices(unrolled=True))


@pytest.mark.parametrize(
    "scalars", [{}, {"temperature": 0.6}, {"temperature": 0.0}, {"top_k": 5}, {"temperature": 1.4, "top_p": 0.8}]
)
def test_the_unrolled_graph_draws_what_the_loop_draws(
    exported_names: Exported, unrolled: tuple[Path, Report], scalars: dict[str, float]
) -> None:
    sampler, path, _ = exported_names
    inputs = _numpy(_inputs(sampler, 200, 12, torch.float32, **scalars))
    inputs["prefix"][:50, 0] = 7
    inputs["prefix"][50:100, 4] = 9
    (looped, chances), (made, found) = tiny_texts.run(path, inputs), tiny_texts.run(unrolled[0], inputs)
    same = np.logical_and.accumulate(looped == made, axis=1)
    assert same.mean() > 0.999  # at the edge of rounding another symbol may be drawn
    assert np.max(np.abs(chances - found)[same]) < 1e-5


def test_the_unrolled_graph_has_no_control_flow_and_one_length(unrolled: tuple[Path, Report]) -> None:
    path, report = unrolled
    model = onnx.load(path)
    assert not {"Scan", "Loop", "If", "SequenceMap"} & {node.op_type for node in model.graph.node}
    assert report.nodes == len(model.graph.node) > 12 * 20
    assert [each.shape for each in report.contract.inputs[:2]] == [["batch", 12], ["batch", 12]]
    generator = load(path, device="cpu", threads=1)
    texts = generator.texts(5, seed=3, temperature=0.8, label="boy", prompt="Ga")
    assert all(each.startswith("Ga") for each in texts)
    assert [each.symbols for each in generator.score(["Gar", "Ga"], "boy")] == [4, 3]
    with pytest.raises(UserError, match="--unrolled, for texts of 12"):
        generator.texts(1, length=5)


def test_an_unrolled_graph_of_another_length_scores_as_the_loop_does(exported_names: Exported, tmp_path: Path) -> None:
    sampler = tiny_texts.names()
    said = tiny_texts.contract(sampler, tiny_texts.LABELS, tiny_texts.NAMES)
    export_module(sampler, said, tmp_path / "short.onnx", choices=Choices("fp16", unrolled=True, length=6))
    short, whole = (load(path, device="cpu", threads=1) for path in (tmp_path / "short.onnx", exported_names[1]))
    assert short.sample(3, seed=1).shape == (3, 6)
    for one, other in zip(short.score(["abc", "Ga"], "girl"), whole.score(["abc", "Ga"], "girl"), strict=True):
        assert one.symbols == other.symbols
        assert abs(one.log_probability - other.log_probability) < 0.02  # of float16 weights
    for choices, words in (
        (Choices(unrolled=True, length=0), "length 0"),
        (Choices(unrolled=True, length=10**6), "length 1000000"),
        (Choices(length=5), "--length is for --unrolled"),
    ):
        with pytest.raises(UserError, match=words):
            export_module(sampler, said, tmp_path / "no.onnx", choices=choices)
    assert [each.name for each in tmp_path.iterdir()] == ["short.onnx"]
