"""The comparer's side of a worker process: calls go out at once, replies come back as futures."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from netparity.network.contract import Array
from netparity.workers.process import WorkerProcess
from netparity.workers.replies import BackendError, Reply, reply_error
from netparity.workers.transport import Shelf, take_arrays


class Worker:
    """One backend in a process of its own.

    Calls are answered in the order in which they were made; none waits for the one before it to be answered.

    Args:
        process: The process, just started.
        shelf: Where this side shares arrays; the workers of one run have one shelf.
    """

    def __init__(self, process: WorkerProcess, shelf: Shelf) -> None:
        self.process = process
        self.label = process.label
        self._shelf = shelf
        self._garbled = False
        self._closed = False
        self._ended = ""
        self._waiting: deque[Future[Reply]] = deque()
        self._lock = threading.Lock()
        self._stream = process.socket.makefile("r", encoding="utf-8", newline="\n")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.loaded = self.call("load", target=process.target)

    @property
    def seconds(self) -> float:
        """How long ago the process was started."""
        return time.monotonic() - self.process.started

    def call(self, method: str, arrays: Mapping[str, Array] | None = None, **values: Any) -> Future[Reply]:
        """Asks for ``method``; the future gives its :class:`Reply` or raises :class:`BackendError`."""
        future: Future[Reply] = Future()
        places = self._shelf.share(arrays or {})
        line = json.dumps({"method": method, "values": values, "arrays": places}) + "\n"
        with self._lock:
            if self._ended:
                future.set_exception(BackendError(self._ended))
                return future
            self._waiting.append(future)
        with contextlib.suppress(OSError):  # a dead worker is noticed, and reported, by the reader
            self.process.socket.sendall(line.encode())
        return future

    def close(self) -> None:
        """Ends the process; calls that are still waiting get an error. A second time, it does nothing."""
        if self._closed:
            return
        self._closed = True
        self.process.kill()
        self._reader.join()
        self._stream.close()
        self.process.socket.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            self._garbled = not self._understand()
        if self._garbled:
            self.process.kill()
        self.process.wait()
        with self._lock:
            self._ended = self.process.describe_end(self._garbled)
            abandoned = list(self._waiting)
            self._waiting.clear()
        for future in abandoned:
            future.set_exception(BackendError(self._ended))

    def _understand(self) -> bool:
        """Answers the calls; whether all that came were replies."""
        try:
            for line in self._stream:
                reply = json.loads(line)
                self._resolve(self._waiting[0], reply)
                self._waiting.popleft()
        except (ValueError, LookupError, TypeError, AttributeError):  # of the encoding, of JSON, or of what is in it
            return False
        return True

    def _resolve(self, future: Future[Reply], reply: dict[str, Any]) -> None:
        if "error" in reply:
            future.set_exception(reply_error(self.label, reply, self.process.place))
            return
        try:
            future.set_result(Reply(reply["values"], take_arrays(reply["arrays"])))
        except OSError as error:
            future.set_exception(BackendError(f"{self.label} gave arrays that cannot be read: {error}."))
