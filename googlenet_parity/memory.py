"""How much memory this process has held, and how much of the machine's is left."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["available_memory", "peak_memory"]


def available_memory(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that programs can have before the machine runs out of memory; None where the system does not say."""
    try:
        return _kibibytes(meminfo, "MemAvailable")
    except (OSError, KeyError):
        return None


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
    lines: Mapping[str, str] = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0]) * 1024
