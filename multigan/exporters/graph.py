"""A network as an ONNX model: fixed weights, a batch of any size, the contract inside, nothing of the machine."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn.utils import parametrize

from multigan.contract import KEY, Contract
from multigan.errors import UserError
from multigan.exporters.clean import strip_traces
from multigan.exporters.parity import Reference, arguments
from multigan.exporters.polyphase import polyphase

OPSET = 20
OPSETS = range(18, 24)
"""What torch's exporter and onnxruntime both know."""
IR_VERSION = 10
"""What onnxruntime 1.18.1 and later load; opset 23 needs the next one, and a newer onnxruntime."""


def frozen(module: nn.Module) -> nn.Module:
    """A float32 copy of `module` on the CPU in eval mode, parametrizations (spectral norm...) made plain weights."""
    module = copy.deepcopy(module).eval().float().cpu()
    for each in list(module.modules()):
        if parametrize.is_parametrized(each):
            _make_plain(each)
    return module.requires_grad_(False)


def _make_plain(module: nn.Module) -> None:
    """Replace each parametrized tensor of `module` by its present value.

    torch's remove_parametrizations edits the class that torch made for the module, which a deep copy shares with its
    original: the original would be spoiled.
    """
    parametrizations = module.parametrizations
    assert isinstance(parametrizations, nn.ModuleDict)
    plain = {name: getattr(module, name).detach().clone() for name in parametrizations}
    module.__class__ = type(module).__bases__[0]
    del module.parametrizations
    for name, value in plain.items():
        module.register_parameter(name, nn.Parameter(value))


def to_onnx(
    module: nn.Module,
    contract: Contract,
    rewrite: bool = True,
    opset: int = OPSET,
    reference: Reference | None = None,
) -> onnx.ModelProto:
    """The ONNX model of a `frozen` module, which takes the contract's inputs as `arguments` says.

    Opset 20 and IR version 10 unless told, axis 0 of every input dynamic and named `batch`, the contract in
    `metadata_props`. The same module gives the same bytes. rewrite: with transposed convolutions as `polyphase` makes
    them. reference: knows the inputs and the outputs. Raises UserError where torch cannot export it.
    """
    reference = reference or Reference(module, contract)
    inputs = {name: torch.from_numpy(each) for name, each in reference.inputs(2).items()}
    axes = {each.name: {0: "batch"} if each.shape else {} for each in contract.inputs}
    positional, named = arguments(module, inputs)
    shapes = axes if named else tuple(axes.values())
    model = traced(module, positional, named, list(inputs), reference.outputs, shapes, opset)
    if rewrite:
        polyphase(model)
    return finished(model, contract)


def traced(
    module: nn.Module,
    positional: tuple[Any, ...],
    named: dict[str, torch.Tensor],
    inputs: list[str],
    outputs: list[str],
    shapes: dict[str, Any] | tuple[Any, ...],
    opset: int = OPSET,
) -> onnx.ModelProto:
    """What torch makes of a module and example arguments, without its stack traces. shapes: each argument's dynamic
    axes. Raises UserError where torch cannot export it."""
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                positional,
                kwargs=named,
                dynamo=True,
                opset_version=opset,
                input_names=inputs,
                output_names=outputs,
                dynamic_shapes=shapes,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()
        raise UserError(f"torch cannot export this network to ONNX: {reason[0] if reason else error}") from error
    assert program is not None
    model = program.model_proto
    strip_traces(model)
    return model


def finished(model: onnx.ModelProto, contract: Contract) -> onnx.ModelProto:
    """The model with its IR version and with the contract inside, the names of its inputs checked."""
    model.ir_version = max(IR_VERSION, onnx.helper.find_min_ir_version_for(model.opset_import))
    state(model, contract)
    _check_names(model, contract)
    return model


def state(model: onnx.ModelProto, contract: Contract) -> None:
    """Have the model say `contract` of itself, and nothing else."""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, contract.to_json()


def _check_names(model: onnx.ModelProto, contract: Contract) -> None:
    """An unused input would be missing from the graph, and the runtime would stumble over it."""
    found = [each.name for each in model.graph.input]
    named = [each.name for each in contract.inputs]
    if found != named:
        raise UserError(f"the exported graph has the inputs {found} where the contract names {named}.")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's exporter from talking: progress on stdout, notes on torchvision, its own deprecation warnings."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
