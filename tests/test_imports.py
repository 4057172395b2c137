"""What importing brings along, each in a fresh process; and what a missing extra says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import multigan
from multigan import doctor
from multigan.extras import EXTRAS

ROOT = Path(__file__).parent.parent

HEAVY = ("torch", "datasets", "onnx", "onnxscript", "safetensors", "tensorboard")

WITHOUT = """
import sys

class Missing:
    "Finds no module of the extras: what a base installation is like."

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "module",
    [
        "multigan",
        "multigan.cli",
        "multigan.contract",
        "multigan.doctor",
        "multigan.image.config",
        "multigan.noise",
        "multigan.recipe",
        "multigan.runs",
        "multigan.runtime",
        "multigan.settings",
    ],
)
def test_importing_leaves_torch_and_its_kin_out(module: str) -> None:
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = python(code)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")


def test_every_public_name_is_there_and_listed() -> None:
    done = python("import multigan; print(*[name for name in multigan.__all__ if getattr(multigan, name) is None])")
    assert (done.returncode, done.stdout.strip()) == (0, "")
    assert set(multigan.__all__) <= set(dir(multigan))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        multigan.nothing  # noqa: B018


@pytest.mark.parametrize("arguments", [["train", "image", "--recipe", "dcgan"], ["quickstart"], ["export", "--onnx"]])
def test_without_the_extra_a_command_says_how_to_add_it(arguments: list[str], tmp_path: Path) -> None:
    code = (
        WITHOUT.format(missing=HEAVY) + f"import os; os.chdir({str(tmp_path)!r}); from multigan.cli import main; main()"
    )
    done = python(code, *arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'multigan[train]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


COMMANDS = {
    "train": (["train", "image", "--recipe", "dcgan"], ["quickstart"], ["export", "--onnx"]),
    "demo": (["demo", "--no-browser"],),
    "metrics": (["evaluate", "runs/none"],),
}


@pytest.mark.parametrize(("extra", "module"), [(extra, each) for extra in EXTRAS for each in EXTRAS[extra]])
def test_each_missing_module_of_an_extra_is_named(extra: str, module: str, tmp_path: Path) -> None:
    """All commands of the extra in one process: without the module each is one sentence, with status 2."""
    code = (
        WITHOUT.format(missing=[module])
        + f"import os; os.chdir({str(tmp_path)!r}); from multigan import cli; "
        + f"print([cli.run(each) for each in {COMMANDS[extra]!r}])"
    )
    done = python(code)
    said = f"multigan: this needs {module}, which is not installed: pip install 'multigan[{extra}]'"
    assert done.stderr.splitlines() == [said] * len(COMMANDS[extra])
    assert done.stdout.strip() == str([2] * len(COMMANDS[extra]))
    assert list(tmp_path.iterdir()) == []


def test_the_extras_install_what_the_commands_look_for() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        packages = {re.split(r"[^\w-]", each)[0].replace("-", "_") for each in stated[extra]}
        assert packages - {"tensorboard"} == set(modules)
        told = {package.replace("-", "_") for package in doctor.EXTRAS[extra]}
        assert told == packages - {"torch"}


@pytest.mark.parametrize("arguments", [["recipes", "check"], ["doctor"], ["--help"]])
def test_without_the_extras_the_base_works(arguments: list[str]) -> None:
    done = python(WITHOUT.format(missing=HEAVY) + "from multigan.cli import main; main()", *arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_packages_that_are_installed_are_those_that_exist() -> None:
    """The list is explicit, so that recipes/, export/, demo/ and tests/ never become importable packages."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "multigan").rglob("__init__.py")}
    assert set(listed) == there | {"multigan.recipes", "multigan.web"}


def test_the_version_has_its_place_in_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == multigan.__version__
    assert f"## [{multigan.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_extra_all_is_the_others_together() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert extras["all"] == ["multigan[train,demo,metrics]"]
    assert {"train", "demo", "metrics", "fid", "dev", "all"} == set(extras)
