"""Small untrained generators of text, the contracts that go with them, and their exported files."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from multigan.contract import Contract, Input, Output
from multigan.text.config import Lstm, Transformer
from multigan.text.networks import Shape, build_generator
from multigan.text.networks.sampler import Sampler
from multigan.text.networks.transformer import TransformerPolicy
from multigan.vocabulary import END, UNKNOWN, Vocabulary

LABELS = ["girl", "boy", "place"]
NAMES = Vocabulary("characters", [END, UNKNOWN, *string.ascii_letters[:38]])
LENGTH = 12


def contract(sampler: Sampler, labels: list[str], vocabulary: Vocabulary | None = None) -> Contract:
    policy = sampler.policy
    last = policy.vocabulary - 1
    inputs = [
        Input("noise", "noise", "float32", ["batch", "length"], "uniform", minimum=-1.0, maximum=1.0),
        Input("prefix", "prefix", "int64", ["batch", "length"], default=-1, minimum=-1, maximum=last),
        Input("temperature", "scalar", "float32", [], default=1.0, minimum=0.0, maximum=100.0),
        Input("top_k", "scalar", "int64", [], default=0, minimum=0, maximum=policy.vocabulary),
        Input("top_p", "scalar", "float32", [], default=1.0, minimum=0.0, maximum=1.0),
    ]
    if labels:
        inputs.append(Input("label", "label", "int64", ["batch"], minimum=0, maximum=len(labels) - 1))
    extra: dict[str, Any] = {"length": policy.length, "log_probability": "log_probability"}
    if vocabulary is not None:
        extra["vocabulary"] = vocabulary.to_json()
    if isinstance(policy, TransformerPolicy):
        extra["longest"] = policy.length
    output = Output("text", "int64", ["batch", "length"], 0, last)
    return Contract("text", "tiny", inputs, output, labels, samples_seen=640, version="0.1.0", extra=extra)


def lstm(vocabulary: int, ends: bool, classes: int, unknown: int | None) -> Sampler:
    torch.manual_seed(3)
    chosen = Lstm(kind="lstm", embedding=8, hidden=16, deviation=0.6)
    return Sampler(build_generator(chosen, Shape(vocabulary, LENGTH, ends, classes)), unknown)


def transformer(vocabulary: int, ends: bool, classes: int, unknown: int | None) -> Sampler:
    torch.manual_seed(4)
    chosen = Transformer(kind="transformer", width=16, layers=2, heads=2)
    made = build_generator(chosen, Shape(vocabulary, LENGTH, ends, classes))
    with torch.no_grad():  # more decided than at its beginning
        for weight in made.parameters():
            weight.mul_(4 if weight.dim() > 1 else 1)
    return Sampler(made, unknown)


def names() -> Sampler:
    """Of NAMES and LABELS, with the unknown as a likely symbol, which is never to be drawn."""
    made = lstm(len(NAMES), True, len(LABELS), 1)
    with torch.no_grad():
        made.policy.output.bias[1] = 4.0  # type: ignore[index, union-attr]
    return made


def run(model: bytes | Path, inputs: dict[str, NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Symbols and log-probabilities of an exported file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    content = model if isinstance(model, bytes) else model.read_bytes()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    text, chances = session.run(["text", "log_probability"], inputs)
    return text, chances
