"""What the operating system says of the processor; no other package is imported here, NumPy neither."""

from __future__ import annotations

import os
from pathlib import Path

LISTED = Path("/proc/cpuinfo")


def usable_cores() -> int:
    """How many this process may use, where the system says; else how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def about_processor(what: str, listed: Path = LISTED) -> str:
    """What Linux says under ``what`` of the first processor; nothing elsewhere."""
    try:
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == what), "")
