"""The processes of one benchmark: as many threads in each, temporary files of its own, and a time limit on answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from netparity.workers.backends import Subject
from netparity.workers.client import Worker
from netparity.workers.process import THREAD_VARIABLES, WorkerProcess
from netparity.workers.replies import BackendError, Reply
from netparity.workers.transport import Shelf, shared_folder


@dataclass(frozen=True)
class Processes:
    """Starts processes that are alike, and waits for their answers.

    Attributes:
        folder: An existing folder for all their files.
        shelf: Where this side shares arrays.
        threads: Number of threads of each process, whatever the environment says.
        timeout: Seconds that one answer may take.
    """

    folder: Path
    shelf: Shelf
    threads: int
    timeout: float

    def start(self, subject: Subject, label: str, variables: Mapping[str, str] | None = None) -> closing[Worker]:
        """A process for a backend, an engine or the processor, as a context that ends with it.

        Its environment gets ``variables`` beside those that say how many threads there are.
        """
        # What is compiled goes to a folder for temporary files, where the next process would find it compiled.
        temporary = tempfile.mkdtemp(dir=self.folder)
        threads = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        process = WorkerProcess(
            label,
            subject.target,
            folder=self.folder,
            timeout=float("inf"),
            threads=self.threads,
            python=subject.python,
            variables={**threads, "TMPDIR": temporary, **(variables or {})},
        )
        return closing(Worker(process, self.shelf))

    def ask(self, worker: Worker, asked: Future[Reply]) -> Reply:
        """Waits for an answer; a process that takes too long is ended.

        Raises:
            BackendError: There is none.
        """
        try:
            return asked.result(self.timeout)
        except FutureTimeoutError:
            worker.close()
            raise BackendError(f"{worker.label} gave no answer within {self.timeout:g} s and was ended.") from None


@contextmanager
def processes(threads: int, timeout: float) -> Iterator[Processes]:
    """The processes of one benchmark; this one has no more threads than they, and their files are gone afterwards."""
    with threadpool_limits(threads, user_api="blas"), shared_folder() as (folder, shelf):
        yield Processes(folder, shelf, threads, timeout)
