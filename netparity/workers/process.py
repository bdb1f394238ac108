"""The process that a worker runs in: how it is started and ended, and what became of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netparity.system.text import printable
from netparity.workers.interpreters import START, worker_environment

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""What the frameworks and their libraries ask for how many threads they may start."""

KEPT_OUTPUT = 1000
BLANK = "".join(map(chr, [*range(33), 127]))  # spaces and control characters
"""Bytes of what a process printed that are kept for its last words."""

LOWERED = 10
"""The niceness of a worker that makes way for others."""

# A process group of its own, so that Ctrl-C reaches the comparer alone, which then ends its workers. Not a session of
# its own: Linux shares processor time among sessions first, and a process's priority counts within its session only.
_OWN_GROUP: dict[str, Any] = {"process_group": 0} if sys.version_info >= (3, 11) else {"start_new_session": True}


class WorkerProcess:
    """A worker's process, with a socket to it.

    Args:
        label: The name of the backend, or what else it runs, in messages.
        target: The backend's ``module:attribute``.
        folder: An existing folder, in which the worker gets one of its own for its arrays.
        timeout: Seconds after which the process is ended.
        threads: How many the framework may start, unless the caller's own environment says.
        memory_limit: Address space in bytes, or None.
        python: The interpreter; None for this one.
        variables: Variables of the process's environment, whatever the caller's own says.

    Attributes:
        place: Where it runs, as the end of a message; empty for this interpreter.
        socket: This side's end of the socket.
        started: When it was started, by :func:`time.monotonic`.
    """

    def __init__(
        self,
        label: str,
        target: str,
        *,
        folder: Path,
        timeout: float,
        threads: int,
        memory_limit: int | None = None,
        python: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.label = label
        self.target = target
        self.place = f" in {python}" if python else ""
        self.started = time.monotonic()
        self._timeout = timeout
        self._timed_out = False
        self._printed = b""
        self.socket, theirs = socket.socketpair()
        # Unbuffered: what a process says before it is killed are its last words.
        command = [python or sys.executable, "-u", "-c", START]
        command += [str(theirs.fileno()), tempfile.mkdtemp(dir=folder), str(memory_limit or 0)]
        environment = dict.fromkeys(THREAD_VARIABLES, str(threads)) | worker_environment(python, folder, target)
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                env={**environment, **(variables or {})},
                **_OWN_GROUP,
            )
        self._timer = threading.Timer(min(timeout, threading.TIMEOUT_MAX), self._out_of_time)
        self._timer.daemon = True
        self._timer.start()
        self._output = threading.Thread(target=self._keep_output, daemon=True)
        self._output.start()

    def make_way(self) -> None:
        """Lowers the priority of the process, all its threads included."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PGRP, self._process.pid, LOWERED)

    def kill(self) -> None:
        """Ends the process and its children; it may have ended already."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # A child that left the process's group may hold the other end open; whoever reads is not to wait for that.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def wait(self) -> None:
        """Waits until the process has ended, and up to a second until all that it printed is read."""
        self._process.wait()
        self._timer.cancel()
        self._output.join(timeout=1)  # a child may have left the process's group

    def describe_end(self, garbled: bool) -> str:
        """How the process ended (``garbled``: it sent no replies) and what it printed last; first :meth:`wait`."""
        code = self._process.returncode
        if self._timed_out:
            end = f"{self.label} did not finish within {self._timeout:g} s and was ended"
        elif garbled:
            end = f"{self.label} sent what is no reply and was ended"
        elif code < 0:
            end = f"{self.label} was killed by {signal.Signals(-code).name}"
            if code == -signal.SIGKILL:
                end += ", as when memory runs out"
        else:
            end = f"{self.label} ended by itself with exit code {code}"
        lines = self._printed.decode(errors="replace").splitlines()
        words = next((printable(words) for line in reversed(lines) if (words := line.strip(BLANK))), "")
        return f"{end}; its last words: {words}" if words else f"{end}, without a word."

    def _out_of_time(self) -> None:
        self._timed_out = True
        self.kill()

    def _keep_output(self) -> None:
        """Keeps the end of what the process prints, so that a flood of it fills neither disk nor memory."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while printed := os.read(output.fileno(), 65536):
                self._printed = (self._printed + printed)[-KEPT_OUTPUT:]
