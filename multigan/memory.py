"""How much memory this process may have: the machine's, and less where a container or a batch system limits it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """In bytes. whole: what this process and those limited with it may have. free: what is left of that now."""

    whole: int
    free: int


def memory(root: Path = Path("/")) -> Memory | None:
    """What Linux tells under `root`, the least of the machine and of every control group (version 1 or 2) above this
    process; elsewhere what POSIX tells; None where neither does."""
    table = _table(root / "proc/meminfo", r"^(\w+):\s+(\d+) kB$")
    if "MemTotal" not in table:
        return _posix()
    whole, free = table["MemTotal"] * 1024, table.get("MemAvailable", table["MemTotal"]) * 1024
    for group in _groups(root):
        for limited, used, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _number(group / limited)
            if limit is not None:
                # What the group has read from files lately is counted as used, and given up when memory is wanted.
                reclaimable = _table(group / "memory.stat", r"^(\w+) (\d+)$").get(cache, 0)
                whole, free = min(whole, limit), min(free, limit - (_number(group / used) or 0) + reclaimable)
    return Memory(whole, max(0, min(free, whole)))


def processes() -> int:
    """How many processes of this training share the machine's memory, as the launcher tells."""
    stated = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(1, int(stated)) if stated.isdecimal() else 1


def told(path: Path) -> str:
    """What the system says in a file; empty where it has none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _groups(root: Path) -> Iterator[Path]:
    """This process's control groups for memory and all above them; a container may see its own as the top alone."""
    for line in told(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup" / controllers
            parts = Path(path).parts[1:]
            for depth in range(len(parts) + 1):
                yield top.joinpath(*parts[:depth])


def _posix() -> Memory | None:
    known = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in known or "SC_PAGE_SIZE" not in known:
        return None
    page, whole = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    free = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in known else whole
    return Memory(page * whole, page * free)


def _table(path: Path, row: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(row, told(path), re.MULTILINE)}


def _number(path: Path) -> int | None:
    text = told(path).strip()
    return int(text) if text.isdecimal() else None
