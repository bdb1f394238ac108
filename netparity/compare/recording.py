"""Recording a trace: one backend, one forward and one backward pass, and how far rounding may take each number."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from netparity.files.hashing import array_sha256, weights_sha256
from netparity.files.trace import ACTIVATIONS, GRADIENTS, Trace
from netparity.network.contract import Array, DType
from netparity.network.errors import NetparityError
from netparity.network.registered import RegisteredNetwork
from netparity.runs.case import Case, Options, make_case
from netparity.system.processor import usable_cores
from netparity.system.progress import ProgressListener
from netparity.verdict import checks
from netparity.verdict.bounds import FLOAT64_GATE
from netparity.verdict.findings import LAYERS, Check, CheckKind, CheckResult, Status
from netparity.verdict.ground_truth import GroundTruth
from netparity.workers.backends import Subject, find_backend
from netparity.workers.client import Worker
from netparity.workers.replies import AbilityError, BackendError, MissingBackendError, Reply
from netparity.workers.transport import shared_folder

BACKWARD = 8
"""Images whose gradients a trace has: what two traces are compared by, in any precision. A run needs fewer."""


class RecordingError(NetparityError):
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
    subject: str,
    images: str | os.PathLike[str] | Array | None = None,
    *,
    weights: str | os.PathLike[str] | Mapping[str, Array] | None = None,
    network: RegisteredNetwork | None = None,
    image_size: tuple[int, int] | None = None,
    batch_size: int | None = None,
    dtype: str = "float32",
    seed: int = 0,
    timeout: float = 600.0,
    threads: int | None = None,
    listener: ProgressListener | None = None,
) -> Trace:
    """Records what a backend computes, in a process of its own.

    Args:
        subject: A registered backend (``torch``), ``module:attribute``, or ``name=module:attribute``.
        images: An array (N, C, H, W), the path of a ``.npy`` file or of a folder of image files; by default the
            network's own sample images.
        weights: Canonical weights, or the path of a file of them; by default those of ``seed``.
        network: The network; None for the default one.
        image_size: Height and width; by default the network's, or the images' own.
        batch_size: How many images; by default all.
        dtype: ``float32`` or ``float64``.
        seed: The seed of the weights.
        timeout: Seconds that the backend may take.
        threads: How many its framework may start, unless the environment says; by default as many as there are cores.
        listener: Called as the work goes on.

    Returns:
        A trace whose tensors are mapped from files that vanish with them.

    Raises:
        RecordingError: The backend gave no trace.
        NetparityError: There is no such backend or file, or the options do not fit each other.
    """
    name, target = find_backend(subject)
    options = Options(
        seed=seed,
        image_size=image_size,
        batch_size=batch_size,
        images=images,
        weights=weights,
        dtypes=(dtype,),
        network=network,
    )
    case = make_case(options)
    chosen = Subject(name, target, required=True)
    return record_case(case, chosen, case.dtypes[0], timeout=timeout, threads=threads, listener=listener)


def record_case(
    case: Case,
    subject: Subject,
    dtype: DType,
    *,
    timeout: float = 600.0,
    threads: int | None = None,
    listener: ProgressListener | None = None,
) -> Trace:
    """Runs one backend in a process of its own.

    Args:
        case: Weights and images; its ``dtypes`` do not matter.
        subject: The backend.
        dtype: The precision.
        timeout: Seconds that it may take.
        threads: How many its framework may start, unless the environment says; by default as many as there are cores.
        listener: Called after each answer, maybe from another thread.

    Returns:
        A trace whose tensors are mapped from files that vanish with them.

    Raises:
        RecordingError: It cannot be recorded; no process is left running.
    """
    truth = GroundTruth(case.network, case.weights, case.images, case.labels)
    wiring = GroundTruth(case.network, case.weights, case.images[:BACKWARD], case.labels[:BACKWARD])
    try:
        with shared_folder() as (folder, shelf), ExitStack() as stack:
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

    def __init__(self, worker: Worker, listener: ProgressListener | None) -> None:
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
            for layer in case.network.computing
        }
    _hold(checks.check_weights_kept(Check(CheckKind.WEIGHTS, dtype), truth, dtype, _reply(built).arrays))
    activations = _reply(passed).arrays
    _hold(checks.check_shapes(Check(CheckKind.SHAPES, dtype), truth, dtype, activations), fatal=True)
    tensors = {ACTIVATIONS + name: array for name, array in activations.items()}
    logits = _able(predicted)
    tensors["logits"] = activations[case.network.output] if logits is None else logits.arrays["logits"]
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
        "settings": replace(case.settings, dtypes=(dtype,), gradient_images=len(wiring.images)).to_json(),
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
        return {**limits, "logits": floor[truth.network.output]}
    limits = {
        ACTIVATIONS + name: FLOAT64_GATE * float(np.abs(right).max()) for name, right in truth.activations.items()
    }
    limits["logits"] = limits[ACTIVATIONS + truth.network.output]
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
    result = checks.check_layers(LAYERS, truth, dtype, outputs, activations, unable=unable)
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
