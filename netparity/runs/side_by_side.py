"""The main job: every backend in a process of its own, side by side, set against one reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from threadpoolctl import threadpool_limits

from netparity.runs.calls import BackendCalls
from netparity.runs.case import Case
from netparity.runs.one_backend import report_backend
from netparity.runs.truths import Truths
from netparity.system.environment import environment
from netparity.system.processor import usable_cores
from netparity.system.progress import ProgressListener
from netparity.verdict.report import BackendReport, Report
from netparity.workers.backends import Subject
from netparity.workers.client import Worker
from netparity.workers.process import WorkerProcess
from netparity.workers.replies import CalledBackend, Reply
from netparity.workers.transport import shared_folder


def run(
    make_case: Callable[[], Case],
    subjects: Sequence[Subject],
    *,
    timeout: float = 600.0,
    memory_limit: int | None = None,
    listener: ProgressListener | None = None,
) -> Report:
    """Judges the subjects, side by side.

    Args:
        make_case: Gives the case; called once the processes are under way, so that neither waits for the other.
        subjects: The backends.
        timeout: Seconds that a backend's process may take.
        memory_limit: Bytes of address space that it may use; None for no limit.
        listener: Hears of each answer; its task is the backend's name.

    Raises:
        NetparityError: The case cannot be made; no process is left running.
    """

    def cases() -> Iterator[Case]:
        yield make_case()

    (report,) = run_each(cases(), subjects, timeout=timeout, memory_limit=memory_limit, listener=listener)
    return report


def run_each(
    cases: Iterable[Case],
    subjects: Sequence[Subject],
    *,
    timeout: float = 600.0,
    memory_limit: int | None = None,
    listener: ProgressListener | None = None,
) -> Iterator[Report]:
    """Judges the subjects on one case after another, in the same processes: a report for each.

    Arguments and errors are those of :func:`run`; ``timeout`` is for all cases together.
    """
    with ExitStack() as stack:
        folder, shelf = stack.enter_context(shared_folder())
        # More threads than cores wait for each other, spinning: with all of them free, a run takes three times as long.
        threads = max(1, usable_cores() // max(1, len(subjects)))
        stack.enter_context(threadpool_limits(threads, user_api="blas"))
        workers = []
        for subject in subjects:
            process = WorkerProcess(
                subject.name,
                subject.target,
                folder=folder,
                timeout=timeout,
                threads=threads,
                memory_limit=memory_limit,
                python=subject.python,
            )
            worker = Worker(process, shelf)
            stack.callback(worker.close)
            workers.append(worker)
        for worker in workers:
            worker.loaded.add_done_callback(partial(_make_way, worker, workers))
        for case in cases:
            yield judge_case(case, subjects, workers, in_threads=True, listener=listener)
            shelf.clear()


def judge_case(
    case: Case,
    subjects: Sequence[Subject],
    backends: Sequence[CalledBackend],
    *,
    in_threads: bool,
    listener: ProgressListener | None = None,
) -> Report:
    """Judges subjects by what answers for each of them; their reports are made side by side ``in_threads``, or not."""
    truths = Truths(case, len(subjects))
    asked = [BackendCalls(backend, listener) for backend in backends]
    for stage in (
        BackendCalls.ask_whole,
        BackendCalls.ask_layers,
        BackendCalls.ask_layer_gradients,
        BackendCalls.ask_training,
    ):
        for calls in asked:
            stage(calls, truths)
    truths.prepare()
    tasks = [partial(report_backend, *pair, truths) for pair in zip(subjects, asked, strict=True)]
    reports = _in_threads(tasks) if in_threads else [task() for task in tasks]
    losses = tuple(truths.training.losses) if truths.training else ()
    floor = tuple(truths.training.loss_floor) if truths.training and truths.training.steps.dtype == "float32" else ()
    return Report(case.network, tuple(reports), case.settings, environment(), losses, floor)


def _make_way(worker: Worker, workers: Sequence[Worker], _: Future[Reply]) -> None:
    """Lowers the priority of a backend that has loaded while others still load: the last to load delays the run."""
    if not all(other.loaded.done() for other in workers):
        worker.process.make_way()


def _in_threads(tasks: Sequence[Callable[[], BackendReport]]) -> list[BackendReport]:
    """What each task gives. Side by side, since each waits for answers, and NumPy computes without the interpreter."""
    pool = ThreadPoolExecutor(max(1, len(tasks)))
    try:
        return list(pool.map(lambda task: task(), tasks))
    finally:
        pool.shutdown(wait=False)  # whoever interrupts ends the processes next, and with them all waiting
