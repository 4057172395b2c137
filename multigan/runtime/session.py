"""Open a checked file in onnxruntime, on the device that was asked for, and run it under its limits."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from multigan.contract import Input, Output
from multigan.errors import LimitError, UserError
from multigan.runtime import devices
from multigan.runtime.devices import Place
from multigan.runtime.onnx_file import OnnxFile
from multigan.runtime.watchdog import Watch

Arrays = Mapping[str, NDArray[Any]]
_QUIET = 4
"""Fatal errors only: onnxruntime says the rest in exceptions too."""

_TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)"}
"""onnxruntime's words for the contract's types."""
_PLENTY = 2000
"""Nodes from which on what takes time with the square of their number is left out."""
_MEMORY = re.compile("alloc|memory|NumDims|SafeInt|overflow", re.IGNORECASE)

log = logging.getLogger("multigan")


class Session(Protocol):
    """An opened graph. outputs: their names. device: where it runs. fixed: the one batch that it takes, or None."""

    outputs: tuple[str, ...]
    device: Place
    fixed: int | None

    def run(self, names: Sequence[str], inputs: Arrays) -> list[NDArray[Any]]:
        """These outputs. Raises UserError where the graph fails or breaks a limit."""

    def close(self) -> None:
        """Let go of what the session holds."""


class LocalSession:
    """A graph in this process; several threads may run it at once. raw: onnxruntime's own session."""

    fixed: int | None = None

    def __init__(self, raw: onnxruntime.InferenceSession, file: OnnxFile) -> None:
        self.raw, self.file = raw, file
        self.outputs = tuple(each.name for each in raw.get_outputs())
        self.device: Place = devices.place_of(raw)

    def run(self, names: Sequence[str], inputs: Arrays) -> list[NDArray[Any]]:
        options = onnxruntime.RunOptions()
        options.log_severity_level = _QUIET
        watch = Watch(self.file.trust.seconds, lambda: setattr(options, "terminate", True))
        try:
            with watch:
                return [np.asarray(each) for each in self.raw.run(list(names), dict(inputs), options)]
        except Exception as error:
            raise failure(error, self.file, self.device, watch.expired) from error

    def close(self) -> None:
        del self.raw


def failure(error: Exception, file: OnnxFile, device: str, late: bool) -> UserError:
    """What went wrong in a run, as a sentence."""
    if late:
        return too_slow(file)
    text = first_line(error)
    if _MEMORY.search(text):
        return LimitError(
            f"{file.path} wants more memory than the {file.trust.bytes / 1e9:.1f} GB that it may have",
            "ask for a smaller batch, or allow it more (trust.memory)",
        )
    return UserError(f"onnxruntime could not run the model on {device}: {text}")


def too_slow(file: OnnxFile) -> LimitError:
    return LimitError(
        f"{file.path} was stopped after {file.trust.seconds:g} s, the limit of one call",
        "ask for a smaller batch, or allow it more time (--seconds)",
    )


_LONGEST = 500
"""Characters of what onnxruntime says, which repeats names of the file's."""


def first_line(error: Exception) -> str:
    """What an exception says first."""
    text = str(error).strip().splitlines()
    return (text[0] if text else repr(error))[:_LONGEST]


# --- opening ----------------------------------------------------------------------------------------------------------


def open_session(file: OnnxFile, device: str = "auto", threads: int | None = None, fixed: int | None = None) -> Session:
    """A session for `file`. device: `cpu`, `cuda`, `tensorrt`, or `auto`: CUDA where it starts, else the CPU, said in
    the log.

    threads: of the CPU for one operator; None leaves the choice to onnxruntime. fixed: every call has this batch, kept
    on the GPU and replayed as a CUDA graph. Raises UserError where the device is unknown, asked for by name and absent,
    the graph cannot be loaded or is not what its contract says, or a batch cannot be fixed.
    """
    devices.check_device(device)
    if threads is not None and threads < 1:
        raise UserError(f"threads {threads} is out of range: choose a whole number from 1, or none for all cores.")
    if file.trust.isolated:
        if device not in ("auto", "cpu") or fixed is not None:
            raise UserError("an isolated model runs on the cpu alone, with any batch: choose --device cpu.")
        from multigan.runtime.isolated import IsolatedSession

        return IsolatedSession(file, threads)
    onnxruntime.set_default_logger_severity(_QUIET)
    raw = _start_on(file, device, threads, fixed is not None)
    _check_graph(raw, file)
    if fixed is None:
        return LocalSession(raw, file)
    from multigan.runtime.fixed import FixedSession, check_fixed

    check_fixed(file, devices.place_of(raw), fixed)
    return FixedSession(raw, file, fixed)


def _start_on(file: OnnxFile, device: str, threads: int | None, captured: bool) -> onnxruntime.InferenceSession:
    """A session on the device, on the CPU where `auto` finds nothing better."""
    place = cast(Place, "cuda" if device == "auto" else device)
    reason = devices.missing(place)
    if not reason and place != "cpu":
        devices.preload()
        reason = f"onnxruntime {onnxruntime.__version__} could not start it"
        try:
            session = start(file, place, threads, captured)
            if devices.place_of(session) == place:
                return session
        except UserError:  # if it is the file's fault, the CPU will say so
            if device != "auto":
                raise
    if reason and device != "auto":
        raise devices.refusal(place, reason)
    if reason:
        level = logging.WARNING if devices.has_driver() else logging.INFO
        log.log(level, "running on the CPU: %s", reason)
    return start(file, "cpu", threads)


_ARENA = threading.Lock()


def start(file: OnnxFile, place: Place, threads: int | None, captured: bool = False) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    if threads is not None:
        options.intra_op_num_threads = threads
    # What is constant would be computed while loading, without a limit on memory or time. Exported graphs have nothing
    # left of that kind: it makes none of them faster.
    disabled = ["ConstantFolding"]
    if file.branches:  # without folding, onnxruntime 1.31 cannot fuse weights of 16 bits that a loop's body takes
        disabled.append("FuseFp16InitializerToFp32NodeTransformer")
    if file.nodes > _PLENTY:
        disabled.append("CommonSubexpressionElimination")
    # From the bytes that were checked, so that no other file can take their place, and never by a path.
    weights = file.weights()
    if weights:
        _hand_over(weights, options)
    found = devices.providers(place, file.content, captured)
    stop = getattr(options, "set_load_cancellation_flag", None)
    watch = Watch(file.trust.seconds, (lambda: stop(True)) if stop else (lambda: None))
    try:
        with _ARENA, watch:
            _limit_memory(options, file.trust.bytes)
            return onnxruntime.InferenceSession(file.content, options, providers=found, disabled_optimizers=disabled)
    except Exception as error:
        if watch.expired:
            raise too_slow(file) from error
        raise UserError(f"onnxruntime cannot load {file.path}: {first_line(error)}") from error


def _limit_memory(options: onnxruntime.SessionOptions, most: int) -> None:
    """Have the session compute in an arena of at most so many bytes. Called with the lock held.

    onnxruntime limits an arena only where it is the process's, not a session's own. Each session has the arena that
    was registered last before it; versions that take one registration alone have one arena for all sessions.
    """
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    try:
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg({"max_mem": most}))
    except RuntimeError:
        log.debug("the limit on memory is that of the first model of this process")
    options.add_session_config_entry("session.use_env_allocators", "1")


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
