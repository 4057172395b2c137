"""From a network to the graphs that an export compares: in float32, and with less precision where that is asked for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from multigan.contract import Contract
from multigan.errors import UserError
from multigan.exporters import dense, quantize
from multigan.exporters.choices import Choices
from multigan.exporters.graph import state, to_onnx
from multigan.exporters.half import halved, stored_in_half
from multigan.exporters.judging import SampleReference
from multigan.exporters.looping import loop_to_onnx
from multigan.exporters.parity import Allowed, Reference, compared, open_session
from multigan.exporters.polyphase import polyphase
from multigan.exporters.text_parity import TextReference
from multigan.exporters.unrolling import fixed, unrolled_to_onnx
from multigan.text.networks.sampler import Sampler

CALIBRATION_SEED = 1
"""Another than that of the comparison, which would else judge by what the ranges were made for."""
CALIBRATION, MOST_CALIBRATION, PART = 64, 256, 8
"""Samples that ranges are taken from, or as many as there are classes; and how many at a time."""

Draft = tuple[onnx.ModelProto, str]
"""A graph, and a sentence on it or nothing."""


@dataclass(frozen=True)
class Making:
    """exact: the float32 graph. reference: the network. reduced: graphs of less precision, the fastest first, of which
    the first that is near enough is taken; `near` says how it is compared and how near it has to be."""

    contract: Contract
    exact: onnx.ModelProto
    reference: Reference
    reduced: Callable[[], Iterator[Draft]] | None = None
    near: tuple[Reference, Allowed] | None = None


def making(module: nn.Module, contract: Contract, choices: Choices) -> Making:
    """The graphs of a `frozen` network. Raises UserError where torch cannot export it."""
    if isinstance(module, Sampler):
        return _of_texts(module, contract, choices)
    reference = (SampleReference if contract.role == "discriminator" else Reference)(module, contract)
    plain = to_onnx(module, contract, rewrite=False, opset=choices.opset, reference=reference)
    exact = _rewritten(plain)
    said = replace(contract, precision=choices.precision)
    if choices.precision == "fp32":
        return Making(said, exact, reference)
    made = {"fp16": lambda: _halves(plain, said), "int8": lambda: _quantized(plain, said, reference)}
    return Making(said, exact, reference, made[choices.precision], (reference, choices.reduced))


def _rewritten(plain: onnx.ModelProto, *block: int) -> onnx.ModelProto:
    """A copy with transposed convolutions as `polyphase` makes them."""
    made = copy.deepcopy(plain)
    polyphase(made, *block)
    return made


def _stating(model: onnx.ModelProto, contract: Contract) -> onnx.ModelProto:
    state(model, contract)
    return model


def _halves(plain: onnx.ModelProto, contract: Contract) -> Iterator[Draft]:
    # Transposed convolutions stay whole: `polyphase` is for processors, and rounds once more between its parts.
    yield _stating(halved(plain), contract), ""


def _quantized(plain: onnx.ModelProto, contract: Contract, reference: Reference) -> Iterator[Draft]:
    """All that can be in int8; then without matrix products; then without the layer of convolutions that makes the most
    noise; then without the next one, too."""
    rewritten = _rewritten(plain, quantize.BLOCK)
    layers = quantize.layers(rewritten.graph)
    if not layers:
        raise UserError("this network has no convolution for --int8 to quantize: leave it away, or take --fp16.")
    count = min(max(CALIBRATION, len(contract.labels)), MOST_CALIBRATION)

    def feeds() -> Iterator[dict[str, NDArray[Any]]]:
        return (reference.inputs(PART, start, CALIBRATION_SEED) for start in range(0, count, PART))

    ranges = quantize.ranges(rewritten, feeds)
    best, *_ = _quietest(rewritten, [quantize.quantized(rewritten, each) for each in ranges], reference)
    small = quantize.quantized(rewritten, ranges[best])
    inputs = dense.ranges(rewritten, feeds)
    if inputs:
        yield _stating(dense.quantized(small, inputs), contract), ""
    yield _stating(small, contract), "matrix products stay in float32" if inputs else ""
    spared = [{each} for each in range(layers)]
    order = _quietest(rewritten, [quantize.quantized(rewritten, ranges[best], each) for each in spared], reference)
    for count in range(1, layers):
        words = f"{count} of {layers} layers of convolutions stay in float32, those that int8 adds most noise to"
        words += ", and matrix products" if inputs else ""
        yield _stating(quantize.quantized(rewritten, ranges[best], order[:count]), contract), words


def _quietest(exact: onnx.ModelProto, models: list[onnx.ModelProto], reference: Reference) -> list[int]:
    """The numbers of models, those first that are nearest to the exact one."""
    inputs = reference.inputs(2 * PART, 0, CALIBRATION_SEED)

    def run(model: onnx.ModelProto) -> NDArray[Any]:
        return np.asarray(open_session(model.SerializeToString()).run(reference.outputs[:1], inputs)[0])

    wanted = run(exact)
    noises = [compared(run(each), wanted).noise for each in models]
    return sorted(range(len(models)), key=lambda each: noises[each])


def _of_texts(sampler: Sampler, contract: Contract, choices: Choices) -> Making:
    contract = fixed(contract, choices.length) if choices.unrolled else contract
    exact = (unrolled_to_onnx if choices.unrolled else loop_to_onnx)(sampler, contract, choices.opset)
    reference = TextReference(sampler, contract)
    if choices.precision == "fp32":
        return Making(contract, exact, reference)
    said = replace(contract, precision=choices.precision)
    rounded = copy.deepcopy(sampler)
    with torch.no_grad():
        for weight in rounded.parameters():
            weight.copy_(weight.half().float())
    near = TextReference(rounded, contract, sampler), replace(choices.reduced, error=choices.exact.error)

    def reduced() -> Iterator[Draft]:
        words = "weights are stored in float16 and texts computed in float32: sums over a vocabulary need it"
        yield _stating(stored_in_half(exact), said), words

    return Making(said, exact, reference, reduced, near)
