"""A small exported file made by hand, whose function numpy can repeat: tanh(latent W + class), as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from multigan.contract import KEY, Contract, Input, Output

LABELS = ["cat", "dog", "bird"]
HEIGHT, WIDTH, SIZE = 4, 6, 5


def weights(channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """W `[SIZE, C*H*W]` and one row for each class."""
    draw = np.random.default_rng(5)
    pixels = channels * HEIGHT * WIDTH
    return (
        draw.normal(0, 0.7, (SIZE, pixels)).astype(np.float32),
        draw.normal(0, 0.5, (len(LABELS), pixels)).astype(np.float32),
    )


def contract(channels: int = 3, distribution: str = "normal", conditional: bool = True, **changes: object) -> Contract:
    latent = Input("latent", "latent", "float32", ["batch", SIZE], distribution)  # type: ignore[arg-type]
    label = Input("label", "label", "int64", ["batch"], minimum=0, maximum=len(LABELS) - 1)
    fields: dict[str, object] = {
        "modality": "image",
        "name": "tiny",
        "inputs": [latent, label] if conditional else [latent],
        "output": Output("image", "float32", ["batch", channels, HEIGHT, WIDTH], -1.0, 1.0),
        "labels": LABELS if conditional else [],
        "recipe": {"name": "tiny", "loss": {"kind": "hinge"}},
        "samples_seen": 12000,
        "version": "0.1.0",
    }
    return Contract(**{**fields, **changes})  # type: ignore[arg-type]


def model(said: Contract, scale: float = 1.0) -> onnx.ModelProto:
    """The model that `said` describes. scale: of the weights; not a number makes a broken model."""
    channels = int(said.output.shape[1])
    matrix, rows = weights(channels)
    conditional = said.input("label") is not None
    nodes = [helper.make_node("MatMul", ["latent", "matrix"], ["product"])]
    if conditional:
        nodes += [
            helper.make_node("Gather", ["rows", "label"], ["row"]),
            helper.make_node("Add", ["product", "row"], ["sum"]),
        ]
    nodes += [
        helper.make_node("Tanh", ["sum" if conditional else "product"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["image"]),
    ]
    shape = np.array([-1, channels, HEIGHT, WIDTH], np.int64)
    stored = {"matrix": matrix * np.float32(scale), "shape": shape} | ({"rows": rows} if conditional else {})
    inputs = [helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["batch", SIZE])]
    if conditional:
        inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", channels, HEIGHT, WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(made, {KEY: said.to_json()})
    return made


def write(path: Path, said: Contract | None = None, scale: float = 1.0) -> Path:
    path.write_bytes(model(said or contract(), scale).SerializeToString())
    return path


def expected(latents: np.ndarray, labels: np.ndarray | None, channels: int = 3) -> np.ndarray:
    """What the model gives, in double precision."""
    matrix, rows = weights(channels)
    total = latents.astype(np.float64) @ matrix.astype(np.float64)
    if labels is not None:
        total = total + rows[labels].astype(np.float64)
    return np.tanh(total).reshape(-1, channels, HEIGHT, WIDTH)
