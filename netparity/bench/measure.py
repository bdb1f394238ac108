"""The benchmark: every way of every backend, the engines beside them, and the processor's own limit, in one run.

Each way has a process of its own in each setting, so that its memory and its compilation are its own, and all have the
same number of threads. They begin one after the other and then take turns, round by round, so that what else the
machine does meets all alike. A way whose answer is wrong has no speed.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from netparity.bench.engines import PROCESSOR
from netparity.bench.entrants import Entrant, find_engines, find_ways, status_of
from netparity.bench.judge import Judge
from netparity.bench.processes import Processes, processes
from netparity.bench.timings import Benchmark, Measured, Setting, Timing, multiplication_flops
from netparity.network.contract import Array, Hyperparameters
from netparity.network.registered import RegisteredNetwork
from netparity.system.environment import full_environment
from netparity.system.openblas import kernel_variables
from netparity.system.progress import ProgressListener
from netparity.verdict.findings import Status
from netparity.workers.backends import Subject
from netparity.workers.client import Worker
from netparity.workers.replies import BackendError

TASK = "bench"
"""The one task of which a listener hears."""

JUDGED = 8
"""Different images in a batch; larger batches repeat them, so that every answer is judged and few are worked out."""

TRAINING = Hyperparameters(lr=0.01)
"""Small enough that a step goes downhill, by which a way that does not train is known."""

PRODUCT = 2048
"""Rows and columns of the matrices by which the processor's limit is measured: 17 GFLOP, in 16 MB each."""


@dataclass(frozen=True)
class Plan:
    """How things are measured.

    Attributes:
        settings: What every way computes.
        rounds: How often each way has its turn.
        threads: Threads of each process, whatever the environment says.
        seconds: Length of a turn; a single call may take longer.
        settle: Seconds of rest before each turn. Threads of Intel's and LLVM's OpenMP spin for 0.2 s after their work
            (``KMP_BLOCKTIME``), in the way of the next process.
        timeout: Seconds that one answer may take.
        ways: Names of the ways that are measured; none for all.
    """

    settings: tuple[Setting, ...]
    rounds: int
    threads: int
    seconds: float = 0.5
    settle: float = 0.25
    timeout: float = 600.0
    ways: tuple[str, ...] = ()


def run_bench(
    registered: RegisteredNetwork,
    subjects: Sequence[Subject],
    plan: Plan,
    listener: ProgressListener = lambda task, done, total, step: None,
) -> Benchmark:
    """Measures all ways of the subjects, and the engines.

    Raises:
        NetparityError: A setting that the network cannot have, or a way that no backend has; no process goes on.
    """
    load = os.getloadavg()[0]
    weights = registered.make_weights()
    steps = _Steps(listener, len(subjects))
    inference = not all(setting.training for setting in plan.settings)
    largest = max(setting.batch_size for setting in plan.settings)
    products: list[float] = []
    measured = []
    with processes(plan.threads, plan.timeout) as pool:
        found = find_ways(subjects, weights, pool, only=plan.ways, export=inference, tell=steps)
        training = [way for ways in found for way in ways.training]
        forward = [way for ways in found for way in ways.forward]
        if inference:
            forward += find_engines(subjects, found, weights, pool)
        steps.total += sum(len(training if each.training else forward) for each in plan.settings) * (1 + plan.rounds)
        sizes = dict.fromkeys(setting.image_size for setting in plan.settings)
        judges = {size: Judge(registered, weights, size, min(largest, JUDGED)) for size in sizes}
        for setting in plan.settings:
            run = _SettingRun(setting, plan, judges[setting.image_size], pool, steps, products)
            measured.append(Measured(setting, run.measure(training if setting.training else forward)))
    return Benchmark(
        registered.network,
        tuple(measured),
        multiplication_flops(PRODUCT, products) if products else None,
        frozenset(subject.name for subject in subjects if subject.required),
        {**full_environment(), "load": load},
        {name: value for name, value in asdict(plan).items() if name != "settings"},
    )


def take_turns(
    names: Sequence[str], rounds: int, turn: Callable[[str], float]
) -> tuple[dict[str, tuple[float, ...]], dict[str, BackendError]]:
    """Measures each of ``names`` once in every round; every second round goes backwards, so that no two always follow.

    Args:
        turn: Measures one of them once. If it raises :class:`BackendError`, that one takes no further part.

    Returns:
        What was measured, by name, an entry for each round; and the errors of those who fell out, who have no entries.
    """
    taken: dict[str, list[float]] = {name: [] for name in names}
    errors: dict[str, BackendError] = {}
    for number in range(rounds):
        for name in list(taken)[:: -1 if number % 2 else 1]:
            try:
                taken[name].append(turn(name))
            except BackendError as error:
                errors[name] = error
                del taken[name]
    return {name: tuple(seconds) for name, seconds in taken.items()}, errors


@dataclass
class _Steps:
    """Counts the steps of a run; a listener hears each as it begins."""

    listener: ProgressListener
    total: int
    done: int = 0

    def __call__(self, step: str) -> None:
        self.listener(TASK, self.done, self.total, step)
        self.done += 1


@dataclass
class _SettingRun:
    """One setting: the ways begin one by one, and those that are right take turns.

    Attributes:
        products: Gets the seconds of each product of large matrices.
        timings: By label, as far as they are known.
        workers: By label, the processes of the ways whose answers were right so far.
    """

    setting: Setting
    plan: Plan
    judge: Judge
    processes: Processes
    tell: Callable[[str], None]
    products: list[float]
    timings: dict[str, Timing] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)

    def measure(self, entrants: Sequence[Entrant]) -> tuple[Timing, ...]:
        """The timings of all of them."""
        with ExitStack() as stack:
            for entrant in entrants:
                who = (entrant.subject.name, entrant.version, entrant.way)
                self.timings[entrant.label] = Timing(*who, self.setting, entrant.status, entrant.message)
                if entrant.status is Status.PASS:
                    self.tell(f"{self.setting}: {entrant.label} begins")
                    worker = stack.enter_context(self.processes.start(entrant.subject, entrant.label))
                    self._begin(entrant, worker)
            if self.workers:
                # An OpenBLAS that does not know this processor would show less than it can do.
                processor = stack.enter_context(self.processes.start(PROCESSOR, PROCESSOR.name, kernel_variables()))
                self._take_turns(processor)
        return tuple(self.timings.values())

    @cached_property
    def _batch(self) -> dict[str, Array]:
        images, labels = self.judge.batch(self.setting.batch_size)
        return {"images": images, "labels": labels}

    @cached_property
    def _first(self) -> dict[str, Array]:
        """What the first call gets: other images, so that an answer that is kept is a wrong one.

        But in training, only the first answer can be judged.
        """
        return self._batch if self.setting.training else {**self._batch, "images": 1 - self._batch["images"]}

    def _begin(self, entrant: Entrant, worker: Worker) -> None:
        """Makes the way's first call, and judges its answer."""
        label, ask = entrant.label, self.processes.ask
        try:
            ask(worker, worker.loaded)
            if entrant.onnx is None:
                ask(worker, worker.call("build", self.judge.truth.weights, dtype="float32"))
            else:
                ask(worker, worker.call("open", path=str(entrant.onnx)))
            hyperparameters = asdict(TRAINING) if self.setting.training else None
            began = ask(worker, worker.call("begin", self._first, way=entrant.way, hyperparameters=hyperparameters))
            self._note(label, first_call=began.values["seconds"])
            self._judge(label, began.arrays["answer"] if self.setting.training else self._answer(worker))
        except BackendError as error:
            self._note(label, status=status_of(error), message=str(error))
        if self.timings[label].status is Status.PASS:
            self.workers[label] = worker
        else:
            worker.close()

    def _take_turns(self, processor: Worker) -> None:
        """Lets those who have begun take turns with each other and with the processor's limit."""
        peaks: dict[str, int] = {}

        def turn(label: str) -> float:
            time.sleep(self.plan.settle)
            if label == PROCESSOR.name:
                asked = processor.call("multiply", size=PRODUCT, seconds=self.plan.seconds)
                products = self.processes.ask(processor, asked).arrays["seconds"]
                self.products += map(float, products)
                return float(np.median(products))
            self.tell(f"{self.setting}: {label}")
            asked = self.workers[label].call("time", self._batch, seconds=self.plan.seconds)
            reply = self.processes.ask(self.workers[label], asked)
            peaks[label] = reply.values["peak_memory"]
            return statistics.median(map(float, reply.arrays["seconds"]))

        taken, errors = take_turns([*self.workers, PROCESSOR.name], self.plan.rounds, turn)
        for label, worker in self.workers.items():
            try:
                if label in errors:
                    raise errors[label]
                if not self.setting.training:  # in training, another answer is right by now
                    self._judge(label, self._answer(worker))
            except BackendError as error:
                self._note(label, status=status_of(error), message=str(error))
            if self.timings[label].status is Status.PASS:
                self._note(label, seconds=taken[label], peak_memory=peaks[label])

    def _answer(self, worker: Worker) -> Array:
        return self.processes.ask(worker, worker.call("answer", self._batch)).arrays["answer"]

    def _judge(self, label: str, answer: Array) -> None:
        checked = self.judge.check(self.setting, answer)
        if checked.status is not Status.PASS:
            self._note(label, status=Status.FAIL, message=f"{label}: {checked.message}")

    def _note(self, label: str, **found: Any) -> None:
        self.timings[label] = replace(self.timings[label], **found)
