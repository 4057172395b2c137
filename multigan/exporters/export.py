"""Write a generator as one ONNX file, only if it is the same function as the network."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx
from torch import nn

from multigan import heads
from multigan.checkpoint import load_generator
from multigan.contract import Contract
from multigan.errors import UserError
from multigan.exporters.graph import IR_VERSION, OPSET, frozen, to_onnx
from multigan.exporters.looping import loop_to_onnx
from multigan.exporters.parity import Comparison, Reference, check_in_fresh_process, compare
from multigan.exporters.text_parity import TextReference
from multigan.text.networks.sampler import Sampler

TOLERANCE = 1e-4
"""For pictures in [-1, 1]: a seventy-eighth of the step between two 8-bit values."""
ONE_FILE = 2**31 - 2**20
"""protobuf ends at 2 GiB: a model above this keeps its weights in a second file."""


@dataclass(frozen=True)
class Report:
    """What was written: `files` (the model first), their `size` in bytes, and the comparison with torch."""

    files: list[Path]
    size: int
    nodes: int
    tolerance: float
    comparisons: list[Comparison]
    contract: Contract

    @property
    def error(self) -> float:
        """The largest absolute difference from torch at any batch."""
        return max(each.error for each in self.comparisons)

    def __str__(self) -> str:
        rows = [f"  {each.batch:>5}   {each.error:.2e}" for each in self.comparisons]
        head = "  batch   largest difference from torch"
        if self.contract.output.dtype == "int64":
            head += " in a symbol's log-probability   symbols, all equal   left out at the edge of rounding"
            counts = [f"{each.symbols:>56,}   {each.left_out:>32,}" for each in self.comparisons]
            rows = [row + count for row, count in zip(rows, counts, strict=True)]
        return "\n".join(
            [
                f"{self.files[0]}: {self.size / 1e6:.2f} MB, {self.nodes} nodes, opset {OPSET}, IR {IR_VERSION}",
                head,
                *rows,
                f"  within the tolerance of {self.tolerance:g}; loads and runs in a fresh process without torch",
            ]
        )


def export(weights: Path, out: Path, tolerance: float | None = None) -> Report:
    """Export the averaged generator of a checkpoint's `weights` file to `out`.

    tolerance: absent: the recipe's own (`heads.tolerance`), or TOLERANCE. Raises UserError where the checkpoint cannot
    be read, torch cannot export the network, the file differs from torch by more than the tolerance at batch 1, 2, 3 or
    16, or `out` cannot be written; then nothing is written.
    """
    recipe, generator, samples_seen = load_generator(weights)
    if tolerance is None:
        tolerance = heads.tolerance(recipe) or TOLERANCE
    return export_module(generator, heads.contract(recipe, samples_seen), out, tolerance)


def export_module(module: nn.Module, contract: Contract, out: Path, tolerance: float = TOLERANCE) -> Report:
    """Export any network that takes the contract's inputs, by their names or in their order; see `export`."""
    _check_target(out, tolerance)
    module = frozen(module)
    model = loop_to_onnx(module, contract) if isinstance(module, Sampler) else to_onnx(module, contract)
    return write_checked(model, module, contract, out, tolerance)


def write_checked(
    model: onnx.ModelProto,
    module: nn.Module,
    contract: Contract,
    out: Path,
    tolerance: float = TOLERANCE,
    one_file: int = ONE_FILE,
) -> Report:
    """Write `model` into a folder of its own, compare it there with the `frozen` module, move it to `out` if it agrees.

    one_file: above this many bytes the weights go to a second file, `out` with `.data` after its name. Raises UserError
    where the two differ by more than `tolerance` or `out` cannot be written.
    """
    with _sentence_for(out), tempfile.TemporaryDirectory(prefix=f".{out.stem[:64]}.", dir=out.parent) as folder:
        draft = Path(folder) / out.name
        _save(model, draft, one_file)
        onnx.checker.check_model(str(draft), full_check=True)
        reference = (TextReference if isinstance(module, Sampler) else Reference)(module, contract)
        comparisons = compare(draft, reference)
        worst = max(comparisons, key=lambda each: each.error)
        if worst.error == math.inf and isinstance(module, Sampler):
            raise UserError(
                f"the exported graph draws other symbols than torch at batch {worst.batch}: nothing was written."
            )
        if not worst.error <= tolerance:
            raise UserError(
                f"the exported graph differs from torch by {worst.error:.2e} at batch {worst.batch}, more than the "
                f"tolerance of {tolerance:g}: nothing was written. --tolerance accepts more."
            )
        check_in_fresh_process(draft, reference, tolerance)
        files = _move(draft, out)
    size = sum(each.stat().st_size for each in files)
    return Report(files, size, _count(model.graph), tolerance, comparisons, contract)


def _count(graph: onnx.GraphProto) -> int:
    """The nodes of a graph and of those inside it."""
    inside = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    return len(graph.node) + sum(map(_count, inside))


def _check_target(out: Path, tolerance: float) -> None:
    """Find what is wrong before the work, not after it."""
    if not 0 < tolerance <= 1:
        raise UserError(f"tolerance {tolerance:g} is out of range: choose a number above 0 and at most 1.")
    if out.suffix != ".onnx":
        raise UserError(f"{out} must end in .onnx: {out.with_suffix('.onnx').name}")
    if out.is_dir():
        raise UserError(f"{out} is a folder: name a file, such as {out / 'model.onnx'}")
    with _sentence_for(out):
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
