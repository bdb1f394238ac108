"""The benchmark: every way of every backend, the engines beside them, and the processor's own limit, in one run.

Each way has a process of its own in each setting, so that its memory and its cold start are its own, and all have the
same number of threads. They begin one after the other and then take turns, round by round, so that what else the
machine does meets all alike. Where memory has no room for all of them at once, they do so in groups. A way whose
answer is wrong has no speed.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from googlenet_np.backend import Hyperparameters
from googlenet_np.errors import OptionError
from googlenet_np.images import sample_images
from googlenet_np.operations import softmax_cross_entropy
from googlenet_np.weights import init_weights
from googlenet_parity.bounds import UNIT_ROUNDOFF
from googlenet_parity.client import THREAD_VARIABLES, AbilityError, BackendError, MissingBackendError, Reply, Worker
from googlenet_parity.engines import ENGINES, PROCESSOR
from googlenet_parity.environment import full_environment
from googlenet_parity.ground_truth import GroundTruth
from googlenet_parity.kernels import kernel_variables
from googlenet_parity.measure import malformed, measure_limit
from googlenet_parity.memory import available_memory
from googlenet_parity.registry import Subject, choose
from googlenet_parity.timings import Benchmark, Measured, Setting, Timing, multiplication_flops
from googlenet_parity.transport import Shelf
from googlenet_parity.verdict import CheckResult, Measurement, Status

__all__ = ["Judge", "Listener", "Plan", "run_bench", "take_turns"]

Array = npt.NDArray[Any]
T = TypeVar("T")

JUDGED = 8
"""Different images in a batch; larger batches repeat them, so that every answer is judged and few are worked out."""

TRAINING = Hyperparameters(lr=0.01)
"""Small enough that a step goes downhill, by which a way that does not train is known."""

PRODUCT = 2048
"""Rows and columns of the matrices by which the processor's limit is measured: 17 GFLOP, in 16 MB each."""

SPARE = 1.1
"""Times the memory that processes are known to need is what they get."""

NO_EXPORT = "no backend here writes ONNX"


class Listener(Protocol):
    """Is told how a benchmark goes on."""

    def __call__(self, done: int, total: int, step: str) -> None:
        """``done`` of ``total`` steps are done, and ``step`` is the next."""
        ...


@dataclass(frozen=True)
class Plan:
    """How things are measured.

    Attributes:
        settings: What is computed.
        rounds: How often each way has its turn.
        threads: Of each process, whatever the environment says.
        seconds: That a turn takes, or a single call, if that takes longer.
        settle: Seconds of rest before each turn. Threads of Intel's and LLVM's OpenMP spin for 0.2 s after their work
            (``KMP_BLOCKTIME``), in the way of the next process.
        timeout: Seconds that one answer may take.
        ways: The names of those that are measured; none for all.
    """

    settings: tuple[Setting, ...]
    rounds: int
    threads: int
    seconds: float = 0.5
    settle: float = 0.25
    timeout: float = 600.0
    ways: tuple[str, ...] = ()


def run_bench(
    subjects: Sequence[Subject],
    plan: Plan,
    listener: Listener | None = None,
    *,
    available: Callable[[], int | None] = available_memory,
) -> Benchmark:
    """Measures all ways of the subjects, and the engines.

    Args:
        subjects: The backends.
        plan: How.
        listener: Is told of progress.
        available: Bytes of memory that nobody has taken, or None where nobody can say. Ways that it has no room for
            take their turns after the others.

    Raises:
        GoogLeNetError: A setting that the network cannot have, or a way that no backend has; no process is left behind.
    """
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(plan.threads, user_api="blas"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="googlenet-parity-")))
        bench = _Bench(plan, folder, listener or (lambda *_: None), available)
        found = bench.run(subjects)
    return replace(found, environment={**found.environment, "load": load})


def take_turns(
    names: Sequence[T], rounds: int, turn: Callable[[T], float]
) -> tuple[dict[T, tuple[float, ...]], dict[T, BackendError]]:
    """Measures each of ``names`` once in every round; every second round goes backwards, so that no two always follow.

    Args:
        names: Who takes part.
        rounds: How many.
        turn: Measures one of them once. If it raises :class:`BackendError`, that one takes no further part.

    Returns:
        What was measured, by name, an entry for each round; and the errors of those who fell out, who have no entries.
    """
    taken: dict[T, list[float]] = {name: [] for name in names}
    errors: dict[T, BackendError] = {}
    for number in range(rounds):
        for name in list(taken)[:: -1 if number % 2 else 1]:
            try:
                taken[name].append(turn(name))
            except BackendError as error:
                errors[name] = error
                del taken[name]
    return {name: tuple(seconds) for name, seconds in taken.items()}, errors


class Judge:
    """Says whether a way's answer is right, for one size of images.

    Args:
        weights: A canonical set.
        image_size: Height and width.
        images: How many different ones.
    """

    def __init__(self, weights: Mapping[str, Array], image_size: tuple[int, int], images: int) -> None:
        self.truth = GroundTruth(weights, *sample_images(images, image_size=image_size))

    def batch(self, size: int) -> tuple[Array, Array]:
        """Images and labels, repeated as often as it takes."""
        places = self._places(size)
        return self.truth.images[places], self.truth.labels[places]

    def check(self, setting: Setting, answer: Array) -> CheckResult:
        """Of what a way gave on :meth:`batch`: logits, or the losses that two steps of training saw.

        Logits must be within the noise floor of the reference. So must the first loss, which moves by twice as much at
        most; and the second must be less, or the first step was none. What else a step does is judged by ``train
        --lockstep``, in float64.
        """
        places = self._places(setting.batch_size)
        logits = self.truth.activations["fc"][places]
        floor = self.truth.noise_floor("float32")["fc"]
        if not setting.training:
            return CheckResult.of("answer", [measure_limit("logits", answer, logits, floor, "float32")])
        if fault := malformed("losses", answer, (2,), "float64"):
            return CheckResult.of("answer", [fault])
        loss = softmax_cross_entropy(logits, self.truth.labels[places])[0].mean()
        # The sums over classes and images, and a few operations more, each off by no more than this.
        roundings = UNIT_ROUNDOFF["float32"] * (logits.size + 8) * max(1.0, float(np.ptp(logits)))
        first = measure_limit("loss", answer[:1], np.array([loss]), 2 * floor + roundings, "float64")
        message = f"is {answer[1]:.9g} on the same batch again, after {answer[0]:.9g}: the step before has not trained"
        second = Measurement("loss", Status.FAIL, float("inf"), message=message)
        return CheckResult.of("answer", [first] if answer[1] < answer[0] else [first, second])

    def _places(self, size: int) -> Array:
        return np.arange(size) % len(self.truth.images)


@dataclass(frozen=True)
class _Entrant:
    """A way that is to be measured, or why it cannot be."""

    subject: Subject
    version: str = ""
    way: str = ""
    onnx: Path | None = None
    """What an engine reads; None for a backend, which gets the weights."""
    status: Status = Status.PASS
    message: str = ""

    @property
    def label(self) -> str:
        return f"{self.subject.name} {self.way}".strip()

    def timing(self, setting: Setting) -> Timing:
        return Timing(self.subject.name, self.version, self.way, setting, self.status, self.message)


@dataclass(frozen=True)
class _Ways:
    """What a backend has to offer; or one entrant that says why it has nothing."""

    forward: tuple[_Entrant, ...]
    training: tuple[_Entrant, ...]
    onnx: Path | None = None


@dataclass(frozen=True)
class _Task:
    """What all ways in one setting are given, and who judges what they give.

    Attributes:
        setting: What they compute.
        batch: On which they are judged and timed: ``images`` and ``labels``.
        first: Of their first call. What keeps its first answer must not be found right; but in training, only the first
            answer can be judged.
        judge: For images of this size.
    """

    setting: Setting
    batch: Mapping[str, Array]
    first: Mapping[str, Array]
    judge: Judge


class _Bench:
    """One run: what its processes have in common."""

    def __init__(self, plan: Plan, folder: Path, listener: Listener, available: Callable[[], int | None]) -> None:
        self._plan = plan
        self._folder = folder
        self._listener = listener
        self._available = available
        self._shelf = Shelf(Path(tempfile.mkdtemp(dir=folder)))
        self._weights = init_weights(0)
        self._products: list[float] = []
        self._known: dict[str, None] = {}
        self._needs_engines = not all(setting.training for setting in plan.settings)
        self._done = 0
        self._total = 1

    def run(self, subjects: Sequence[Subject]) -> Benchmark:
        scouted = []
        self._total = len(subjects)
        for subject in subjects:
            self._tell(f"{subject.name}: which ways?")
            scouted.append(self._scout(subject))
        if self._known and (unknown := [way for way in self._plan.ways if way not in self._known]):
            raise OptionError(f"No backend has a way named {unknown[0]!r}; known here: {', '.join(self._known)}.")
        engines = list(self._engines(self._exported(subjects, scouted))) if self._needs_engines else []
        largest = max(setting.batch_size for setting in self._plan.settings)
        sizes = dict.fromkeys(setting.image_size for setting in self._plan.settings)
        judges = {size: Judge(self._weights, size, min(largest, JUDGED)) for size in sizes}
        entrants = {
            setting: [way for ways in scouted for way in ways.training]
            if setting.training
            else [way for ways in scouted for way in ways.forward] + engines
            for setting in self._plan.settings
        }
        self._total += sum(len(those) * (1 + self._plan.rounds) for those in entrants.values())
        measured = [self._measure(setting, those, judges[setting.image_size]) for setting, those in entrants.items()]
        options = {name: value for name, value in asdict(self._plan).items() if name != "settings"}
        return Benchmark(
            tuple(measured),
            multiplication_flops(PRODUCT, self._products) if self._products else None,
            frozenset(subject.name for subject in subjects if subject.required),
            full_environment(),
            options,
        )

    # Who takes part

    def _scout(self, subject: Subject) -> _Ways:
        """Asks a backend, in a process that is not measured, which ways it has, and for its network as ONNX."""
        with ExitStack() as stack:
            try:
                worker = self._start(stack, subject, subject.name)
                versions = self._ask(worker, worker.loaded).values["versions"]
                version = next(iter(versions.values()), "")
                self._ask(worker, worker.call("build", self._weights, dtype="float32"))
                names = self._ask(worker, worker.call("ways")).values
            except BackendError as error:
                missing = isinstance(error, MissingBackendError) and not subject.required
                status = Status.SKIPPED if missing else Status.ERROR
                nothing = (_Entrant(subject, status=status, message=str(error)),)
                return _Ways(nothing, nothing)
            onnx = self._export(worker) if self._needs_engines else None
            self._known |= dict.fromkeys([*names["forward"], *names["training"]])
            forward, training = (
                tuple(_Entrant(subject, version, way) for way in names[kind] if way in (self._plan.ways or names[kind]))
                for kind in ("forward", "training")
            )
            return _Ways(forward, training, onnx)

    def _export(self, worker: Worker) -> Path | None:
        path = Path(tempfile.mkdtemp(dir=self._folder), "googlenet.onnx")
        try:
            self._ask(worker, worker.call("export_onnx", path=str(path)))
        except BackendError:  # another one may
            return None
        return path

    def _exported(self, subjects: Sequence[Subject], scouted: Sequence[_Ways]) -> Path | None:
        """The network as ONNX: of a backend that takes part, or else of the first one here that writes it."""
        asked = {subject.target for subject in subjects}
        others = (self._scout(subject) for subject in choose(()) if subject.target not in asked)
        return next((ways.onnx for source in (scouted, others) for ways in source if ways.onnx), None)

    def _engines(self, onnx: Path | None) -> Iterator[_Entrant]:
        for engine in ENGINES:
            entrant = _Entrant(Subject(engine.name, engine.target), way="predict", onnx=onnx)
            with ExitStack() as stack:
                try:
                    worker = self._start(stack, entrant.subject, engine.name)
                    versions = self._ask(worker, worker.loaded).values["versions"]
                except BackendError as error:
                    yield replace(entrant, status=_status(error), message=str(error))
                    continue
            entrant = replace(entrant, version=next(iter(versions.values()), ""))
            yield entrant if onnx else replace(entrant, status=Status.SKIPPED, message=f"{engine.name}: {NO_EXPORT}.")

    # What they do

    def _measure(self, setting: Setting, entrants: Sequence[_Entrant], judge: Judge) -> Measured:
        timings = {entrant.label: entrant.timing(setting) for entrant in entrants}
        images, labels = judge.batch(setting.batch_size)
        batch = {"images": images, "labels": labels}
        first = batch if setting.training else {"images": 1 - images, "labels": labels}
        task = _Task(setting, batch, first, judge)
        waiting = deque(entrant for entrant in entrants if entrant.status is Status.PASS)
        for group in itertools.count():
            if not waiting:
                break
            with ExitStack() as stack:
                workers = self._begin_some(stack, task, waiting, timings)
                timings |= {label: replace(timings[label], group=group) for label in workers}
                self._time(stack, task, workers, timings)
        return Measured(setting, tuple(timings.values()))

    def _begin_some(
        self, stack: ExitStack, task: _Task, waiting: deque[_Entrant], timings: dict[str, Timing]
    ) -> dict[str, Worker]:
        """Starts those who wait, one by one, as many as memory has room for; the processes of those who are right."""
        workers: dict[str, Worker] = {}
        largest = 0
        while waiting and not (workers and self._is_short_of(2 * largest)):  # one to keep, and one to work
            entrant = waiting.popleft()
            self._tell(f"{task.setting}: {entrant.label} begins")
            worker = self._start(stack, entrant.subject, entrant.label)
            timing, answer, peak = self._begin(worker, task, entrant)
            if timing.status is Status.PASS:
                timing = self._judged(worker, task, timing, answer if task.setting.training else None)
            timings[entrant.label] = timing
            if timing.status is Status.PASS:
                workers[entrant.label] = worker
                largest = max(largest, peak)
            else:
                worker.close()
        return workers

    def _is_short_of(self, memory: int) -> bool:
        available = self._available()
        return available is not None and available < SPARE * memory

    def _time(self, stack: ExitStack, task: _Task, workers: Mapping[str, Worker], timings: dict[str, Timing]) -> None:
        """Lets those who have begun take turns with each other and with the processor's limit."""
        processor = self._start(stack, Subject(PROCESSOR.name, PROCESSOR.target), PROCESSOR.name)
        peaks: dict[str, int] = {}

        def turn(label: str) -> float:
            time.sleep(self._plan.settle)
            if label == PROCESSOR.name:
                asked = processor.call("multiply", size=PRODUCT, seconds=self._plan.seconds)
                products = self._ask(processor, asked).arrays["seconds"]
                self._products += map(float, products)
                return float(np.median(products))
            self._tell(f"{task.setting}: {label}")
            reply = self._ask(workers[label], workers[label].call("time", task.batch, seconds=self._plan.seconds))
            peaks[label] = reply.values["peak_memory"]
            return statistics.median(map(float, reply.arrays["seconds"]))

        taken, errors = take_turns([*workers, PROCESSOR.name], self._plan.rounds, turn)
        for label, worker in workers.items():
            timing = timings[label]
            if label in taken and not task.setting.training:  # in training, another answer is right by now
                timing = self._judged(worker, task, timing)
            if label in errors:
                timing = _not_timed(timing, errors[label])
            if timing.status is Status.PASS:
                timing = replace(timing, seconds=taken[label], peak_memory=peaks[label])
            timings[label] = timing

    def _begin(self, worker: Worker, task: _Task, entrant: _Entrant) -> tuple[Timing, Array | None, int]:
        """Its first call, what that gave, and the most memory that its process has held."""
        hyperparameters = asdict(TRAINING) if task.setting.training else None
        timing = entrant.timing(task.setting)
        try:
            self._ask(worker, worker.loaded)
            if entrant.onnx is None:
                self._ask(worker, worker.call("build", self._weights, dtype="float32"))
            else:
                self._ask(worker, worker.call("open", path=str(entrant.onnx)))
            began = self._ask(
                worker, worker.call("begin", task.first, way=entrant.way, hyperparameters=hyperparameters)
            )
        except BackendError as error:
            return _not_timed(timing, error), None, 0
        first_result = time.monotonic() - worker.started
        timing = replace(timing, first_call=began.values["seconds"], first_result=first_result)
        return timing, began.arrays["answer"], began.values["peak_memory"]

    def _judged(self, worker: Worker, task: _Task, timing: Timing, answer: Array | None = None) -> Timing:
        """The timing as it was, if the way's answer is right; asked for, unless it has been given."""
        try:
            if answer is None:
                answer = self._ask(worker, worker.call("answer", task.batch)).arrays["answer"]
        except BackendError as error:
            return _not_timed(timing, error)
        checked = task.judge.check(task.setting, answer)
        if checked.status is Status.PASS:
            return timing
        return replace(timing, status=Status.FAIL, message=f"{worker.label}: {checked.message}")

    # Processes

    def _start(self, stack: ExitStack, subject: Subject, label: str) -> Worker:
        # What is compiled goes to a folder for temporary files, where the next process would find it compiled.
        temporary = tempfile.mkdtemp(dir=self._folder)
        worker = Worker(
            label,
            subject.target,
            folder=self._folder,
            shelf=self._shelf,
            timeout=float("inf"),
            threads=self._plan.threads,
            python=subject.python,
            variables={
                **dict.fromkeys(THREAD_VARIABLES, str(self._plan.threads)),
                "TMPDIR": temporary,
                # An OpenBLAS that does not know this processor would show less than it can do.
                **(kernel_variables() if subject.target == PROCESSOR.target else {}),
            },
        )
        stack.callback(worker.close)
        return worker

    def _ask(self, worker: Worker, asked: Future[Reply]) -> Reply:
        try:
            return asked.result(self._plan.timeout)
        except FutureTimeoutError:
            worker.close()
            seconds = f"{self._plan.timeout:g} s"
            raise BackendError(f"{worker.label} gave no answer within {seconds} and was ended.") from None

    def _tell(self, step: str) -> None:
        self._listener(self._done, self._total, step)
        self._done += 1


def _not_timed(timing: Timing, error: BackendError) -> Timing:
    return replace(timing, status=_status(error), message=str(error))


def _status(error: BackendError) -> Status:
    return Status.SKIPPED if isinstance(error, AbilityError | MissingBackendError) else Status.ERROR
