"""Write a network as one ONNX file, only if it is the same function as in torch."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import onnx
from torch import nn

from multigan import heads
from multigan.checkpoint import load, load_detector, load_generator
from multigan.contract import Contract
from multigan.errors import UserError
from multigan.exporters.choices import Choices
from multigan.exporters.graph import frozen
from multigan.exporters.judging import judging
from multigan.exporters.making import Making, making
from multigan.exporters.parity import Allowed, Reference, check_in_fresh_process, compare
from multigan.exporters.report import Column, Report
from multigan.exporters.speed import latencies

ONE_FILE = 2**31 - 2**20
"""protobuf ends at 2 GiB: a model above this keeps its weights in a second file."""


def export(weights: Path, out: Path, tolerance: float | None = None, choices: Choices | None = None) -> Report:
    """Export the averaged generator of a checkpoint's `weights` file to `out`, or its discriminator (`choices.role`).

    tolerance: absent: that of the choices, the recipe's own (`heads.tolerance`), or TOLERANCE. Raises UserError where
    the checkpoint cannot be read, torch cannot export the network, the file differs from torch by more than is allowed
    at batch 1, 2, 3 or 16, or `out` cannot be written; then nothing is written.
    """
    choices = choices or Choices()
    judges = choices.role == "discriminator"
    recipe, network, samples_seen = (load_detector if judges else load_generator)(weights)
    contract = heads.contract(recipe, samples_seen)
    if tolerance is None:
        tolerance = heads.tolerance(recipe) if choices.tolerance is None else choices.tolerance
    return export_module(network, judging(contract) if judges else contract, out, tolerance, choices)


def check(weights: Path, out: Path, choices: Choices) -> None:
    """Raise UserError where what is asked for cannot be exported, before minutes of work are spent on it."""
    _check_target(out)
    contract = heads.contract(load(weights).recipe, 0)
    choices.check(judging(contract) if choices.role == "discriminator" else contract)


def export_module(
    module: nn.Module, contract: Contract, out: Path, tolerance: float | None = None, choices: Choices | None = None
) -> Report:
    """Export any network that takes the contract's inputs, by their names or in their order; see `export`."""
    choices = choices or Choices()
    choices = replace(choices, tolerance=choices.tolerance if tolerance is None else tolerance)
    choices.check(contract)
    _check_target(out)
    return write_checked(making(frozen(module), contract, choices), choices, out)


def write_checked(made: Making, choices: Choices, out: Path, one_file: int = ONE_FILE) -> Report:
    """Write what is `made` into a folder of its own, compare it there with torch, move it to `out` if it agrees.

    one_file: above this many bytes the weights go to a second file, `out` with `.data` after its name. Raises UserError
    where a file is further from torch than is allowed or `out` cannot be written.
    """
    with _sentence_for(out), tempfile.TemporaryDirectory(prefix=f".{out.stem[:64]}.", dir=out.parent) as folder:
        exact = Path(folder) / "fp32" / out.name
        columns = [_written(exact, made.exact, "fp32", made.reference, one_file)]
        _keep(columns[0], choices.exact)
        drafts, remark, near = {"fp32": exact}, "", (made.reference, choices.exact)
        if made.reduced is not None and made.near is not None:
            near, draft = made.near, Path(folder) / choices.precision / out.name
            drafts = {choices.precision: draft, **drafts}
            column, remark = _reduced(draft, made, choices, one_file)
            columns.insert(0, column)
        draft = next(iter(drafts.values()))
        check_in_fresh_process(draft, *near)
        times = latencies(drafts, made.reference)
        model = onnx.load(draft, load_external_data=False)
        files = _move(draft, out)
    opset = model.opset_import[0].version
    return Report(files, columns, near[1], made.contract, opset, model.ir_version, times, remark)


def _written(draft: Path, model: onnx.ModelProto, name: str, reference: Reference, one_file: int) -> Column:
    """Write a draft and compare it with torch."""
    draft.parent.mkdir(exist_ok=True)
    _save(model, draft, one_file)
    onnx.checker.check_model(str(draft), full_check=True)
    size = sum(each.stat().st_size for each in draft.parent.iterdir())
    return Column(name, size, _count(model.graph), compare(draft, reference))


def _reduced(draft: Path, made: Making, choices: Choices, one_file: int) -> tuple[Column, str]:
    """Write the first draft of less precision that is near enough, and give its figures and what is said of it."""
    assert made.reduced is not None
    assert made.near is not None
    reference, allowed = made.near
    best: Column | None = None
    for model, remark in made.reduced():
        found = _written(draft, model, choices.precision, reference, one_file)
        if allowed.refusal(found.total) is None:
            return found, remark
        best = found if best is None or found.total.snr > best.total.snr else best
    assert best is not None
    _keep(best, allowed)
    raise AssertionError("it was refused")


def _keep(column: Column, allowed: Allowed) -> None:
    """Raise UserError where a file is not within what is allowed: in error at any batch, in noise over all together."""
    refusal = allowed.refusal(column.total)
    if refusal is None:
        return
    worst = max(column.comparisons, key=lambda each: each.error)
    if worst.error == math.inf and worst.symbols:
        raise UserError(
            f"the exported graph draws other symbols than torch at batch {worst.batch}: nothing was written."
        )
    if worst.error > allowed.error:
        where, mend = f" at batch {worst.batch}", "--tolerance accepts more"
    else:
        where, mend = "", "--snr accepts less"
    raise UserError(f"the exported graph {refusal}{where}: nothing was written. {mend}.")


def _count(graph: onnx.GraphProto) -> int:
    """The nodes of a graph and of those inside it."""
    inside = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    return len(graph.node) + sum(map(_count, inside))


def _check_target(out: Path) -> None:
    """Raise UserError where no file can be written at `out`: before the work, and not after it."""
    with _sentence_for(out):
        if out.is_dir():
            raise UserError(f"{out} is a folder: name a file, such as {out / 'model.onnx'}")
        if out.suffix != ".onnx":
            raise UserError(f"{out} must end in .onnx: {out.with_suffix('.onnx').name}")
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out.parent).close()


@contextmanager
def _sentence_for(out: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into a UserError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {out}: {reason}. Free some room or choose another folder.") from error


def _save(model: onnx.ModelProto, draft: Path, one_file: int) -> None:
    """One file, or two where the weights pass `one_file` bytes. Bytes in a fixed order."""
    weights = sum(len(each.raw_data) for each in model.graph.initializer)
    if weights <= one_file:
        draft.write_bytes(model.SerializeToString(deterministic=True))
    else:
        beside = draft.name + ".data"
        draft.with_name(beside).unlink(missing_ok=True)  # of a draft before, to which onnx would append
        onnx.save_model(model, str(draft), save_as_external_data=True, location=beside, size_threshold=1024)
        draft.with_name(beside).chmod(draft.stat().st_mode)


def _move(draft: Path, out: Path) -> list[Path]:
    """Put the checked files in their place, the weights before the model that names them."""
    files = [out]
    for name in (draft.name + ".data", draft.name):
        source = draft.with_name(name)
        if not source.exists():
            continue
        with source.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(source, out.with_name(name))
        if name != out.name:
            files.append(out.with_name(name))
    return files
