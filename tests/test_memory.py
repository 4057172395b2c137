"""How much memory there is, from the files of a system in a folder, and from this system."""

from __future__ import annotations

from pathlib import Path

import pytest

from multigan.memory import Memory, memory, processes

MACHINE = {"proc/meminfo": "MemTotal:       1000 kB\nMemFree:        100 kB\nMemAvailable:    600 kB\n"}
V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/memory"


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, (1000, 600)),
        # version 2, in a container, which sees its own group as the top
        (
            {
                "proc/self/cgroup": "0::/\n",
                f"{V2}/memory.max": "409600\n",
                f"{V2}/memory.current": "204800\n",
                f"{V2}/memory.stat": "anon 153600\ninactive_file 51200\nactive_file 0\n",
            },
            (400, 250),
        ),
        ({"proc/self/cgroup": "0::/\n", f"{V2}/memory.max": "max\n", f"{V2}/memory.current": "9\n"}, (1000, 600)),
        # a group above the process's own is the narrow one
        (
            {
                "proc/self/cgroup": "0::/batch/job_7/step\n",
                f"{V2}/batch/job_7/memory.max": "307200\n",
                f"{V2}/batch/job_7/memory.current": "102400\n",
                f"{V2}/batch/job_7/step/memory.max": "max\n",
                f"{V2}/batch/job_8/memory.max": "1024\n",
            },
            (300, 200),
        ),
        # version 1, in a container that is told its path on the machine outside
        (
            {
                "proc/self/cgroup": "9:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n1:name=systemd:/docker/abc\n",
                f"{V1}/memory.limit_in_bytes": "512000\n",
                f"{V1}/memory.usage_in_bytes": "409600\n",
                f"{V1}/memory.stat": "inactive_file 1\ntotal_inactive_file 102400\n",
            },
            (500, 200),
        ),
        ({"proc/self/cgroup": "4:memory:/\n", f"{V1}/memory.limit_in_bytes": "9223372036854771712\n"}, (1000, 600)),
        # more is used than was allowed since the limit was lowered
        (
            {"proc/self/cgroup": "0::/\n", f"{V2}/memory.max": "1024\n", f"{V2}/memory.current": "4096\n"},
            (1, 0),
        ),
    ],
)
def test_the_narrowest_limit_counts(tmp_path, files, expected):
    whole, free = expected
    assert memory(system(tmp_path, MACHINE | files)) == Memory(whole * 1024, free * 1024)


def test_this_system_has_memory():
    for root in (Path("/"), Path("/nothing/here")):
        found = memory(root)
        assert found is not None
        assert 0 < found.free <= found.whole


@pytest.mark.parametrize(("stated", "count"), [(None, 1), ("4", 4), ("", 1), ("0", 1), ("many", 1)])
def test_processes_are_what_the_launcher_tells(monkeypatch, stated, count):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if stated is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", stated)
    assert processes() == count
