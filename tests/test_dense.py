"""Large matrix products in int8: the input in nearly 16 bits, whatever the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import untrained
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from multigan import checkpoint, heads
from multigan.exporters import Choices, dense, export
from multigan.exporters.graph import frozen
from multigan.exporters.making import making
from multigan.exporters.parity import compared, open_session

SIDE = 512
"""Of a matrix that is just large enough."""
Array = NDArray[Any]


def _model(matrix: Array, bias: Array | None = None, behind: str = "Identity", **attributes: Any) -> onnx.ModelProto:
    """A product, and another operator behind it."""
    stored = {"matrix": matrix} | ({} if bias is None else {"bias": bias})
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", *stored], ["y"], **attributes), helper.make_node(behind, ["y"], ["z"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", None])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", None])],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _run(model: onnx.ModelProto, values: Array) -> Array:
    return np.asarray(open_session(model.SerializeToString()).run(None, {"x": values})[0])


def _rounded(rows: Array) -> Array:
    """Weights `[O, I]` as 7 bits and a scale for each output channel have them, rounded in float32."""
    scale = np.abs(rows).max(axis=1, keepdims=True) / np.float32(63)
    return np.rint(rows / scale).astype(np.float64) * scale


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.booleans(), st.booleans(), st.floats(0.01, 100))
def test_a_product_in_int8_is_that_of_the_rounded_weights(
    seed: int, batch: int, transposed: bool, biased: bool, largest: float
) -> None:
    draw = np.random.default_rng(seed)
    rows = draw.normal(0, 1, (SIDE, SIDE)).astype(np.float32)
    bias = draw.normal(0, 1, SIDE).astype(np.float32) if biased else None
    seen = (draw.uniform(-1, 1, (64, SIDE)) * largest).astype(np.float32)
    values = (draw.uniform(-1, 1, (batch, SIDE)) * largest).astype(np.float32)
    model = _model(rows if transposed else np.ascontiguousarray(rows.T), bias, transB=int(transposed))
    made = dense.quantized(model, dense.ranges(model, lambda: [{"x": seen}]))
    onnx.checker.check_model(made, full_check=True)
    assert "Gemm" not in {node.op_type for node in made.graph.node}
    found, added = _run(made, values), 0 if bias is None else bias
    wide = values.astype(np.float64)
    assert compared(found, wide @ _rounded(rows).T + added).snr > 80
    assert compared(found, wide @ rows.T.astype(np.float64) + added).snr > 35
    assert np.array_equal(found[-1:], _run(made, values[-1:]))  # whatever the company


def test_what_lies_far_beyond_what_was_seen_is_clipped() -> None:
    model = _model(np.eye(SIDE, dtype=np.float32), transB=1)
    made = dense.quantized(model, dense.ranges(model, lambda: [{"x": np.full((2, SIDE), -3, np.float32)}]))
    values = np.array([[0.0] * SIDE, [5.9] * SIDE, [-5.9] * SIDE, [6.0] * SIDE, [900.0] * SIDE, [-900.0] * SIDE])
    found = _run(made, values.astype(np.float32))[:, 0]
    assert found == pytest.approx([0, 5.9, -5.9, 6, 6, -6], abs=2e-4)


def test_which_products_stay() -> None:
    large = np.ones((SIDE, SIDE), np.float32)
    assert len(dense.products(_model(large).graph)) == 1
    for model in (
        _model(large[:, 1:]),
        _model(large, behind="Log"),
        _model(large, alpha=2.0),
        _model(large, transA=1),
    ):
        assert dense.products(model.graph) == []
        assert dense.ranges(model, list) == {}
        assert dense.quantized(model, {}) == model
    inner = _model(large)
    del inner.graph.initializer[:]
    assert dense.products(inner.graph) == []


def test_an_export_takes_it_first_and_does_without_it_where_it_is_too_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "LEAST", 256)
    weights = untrained.pictures("dcgan", tmp_path)
    report = export(weights, tmp_path / "model.onnx", choices=Choices("int8"))
    assert report.snr > 30
    assert report.remark == ""
    assert "MatMulInteger" in {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    recipe, network, _ = checkpoint.load_generator(weights)
    drafts = making(frozen(network), heads.contract(recipe, 0), Choices("int8")).reduced
    assert drafts is not None
    (first, _), (second, words), *_ = drafts()
    kinds = [{node.op_type for node in each.graph.node} for each in (first, second)]
    assert ["MatMulInteger" in each for each in kinds] == [True, False]
    assert ["Gemm" in each for each in kinds] == [False, True]
    assert "matrix products stay" in words
