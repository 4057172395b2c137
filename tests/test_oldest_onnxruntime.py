"""The oldest onnxruntime that pyproject.toml allows, in an environment of its own, without onnx: the same samples."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import venv
from functools import partial
from pathlib import Path

import hostile_onnx
import numpy as np
import pytest
import tiny_onnx

from multigan.runtime import load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info >= (3, 13), reason="that onnxruntime has no wheel for this Python"),
]

ROOT = Path(__file__).parent.parent

SCRIPT = """
import sys
import numpy as np
import multigan
from multigan.runtime import UPLOADED, Trust, load

made = load("model.onnx", "cpu", threads=1, trust=Trust(memory=2**28)).sample(5, 7)  # the first limit holds for all
assert np.array_equal(load("model.onnx", trust=UPLOADED, threads=1).sample(5, 7), made)
np.save("made.npy", made)
for name in ("endless", "huge", "huge-constant"):
    for isolated in (False, True):
        try:
            load(f"{name}.onnx", "cpu", trust=Trust(seconds=1, memory=2**28, isolated=isolated)).sample(1)
        except multigan.UserError as error:
            print(name, "was stopped" in str(error), "more memory" in str(error))
assert "onnx" not in sys.modules
"""


def _stated() -> str:
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (found,) = {match[1] for each in needs if (match := re.match(r"onnxruntime(?:-gpu)?>=([\d.]+);", each))}
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("oldest")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    done = subprocess.run(
        [*pip, f"onnxruntime=={_stated()}", "numpy>=1.26", "pillow>=11"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return python


def test_the_oldest_onnxruntime_gives_the_same_samples_under_the_same_limits(python: Path, tmp_path: Path) -> None:
    model = tiny_onnx.write(tmp_path / "model.onnx")
    for name, spoil in {
        "endless": hostile_onnx.endless,
        "huge": partial(hostile_onnx.huge, side=2**30, from_latent=True),
        "huge-constant": partial(hostile_onnx.huge, side=2**30, from_latent=False),
    }.items():
        spoiled = hostile_onnx.plain()
        spoil(spoiled)
        (tmp_path / f"{name}.onnx").write_bytes(spoiled.SerializeToString())
    done = subprocess.run(
        [python, "-W", "error", "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    wanted = ["endless True False", "huge False True", "huge-constant False True"]
    assert done.stdout.splitlines() == [line for line in wanted for _ in range(2)]
    here = load(model, "cpu", threads=1).sample(5, 7)
    assert np.max(np.abs(np.load(tmp_path / "made.npy") - here)) < 1e-6
