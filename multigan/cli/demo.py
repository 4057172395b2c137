"""`multigan demo`: exported models in a page that people play with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Exported .onnx files, or folders of them; absent: the newest exports of runs/ and model.onnx, else "
            "the small models that come with multigan.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines of the network in.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="The port.", show_default="the first free one from 7860", min=1, max=65535)
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="Lend it a public address for a week, by Gradio's tunnel.")
    ] = False,
    browse: Annotated[
        bool | None,
        typer.Option("--open/--no-browser", help="Open it in a browser.", show_default="where there is one"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Show exported models in a page that people play with. Needs no torch."""
    from multigan.demo.app import Serving, start
    from multigan.demo.finding import find
    from multigan.extras import need_all

    need_all("demo")
    start(lambda: find(models or []), Serving(host, port, share, browse, device), typer.echo)
