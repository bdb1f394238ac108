"""The comparer's side of a worker process: calls go out at once, replies come back as futures."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from googlenet_parity.transport import Shelf, read_arrays

__all__ = ["AbilityError", "BackendError", "MissingBackendError", "Reply", "Worker"]

Array = npt.NDArray[Any]


class BackendError(Exception):
    """A backend raised, died, or ran out of time; the message is a sentence with its last words."""


class MissingBackendError(BackendError):
    """The framework that a backend needs is not installed."""


class AbilityError(BackendError):
    """A backend says that it cannot do what it was asked for (it raised :class:`NotImplementedError`)."""


@dataclass(frozen=True)
class Reply:
    """What a call gave: plain values, and arrays mapped from the worker's files."""

    values: dict[str, Any]
    arrays: dict[str, Array]


class Worker:
    """One backend in a process of its own.

    Calls are answered in the order in which they were made; none waits for the one before it to be answered.

    Args:
        label: The name of the backend in messages.
        target: The backend's ``module:attribute``.
        folder: An existing folder for shared arrays and the process's output.
        shelf: Where this side shares arrays; the workers of one run have one shelf.
        timeout: Seconds after which the process is ended.
        memory_limit: Address space in bytes, or None.
        python: The interpreter.
    """

    def __init__(
        self,
        label: str,
        target: str,
        *,
        folder: Path,
        shelf: Shelf,
        timeout: float,
        memory_limit: int | None = None,
        python: str = sys.executable,
    ) -> None:
        self.label = label
        self.started = time.monotonic()
        self._timeout = timeout
        self._timed_out = False
        self._closed = False
        self._shelf = shelf
        self._log = folder / f"{label}.log"
        self._waiting: deque[Future[Reply]] = deque()
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair()
        command = [python, "-m", "googlenet_parity.worker", "--socket", str(theirs.fileno())]
        command += ["--folder", str(folder), "--prefix", label]
        if memory_limit:
            command += ["--memory-limit", str(memory_limit)]
        with theirs, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C reaches the comparer alone, which then ends its workers
            )
        self._socket = ours
        self._stream = ours.makefile("r", encoding="utf-8", newline="\n")
        self._timer = threading.Timer(timeout, self._out_of_time)
        self._timer.daemon = True
        self._timer.start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.loaded = self.call("load", target=target)

    def call(self, method: str, arrays: Mapping[str, Array] | None = None, **values: Any) -> Future[Reply]:
        """Asks for ``method``; the future gives its :class:`Reply` or raises :class:`BackendError`."""
        future: Future[Reply] = Future()
        places = self._shelf.share(arrays or {})
        line = json.dumps({"method": method, "values": values, "arrays": places}) + "\n"
        with self._lock:
            if self._closed:
                future.set_exception(BackendError(self._epitaph()))
                return future
            self._waiting.append(future)
        with contextlib.suppress(OSError):  # a dead worker is noticed, and told of, by the reader
            self._socket.sendall(line.encode())
        return future

    def close(self) -> None:
        """Ends the process; calls that are still waiting get an error."""
        self._timer.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        self._stream.close()
        self._socket.close()

    def _out_of_time(self) -> None:
        self._timed_out = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self._stream:
                self._resolve(self._waiting.popleft(), json.loads(line))
        self._process.wait()
        self._timer.cancel()
        with self._lock:
            self._closed = True
            abandoned = list(self._waiting)
            self._waiting.clear()
        for future in abandoned:
            future.set_exception(BackendError(self._epitaph()))

    def _resolve(self, future: Future[Reply], reply: dict[str, Any]) -> None:
        if "error" not in reply:
            try:
                future.set_result(Reply(reply["values"], read_arrays(reply["arrays"])))
            except OSError as error:
                future.set_exception(BackendError(f"{self.label} gave arrays that cannot be read: {error}."))
        elif reply["missing_module"]:
            future.set_exception(MissingBackendError(reply["missing_module"]))
        else:
            kind = AbilityError if reply["unable"] else BackendError
            future.set_exception(kind(f"{self.label} raised {reply['error'].rstrip('.')}."))

    def _epitaph(self) -> str:
        code = self._process.returncode
        if self._timed_out:
            end = f"{self.label} did not finish within {self._timeout:g} s and was ended"
        elif code is not None and code < 0:
            end = f"{self.label} was killed by {signal.Signals(-code).name}"
        else:
            end = f"{self.label} ended by itself with exit code {code}"
        words = self._last_words()
        return f"{end}; its last words: {words}" if words else f"{end}, without a word."

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines()]
            return next((line for line in reversed(lines) if line), "")
        return ""
