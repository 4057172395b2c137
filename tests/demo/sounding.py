"""A small exported generator of sounds made by hand: tanh(latent W + class + number), 400 samples at 8 kHz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from multigan.contract import KEY, Contract, Input, Output

LABELS, SIZE, LENGTH, RATE = ["kick", "<b>snare</b>"], 6, 400, 8000


def contract() -> Contract:
    return Contract(
        modality="audio",
        name="hits",
        inputs=[
            Input("latent", "latent", "float32", ["batch", SIZE], "uniform"),
            Input("label", "label", "int64", ["batch"], minimum=0, maximum=1),
            Input("number", "condition", "float32", ["batch"], default=50.0, minimum=40.0, maximum=60.0),
        ],
        output=Output("sound", "float32", ["batch", 1, LENGTH], -1.0, 1.0),
        labels=LABELS,
        version="0.1.0",
        extra={"sample_rate": RATE, "number_column": "pitch"},
    )


def write(path: Path) -> Path:
    draw = np.random.default_rng(3)
    stored = {
        "matrix": draw.normal(0, 0.5, (SIZE, LENGTH)).astype(np.float32),
        "rows": draw.normal(0, 0.3, (len(LABELS), LENGTH)).astype(np.float32),
        "tone": np.full((1, LENGTH), 0.01, np.float32),
        "shape": np.array([-1, 1, LENGTH], np.int64),
        "column": np.array([-1, 1], np.int64),
    }
    nodes = [
        helper.make_node("MatMul", ["latent", "matrix"], ["product"]),
        helper.make_node("Gather", ["rows", "label"], ["row"]),
        helper.make_node("Reshape", ["number", "column"], ["told"]),
        helper.make_node("MatMul", ["told", "tone"], ["tones"]),
        helper.make_node("Sum", ["product", "row", "tones"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["sound"]),
    ]
    inputs = [
        helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["batch", SIZE]),
        helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
        helper.make_tensor_value_info("number", TensorProto.FLOAT, ["batch"]),
    ]
    output = helper.make_tensor_value_info("sound", TensorProto.FLOAT, ["batch", 1, LENGTH])
    weights = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "hits", inputs, [output], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(made, {KEY: contract().to_json()})
    path.write_bytes(made.SerializeToString())
    return path
