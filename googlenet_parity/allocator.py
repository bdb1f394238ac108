"""The C library's allocator, told to keep memory that is freed, or to give it back.

A step of training takes and frees the same large arrays as the one before. glibc gives arrays of 32 MB and more back to
the kernel at once, and gets them anew, page by page, each page filled with zeros first. Of ten steps of PyTorch on 128
images that made up to two million page faults, all else included, and 0.4 million once freed memory is kept.
"""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Any

__all__ = ["give_back_freed_memory", "keep_freed_memory"]

LARGEST_KEPT = 1 << 30
"""Bytes of an array that is still taken from the allocator's own memory."""
NEVER = (1 << 31) - 1

VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_")
"""By which a user tells glibc the like."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""As of ``malloc.h``."""


def keep_freed_memory() -> None:
    """Lets this process keep what it frees; nothing where its environment has chosen, or the library is not glibc."""
    chosen = "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "") or any(name in os.environ for name in VARIABLES)
    mallopt = None if chosen else _function("mallopt")
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, NEVER)


def give_back_freed_memory() -> None:
    """Gives the kernel back what this process has freed, kept or not; nothing where the library is not glibc."""
    gc.collect()
    malloc_trim = _function("malloc_trim")
    if malloc_trim:
        malloc_trim(0)


def _function(name: str) -> Any:
    """Of the C library, or None where it has no such function."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
