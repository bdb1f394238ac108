"""NumPy backends with ways, good and bad, and engines that run what they write: for the tests of the benchmark."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np import load_weights, save_weights
from netparity.network.contract import Batch, Forward, Hyperparameters, Steps
from parity_tests.support import numpy_backend

__all__ = ["Alone", "Backend", "Hanging", "Runtime", "Useless", "Writer"]

Array = npt.NDArray[Any]


class Alone(numpy_backend.Backend):
    """Keeps the contract and nothing more."""


class Backend(numpy_backend.Backend):
    """Has a way for everything that a way can do wrong, and one that does all right."""

    def ways(self) -> Mapping[str, Callable[[], Forward]]:
        return {
            "right": lambda: self.predict,
            "wrong": lambda: lambda images: self.predict(images) + np.float32(0.01),
            "keeps its first answer": lambda: _Keeping(self.predict),
            "wrong when it counts": lambda: _Tiring(self.predict),
            "raises": lambda: _raising,
            "dies": lambda: _dying,
            "dies in its turn": lambda: _Mortal(self.predict),
            "cannot": _unable,
        }

    def training_ways(self, hyperparameters: Hyperparameters) -> Mapping[str, Callable[[], Steps]]:
        def steps(batches: Sequence[Batch]) -> list[float]:
            losses: list[float] = []
            self.train(batches, hyperparameters, listener=lambda step: losses.append(step.loss))
            return losses

        return {
            "right": lambda: steps,
            "does not train": lambda: lambda batches: [self.gradients(*batch).loss for batch in batches],
            "another loss": lambda: lambda batches: [loss + 0.01 for loss in steps(batches)],
            "says nothing": lambda: lambda batches: [],
        }


class _Keeping:
    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._kept: Array | None = None

    def __call__(self, images: Array) -> Array:
        if self._kept is None:
            self._kept = self._forward(images)
        return self._kept


class _Tiring:
    """Right in its first two calls, by which it is let in, and never again."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._calls = 0

    def __call__(self, images: Array) -> Array:
        self._calls += 1
        return self._forward(images) * np.float32(1 if self._calls < 3 else 0.5)


class _Mortal(_Tiring):
    """Right in its first two calls, and dead in the third."""

    def __call__(self, images: Array) -> Array:
        if self._calls == 2:
            _dying(images)
        return super().__call__(images)


def _raising(images: Array) -> Array:
    raise ArithmeticError("no way")


def _dying(images: Array) -> Array:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _unable() -> Forward:
    raise NotImplementedError("there is no compiler")


class Useless(numpy_backend.Backend):
    def predict(self, images: Array) -> Array:
        raise ArithmeticError("no way at all")


class Hanging(numpy_backend.Backend):
    def predict(self, images: Array) -> Array:
        time.sleep(3600)
        raise AssertionError


class Writer(numpy_backend.Backend):
    """Writes its network, though not as ONNX."""

    def export_onnx(self, path: Path) -> None:
        save_weights(path, self.weights)


class Runtime:
    """Runs what :class:`Writer` writes."""

    def versions(self) -> dict[str, str]:
        return {"runtime": "1.2.3"}

    def open(self, path: Path) -> numpy_backend.Backend:
        return numpy_backend.Backend().build(load_weights(path), "float32")
