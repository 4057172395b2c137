"""The pages together, and how they are served."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multigan.demo.cache import Cache
from multigan.demo.making import Studio
from multigan.demo.shelf import Shelf
from multigan.errors import UserError
from multigan.extras import need

ASSETS = Path(__file__).parent / "assets"
PORTS = range(7860, 7960)
"""Tried one after another where none is named; the same as Gradio's own."""
AT_ONCE = 4
"""Requests of one kind that are worked on together; onnxruntime uses the cores itself."""
WAITING = 256
"""Requests that wait; who comes after them is told so."""
SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_ANALYTICS_MAX_EVENTS": "100",  # of requests that it remembers for a page that is not served here
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""Of Gradio, which reads them when it is imported."""
TERMINATED = 143
THREADS = 32
"""In which requests are worked on."""
KEPT = (60, 600)
"""Seconds between two looks for files that visitors sent without having them opened, and how old those may get."""
SESSIONS = 200
"""Visitors of whom Gradio remembers what their page shows, a third of a megabyte each: who was here longest ago goes
first. What they have kept lies in their browsers."""

log = logging.getLogger("multigan")


@dataclass(frozen=True)
class Serving:
    """host, port: where; None: a free one of PORTS. share: by Gradio's tunnel, too. browse: open a browser; None: where
    there is a display. device: as `load` takes it."""

    host: str = "127.0.0.1"
    port: int | None = None
    share: bool = False
    browse: bool | None = None
    device: str = "auto"


def start(find: Callable[[], Sequence[Path]], serving: Serving, say: Callable[[str], None]) -> None:
    """Serve the pages until the process is interrupted. find: gives the files of the models.

    Raises UserError where no model can be opened, the port is taken, or Gradio is not installed.
    """
    port = free_port(serving.host, serving.port)
    shelf = Shelf(find, serving.device)
    shelf.first()
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    cache = Cache()
    os.environ["GRADIO_TEMP_DIR"] = str(cache.uploads)
    need("gradio", "demo")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that the results go with the process
    with ExitStack() as ending:
        ending.callback(cache.close)
        blocks = build(shelf, Studio(cache))
        ending.callback(blocks.close, verbose=False)  # first: results do not go while they are sent
        address = launch(blocks, cache, serving, port)
        say(f"multigan demo: {address} (Ctrl-C ends it)")
        if serving.share:
            said = (
                f"shared: {blocks.share_url}" if blocks.share_url else "it could not be shared: look at the connection."
            )
            say(said)
        browse(address, serving.browse, say)
        blocks.block_thread()


def build(shelf: Shelf, studio: Studio) -> Any:
    """The pages, not served yet."""
    import gradio as gr

    from multigan.demo.pages.layout import lay_out

    with gr.Blocks(title="multigan", fill_width=True, analytics_enabled=False, delete_cache=KEPT) as blocks:
        lay_out(blocks, shelf, studio)
    return blocks.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE)


def launch(blocks: Any, cache: Cache, serving: Serving, port: int) -> str:
    """Start serving in a thread; the address."""
    import gradio as gr

    from multigan.demo import guarding

    gr.set_static_paths([cache.folder])  # served as they lie there, never copied
    font = ["ui-sans-serif", "system-ui", "sans-serif"]
    try:
        _, address, _ = blocks.launch(
            server_name=serving.host,
            server_port=port,
            share=serving.share,
            inbrowser=False,
            prevent_thread_lock=True,
            show_error=True,
            quiet=True,
            max_threads=THREADS,
            max_file_size="256mb",
            state_session_capacity=SESSIONS,
            footer_links=["api"],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            app_kwargs=guarding.SETTINGS,
            theme=gr.themes.Default(
                primary_hue="blue", neutral_hue="slate", font=font, font_mono=["ui-monospace", "monospace"]
            ).set(body_text_color_subdued="*neutral_500"),  # Gradio's own is too pale on white to be read by all
            css=(ASSETS / "demo.css").read_text(encoding="utf-8"),
            head=f"<script>{(ASSETS / 'demo.js').read_text(encoding='utf-8')}</script>",
        )
    except OSError as error:
        raise UserError(f"port {port} cannot be served: {error}; choose another with --port.") from error
    return str(address)


def free_port(host: str, port: int | None) -> int:
    """The port, or the first free one of PORTS. Raises UserError where it is taken or the host is another machine's."""
    for each in PORTS if port is None else [port]:
        try:
            found = socket.getaddrinfo(host, each, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, kind, protocol, _, place = found[0]
            with socket.socket(family, kind, protocol) as tried:
                if os.name != "nt":
                    tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(place)
            return each
        except (socket.gaierror, UnicodeError) as error:
            raise UserError(f"--host {host!r} is no address: give one of this machine's, such as 127.0.0.1.") from error
        except OverflowError as error:
            raise UserError(f"--port {port} is out of range: choose one from 1024 to 65535.") from error
        except OSError as error:
            if port is not None:
                raise UserError(
                    f"port {port} of {host} cannot be served ({error.strerror}): choose another with --port, or leave "
                    "it away for a free one."
                ) from error
    raise UserError(f"all ports from {PORTS[0]} to {PORTS[-1]} are in use: name a free one with --port.")


def browse(address: str, wanted: bool | None, say: Callable[[str], None]) -> None:
    """Open a browser where it is wanted or, unless told, where there is a display and a person at the terminal."""
    display = sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    if wanted is None:
        wanted = display and sys.stdout.isatty()
    if not wanted:
        return
    try:
        opened = display and webbrowser.open(address)  # without a display it might take the terminal over
    except webbrowser.Error:
        opened = False
    if not opened:
        say(f"no browser could be opened here: open {address} in one.")
