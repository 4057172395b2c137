"""What the doctor says of the machine, checked against the machine; and what it says of a broken installation."""

from __future__ import annotations

import os
import re
import shutil
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from multigan import cli, doctor


def findings(topic: str) -> list[doctor.Finding]:
    return [each for each in doctor.examine() if each.topic == topic]


def test_the_hand_written_onnx_file_adds() -> None:
    session = onnxruntime.InferenceSession(doctor.addition_model(), providers=["CPUExecutionProvider"])
    (total,) = session.run(None, {"x": np.array([2.5], np.float32)})
    assert total.tolist() == [5.0]


def test_the_hand_written_onnx_file_is_valid() -> None:
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(onnx.load_model_from_string(doctor.addition_model()), full_check=True)


def test_a_provider_counts_only_when_its_session_got_it() -> None:
    """onnxruntime itself, with providers added that cannot start: one falls back in silence, one raises."""

    class Session:
        def __init__(self, model: bytes, options: object, providers: list[str]) -> None:
            if providers == ["RaisingExecutionProvider"]:
                raise RuntimeError("libraising.so: cannot open shared object file")
            self.real = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        def get_providers(self) -> list[str]:
            return self.real.get_providers()

        def run(self, *arguments: object) -> list[np.ndarray]:
            return self.real.run(*arguments)

    library = SimpleNamespace(
        InferenceSession=Session,
        SessionOptions=onnxruntime.SessionOptions,
        set_default_logger_severity=onnxruntime.set_default_logger_severity,
        get_available_providers=lambda: [
            "RaisingExecutionProvider",
            "SilentExecutionProvider",
            "CPUExecutionProvider",
        ],
    )
    assert doctor.starting_providers(library) == ["CPUExecutionProvider"]
    assert "CPUExecutionProvider" in doctor.starting_providers(onnxruntime)


def test_the_machine_is_what_the_system_says() -> None:
    (processor,) = findings("processor")
    assert processor.text.startswith(f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores")
    (disk,) = findings("disk")
    free = float(re.match(r"[\d.]+", disk.text).group())  # type: ignore[union-attr]
    assert free == pytest.approx(shutil.disk_usage(Path.cwd()).free / 2**30, abs=1)
    (torch,) = findings("torch")
    assert metadata.version("torch") in torch.text


def _installed(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str | None]) -> None:
    really = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda package: versions.get(package, really(package)))


@pytest.mark.parametrize(("load", "mend"), [(2.9, ""), (3.2, "OMP_NUM_THREADS=2 "), (40.0, "OMP_NUM_THREADS=1 ")])
def test_busy_cores_are_left_to_who_has_them(monkeypatch: pytest.MonkeyPatch, load: float, mend: str) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(doctor.processor, "cores", lambda: 6)
    (found,) = findings("load")
    assert found.good == (not mend)
    assert mend in found.mend


def test_two_onnxruntimes_are_found_and_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, {"onnxruntime": "1.31.0", "onnxruntime-gpu": "1.31.0"})
    first = findings("onnxruntime")[0]
    assert not first.good
    assert first.mend.startswith("pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime")


def test_a_missing_extra_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, {"torch": None, "datasets": None})
    assert [each.mend for each in findings("torch")] == ["pip install 'multigan[train]'"]
    (train,) = findings("[train]")
    assert train.text == "datasets not installed"
    assert train.mend == "pip install 'multigan[train]'"


def test_a_package_that_does_not_load_is_reinstalled(monkeypatch: pytest.MonkeyPatch) -> None:
    really = doctor._loads
    broken = (None, "OSError: libcudart.so.13: cannot open shared object file")
    monkeypatch.setattr(doctor, "_loads", lambda module: broken if module == "torch" else really(module))
    (torch,) = findings("torch")
    assert "libcudart" in torch.text
    assert re.fullmatch(r"pip install --force-reinstall 'torch[<>=.,\d]+'", torch.mend)


def test_a_gpu_is_read_from_its_own_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in prints what the tool prints on a machine with two GPUs; torch here is not one that uses them."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nfor i in 1 2; do echo 'NVIDIA H100 80GB HBM3, 81559 MiB, 580.65.06'; done\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (gpu,) = findings("GPU")
    assert gpu.text == "; ".join(["NVIDIA H100 80GB HBM3, 81559 MiB, driver 580.65.06"] * 2)
    tool.write_text("#!/bin/sh\nexit 9\n")
    (gpu,) = findings("GPU")
    assert not gpu.good


def test_the_command_prints_each_finding_and_its_mend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _installed(monkeypatch, {"datasets": None})
    assert cli.run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "--  [train]" in out
    assert "mend: pip install 'multigan[train]'" in out
