"""Checkpoint to model.onnx, compared with torch before it is kept."""

from __future__ import annotations

from multigan.exporters.export import Report, export, export_module

__all__ = ["Report", "export", "export_module"]
