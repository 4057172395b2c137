"""Which of onnxruntime's providers a device is, and why one does not start here."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import os
import sys
from pathlib import Path
from typing import Literal, get_args

import onnxruntime

from multigan.errors import UserError

Place = Literal["cpu", "cuda", "tensorrt"]
Device = Literal["auto", "cpu", "cuda", "tensorrt"]
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
_PLACES: dict[str, Place] = {CPU: "cpu", CUDA: "cuda", TENSORRT: "tensorrt"}
_PROVIDERS: dict[Place, str] = {place: name for name, place in _PLACES.items()}
Provider = tuple[str, dict[str, str]]


def check_device(device: str) -> None:
    """Raise UserError where there is no device of that name."""
    if device not in get_args(Device):
        raise UserError(f"device {device!r} is unknown: choose auto, cpu, cuda or tensorrt.")


def place_of(session: onnxruntime.InferenceSession) -> Place:
    """Where a session really runs: onnxruntime falls back without an error, and lists what was compiled in."""
    return _PLACES.get(session.get_providers()[0], "cpu")


def providers(place: Place, content: bytes, captured: bool = False) -> list[Provider]:
    """What a session is opened with, the wanted provider first. captured: as a CUDA graph."""
    # The default, an exhaustive search, takes seconds at each new batch size.
    cuda = {"cudnn_conv_algo_search": "HEURISTIC", "enable_cuda_graph": str(int(captured))}
    found: list[Provider] = [(CPU, {})]
    if place != "cpu":
        found.insert(0, (CUDA, cuda))
    if place == "tensorrt":
        folder = str(engines(content))
        cached = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
        timed = {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}
        found.insert(0, (TENSORRT, {**cached, **timed}))
    return found


def engines(content: bytes) -> Path:
    """The folder of TensorRT's engines for a model: below `$XDG_CACHE_HOME/multigan/tensorrt` or `~/.cache`, and never
    beside the model, where somebody else could have put one: an engine is a program. Made if need be.

    Raises UserError where it cannot be made.
    """
    root = os.environ.get("XDG_CACHE_HOME")
    folder = Path(root) if root else Path.home() / ".cache"
    folder = folder / "multigan" / "tensorrt" / hashlib.sha256(content).hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UserError(
            f"cannot make {folder} for TensorRT's engines: {error.strerror or error}. Set XDG_CACHE_HOME to another "
            "folder."
        ) from error
    return folder


def missing(place: Place) -> str:
    """Why a device cannot start here, as far as this can be told before trying; empty where nothing seems to lack."""
    if place == "cpu":
        return ""
    if _PROVIDERS[place] not in onnxruntime.get_available_providers():
        return f"this onnxruntime {onnxruntime.__version__} is built without {_called(place)}"
    if not has_driver():
        return "no NVIDIA driver answers on this machine"
    return ""


def needs(place: Place) -> str:
    """What a device needs, in words."""
    version = str(getattr(onnxruntime, "cuda_version", "")) or "the CUDA version that it was built for"
    cuda = f"an NVIDIA GPU with its driver, CUDA {version} and cuDNN 9 (pip install 'onnxruntime-gpu[cuda,cudnn]')"
    return cuda if place == "cuda" else f"{cuda}, and TensorRT 10 for the same CUDA"


def refusal(place: Place, reason: str) -> UserError:
    """That a device which was asked for by name is not there."""
    return UserError(f"device {place}: {reason}; it needs {needs(place)}; the cpu (--device cpu) always works.")


def _called(place: Place) -> str:
    return "TensorRT" if place == "tensorrt" else "CUDA"


def preload() -> None:
    """Let onnxruntime find the CUDA libraries that were installed with pip."""
    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()


def has_driver() -> bool:
    """Whether the NVIDIA driver's library is here and counts at least one GPU."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
