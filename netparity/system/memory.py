"""How much memory this process has held."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """The most memory that this process has held at once, in bytes."""
    # Linux counts what a process held before it became this program, that is its parent's memory, in getrusage.
    try:
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * 1024
