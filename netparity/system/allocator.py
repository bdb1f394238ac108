"""The C library's allocator, set to keep memory that is freed.

A step of training takes and frees the same large arrays as the one before. glibc gives arrays of 32 MB and more back to
the kernel at once, and gets them anew, page by page, each page filled with zeros first. Of ten steps of PyTorch on 128
images that made up to two million page faults, all else included, and 0.4 million once freed memory is kept.
"""

from __future__ import annotations

import ctypes
import os

LARGEST_KEPT = 1 << 30
"""Bytes of an array that is still taken from the allocator's own memory."""
NEVER = (1 << 31) - 1

VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_")
"""By which a user sets the like."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""As in ``malloc.h``."""


def keep_freed_memory() -> None:
    """Lets this process keep what it frees; nothing where its environment has chosen, or the library is not glibc."""
    if "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "") or any(name in os.environ for name in VARIABLES):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, NEVER)
