"""The process that opens and runs one model of a stranger's: it has limits, and may be ended at any time.

It reads a model and then calls from its standard input and answers on its standard output; see `wire`.
"""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from multigan.contract import Contract
from multigan.errors import LimitError, UserError
from multigan.runtime import wire
from multigan.runtime.onnx_file import OnnxFile
from multigan.runtime.session import Session, open_session
from multigan.runtime.trust import Trust

_BESIDE = 2**28
"""Bytes for what is no graph: the interpreter, its packages, threads' stacks."""


def main() -> None:
    """Answer until the other side ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    calls = io.BufferedReader(io.FileIO(0))
    head, arrays = wire.read(calls, 2**40)
    trust = Trust(**head["trust"])
    content = arrays["model"].tobytes()
    limit(trust.bytes + 4 * len(content) + _BESIDE)
    try:
        found = {name: head[name] for name in ("nodes", "branches")}
        file = OnnxFile(Path(head["path"]), content, Contract.from_json(head["contract"]), trust=trust, **found)
        session = open_session(file, "cpu", head["threads"])
    except (UserError, MemoryError) as error:
        wire.write(answers, _told(error), {})
        return
    wire.write(answers, {"outputs": list(session.outputs)}, {})
    try:
        while True:
            head, arrays = wire.read(calls, 2**40)
            _answer(answers, session, head["names"], arrays)
    except (wire.Broken, BrokenPipeError):  # nobody asks or listens any more
        os._exit(0)


def _answer(answers: BinaryIO, session: Session, names: list[str], inputs: wire.Arrays) -> None:
    told: dict[str, Any] = {}
    found: wire.Arrays = {}
    try:
        made = session.run(names, inputs)
        found = {name: np.ascontiguousarray(each) for name, each in zip(names, made, strict=True)}
    except (UserError, MemoryError) as error:
        told = _told(error)
    wire.write(answers, told, found)


def _told(error: UserError | MemoryError) -> dict[str, Any]:
    """An error as the process that asked is told of it."""
    if isinstance(error, LimitError):
        return {"what": error.what, "mend": error.mend}
    return {"error": str(error) or "the memory is not enough"}


def limit(memory: int) -> None:
    """Let this process have no more than so many bytes beside what it has, and write no file. Where the system knows
    such limits: elsewhere onnxruntime's own holds alone."""
    if sys.platform == "win32":
        return
    import resource

    wanted: dict[int, int] = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    if sys.platform == "linux":
        wanted[resource.RLIMIT_DATA] = memory + _data()
    for kind, most in wanted.items():
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))


def _data() -> int:
    """Bytes of this process's data now."""
    found: Any = re.search(r"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    main()
