"""The comparer's side of a worker process: calls go out at once, replies come back as futures."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from googlenet_parity.interpreters import worker_command, worker_environment
from googlenet_parity.transport import Shelf, take_arrays

__all__ = ["THREAD_VARIABLES", "AbilityError", "BackendError", "MissingBackendError", "Reply", "Worker", "printable"]

Array = npt.NDArray[Any]


THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""What the frameworks and their libraries ask for how many threads they may start."""

LAST_BYTES = 1000
"""How much of what a process prints is kept for its last words."""


LOWERED = 10
"""The niceness of a worker that makes way for others."""

# A process group of its own, so that Ctrl-C reaches the comparer alone, which then ends its workers. Not a session of
# its own: Linux shares processor time among sessions first, and a process's priority counts within its session only.
_OWN_GROUP: dict[str, Any] = {"process_group": 0} if sys.version_info >= (3, 11) else {"start_new_session": True}


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
        folder: An existing folder, in which the worker gets one of its own for its arrays.
        shelf: Where this side shares arrays; the workers of one run have one shelf.
        timeout: Seconds after which the process is ended.
        threads: How many the framework may start, unless the caller's own environment says.
        memory_limit: Address space in bytes, or None.
        python: The interpreter; None for this one.
        variables: Of the process's environment, whatever the caller's own says.
    """

    def __init__(
        self,
        label: str,
        target: str,
        *,
        folder: Path,
        shelf: Shelf,
        timeout: float,
        threads: int,
        memory_limit: int | None = None,
        python: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.label = label
        self.started = time.monotonic()
        self._timeout = timeout
        self._timed_out = False
        self._garbled = False
        self._closed = False
        self._epitaph = ""
        self._place = f" in {python}" if python else ""
        self._shelf = shelf
        self._printed = b""
        self._waiting: deque[Future[Reply]] = deque()
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair()
        command = [*worker_command(python), "--socket", str(theirs.fileno()), "--folder", tempfile.mkdtemp(dir=folder)]
        if memory_limit:
            command += ["--memory-limit", str(memory_limit)]
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                env={
                    **dict.fromkeys(THREAD_VARIABLES, str(threads)),
                    **worker_environment(python, folder, target),
                    **(variables or {}),
                },
                **_OWN_GROUP,
            )
        self._socket = ours
        self._stream = ours.makefile("r", encoding="utf-8", newline="\n")
        self._timer = threading.Timer(min(timeout, threading.TIMEOUT_MAX), self._out_of_time)
        self._timer.daemon = True
        self._timer.start()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.loaded = self.call("load", target=target)

    def call(self, method: str, arrays: Mapping[str, Array] | None = None, **values: Any) -> Future[Reply]:
        """Asks for ``method``; the future gives its :class:`Reply` or raises :class:`BackendError`."""
        future: Future[Reply] = Future()
        places = self._shelf.share(arrays or {})
        line = json.dumps({"method": method, "values": values, "arrays": places}) + "\n"
        with self._lock:
            if self._epitaph:
                future.set_exception(BackendError(self._epitaph))
                return future
            self._waiting.append(future)
        with contextlib.suppress(OSError):  # a dead worker is noticed, and told of, by the reader
            self._socket.sendall(line.encode())
        return future

    def make_way(self) -> None:
        """Lowers the priority of the process, all its threads included."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PGRP, self._process.pid, LOWERED)

    def close(self) -> None:
        """Ends the process; calls that are still waiting get an error. A second time, it does nothing."""
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        self._kill()
        self._process.wait()
        self._reader.join()
        self._stream.close()
        self._socket.close()

    def _out_of_time(self) -> None:
        self._timed_out = True
        self._kill()
        # A child of the process that left its group may hold the other end open; the reader is not to wait for that.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        """Keeps the end of what the process prints, so that a flood of it fills neither disk nor memory."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while printed := os.read(output.fileno(), 65536):
                self._printed = (self._printed + printed)[-LAST_BYTES:]

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            self._garbled = not self._understand()
        if self._garbled:
            self._kill()
        self._process.wait()
        self._timer.cancel()
        self._listener.join(timeout=1)  # again, a child may hold the other end
        with self._lock:
            self._epitaph = self._end()
            abandoned = list(self._waiting)
            self._waiting.clear()
        for future in abandoned:
            future.set_exception(BackendError(self._epitaph))

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
        if "error" not in reply:
            try:
                future.set_result(Reply(reply["values"], take_arrays(reply["arrays"])))
            except OSError as error:
                future.set_exception(BackendError(f"{self.label} gave arrays that cannot be read: {error}."))
        elif reply["missing_module"]:
            missing = printable(reply["missing_module"])
            sentence = f"{self.label} needs the Python module {missing!r}, which is not installed{self._place}."
            future.set_exception(MissingBackendError(sentence))
        else:
            kind = AbilityError if reply["unable"] else BackendError
            future.set_exception(kind(f"{self.label} raised {printable(reply['error']).rstrip(' .:')}."))

    def _end(self) -> str:
        code = self._process.returncode
        if self._timed_out:
            end = f"{self.label} did not finish within {self._timeout:g} s and was ended"
        elif self._garbled:
            end = f"{self.label} sent what is no reply and was ended"
        elif code is not None and code < 0:
            end = f"{self.label} was killed by {signal.Signals(-code).name}"
            if code == -signal.SIGKILL:
                end += ", as when memory runs out"
        else:
            end = f"{self.label} ended by itself with exit code {code}"
        words = self._last_words()
        return f"{end}; its last words: {words}" if words else f"{end}, without a word."

    def _last_words(self) -> str:
        lines = [printable(line).strip() for line in self._printed.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")


def printable(text: str) -> str:
    """``text`` with a space for every character that a terminal may obey, or that XML forbids."""
    return "".join(character if character.isprintable() else " " for character in text)
