"""Recording a trace: one backend, one forward and one backward pass, and how far rounding may take each number."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.backend import DType
from googlenet_np.errors import GoogLeNetError
from googlenet_parity import checks
from googlenet_parity.bounds import FLOAT64_GATE
from googlenet_parity.client import AbilityError, BackendError, MissingBackendError, Reply, Worker
from googlenet_parity.ground_truth import GroundTruth
from googlenet_parity.hashing import array_sha256, weights_sha256
from googlenet_parity.processor import usable_cores
from googlenet_parity.registry import Subject
from googlenet_parity.run import Case
from googlenet_parity.trace import ACTIVATIONS, GRADIENT_IMAGES, GRADIENTS, Trace
from googlenet_parity.transport import Shelf
from googlenet_parity.trial import SINGLE, Listener
from googlenet_parity.verdict import CheckResult, Status

__all__ = ["MissingFrameworkError", "RecordingError", "array_sha256", "record", "weights_sha256"]

Array = npt.NDArray[Any]

BACKWARD = 8
"""Images whose gradients a trace has: what two traces are compared by, in any precision. A run needs fewer."""


class RecordingError(GoogLeNetError):
    """A backend gave no trace: it is not there, raised, died, or its numbers have not the network's form."""


class MissingFrameworkError(RecordingError):
    """The framework that a backend needs is not installed.

    Attributes:
        backend: The backend's name.
    """

    def __init__(self, message: str, backend: str) -> None:
        super().__init__(message)
        self.backend = backend


def record(
    case: Case,
    subject: Subject,
    dtype: DType,
    *,
    timeout: float = 600.0,
    threads: int | None = None,
    listener: Listener | None = None,
) -> Trace:
    """Runs one backend in a process of its own.

    Args:
        case: Its ``dtypes`` do not matter.
        subject: The backend.
        dtype: The precision.
        timeout: Seconds that it may take.
        threads: That its framework may start, unless the environment says; by default as many as there are cores.
        listener: Is told of progress.

    Returns:
        A trace whose tensors are mapped from files that vanish with them.

    Raises:
        RecordingError: It cannot be recorded; no process is left behind.
    """
    truth = GroundTruth(case.weights, case.images, case.labels)
    wiring = GroundTruth(case.weights, case.images[:BACKWARD], case.labels[:BACKWARD])
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="googlenet-parity-")))
            shelf = Shelf(Path(tempfile.mkdtemp(dir=folder)))
            worker = Worker(
                subject.name,
                subject.target,
                folder=folder,
                shelf=shelf,
                timeout=timeout,
                threads=threads or usable_cores(),
                python=subject.python,
            )
            stack.callback(worker.close)
            return _record(_Calls(worker, listener), case, truth, wiring, dtype)
    except MissingBackendError as error:
        raise MissingFrameworkError(str(error), subject.name) from None
    except BackendError as error:
        raise RecordingError(str(error)) from None


class _Calls:
    """A worker's calls, counted for whoever watches."""

    def __init__(self, worker: Worker, listener: Listener | None) -> None:
        self.worker = worker
        self._listener = listener
        self._asked = self._answered = 0

    def ask(self, method: str, arrays: Mapping[str, Array] | None = None, **values: Any) -> Any:
        self._asked += 1
        call = self.worker.call(method, arrays, **values)
        call.add_done_callback(lambda _: self._tell(" ".join([method, *filter(None, [values.get("name")])])))
        return call

    def _tell(self, step: str) -> None:
        self._answered += 1
        if self._listener:
            self._listener(self.worker.label, self._answered, self._asked, step)


def _record(calls: _Calls, case: Case, truth: GroundTruth, wiring: GroundTruth, dtype: DType) -> Trace:
    versions = _reply(calls.worker.loaded).values["versions"]
    told = calls.ask("environment")
    built = calls.ask("build", case.weights, dtype=dtype)
    passed = calls.ask("activations", {"images": case.images.astype(dtype)}, dtype=dtype)
    predicted = calls.ask("predict", {"images": case.images.astype(dtype)}, dtype=dtype)
    wired = {"images": wiring.images.astype(dtype), "labels": wiring.labels}
    backward = calls.ask("gradients", wired, dtype=dtype)
    alone = {}
    if dtype == "float32":
        alone = {
            layer.name: calls.ask("layer", {"inputs": truth.inputs(layer, dtype)}, dtype=dtype, name=layer.name)
            for layer in SINGLE
        }
    _hold(checks.check_weights_kept("weights", truth, dtype, _reply(built).arrays))
    activations = _reply(passed).arrays
    _hold(checks.check_shapes("shapes", truth, dtype, activations), fatal=True)
    tensors = {ACTIVATIONS + name: array for name, array in activations.items()}
    logits = _able(predicted)
    tensors["logits"] = activations["fc"] if logits is None else logits.arrays["logits"]
    tensors["predictions"] = tensors["logits"].argmax(axis=1).astype(np.int64)
    if gradients := _able(backward):
        tensors["loss"] = np.array([gradients.values["loss"]])
        order = [*truth.weights, "images"]
        tensors |= {GRADIENTS + name: gradients.arrays[name] for name in order if name in gradients.arrays}
    header = {
        "backend": calls.worker.label,
        "dtype": dtype,
        "versions": versions,
        "environment": _reply(told).values,
        "settings": {**case.settings, "dtypes": [dtype], GRADIENT_IMAGES: len(wiring.images)},
        "sha256": {
            "weights": weights_sha256(case.weights),
            "images": array_sha256(case.images),
            "labels": array_sha256(np.asarray(case.labels, np.int64)),
        },
        "allowed": _allowed(truth, wiring, dtype),
        "local": _local(truth, dtype, alone, activations),
    }
    return Trace(header, tensors)


def _allowed(truth: GroundTruth, wiring: GroundTruth, dtype: DType) -> dict[str, float]:
    """How far rounding may take each tensor; nothing for what a kink may move by percents."""
    if dtype == "float32":
        floor = truth.noise_floor(dtype)
        limits = {ACTIVATIONS + name: limit for name, limit in floor.items()}
        return {**limits, "logits": floor["fc"]}
    limits = {
        ACTIVATIONS + name: FLOAT64_GATE * float(np.abs(right).max()) for name, right in truth.activations.items()
    }
    limits["logits"] = limits[ACTIVATIONS + "fc"]
    for name, scale in wiring.gradient_scales.items():
        limits[name if name == "loss" else GRADIENTS + name] = FLOAT64_GATE * scale
    return limits


def _local(
    truth: GroundTruth, dtype: DType, alone: Mapping[str, Any], activations: Mapping[str, Array]
) -> dict[str, float]:
    """Each layer by itself, fed the reference's own input: the share of its rounding bound that it uses."""
    if not alone:
        return {}
    answers = {name: reply for name, call in alone.items() if (reply := _able(call))}
    outputs = {name: reply.arrays["output"] for name, reply in answers.items()}
    unable = alone.keys() - answers.keys()
    result = checks.check_layers("layers", truth, dtype, outputs, activations, unable=unable)
    largest = float(np.finfo(np.float64).max)  # JSON has no infinity
    return {found.name: min(found.share, largest) for found in result.measurements}


def _hold(result: CheckResult, *, fatal: bool = False) -> None:
    """Raises where numbers of this form would make no trace."""
    if result.status is not Status.PASS and (fatal or result.status.failed):
        raise RecordingError(f"There is nothing to record: {result.message}")


def _reply(call: Any) -> Reply:
    reply: Reply = call.result()
    return reply


def _able(call: Any) -> Reply | None:
    """The reply, or None where a backend says that it cannot do this."""
    try:
        return _reply(call)
    except AbilityError:
        return None
