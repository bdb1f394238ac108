"""The main job: every backend in a process of its own, side by side, set against one reference."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt
from threadpoolctl import threadpool_limits

from googlenet_np.backend import DTYPES, DType
from googlenet_parity.client import Reply, Worker
from googlenet_parity.environment import environment
from googlenet_parity.ground_truth import WIRING_SAMPLES, GroundTruth
from googlenet_parity.layer_gradients import LayerGradientTruth, layer_gradient_truth
from googlenet_parity.processor import usable_cores
from googlenet_parity.registry import Subject
from googlenet_parity.training_truth import Steps, TrainingTruth
from googlenet_parity.transport import Shelf
from googlenet_parity.trial import SINGLE, Listener, Trial
from googlenet_parity.verdict import BackendReport, Report

__all__ = ["Case", "Listener", "Subject", "run", "run_each"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """What the backends are given.

    Attributes:
        weights: A canonical weights set, float32.
        images: (N, C, H, W), float32.
        labels: (N,).
        dtypes: The precisions in which backends are judged.
        settings: How the case came about, for the report.
        training: Steps that they are trained with, behind all other checks; None for none.
    """

    weights: Mapping[str, Array]
    images: Array
    labels: Array
    dtypes: tuple[DType, ...] = DTYPES
    settings: dict[str, Any] = field(default_factory=dict)
    training: Steps | None = None


def run(
    make_case: Callable[[], Case],
    subjects: Sequence[Subject],
    *,
    timeout: float = 600.0,
    memory_limit: int | None = None,
    listener: Listener | None = None,
) -> Report:
    """Judges the subjects, side by side.

    Args:
        make_case: Gives the case; called once the processes are under way, so that neither waits for the other.
        subjects: The backends.
        timeout: Seconds that a backend's process may take.
        memory_limit: Bytes of address space that it may use, or None.
        listener: Is told of progress.

    Raises:
        GoogLeNetError: The case cannot be made; no process is left behind.
    """
    cases = (make() for make in (make_case,))
    (report,) = run_each(cases, subjects, timeout=timeout, memory_limit=memory_limit, listener=listener)
    return report


def run_each(
    cases: Iterable[Case],
    subjects: Sequence[Subject],
    *,
    timeout: float = 600.0,
    memory_limit: int | None = None,
    listener: Listener | None = None,
) -> Iterator[Report]:
    """Judges the subjects on one case after another, in the same processes: a report for each.

    Args, and what it raises, as of :func:`run`; ``timeout`` is for all cases together.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="googlenet-parity-")))
        shelf = Shelf(Path(tempfile.mkdtemp(dir=folder)))
        # More threads than cores wait for each other, spinning: with all of them free, a run takes three times as long.
        threads = max(1, usable_cores() // max(1, len(subjects)))
        stack.enter_context(threadpool_limits(threads, user_api="blas"))
        workers = []
        for subject in subjects:
            worker = Worker(
                subject.name,
                subject.target,
                folder=folder,
                shelf=shelf,
                timeout=timeout,
                threads=threads,
                memory_limit=memory_limit,
                python=subject.python,
            )
            stack.callback(worker.close)
            workers.append(worker)
        for worker in workers:
            worker.loaded.add_done_callback(partial(_make_way, worker, workers))
        for case in cases:
            yield _judge(case, [Trial(*pair, listener) for pair in zip(subjects, workers, strict=True)])
            shelf.clear()


def _make_way(worker: Worker, workers: Sequence[Worker], _: Future[Reply]) -> None:
    """Who has loaded makes way as long as others load: whoever loads last decides how long a run takes."""
    if not all(other.loaded.done() for other in workers):
        worker.make_way()


def _judge(case: Case, trials: Sequence[Trial]) -> Report:
    truths = {dtype: _truth(case, dtype, len(trials)) for dtype in case.dtypes}
    for trial in trials:
        trial.ask_whole(truths)
    # What the reference must work out anyway it works out here, while the backends are at work.
    backward: dict[str, LayerGradientTruth] = {}
    if truth := truths.get("float32"):
        for trial in trials:
            trial.ask_layers(truth)
        backward = {layer.name: layer_gradient_truth(truth, layer, "float32") for layer in SINGLE}
        for trial in trials:
            trial.ask_layer_gradients(backward)
        truth.noise_floor("float32")
    training = None
    if case.training:
        training = TrainingTruth(case.weights, case.training)
        for trial in trials:
            trial.ask_training(training)
        training.prepare()
    if truth := truths.get("float64"):
        truth.gradient_scales  # noqa: B018
    reports = _in_threads([partial(trial.report, truths, backward, training) for trial in trials])
    losses = tuple(training.losses) if training else ()
    floor = tuple(training.loss_floor) if training and training.steps.dtype == "float32" else ()
    return Report(tuple(reports), case.settings, environment(), losses, floor)


def _truth(case: Case, dtype: DType, backends: int) -> GroundTruth:
    images = slice(WIRING_SAMPLES if dtype == "float64" else None)
    return GroundTruth(case.weights, case.images[images], case.labels[images], backends=max(1, backends))


def _in_threads(tasks: Sequence[Callable[[], BackendReport]]) -> list[BackendReport]:
    """What each task gives. Side by side, since each waits for answers, and NumPy computes without the interpreter."""
    pool = ThreadPoolExecutor(max(1, len(tasks)))
    try:
        return list(pool.map(lambda task: task(), tasks))
    finally:
        pool.shutdown(wait=False)  # whoever interrupts ends the processes next, and with them all waiting
