"""Images shared out among threads: the same numbers, whatever else the process does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from googlenet_np import forward, gradients, init_weights, sample_images
from netparity.system import threads as system_threads
from netparity.system.threads import share_out
from parity_tests.support.command import LIMIT
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]

WEIGHTS = init_weights(0)
IMAGES, LABELS = sample_images(5, image_size=(17, 20))


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def everything() -> dict[str, Array]:
    loss, by_weights, by_images = gradients(WEIGHTS, IMAGES, LABELS)
    return {**forward(WEIGHTS, IMAGES), **by_weights, "images": by_images, "loss": np.array(loss)}


@pytest.fixture(scope="module")
def alone() -> dict[str, Array]:
    with threadpool_limits(1, user_api="blas"):
        return everything()


@pytest.mark.parametrize("threads", representative([2, 3, 8], quick=[3]))
def test_threads_change_no_number_beyond_rounding_and_no_bit_from_run_to_run(
    alone: dict[str, Array], threads: int
) -> None:
    with threadpool_limits(threads, user_api="blas"):
        shared, again = everything(), everything()
    for name, array in alone.items():
        np.testing.assert_allclose(shared[name], array, rtol=0, atol=1e-12 * float(np.abs(array).max()), err_msg=name)
        np.testing.assert_array_equal(shared[name], again[name], err_msg=name)


def test_blas_has_its_threads_back() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        forward(WEIGHTS, IMAGES)
        assert blas_threads() == before
        with pytest.raises(ZeroDivisionError):
            share_out(lambda chunks: 1 // 0, 4, 4)
        assert blas_threads() == before


def test_two_at_once_leave_each_other_and_blas_alone(alone: dict[str, Array]) -> None:
    found: list[dict[str, Array]] = []
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        both = [threading.Thread(target=lambda: found.append(everything())) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert blas_threads() == before
    assert len(found) == 2
    for each in found:
        np.testing.assert_allclose(each["fc"], alone["fc"], rtol=1e-11)


@pytest.mark.parametrize(
    ("count", "at_once", "threads"), [(7, 100, 2), (7, 4, 2), (7, 3, 2), (1, 100, 2), (9, 1, 4), (5, 5, 1)]
)
def test_every_image_is_in_one_chunk_and_no_chunk_is_too_large(count: int, at_once: int, threads: int) -> None:
    with threadpool_limits(threads, user_api="blas"):
        shares = share_out(lambda chunks: [(chunk.start, chunk.stop) for chunk in chunks], count, at_once)
    places = [place for share in shares for chunk in share for place in range(*chunk)]
    assert places == list(range(count))
    assert len(shares) == min(threads, count, at_once)
    assert max(stop - start for share in shares for start, stop in share) <= max(1, at_once // len(shares))


def test_a_fault_in_one_thread_ends_the_others_after_their_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second thread is held within its first chunk until the first thread's fault has been heard."""
    begun, heard = threading.Event(), threading.Event()
    chunks_seen = 0

    class Stopped(threading.Event):
        def set(self) -> None:
            super().set()
            heard.set()

    def work(chunks: Iterator[slice]) -> None:
        nonlocal chunks_seen
        for chunk in chunks:
            if chunk.start == 0:
                assert begun.wait(LIMIT), "the limit was reached, and there is no second thread"
                raise ValueError("the first share")
            chunks_seen += 1
            begun.set()
            assert heard.wait(LIMIT), "the limit was reached, and no thread was told to end"

    monkeypatch.setattr(system_threads, "threading", SimpleNamespace(Event=Stopped))
    with threadpool_limits(2, user_api="blas"), pytest.raises(ValueError, match="the first share"):
        share_out(work, 2000, 2)
    assert chunks_seen == 1


def test_threads_handle_floating_point_errors_as_their_caller_does() -> None:
    huge = {name: np.full_like(weight, 1e30) for name, weight in WEIGHTS.items()}
    with threadpool_limits(2, user_api="blas"):
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            forward(huge, IMAGES, dtype="float32", layers=["fc"])
        with np.errstate(all="ignore"):
            forward(huge, IMAGES, dtype="float32", layers=["fc"])
