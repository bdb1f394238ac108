"""The main job: every backend in a process of its own, side by side, set against one reference."""

from __future__ import annotations

import os
import platform
import queue
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from googlenet_np.architecture import GOOGLENET, Concat, Layer
from googlenet_np.backend import DTYPES, DType
from googlenet_parity import checks
from googlenet_parity.client import AbilityError, BackendError, MissingBackendError, Reply, Worker
from googlenet_parity.diagnosis import diagnose
from googlenet_parity.ground_truth import GroundTruth
from googlenet_parity.layer_gradients import LayerGradientTruth, layer_gradient_truth
from googlenet_parity.transport import Shelf
from googlenet_parity.verdict import BackendReport, CheckResult, Diagnosis, Report, Status

__all__ = ["Case", "Listener", "Subject", "run", "run_each"]

Array = npt.NDArray[Any]


DIAGNOSED: dict[str, DType] = {"layers float32": "float32", "outputs float64": "float64"}
"""The checks whose first failure is looked into, and the precision in which its layer is called."""


WIRING_SAMPLES = 8
"""Images on which float64 is judged. It settles the wiring, which is the same for every image; in float32, where each
image has roundings of its own, all of them are."""

_SINGLE = tuple(layer for layer in GOOGLENET if not isinstance(layer, Concat))
"""The layers that compute something by themselves."""


@dataclass(frozen=True)
class Case:
    """What the backends are given.

    Attributes:
        weights: A canonical weights set, float32.
        images: (N, C, H, W), float32.
        labels: (N,).
        dtypes: The precisions in which backends are judged.
        settings: How the case came about, for the report.
    """

    weights: Mapping[str, Array]
    images: Array
    labels: Array
    dtypes: tuple[DType, ...] = DTYPES
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A backend to be judged.

    Attributes:
        name: As it is called in the report.
        target: Its ``module:attribute``.
        required: Whether a missing framework is an error; otherwise the backend is skipped.
    """

    name: str
    target: str
    required: bool = False


class Listener(Protocol):
    """Is told how a run goes on; may be called from other threads."""

    def __call__(self, backend: str, done: int, total: int, step: str) -> None:
        """``done`` of ``total`` calls are answered, ``step`` the last of them."""
        ...


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
        threads = max(1, (os.cpu_count() or 1) // max(1, len(subjects)))
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
            )
            stack.callback(worker.close)
            workers.append(worker)
        for worker in workers:
            worker.loaded.add_done_callback(partial(_make_way, worker, workers))
        for case in cases:
            yield _judge(case, [_Trial(*pair, listener) for pair in zip(subjects, workers, strict=True)])
            shelf.clear()


def _make_way(worker: Worker, workers: Sequence[Worker], _: Future[Reply]) -> None:
    """Who has loaded makes way as long as others load: whoever loads last decides how long a run takes."""
    if not all(other.loaded.done() for other in workers):
        worker.make_way()


def _judge(case: Case, trials: Sequence[_Trial]) -> Report:
    truths = {dtype: _truth(case, dtype, len(trials)) for dtype in case.dtypes}
    for trial in trials:
        trial.ask_whole(truths)
    # What the reference must work out anyway it works out here, while the backends are at work.
    backward: dict[str, LayerGradientTruth] = {}
    if truth := truths.get("float32"):
        for trial in trials:
            trial.ask_layers(truth)
        backward = {layer.name: layer_gradient_truth(truth, layer, "float32") for layer in _SINGLE}
        for trial in trials:
            trial.ask_layer_gradients(backward)
        truth.noise_floor("float32")
    if truth := truths.get("float64"):
        truth.gradients  # noqa: B018
    reports = {trial: trial.report(truths, backward) for trial in _as_answered(trials)}
    return Report(tuple(reports[trial] for trial in trials), case.settings, environment())


def _truth(case: Case, dtype: DType, backends: int) -> GroundTruth:
    images = slice(WIRING_SAMPLES if dtype == "float64" else None)
    return GroundTruth(case.weights, case.images[images], case.labels[images], backends=max(1, backends))


def environment() -> dict[str, Any]:
    """Where this runs: interpreter, NumPy, operating system, processor."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class _Trial:
    """One backend's calls, and what follows from their answers."""

    def __init__(self, subject: Subject, worker: Worker, listener: Listener | None) -> None:
        self.subject = subject
        self._worker = worker
        self._listener = listener
        self._calls: dict[tuple[str, ...], Future[Reply]] = {}
        self._answered = 0
        self._seconds = 0.0
        self._watch(("load",), worker.loaded)

    @property
    def last_call(self) -> Future[Reply]:
        """The call that is answered last: a worker answers in order."""
        return list(self._calls.values())[-1]

    def ask_whole(self, truths: Mapping[DType, GroundTruth]) -> None:
        """Makes the calls that need nothing of the reference."""
        for dtype, truth in truths.items():
            self._call("build", dtype, truth.weights)
            self._call("activations", dtype, {"images": truth.images})
            if dtype == "float64":
                self._call("gradients", dtype, {"images": truth.images, "labels": truth.labels})
            else:
                self._call("predict", dtype, {"images": truth.images})

    def ask_layers(self, truth: GroundTruth) -> None:
        """Makes the calls that feed each layer the reference's own input."""
        for layer in _SINGLE:
            self._call("layer", "float32", {"inputs": truth.inputs(layer, "float32")}, name=layer.name)

    def ask_layer_gradients(self, backward: Mapping[str, LayerGradientTruth]) -> None:
        """Makes the calls for the backward pass of each layer alone."""
        for name, truth in backward.items():
            arrays = {"inputs": truth.inputs, "cotangent": truth.cotangent}
            self._call("layer_gradients", "float32", arrays, name=name)

    def report(self, truths: Mapping[DType, GroundTruth], backward: Mapping[str, LayerGradientTruth]) -> BackendReport:
        """The verdict on all answers."""
        versions: dict[str, str] = {}
        try:
            versions = self._reply("load").values["versions"]
        except MissingBackendError as error:
            status = Status.ERROR if self.subject.required else Status.SKIPPED
            results = [CheckResult("load", status, str(error))]
        except BackendError as error:
            results = [CheckResult("load", Status.ERROR, str(error))]
        else:
            results = [result for dtype, truth in truths.items() for result in self._check(truth, backward, dtype)]
            if self.subject.required and all(result.status is Status.SKIPPED for result in results):
                reason = f"{self.subject.name} was asked for, and cannot do anything that these checks need."
                results.append(CheckResult("abilities", Status.ERROR, reason))
        diagnosis = self._diagnose(truths, results)
        # The callbacks and this trial hold each other; without the answers, a next case finds their memory free.
        self._calls.clear()
        return BackendReport(self.subject.name, versions, tuple(results), self._seconds, diagnosis)

    def _diagnose(self, truths: Mapping[DType, GroundTruth], results: Sequence[CheckResult]) -> Diagnosis | None:
        """What is the matter with the first layer that fails by itself: in float32, else in float64."""
        for check, dtype in DIAGNOSED.items():
            failure = next((result.first_failure for result in results if result.check == check), None)
            if failure is not None:
                with suppress(BackendError, KeyError, ValueError):  # then the failure's own sentence must do
                    return self._explain(truths[dtype], GOOGLENET[failure.name], dtype)
        return None

    def _explain(self, truth: GroundTruth, layer: Layer, dtype: DType) -> Diagnosis:
        if isinstance(layer, Concat):
            activations = self._reply("activations", dtype).arrays
            branches = [activations[branch] for branch in layer.inputs]
            return diagnose(truth, layer.name, dtype, activations[layer.name], branches=branches)

        def ask(inputs: Array) -> Array:
            call = self._worker.call("layer", {"inputs": inputs}, dtype=dtype, name=layer.name)
            return call.result().arrays["output"]

        actual = ask(truth.inputs(layer, dtype))
        if not checks.measure_layer(truth, layer, dtype, actual).status.failed:
            # Right by itself: what it was fed in the forward pass is wrong.
            activations = self._reply("activations", dtype).arrays
            return diagnose(truth, layer.name, dtype, activations[layer.name], others=activations)
        return diagnose(truth, layer.name, dtype, actual, probe=ask)

    def _check(
        self, truth: GroundTruth, backward: Mapping[str, LayerGradientTruth], dtype: DType
    ) -> Iterator[CheckResult]:
        def exported() -> dict[str, Array]:
            return self._reply("build", dtype).arrays

        def activations() -> dict[str, Array]:
            exported()
            return self._reply("activations", dtype).arrays

        def logits() -> Array:
            exported()
            return self._reply("predict", dtype).arrays["logits"]

        def gradients() -> tuple[float, dict[str, Array]]:
            exported()
            reply = self._reply("gradients", dtype)
            return reply.values["loss"], reply.arrays

        def outputs() -> dict[str, Array]:
            exported()
            return {layer.name: self._reply("layer", dtype, layer.name).arrays["output"] for layer in _SINGLE}

        def layers(name: str) -> CheckResult:
            given = outputs()
            try:
                whole = activations()
            except BackendError:
                # A layer that is wrong by itself may be why no forward pass succeeds.
                result = checks.check_layers(name, truth, dtype, given, None)
                if result.status.failed:
                    return result
                raise
            return checks.check_layers(name, truth, dtype, given, whole)

        def layer_gradients() -> dict[str, dict[str, Array]]:
            exported()
            return {name: self._reply("layer_gradients", dtype, name).arrays for name in backward}

        yield _result(f"weights {dtype}", lambda name: checks.check_weights_kept(name, truth, dtype, exported()))
        yield _result(f"shapes {dtype}", lambda name: checks.check_shapes(name, truth, dtype, activations()))
        if dtype == "float64":
            yield _result(f"outputs {dtype}", lambda name: checks.check_outputs(name, truth, activations()))
            yield _result(f"gradients {dtype}", lambda name: checks.check_gradients(name, truth, *gradients()))
        else:
            yield _result(f"layers {dtype}", layers)
            yield _result(
                f"layer gradients {dtype}",
                lambda name: checks.check_layer_gradients(name, backward, dtype, layer_gradients()),
            )
            yield _result(
                f"end to end {dtype}", lambda name: checks.check_end_to_end(name, truth, dtype, activations())
            )
            yield _result(f"prediction {dtype}", lambda name: checks.check_prediction(name, truth, dtype, logits()))

    def _call(self, method: str, dtype: str, arrays: Mapping[str, Array], **values: str) -> None:
        self._watch((method, dtype, *values.values()), self._worker.call(method, arrays, dtype=dtype, **values))

    def _watch(self, key: tuple[str, ...], call: Future[Reply]) -> None:
        def answered(_: Future[Reply]) -> None:
            self._answered += 1
            self._seconds = time.monotonic() - self._worker.started
            if self._listener:
                self._listener(self.subject.name, self._answered, len(self._calls), " ".join(key))

        self._calls[key] = call
        call.add_done_callback(answered)

    def _reply(self, *key: str) -> Reply:
        return self._calls[key].result()


def _result(name: str, check: Callable[[str], CheckResult]) -> CheckResult:
    try:
        return check(name)
    except AbilityError as error:
        return CheckResult(name, Status.SKIPPED, str(error))
    except BackendError as error:
        return CheckResult(name, Status.ERROR, str(error))


def _put(answered: queue.SimpleQueue[_Trial], trial: _Trial, _: Future[Reply]) -> None:
    answered.put(trial)


def _as_answered(trials: Sequence[_Trial]) -> Iterator[_Trial]:
    """The trials, whichever has all its answers first."""
    answered: queue.SimpleQueue[_Trial] = queue.SimpleQueue()
    for trial in trials:
        trial.last_call.add_done_callback(partial(_put, answered, trial))
    for _ in trials:
        yield answered.get()
