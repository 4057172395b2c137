"""Small generators of each modality, trained for a turn, exported and put on a page; and a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pytest
import soundfile

from multigan.cli import run

TRAINED = {
    "pictures": ["image", "--recipe", "dcgan", "generator.width=8", "discriminator.width=8", "training.samples=16",
                 "training.batch=16"],
    "sounds": ["audio", "--recipe", "wavegan", "generator.width=4", "discriminator.width=4", "training.samples=40",
               "training.batch=8", "data.length=4096"],
    "names": ["text", "--recipe", "names", "training.samples=256", "training.batch=16", "warmup=64",
              "likelihood.samples=64"],
    "spectrograms": ["audio", "--recipe", "specgan", "generator.width=4", "discriminator.width=4",
                     "training.samples=40", "training.batch=8"],
    "pitched": ["audio", "--recipe", "drums", "generator.network.width=8", "discriminator.network.width=8",
                "training.samples=16", "training.batch=8", "data.label_column=kind", "data.number_column=pitch"],
}  # fmt: skip


def _sines(folder: Path) -> Path:
    """Eight short sounds, whose kind and pitch stand in a table."""
    folder.mkdir()
    lines = ["file_name,kind,pitch"]
    for index in range(8):
        pitch = 220 + 110 * index
        soundfile.write(folder / f"{index}.wav", np.sin(np.arange(8000) * pitch * 2 * np.pi / 16000) / 2, 16000)
        lines.append(f"{index}.wav,{'ab'[index % 2]},{pitch}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An exported file of each modality, all with classes, by its name."""
    folder = tmp_path_factory.mktemp("models")
    made = {}
    for name, (modality, option, recipe, *settings) in TRAINED.items():
        told = [part for each in [*settings, "conditional=true"] for part in ("--set", each)]
        if name == "pitched":
            told += ["--data", str(_sines(folder / "sines"))]
        trained, path = folder / name, folder / f"{name}.onnx"
        assert run(["train", modality, option, recipe, *told, "--out", str(trained), "--device", "cpu"]) == 0
        assert run(["export", str(trained), "--out", str(path)]) == 0
        made[name] = path
    return made


@pytest.fixture(scope="session")
def site(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `multigan export --web` writes."""
    folder = tmp_path_factory.mktemp("host") / "site"
    assert run(["export", "--web", str(folder), *map(str, models.values())]) == 0
    return folder


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with pages.serving(site) as address:
        yield address


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens the page, with a model, in a browser's window of its own; nothing may go wrong in it unsaid."""
    mistakes: list[str] = []
    with ExitStack() as stack:

        def opened(model: str | None = None, at: str = address, wait: bool = True, **options: Any) -> Any:
            context = browser.new_context(**options)
            stack.callback(context.close)
            page = context.new_page()
            page.on("pageerror", lambda error: mistakes.append(str(error)))
            page.on("console", lambda said: said.type == "error" and mistakes.append(said.text))
            page.goto(at + (f"?model={model}" if model else ""))
            if wait:
                pages.ready(page)
            return page

        yield opened
    assert [each for each in mistakes if not each.startswith("Failed to load resource")] == []
