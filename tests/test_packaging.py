"""The wheel and the editable install, each in an environment of its own and used from an empty folder.

Nothing is downloaded: the new environment installs multigan alone (`--no-deps`) and finds its dependencies through a
`.pth` line that names this interpreter's own packages. The line is read after the environment's own packages, and an
editable install's import hook is not run from it, so that multigan itself comes from what was just installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
BUILT_FROM = ("multigan", "recipes", "export", "demo", "tests", "pyproject.toml", "README.md", "LICENSE")


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, since building leaves its own folders beside them."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in BUILT_FROM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, folder=checkout)
    (built,) = folder.glob("multigan-*.whl")
    return built


@pytest.fixture(params=["wheel", "editable"], scope="module")
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts' folder of an environment in which multigan was installed this way."""
    home = tmp_path_factory.mktemp(request.param)
    venv.create(home, with_pip=False, symlinks=True)
    scripts = home / "bin"
    packages = Path(
        run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=home).strip()
    )
    (packages / "zz_dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    if request.param == "wheel":
        what = [str(request.getfixturevalue("wheel"))]
    else:
        what = ["--no-build-isolation", "--editable", str(request.getfixturevalue("checkout"))]
    pip = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install", "--quiet", "--no-deps"]
    run(*pip, "--no-index", "--ignore-installed", *what, folder=home)
    return scripts


def test_it_is_this_multigan_and_nothing_else_at_the_top(installed: Path, tmp_path: Path) -> None:
    place = Path(run(installed / "python", "-c", "import multigan; print(multigan.__file__)", folder=tmp_path).strip())
    assert ROOT not in place.parents
    for name in ("recipes", "export", "demo", "tests"):
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is not None)"
        run(installed / "python", "-c", code, folder=tmp_path)


def test_the_command_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    multigan = installed / "multigan"
    assert run(multigan, "--version", folder=tmp_path).startswith("multigan ")
    shipped = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
    assert [line.split()[0] for line in run(multigan, "recipes", "list", folder=tmp_path).splitlines()] == shipped
    for name in shipped:
        shown = run(multigan, "recipes", "show", f"recipes/{name}.yaml", folder=tmp_path)
        assert shown == (ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    run(multigan, "recipes", "check", folder=tmp_path)
    assert "providers that start: CPU" in run(multigan, "doctor", folder=tmp_path).replace("CUDA, ", "")
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_digits_are_there(installed: Path, tmp_path: Path) -> None:
    code = "from multigan.embedded import digits; x, y = digits(); print(len(x), *sorted(set(y.tolist())))"
    assert run(installed / "python", "-c", code, folder=tmp_path).split() == ["5000", *"0123456789"]


def test_train_export_and_generate_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    multigan = installed / "multigan"
    tiny = ["training.samples=64", "training.batch=16", "generator.width=8", "discriminator.width=8"]
    arguments = [each for pair in tiny for each in ("--set", pair)]
    run(multigan, "train", "image", "--recipe", "dcgan", *arguments, folder=tmp_path)
    run(multigan, "export", "--onnx", folder=tmp_path)
    (model,) = tmp_path.rglob("*.onnx")
    run(multigan, "generate", model, "-n", "4", "--seed", "7", "--out", tmp_path / "made", folder=tmp_path)
    assert list((tmp_path / "made").glob("*.png"))


def test_the_browser_page_is_there(installed: Path, tmp_path: Path) -> None:
    code = "from multigan.site import page_files; print(*[path.name for path in page_files()])"
    there = run(installed / "python", "-c", code, folder=tmp_path).split()
    assert there == sorted(path.name for path in (ROOT / "export" / "web").iterdir())


def test_the_wheel_holds_the_package_and_no_more(wheel: Path, checkout: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        held = {name: archive.read(name) for name in names}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"multigan"}
    for path in (checkout / "multigan").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert held[str(path.relative_to(checkout))] == path.read_bytes()
    for path in (checkout / "recipes").glob("*.yaml"):
        assert held[f"multigan/recipes/{path.name}"] == path.read_bytes()
    for path in (checkout / "export" / "web").iterdir():
        assert held[f"multigan/web/{path.name}"] == path.read_bytes()
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    for notice in ("digits", "drums", "names"):
        assert any(name.endswith(f"dist-info/licenses/multigan/embedded/{notice}.txt") for name in names)
