"""An exported generator of text, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_texts
import torch

from multigan.exporters import Report, export_module
from multigan.exporters.graph import frozen
from multigan.text.networks.sampler import Sampler


@pytest.fixture(scope="session")
def exported_names(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sampler, Path, Report]:
    """The network, its file, and what the export said."""
    torch.set_num_threads(1)
    sampler, path = tiny_texts.names(), tmp_path_factory.mktemp("names") / "names.onnx"
    report = export_module(sampler, tiny_texts.contract(sampler, tiny_texts.LABELS, tiny_texts.NAMES), path)
    made = frozen(sampler)
    assert isinstance(made, Sampler)
    return made, path, report
