"""A backend that is called in this process, as a debugger, a notebook or a test wants it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import numpy as np

from netparity.network.contract import Array
from netparity.workers.replies import Reply, describe_error, reply_error
from netparity.workers.worker import Calls


class InProcess:
    """Answers the calls of :class:`~netparity.workers.client.Worker` at once, without a process of its own.

    What the backend raises becomes the same error, with what was raised as its cause; ``label`` is the backend's name.
    """

    def __init__(self, label: str, make: Callable[[], Any]) -> None:
        self.label = label
        self.seconds = 0.0
        self._calls = Calls(lambda _: make())
        self.loaded = self.call("load", target="")

    def call(self, method: str, arrays: Mapping[str, Array] | None = None, **values: Any) -> Future[Reply]:
        """Calls ``method``; the future has its :class:`Reply`, or raises :class:`BackendError`."""
        future: Future[Reply] = Future()
        given = {name: _read_only(np.asarray(array, order="C").view()) for name, array in (arrays or {}).items()}
        start = time.monotonic()
        try:
            plain, answer = getattr(self._calls, method)(**values, **given)
            # Copies, since a backend may write to its own arrays at the next call.
            reply = Reply(plain, {name: _read_only(np.array(array, order="C")) for name, array in answer.items()})
        except (Exception, SystemExit) as error:
            failure = reply_error(self.label, describe_error(error))
            failure.__cause__ = error
            future.set_exception(failure)
        else:
            future.set_result(reply)
        finally:
            self.seconds += time.monotonic() - start
        return future


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
