"""How much memory this process has held, and how much of the machine's is left."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["available_memory", "peak_memory"]

CONTAINER = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
"""Where Linux keeps a control group's limit, what of it is used, and, under a name, what of that is cached files, which
make way for programs: of version 2 and of version 1. A container sees its own group there."""


def available_memory(meminfo: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that programs can have before the machine, or the container, runs out of memory.

    None where the system does not say.
    """
    left = []
    with suppress(OSError, KeyError):
        left.append(_kibibytes(meminfo, "MemAvailable"))
    for limit, used, statistics, name in CONTAINER:
        with suppress(OSError, KeyError, ValueError):  # no such control group; or its limit is "max", which is none
            cached = int(_numbers(groups / statistics)[name])
            left.append(int((groups / limit).read_text()) - int((groups / used).read_text()) + cached)
    return max(0, min(left)) if left else None


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """The most memory that this process has held at once, in bytes."""
    # Linux counts what a process held before it became this program, that is its parent's memory, in getrusage.
    try:
        return _kibibytes(status, "VmHWM")
    except (OSError, KeyError):
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * 1024


def _kibibytes(path: Path, name: str) -> int:
    """A number of a file of ``name: number kB``, in bytes."""
    return int(_numbers(path)[f"{name}:"]) * 1024


def _numbers(path: Path) -> Mapping[str, str]:
    """What a file of names and numbers says."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return {words[0]: words[1] for words in lines if len(words) > 1}
