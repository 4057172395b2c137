"""Open a checked file in onnxruntime, on the device that was asked for."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import sys
from typing import Any, Literal, cast, get_args

import onnxruntime

from multigan.contract import Input, Output
from multigan.errors import UserError
from multigan.runtime.onnx_file import OnnxFile

Device = Literal["auto", "cpu", "cuda"]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_QUIET = 4
"""Fatal errors only: onnxruntime says the rest in exceptions too."""

_TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)"}
"""onnxruntime's words for the contract's types."""

log = logging.getLogger("multigan")


def open_session(file: OnnxFile, device: str = "auto", threads: int | None = None) -> onnxruntime.InferenceSession:
    """A session for `file`. device: `cpu`, `cuda`, or `auto`: CUDA where it starts, else the CPU, said in the log.

    threads: of the CPU for one operator; None leaves the choice to onnxruntime. Raises UserError where the device is
    unknown, asked for by name and absent, or the graph cannot be loaded.
    """
    if device not in get_args(Device):
        raise UserError(f"device {device!r} is unknown: choose auto, cpu or cuda.")
    onnxruntime.set_default_logger_severity(_QUIET)
    session, reason = (None, "") if device == "cpu" else _try_cuda(file, threads)
    if session is None and device == "cuda":
        raise UserError(f"device cuda: {reason}; it needs {_cuda_needs()}; the cpu (--device cpu) always works.")
    if session is None and device == "auto":
        log.log(logging.WARNING if _has_driver() else logging.INFO, "running on the CPU: %s", reason)
    session = session or _start(file, CPU, threads)
    _check_graph(session, file)
    return session


def _check_graph(session: onnxruntime.InferenceSession, file: OnnxFile) -> None:
    """The graph must take and give what the contract says: names, types and ranks."""
    takes, gives = ({each.name: each for each in part} for part in (session.get_inputs(), session.get_outputs()))
    if takes.keys() != {each.name for each in file.contract.inputs} or file.contract.output.name not in gives:
        raise UserError(f"{file.path} takes {sorted(takes)}, which is not what its contract says: export it again.")
    pairs: list[tuple[Input | Output, Any]] = [(each, takes[each.name]) for each in file.contract.inputs]
    pairs.append((file.contract.output, gives[file.contract.output.name]))
    for said, found in pairs:
        if found.type != _TYPES[said.dtype] or len(found.shape) != len(said.shape):
            raise UserError(
                f"{file.path}: its {said.name} is {found.type} of {len(found.shape)} axes, and its contract says "
                f"{said.dtype} of {len(said.shape)}: export it again."
            )


def device_of(session: onnxruntime.InferenceSession) -> Literal["cpu", "cuda"]:
    """Where a session really runs: onnxruntime falls back to the CPU without an error."""
    return "cuda" if session.get_providers()[0] == CUDA else "cpu"


def _try_cuda(file: OnnxFile, threads: int | None) -> tuple[onnxruntime.InferenceSession | None, str]:
    """A session on the GPU, or the reason why there is none, with the mend."""
    if CUDA not in onnxruntime.get_available_providers():
        return None, f"this onnxruntime {onnxruntime.__version__} is built without CUDA"
    if not _has_driver():
        return None, "no NVIDIA driver answers on this machine"
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    session = _start(file, CUDA, threads)
    if device_of(session) == "cuda":
        return session, ""
    return None, f"onnxruntime {onnxruntime.__version__} could not start it"


def _cuda_needs() -> str:
    version = str(getattr(onnxruntime, "cuda_version", "")) or "the CUDA version that it was built for"
    return f"an NVIDIA GPU with its driver, CUDA {version} and cuDNN 9 (pip install 'onnxruntime-gpu[cuda,cudnn]')"


def _has_driver() -> bool:
    """Whether the NVIDIA driver's library is here and counts at least one GPU."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def _start(file: OnnxFile, provider: str, threads: int | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    if threads is not None:
        options.intra_op_num_threads = threads
    providers: list[str | tuple[str, dict[str, str]]] = [CPU]
    if provider == CUDA:
        # The default, an exhaustive search, takes seconds at each new batch size.
        providers.insert(0, (CUDA, {"cudnn_conv_algo_search": "HEURISTIC"}))
    # From the bytes that were checked, so that no other file can take their place, and never by a path.
    weights = file.weights()
    if weights:
        _hand_over(weights, options)
    try:
        return onnxruntime.InferenceSession(file.content, options, providers=providers)
    except Exception as error:
        text = str(error).strip().splitlines()
        raise UserError(f"onnxruntime cannot load {file.path}: {cast(str, text[0] if text else error)}") from error


def _hand_over(weights: dict[str, bytes], options: onnxruntime.SessionOptions) -> None:
    """Give onnxruntime the content of the files that the model names, which must live until the session is there."""
    if not hasattr(options, "add_external_initializers_from_files_in_memory"):
        raise UserError(
            f"onnxruntime {onnxruntime.__version__} cannot load a model whose weights lie in a second file as multigan "
            "does it, from memory: pip install --upgrade onnxruntime-gpu (or onnxruntime, whichever is installed)."
        )
    options.add_external_initializers_from_files_in_memory(
        list(weights), list(weights.values()), [len(each) for each in weights.values()]
    )
