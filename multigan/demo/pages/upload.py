"""A visitor's own file."""

from __future__ import annotations

import gradio as gr

from multigan.demo.pages.answering import shown

HINT = (
    '<p class="mg-hint">An .onnx file that multigan export wrote. It is checked before it runs, shown to you alone, '
    "and forgotten when this page is no longer served, or earlier where others upload theirs.</p>"
)


class Upload:
    """Builds the page where it is made."""

    def __init__(self) -> None:
        shown(HINT)
        self.file = gr.File(label="Model", file_types=[".onnx"], type="filepath", elem_id="mg-upload")
        self.status = shown(name="mg-upload-status")
