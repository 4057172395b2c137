"""Each opset that may be asked for: exported, compared, and loaded by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import untrained

from multigan import load
from multigan.exporters import Choices, export
from multigan.exporters.graph import OPSETS


@pytest.mark.parametrize("opset", [18, 23])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_first_and_the_last_opset(opset: int, precision: Any, tmp_path: Path) -> None:
    _loads(opset, precision, "dcgan", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("kind", list(untrained.KINDS))
def test_every_opset(opset: int, kind: str, tmp_path: Path) -> None:
    _loads(opset, "fp32", kind, tmp_path)


def _loads(opset: int, precision: Any, kind: str, folder: Path) -> None:
    out = folder / "model.onnx"
    report = export(untrained.pictures(kind, folder), out, choices=Choices(precision, opset))
    model = onnx.load(out)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", opset)]
    assert report.opset == opset
    assert model.ir_version == (11 if opset == 23 else 10)
    assert load(out, device="cpu", threads=1).sample(3, seed=1).shape == (3, 3, 16, 16)
