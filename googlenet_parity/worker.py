"""The process in which one backend runs: it answers calls until its socket closes.

Started by :mod:`googlenet_parity.client`, perhaps in another interpreter, which has NumPy and a framework: nothing else
is imported here. What the framework prints goes to the process's own output, which the client keeps for its last words.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import platform
import socket
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.backend import Hyperparameters, OptimizerState, Step
from googlenet_parity.environment import full_environment
from googlenet_parity.transport import Shelf, read_arrays

Array = npt.NDArray[Any]
Answer = tuple[dict[str, Any], dict[str, Array]]


class Calls:
    """What a client can ask for: every public method is a call, with plain values and arrays by keyword."""

    def __init__(self) -> None:
        self._backend: Any = None
        self._models: dict[str, Any] = {}

    def load(self, *, target: str) -> Answer:
        """Imports the backend at ``module:attribute`` and makes one."""
        module, _, attribute = target.partition(":")
        self._backend = getattr(importlib.import_module(module), attribute)()
        versions = {str(name): str(version) for name, version in self._backend.versions().items()}
        return {"versions": versions, "python": platform.python_version()}, {}

    def environment(self) -> Answer:
        """Where this process runs, and the switches that may move its numbers."""
        told: Mapping[str, Any] = getattr(self._backend, "numerics", dict)()
        return {**full_environment(), **{str(name): str(value) for name, value in told.items()}}, {}

    def definition(self) -> Answer:
        """The text of the module ``model`` beside the backend's own, if it has one: there, the network is defined.

        That of a class which a backend inherits from is none: it may define what the backend no longer uses.
        """
        package = type(self._backend).__module__.rpartition(".")[0]
        module = sys.modules.get(f"{package}.model")
        if module is None:
            return {}, {}
        return {"file": f"{module.__name__.replace('.', '/')}.py", "source": inspect.getsource(module)}, {}

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

    def train(
        self, *, dtype: str, count: int, hyperparameters: dict[str, float], scale: float | None = None, **arrays: Array
    ) -> Answer:
        """Some steps of training; the weights and the optimiser's state after the last."""
        batches = [(np.array(arrays[f"images {k}"]), np.array(arrays[f"labels {k}"])) for k in range(count)]
        state = None if scale is None else OptimizerState(_under("state ", arrays), scale)
        seen: list[Step] = []
        model = self._models[dtype]
        after = model.train(batches, Hyperparameters(**hyperparameters), state=state, listener=seen.append)
        result = {f"weights {name}": array for name, array in model.export_weights().items()}
        result |= {f"state {name}": array for name, array in after.arrays.items()}
        result["losses"] = np.array([step.loss for step in seen], np.float64)
        result["accuracies"] = np.array([step.accuracy for step in seen], np.float64)
        return {"scale": float(after.scale)}, _arrays(result)


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): np.array(array) for name, array in arrays.items() if name.startswith(prefix)}


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
    calls = Calls()
    shelf = Shelf(folder)
    with connection.makefile("r", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            call = json.loads(line)
            try:
                values, arrays = getattr(calls, call["method"])(**call["values"], **read_arrays(call["arrays"]))
                reply: dict[str, Any] = {"values": values, "arrays": shelf.put(arrays)}
            except Exception as error:  # whatever a backend raises is this call's answer, not this process's end
                traceback.print_exc()
                missing = error.name if isinstance(error, ModuleNotFoundError) else None
                reply = {
                    "error": f"{type(error).__name__}: {error}",
                    "missing_module": missing,
                    "unable": isinstance(error, NotImplementedError),
                }
            sys.stdout.flush()
            connection.sendall((json.dumps(reply) + "\n").encode())


def main() -> None:
    """The process's entry point; its arguments are made by the client."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="file descriptor of the connection")
    parser.add_argument("--folder", type=Path, required=True, help="where arrays are shared")
    parser.add_argument("--memory-limit", type=int, help="address space, in bytes")
    arguments = parser.parse_args()
    if arguments.memory_limit:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (arguments.memory_limit, arguments.memory_limit))
    with socket.socket(fileno=arguments.socket) as connection:
        serve(connection, arguments.folder)


if __name__ == "__main__":
    main()
