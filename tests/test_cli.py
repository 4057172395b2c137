"""The command line's frame: help, versions, mistakes, interruptions and readers that leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import multigan
from multigan import cli, recipe
from multigan.training.display import Terminal

COMMAND = [sys.executable, "-m", "multigan"]


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=folder, timeout=60)


def test_help_names_every_command_and_succeeds() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in cli.COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert run().stdout == done.stdout
    assert run().returncode == 0


def test_help_loads_nothing_that_takes_long() -> None:
    """What makes a command slow to answer is what it imports: the imports are counted, not the time."""
    code = (
        "import sys; from multigan import cli; cli.run(['--help']); "
        "slow = ('torch', 'numpy', 'pydantic', 'onnxruntime', 'PIL', 'rich', 'yaml'); "
        "print(*[name for name in slow if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []


def test_help_cuts_no_sentence() -> None:
    done = run("--help")
    rows = done.stdout.split("Commands:")[1].splitlines()
    assert [row for row in rows if row.rstrip().endswith("...")] == []
    assert len([row for row in rows if row.strip()]) == len(cli.COMMANDS)


def test_what_a_mistake_quotes_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["recipes", "show", "\x1b[2Jgone\x07\x9b31m\u202e"]) == 2
    said = capsys.readouterr().err
    assert "[2Jgone" in said
    assert not set("\x1b\x07\x9b\u202e") & set(said)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([name, "--help"]) == 0
    assert f"multigan {name}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"multigan {multigan.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recpes"], "no such command 'recpes'. Did you mean 'recipes'?"),
        (["recipes", "shwo"], "no such command 'shwo'. Did you mean 'show'?"),
        (["recipes", "show"], "missing argument"),
        (["recipes", "show", "--nam", "x"], "no such option: --nam"),
        (["recipes", "show", "two\nlines"], "there is no recipe"),
        (["recipes", "show", "dcgn"], "Did you mean 'dcgan'?"),
        (["recipes", "list", "dcgan"], "unexpected extra argument(s) (dcgan)"),
    ],
)
def test_a_mistake_is_one_sentence_on_stderr_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("multigan: ")
    assert err.count("\n") == 1
    assert words in err


def test_an_error_of_ours_is_not_taken_for_a_mistake_of_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, Path]:
        raise ZeroDivisionError

    monkeypatch.setattr(recipe, "packaged", broken)
    with pytest.raises(ZeroDivisionError):
        cli.run(["recipes"])


def test_recipes_lists_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["recipes"]) == 0
    listed = capsys.readouterr().out
    assert cli.run(["recipes", "list"]) == 0
    assert capsys.readouterr().out == listed
    for name, path in recipe.packaged().items():
        assert any(line.startswith(f"{name} ") and line.endswith(recipe.command(path)) for line in listed.splitlines())


def test_show_copy_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, path = next(iter(recipe.packaged().items()))
    assert cli.run(["recipes", "show", name]) == 0
    assert capsys.readouterr().out == path.read_text(encoding="utf-8")

    copy = tmp_path / f"{name}.yaml"
    assert cli.run(["recipes", "copy", name, str(tmp_path)]) == 0
    assert copy.read_bytes() == path.read_bytes()
    assert cli.run(["recipes", "copy", name, str(copy)]) == 2
    assert "exists already" in capsys.readouterr().err

    assert cli.run(["recipes", "check"]) == 0
    assert cli.run(["recipes", "check", str(copy)]) == 0
    copy.write_text(path.read_text(encoding="utf-8").replace("batch:", "bacth:"), encoding="utf-8")
    assert cli.run(["recipes", "check", name, str(copy)]) == 2
    assert "Did you mean 'batch'?" in capsys.readouterr().err


def test_copy_into_a_folder_that_cannot_be_made_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert cli.run(["recipes", "copy", next(iter(recipe.packaged())), str(tmp_path / "file" / "x.yaml")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["file"]


def test_ctrl_c_is_quiet_and_130() -> None:
    code = textwrap.dedent("""
        import os, signal, sys
        from multigan import cli, recipe
        recipe.packaged = lambda: os.kill(os.getpid(), signal.SIGINT)
        sys.argv = ["multigan", "recipes"]
        cli.main()
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="pipes break otherwise on Windows")
@pytest.mark.parametrize("arguments", [["--help"], ["recipes"]])
def test_a_reader_that_leaves_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode != 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
def test_an_output_that_takes_nothing_more_is_one_sentence() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, "recipes"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the output cannot be written: No space left on device" in done.stderr


def test_an_output_that_is_closed_is_no_error() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "recipes", "check", "dcgan"], capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_letters_that_the_output_cannot_hold_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "猫.yaml").write_text(recipe.read_text(recipe.find("dcgan")))
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [*COMMAND, "recipes", "check", "猫.yaml"], cwd=tmp_path, env=environment, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"ok     \\u732b.yaml\n"


def test_what_a_recipe_holds_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text('modality: image\n"\\e[2J": 1\n')
    assert cli.run(["recipes", "check", str(tmp_path / "bad.yaml")]) == 2
    assert "\x1b" not in "".join(capsys.readouterr())


def test_what_a_training_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().say("2 files cannot be read:\n  a\x1b[2J.png\n  :cat:.png")
    assert capsys.readouterr().err == "2 files cannot be read:\n  a\ufffd[2J.png\n  :cat:.png\n"
