"""Recording a trace: one backend, one forward and one backward pass, and how far rounding may take each number."""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from netparity.files.hashing import array_sha256, weights_sha256
from netparity.files.trace import ACTIVATIONS, GRADIENTS, Trace
from netparity.network.contract import Array, DType
from netparity.network.errors import NetparityError
from netparity.network.registered import RegisteredNetwork
from netparity.runs.calls import BackendCalls
from netparity.runs.case import Case, Options, make_case
from netparity.system.processor import usable_cores
from netparity.system.progress import ProgressListener
from netparity.verdict import checks
from netparity.verdict.bounds import FLOAT64_GATE
from netparity.verdict.findings import LAYERS, Check, CheckKind, CheckResult, Status
from netparity.verdict.ground_truth import GroundTruth
from netparity.workers.backends import Subject, find_backend
from netparity.workers.client import Worker
from netparity.workers.process import WorkerProcess
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
    network: RegisteredNetwork | str | None = None,
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
        images, weights, network, image_size, batch_size, seed: As in :func:`netparity.judge`.
        dtype: ``float32`` or ``float64``.
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
        seed, image_size, batch_size=batch_size, images=images, weights=weights, dtypes=(dtype,), network=network
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
    """Runs one backend in a process of its own; the options are those of :func:`record`.

    Args:
        case: Weights and images; its ``dtypes`` do not matter.
        subject: The backend.
        dtype: The precision.
        timeout, threads: Those of the backend.
        listener: Called after each answer, maybe from another thread.

    Raises:
        RecordingError: It cannot be recorded; no process is left running.
    """
    try:
        with shared_folder() as (folder, shelf), ExitStack() as stack:
            process = WorkerProcess(
                subject.name,
                subject.target,
                folder=folder,
                timeout=timeout,
                threads=threads or usable_cores(),
                python=subject.python,
            )
            worker = Worker(process, shelf)
            stack.callback(worker.close)
            return _record(worker, case, dtype, listener)
    except MissingBackendError as error:
        raise MissingFrameworkError(str(error), subject.name) from None
    except BackendError as error:
        raise RecordingError(str(error)) from None


def _record(worker: Worker, case: Case, dtype: DType, listener: ProgressListener | None) -> Trace:
    truth = GroundTruth(case.network, case.weights, case.images, case.labels)
    wiring = GroundTruth(case.network, case.weights, case.images[:BACKWARD], case.labels[:BACKWARD])
    calls = BackendCalls(worker, listener)
    environment = worker.call("environment")
    images = {"images": case.images.astype(dtype)}
    calls.call("build", dtype, case.weights)
    calls.call("activations", dtype, images)
    calls.call("predict", dtype, images)
    calls.call("gradients", dtype, {"images": wiring.images.astype(dtype), "labels": wiring.labels})
    versions = calls.reply("load").values["versions"]
    alone = [layer.name for layer in case.network.computing] if dtype == "float32" else []
    for name in alone:
        calls.call("layer", dtype, {"inputs": truth.inputs(case.network[name], dtype)}, name=name)
    kept = calls.reply("build", dtype).arrays
    _hold(checks.check_weights_kept(Check(CheckKind.WEIGHTS, dtype), truth, dtype, kept))
    activations = calls.reply("activations", dtype).arrays
    _hold(checks.check_shapes(Check(CheckKind.SHAPES, dtype), truth, dtype, activations), fatal=True)
    tensors = {ACTIVATIONS + name: array for name, array in activations.items()}
    predicted = _able(calls, "predict", dtype)
    tensors["logits"] = predicted.arrays["logits"] if predicted else activations[case.network.output]
    tensors["predictions"] = tensors["logits"].argmax(axis=1).astype(np.int64)
    if gradients := _able(calls, "gradients", dtype):
        tensors["loss"] = np.array([gradients.values["loss"]])
        order = [*truth.weights, "images"]
        tensors |= {GRADIENTS + name: gradients.arrays[name] for name in order if name in gradients.arrays}
    outputs = {name: reply.arrays["output"] for name in alone if (reply := _able(calls, "layer", dtype, name))}
    calls.forget()
    header = {
        "backend": worker.label,
        "dtype": dtype,
        "versions": versions,
        "environment": environment.result().values,
        "settings": replace(case.settings, dtypes=(dtype,), gradient_images=len(wiring.images)).to_json(),
        "sha256": {
            "weights": weights_sha256(case.weights),
            "images": array_sha256(case.images),
            "labels": array_sha256(np.asarray(case.labels, np.int64)),
        },
        "allowed": _allowed(truth, wiring, dtype),
        "local": _local(truth, outputs, activations, unable=set(alone) - outputs.keys()) if alone else {},
    }
    return Trace(header, tensors)


def _allowed(truth: GroundTruth, wiring: GroundTruth, dtype: DType) -> dict[str, float]:
    """How far rounding may take each tensor; nothing for what a kink may move by percents."""
    if dtype == "float32":
        floor = truth.noise_floor(dtype)
        limits = {ACTIVATIONS + name: limit for name, limit in floor.items()}
        return {**limits, "logits": floor[truth.network.output]}
    largest = {name: float(np.abs(right).max()) for name, right in truth.activations.items()}
    limits = {ACTIVATIONS + name: FLOAT64_GATE * scale for name, scale in largest.items()}
    limits["logits"] = limits[ACTIVATIONS + truth.network.output]
    for name, scale in wiring.gradient_scales.items():
        limits[name if name == "loss" else GRADIENTS + name] = FLOAT64_GATE * scale
    return limits


def _local(
    truth: GroundTruth, outputs: Mapping[str, Array], activations: Mapping[str, Array], *, unable: Set[str]
) -> dict[str, float]:
    """Each layer by itself, fed the reference's own input: the share of its rounding bound that it uses."""
    result = checks.check_layers(LAYERS, truth, "float32", outputs, activations, unable=unable)
    largest = float(np.finfo(np.float64).max)  # JSON has no infinity
    return {found.name: min(found.share, largest) for found in result.measurements}


def _hold(result: CheckResult, *, fatal: bool = False) -> None:
    """Raises where numbers of this form would make no trace."""
    if result.status is not Status.PASS and (fatal or result.status.failed):
        raise RecordingError(f"There is nothing to record: {result.message}")


def _able(calls: BackendCalls, *key: str) -> Reply | None:
    """The answer to a call, or None where a backend says that it cannot do this."""
    try:
        return calls.reply(*key)
    except AbilityError:
        return None
