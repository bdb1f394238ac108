"""The process in which one backend runs: it answers calls until its socket closes.

Started by :mod:`netparity.workers.process`, perhaps in another interpreter, which has NumPy and a framework: nothing
else is imported here. What the framework prints goes to the process's own output, whose end is kept for its last words.
"""

from __future__ import annotations

import gc
import importlib
import json
import platform
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from netparity.network.contract import Array, ExportableModel, Hyperparameters, Step
from netparity.system.environment import full_environment
from netparity.system.memory import peak_memory
from netparity.workers import stopwatch
from netparity.workers.replies import describe_error
from netparity.workers.transport import Shelf, read_arrays

Answer = tuple[dict[str, Any], dict[str, Array]]

PLOTTING = "matplotlib"
"""What Keras imports where it can, for most of a second."""


class Calls:
    """What a client can ask for: every public method is a call, with plain values and arrays by keyword."""

    def __init__(self, make_backend: Callable[[str], Any]) -> None:
        self._make = make_backend
        self._backend: Any = None
        self._models: dict[str, Any] = {}
        self._way: stopwatch.ForwardWay | stopwatch.TrainingWay | None = None

    def load(self, *, target: str) -> Answer:
        """Makes the backend at ``module:attribute``."""
        self._backend = self._make(target)
        versions = {str(name): str(version) for name, version in self._backend.versions().items()}
        return {"versions": versions, "python": platform.python_version()}, {}

    def environment(self) -> Answer:
        """Where this process runs, and the switches that may move its numbers."""
        switches: Mapping[str, Any] = getattr(self._backend, "numerics", dict)()
        return {**full_environment(), **{str(name): str(value) for name, value in switches.items()}}, {}

    def build(self, *, dtype: str, **weights: Array) -> Answer:
        """Builds the model of ``dtype`` and gives its weights back."""
        # Backends get arrays of their own: a framework may keep what it was given.
        own = {name: np.array(array) for name, array in weights.items()}
        self._models[dtype] = self._backend.build(own, dtype)
        return {}, _arrays(self._models[dtype].export_weights())

    def activations(self, *, dtype: str, images: Array) -> Answer:
        """One forward pass."""
        return {}, _arrays(self._models[dtype].activations(images))

    def predict(self, *, dtype: str, images: Array) -> Answer:
        """Logits by the fast path."""
        return {}, _arrays({"logits": self._models[dtype].predict(images)})

    def layer(self, *, dtype: str, name: str, inputs: Array) -> Answer:
        """One layer alone."""
        return {}, _arrays({"output": self._models[dtype].layer(name, inputs)})

    def gradients(self, *, dtype: str, images: Array, labels: Array) -> Answer:
        """One forward and backward pass."""
        loss, weights, by_images = self._models[dtype].gradients(images, labels)
        return {"loss": float(loss)}, _arrays({**weights, "images": by_images})

    def layer_gradients(self, *, dtype: str, name: str, inputs: Array, cotangent: Array) -> Answer:
        """The backward pass of one layer alone."""
        weights, by_inputs = self._models[dtype].layer_gradients(name, inputs, cotangent)
        return {}, _arrays({**weights, "inputs": by_inputs})

    def train(self, *, dtype: str, count: int, hyperparameters: dict[str, float], **arrays: Array) -> Answer:
        """Some steps of training; the weights and the optimiser's state after the last."""
        batches = [(np.array(arrays[f"images {k}"]), np.array(arrays[f"labels {k}"])) for k in range(count)]
        seen: list[Step] = []
        model = self._models[dtype]
        after = model.train(batches, Hyperparameters(**hyperparameters), listener=seen.append)
        result = {f"weights {name}": array for name, array in model.export_weights().items()}
        result |= {f"state {name}": array for name, array in after.arrays.items()}
        result["losses"] = np.array([step.loss for step in seen], np.float64)
        return {"scale": float(after.scale)}, _arrays(result)

    # For the benchmark

    def open(self, *, path: str) -> Answer:
        """Lets an engine read a network that another backend has written."""
        self._models["float32"] = self._backend.open(Path(path))
        return {}, {}

    def export_onnx(self, *, path: str) -> Answer:
        """Writes the float32 model as ONNX."""
        model = self._models["float32"]
        if not isinstance(model, ExportableModel):
            raise NotImplementedError("its models write no ONNX")
        model.export_onnx(Path(path))
        return {}, {}

    def ways(self) -> Answer:
        """The names of the float32 model's ways, forward and in training."""
        model = self._models["float32"]
        forward, training = stopwatch.forward_ways(model), stopwatch.training_ways(model, Hyperparameters())
        return {"forward": list(forward), "training": list(training)}, {}

    def begin(self, *, way: str, hyperparameters: dict[str, float] | None, images: Array, labels: Array) -> Answer:
        """Makes a way (to train, if there are hyperparameters) and calls it: seconds and the answer."""
        model = self._models["float32"]
        start = time.perf_counter()
        if hyperparameters is None:
            self._way = stopwatch.ForwardWay(stopwatch.forward_ways(model)[way])
        else:
            ways = stopwatch.training_ways(model, Hyperparameters(**hyperparameters))
            self._way = stopwatch.TrainingWay(ways[way])
        answer = self._way.answer(images, labels)
        seconds = time.perf_counter() - start
        return {"seconds": seconds}, _arrays({"answer": answer})

    def answer(self, *, images: Array, labels: Array) -> Answer:
        """What the way gives: logits, or losses."""
        assert self._way is not None
        return {}, _arrays({"answer": self._way.answer(images, labels)})

    def time(self, *, seconds: float, images: Array, labels: Array) -> Answer:
        """How long the way's calls take, and the most memory that this process has held so far."""
        assert self._way is not None
        took = np.array(self._way.time(images, labels, seconds), np.float64)
        return {"peak_memory": peak_memory()}, {"seconds": took}

    def multiply(self, *, size: int, seconds: float) -> Answer:
        """How long float32 matrices take to multiply."""
        return {}, {"seconds": np.array(stopwatch.time_multiplication(size, seconds), np.float64)}


def import_backend(target: str) -> Any:
    """The backend at ``module:attribute``, its module imported in less time than ``import`` takes.

    It takes 2.1 s instead of 4.1 for TensorFlow (measured). Nothing that an import makes is garbage, yet the collector
    would look through all of it again and again. And Keras imports Matplotlib, where it is installed, for pictures that
    no worker draws.
    """
    module, _, attribute = target.partition(":")
    gc.disable()
    try:
        with _hidden(PLOTTING):
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != PLOTTING:
            raise
        importlib.import_module(module)  # a backend that cannot do without
    finally:
        gc.freeze()
        gc.enable()
    return getattr(sys.modules[module], attribute)()


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Within the block, whoever imports ``module`` finds it not installed, unless it has been imported before."""
    hidden = sys.modules.setdefault(module, None) is None  # type: ignore[arg-type]  # which tells ``import`` so
    try:
        yield
    finally:
        if hidden:
            del sys.modules[module]


def _arrays(given: Mapping[str, Any]) -> dict[str, Array]:
    """What a backend gave, held to be a dict of plain NumPy arrays."""
    if not isinstance(given, Mapping):
        raise TypeError(f"The backend gave a {type(given).__name__}; expected a dict of name to NumPy array.")
    for name, array in given.items():
        if not isinstance(name, str) or not name.isprintable():
            raise TypeError(f"The backend gave an array under the name {name!r}; expected a printable string.")
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
            raise TypeError(f"The backend gave {kind} for {name!r}; expected a NumPy array of numbers.")
    return dict(given)


def serve(connection: socket.socket, folder: Path) -> None:
    """Answers the calls that come over ``connection`` until it closes."""
    calls = Calls(import_backend)
    shelf = Shelf(folder)
    with connection.makefile("r", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            call = json.loads(line)
            try:
                values, arrays = getattr(calls, call["method"])(**call["values"], **read_arrays(call["arrays"]))
                reply: dict[str, Any] = {"values": values, "arrays": shelf.put(arrays)}
            except Exception as error:  # whatever a backend raises is this call's answer, not this process's end
                traceback.print_exc()
                reply = describe_error(error)
            sys.stdout.flush()
            connection.sendall((json.dumps(reply) + "\n").encode())


def main() -> None:
    """The process's entry point: its arguments are the socket's descriptor, a folder, and a limit in bytes or 0."""
    descriptor, folder, memory_limit = sys.argv[1:]
    if limit := int(memory_limit):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with socket.socket(fileno=int(descriptor)) as connection:
        serve(connection, Path(folder))
