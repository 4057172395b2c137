"""A run's folder as a visitor sees it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from multigan.demo import training
from multigan.demo.cache import Cache
from multigan.demo.making import Studio
from multigan.errors import UserError


def run(root: Path, name: str, count: int = 3) -> Path:
    folder = root / name
    (folder / "previews").mkdir(parents=True)
    lines = [json.dumps({"samples": at * 64, "loss <b>": 1 / (at + 1), "bad": None}) for at in range(count)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"samples": 999, "lo')
    return folder


def test_no_run_is_said(tmp_path: Path) -> None:
    assert training.runs(tmp_path / "runs") == []
    with pytest.raises(UserError, match="no run under runs/"):
        training.read("", tmp_path)
    with pytest.raises(UserError, match="any more"):
        training.read("../secret", tmp_path)


def test_figures_and_previews_are_followed(tmp_path: Path, studio: Studio) -> None:
    cache: Cache = studio.cache
    folder = run(tmp_path, "digits")
    for at, colour in ((0, "red"), (128, "blue")):
        Image.new("RGB", (8, 8), colour).save(folder / "previews" / f"{at:012d}.png")
    state = training.read("digits", tmp_path)
    assert state.series == {"loss <b>": [(0, 1.0), (64, 0.5), (128, 1 / 3)]}
    assert state.previews == [0, 128]
    assert "digits is training: 128 samples" in state.sentence
    drawn = training.curves(state.series)
    assert drawn.count("<svg") == 1
    assert "<b>:" not in drawn
    assert "loss &lt;b&gt;" in drawn
    assert "after 128 samples" in training.preview(state, 1.0, cache, tmp_path)
    assert "after 0 samples" in training.preview(state, 0.0, cache, tmp_path)
    assert len(cache) == 2
    os.utime(folder / "metrics.jsonl", (1, 1))
    assert "at rest" in training.read("digits", tmp_path).sentence


def test_sounds_are_played_and_texts_are_read(tmp_path: Path, studio: Studio) -> None:
    folder = run(tmp_path, "drums")
    for number in range(2):
        soundfile.write(folder / "previews" / f"000000000064-{number:02d}.wav", np.sin(np.arange(400) / 9), 8000)
    shown = training.preview(training.read("drums", tmp_path), 1.0, studio.cache, tmp_path)
    assert shown.count("data-sound=") == 2
    folder = run(tmp_path, "names")
    (folder / "previews" / "000000000064.txt").write_text("Anna\n<i>Bob</i>\n")
    shown = training.preview(training.read("names", tmp_path), 1.0, studio.cache, tmp_path)
    assert "Anna" in shown
    assert "&lt;i&gt;Bob" in shown


def test_a_damaged_run_is_followed_as_far_as_it_goes(tmp_path: Path, studio: Studio) -> None:
    folder = run(tmp_path, "drums")
    lines = ['{"samples": Infinity, "a": 1}', f'{{"samples": 7, "a": {10**400}}}', '{"samples": "x"}', "[" * 9999, "3",
             '{"samples": 200, "a": NaN, "b": 2}']  # fmt: skip
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    sound = np.sin(np.arange(400) / 9)
    for number, content in enumerate((sound, sound[:0], sound + np.nan)):
        soundfile.write(folder / "previews" / f"000000000064-{number:02d}.wav", content, 8000, subtype="FLOAT")
    (folder / "previews" / "000000000064-03.wav").write_bytes(b"RIFF")
    (folder / "previews" / "1\u00b2.png").write_bytes(b"")
    state = training.read("drums", tmp_path)
    assert state.series == {"b": [(200, 2.0)]}
    assert state.previews == [64]
    assert training.preview(state, 1.0, studio.cache, tmp_path).count("data-sound=") == 1


def test_an_empty_run_is_no_mistake(tmp_path: Path, studio: Studio) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "metrics.jsonl").touch()
    state = training.read("new", tmp_path)
    assert "no figures yet" in state.sentence
    assert "No preview yet" in training.preview(state, 1.0, studio.cache, tmp_path)
