"""Memory that a training frees stays with its process, unless the environment says otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PROBE = """
import ctypes, resource
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: a huge page is one fault for five hundred pages
from netparity.system.allocator import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * (64 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""

PAGES = (64 << 20) // os.sysconf("SC_PAGE_SIZE")

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


def faults(**variables: str) -> int:
    """Page faults of a process that takes as much memory as it has just freed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_freed_memory_is_used_again() -> None:
    assert faults() < PAGES / 10


def test_what_the_environment_has_chosen_stays() -> None:
    assert faults(MALLOC_MMAP_THRESHOLD_=str(1 << 20)) > PAGES / 10
    assert faults(GLIBC_TUNABLES=f"glibc.malloc.mmap_threshold={1 << 20}") > PAGES / 10
