"""How one way of a backend is timed, within the process that has it: NumPy in, NumPy out, on input it has never seen.

The worker may run in another interpreter, which has NumPy and a framework: nothing else is imported here, but
modules that need no more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from netparity.network.contract import Array, Batch, BenchmarkedModel, Forward, Hyperparameters, Steps
from netparity.system.allocator import keep_freed_memory

MOST_STEPS = 64
"""Of training, in one go; their batches are prepared beforehand."""


def forward_ways(model: Any) -> dict[str, Callable[[], Forward]]:
    """The ways that a model names, and the contract's ``predict`` unless it names that itself."""
    named = model.ways() if isinstance(model, BenchmarkedModel) else {}
    return {"predict": lambda: model.predict, **named}


def training_ways(model: Any, hyperparameters: Hyperparameters) -> dict[str, Callable[[], Steps]]:
    """The ways that a model names, and the contract's ``train`` unless it names that itself."""
    named = model.training_ways(hyperparameters) if isinstance(model, BenchmarkedModel) else {}

    def steps(batches: Sequence[Batch]) -> list[float]:
        losses: list[float] = []
        model.train(batches, hyperparameters, listener=lambda step: losses.append(step.loss))
        model.export_weights()  # a framework may return while its last step is under way; weights that come out are not
        return losses

    def as_the_command_does() -> Steps:
        keep_freed_memory()
        return steps

    return {"train": as_the_command_does, **named}


class ForwardWay:
    """A way to the logits, to be made, asked and timed."""

    def __init__(self, make: Callable[[], Forward]) -> None:
        self._forward = make()

    def answer(self, images: Array, labels: Array) -> Array:
        """Its logits."""
        return self._forward(np.array(images))

    def time(self, images: Array, labels: Array, seconds: float) -> list[float]:
        """How long each of its calls takes, one after the other until ``seconds`` are over; the first does not count.

        Each call gets an array of its own, with other numbers in it, prepared while no clock runs.
        """
        self._forward(np.array(images))
        took: list[float] = []
        while not took or sum(took) < seconds:
            fresh = np.roll(images, len(took) + 1, axis=-1)
            start = time.perf_counter()
            self._forward(fresh)
            took.append(time.perf_counter() - start)
        return took


class TrainingWay:
    """A way to train, to be made, asked and timed."""

    def __init__(self, make: Callable[[], Steps]) -> None:
        self._steps = make()

    def answer(self, images: Array, labels: Array) -> Array:
        """The losses that two steps on the same batch see, (2,) float64."""
        batches = [(np.array(images), np.array(labels)) for _ in range(2)]
        return np.array(self._steps(batches), np.float64)

    def time(self, images: Array, labels: Array, seconds: float) -> list[float]:
        """How long one of several steps takes, of about ``seconds`` in all; a first step does not count."""
        start = time.perf_counter()
        self._steps([(np.array(images), np.array(labels))])
        first = time.perf_counter() - start
        count = min(max(1, math.ceil(seconds / first)), MOST_STEPS)
        batches = [(np.roll(images, number + 1, axis=-1), np.array(labels)) for number in range(count)]
        start = time.perf_counter()
        self._steps(batches)
        return [(time.perf_counter() - start) / count]


def time_multiplication(size: int, seconds: float) -> list[float]:
    """How long NumPy takes to multiply two float32 matrices of size × size, each time, until ``seconds`` are over."""
    random = np.random.default_rng(0)
    a, b = random.random((2, size, size), np.float32)
    out = a @ b
    took: list[float] = []
    while not took or sum(took) < seconds:
        start = time.perf_counter()
        np.matmul(a, b, out=out)
        took.append(time.perf_counter() - start)
    return took
