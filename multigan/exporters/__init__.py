"""Checkpoint to model.onnx, compared with torch before it is kept."""

from __future__ import annotations

from multigan.exporters.choices import Choices
from multigan.exporters.export import check, export, export_module
from multigan.exporters.report import Report

__all__ = ["Choices", "Report", "check", "export", "export_module"]
