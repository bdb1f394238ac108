"""Images shared out among threads.

BLAS uses all cores by itself, but NumPy's other operations use one. With images of its own, every thread does both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_taken = threading.Lock()
"""Held by whoever has taken BLAS's threads: how many it may use is one number for the whole process."""


def share_out(work: Callable[[Iterator[slice]], T], count: int, at_once: int, *, alone: bool = False) -> list[T]:
    """Shares ``count`` images out among as many threads as BLAS may use, which then uses one in each.

    Args:
        work: Is given the chunks of its share, one after the other.
        count: How many images there are.
        at_once: How many of them memory has room for; a chunk is no larger than a thread's part of that.
        alone: In this thread, as one share; BLAS keeps its own threads.

    Returns:
        What ``work`` gave for each share, in the images' order. Which image is in which chunk, and so every bit of the
        result, depends on ``count``, ``at_once`` and the number of threads, and on no race between them.
    """
    with nullcontext(1) if alone else _blas_threads() as allowed:
        threads = max(1, min(allowed, count, at_once))
        shares = [slice(count * k // threads, count * (k + 1) // threads) for k in range(threads)]
        stopped = threading.Event()
        errors = np.geterr()  # each thread has its own

        def run(share: slice) -> T:
            with np.errstate(**errors):
                return work(_chunks(share, at_once // threads, stopped))

        if threads == 1:
            return [run(shares[0])]
        with ThreadPoolExecutor(threads) as pool:
            try:
                return list(pool.map(run, shares))
            except BaseException:  # Ctrl-C, say: no thread goes on after its chunk
                stopped.set()
                raise


class _StoppedError(Exception):
    """Ends a thread whose result nobody waits for."""


def _chunks(share: slice, at_once: int, stopped: threading.Event) -> Iterator[slice]:
    """``share`` in chunks of nearly the same size, none above ``at_once``."""
    count = share.stop - share.start
    pieces = -(-count // max(1, at_once))
    for k in range(pieces):
        if stopped.is_set():
            raise _StoppedError
        yield slice(share.start + count * k // pieces, share.start + count * (k + 1) // pieces)


@contextmanager
def _blas_threads() -> Iterator[int]:
    """How many threads BLAS may use; until the end it uses one. While one caller has them, another gets one thread."""
    # A worker may run in an interpreter that has NumPy and a framework, and no more.
    try:
        from threadpoolctl import ThreadpoolController
    except ModuleNotFoundError:
        yield 1
        return
    if not _taken.acquire(blocking=False):
        yield 1
        return
    try:
        blas = ThreadpoolController().select(user_api="blas")
        allowed = max((library["num_threads"] for library in blas.info()), default=1)
        with blas.limit(limits=1):
            yield allowed
    finally:
        _taken.release()
