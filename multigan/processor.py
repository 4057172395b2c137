"""What this process may use of the processor, and what the processor can do. Standard library only."""

from __future__ import annotations

import os
import re
from pathlib import Path

BF16 = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
"""The features with which torch multiplies in bf16 faster than in fp32, as Linux names them, and as people do."""


def cores() -> int:
    """Cores that this process may use, which a container or a batch system limits."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def features(table: Path = Path("/proc/cpuinfo")) -> set[str]:
    """The processor's features as Linux names them; empty elsewhere."""
    try:
        text = table.read_text()
    except OSError:
        return set()
    found = re.findall(r"^(?:flags|features)\s*:(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return {flag for line in found for flag in line.split()}


def bf16() -> list[str]:
    """The names of what makes bf16 fast here; empty where it would be emulated, and slower than fp32."""
    known = features()
    return [name for feature, name in BF16.items() if feature in known]
