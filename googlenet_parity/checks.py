"""The checks of a backend: pure functions from what it gave and what the reference says to a verdict.

Each takes its own name first, and the reference's numbers second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import GOOGLENET, Concat, Layer
from googlenet_np.backend import DType
from googlenet_parity.ground_truth import GroundTruth
from googlenet_parity.layer_gradients import LayerGradientTruth
from googlenet_parity.measure import malformed, measure_bound, measure_equal, measure_limit
from googlenet_parity.verdict import CheckResult, Measurement, Status

__all__ = [
    "FLOAT64_GATE",
    "check_end_to_end",
    "check_gradients",
    "check_layer_gradients",
    "check_layers",
    "check_outputs",
    "check_prediction",
    "check_shapes",
    "check_weights_kept",
    "measure_layer",
]

Array = npt.NDArray[Any]

FLOAT64_GATE = 1e-12
"""Share of a tensor's largest entry, or of a gradient's largest terms (:attr:`GroundTruth.gradient_scales`), by which
float64 results may differ from the reference's. Right wirings agree to about 1e-15 and wrong ones differ by more than
1e-3, so it separates the two by orders of magnitude on both sides."""


def check_shapes(check: str, truth: GroundTruth, dtype: DType, activations: Mapping[str, Array]) -> CheckResult:
    """Every named activation is there, in canonical order, with the right shape and dtype, and finite."""
    names = GOOGLENET.names
    measured = [_well_formed(name, activations.get(name), _batch_shape(truth, name), dtype) for name in names]
    measured += [
        Measurement(str(name), Status.FAIL, float("inf"), message="is no layer of the network")
        for name in activations
        if name not in names
    ]
    if all(found.status is Status.PASS for found in measured) and tuple(activations) != names:
        wrong = next(got for got, name in zip(activations, names, strict=True) if got != name)
        message = f"comes out of canonical order ({len(names)} layers, {names[0]} first)"
        measured.append(Measurement(wrong, Status.FAIL, float("inf"), message=message))
    return CheckResult.of(check, measured, f"{len(names)} layers")


def check_weights_kept(check: str, truth: GroundTruth, dtype: DType, exported: Mapping[str, Array]) -> CheckResult:
    """The weights that went in come out bit for bit."""
    measured = []
    for name, weight in truth.weights.items():
        desired = weight.astype(dtype)
        actual = exported.get(name)
        fault = malformed(name, actual, desired.shape, dtype)
        if fault is None and actual is not None and actual.tobytes() != desired.tobytes():
            fault = measure_limit(name, actual, desired, 0.0, dtype)
            if fault.status is Status.PASS:
                fault = Measurement(name, Status.FAIL, float("inf"), message="has zeros of another sign")
        measured.append(fault or Measurement(name, Status.PASS, 0.0))
    measured += [
        Measurement(str(name), Status.FAIL, float("inf"), message="is no parameter of the network")
        for name in exported
        if name not in truth.weights
    ]
    return CheckResult.of(check, measured, f"{len(truth.weights)} tensors bit for bit")


def check_outputs(check: str, truth: GroundTruth, activations: Mapping[str, Array]) -> CheckResult:
    """Float64, end to end: every named activation, the logits last, within the gate."""
    measured = [
        measure_limit(name, activations.get(name), right, FLOAT64_GATE * float(np.abs(right).max()), "float64")
        for name, right in truth.activations.items()
    ]
    return CheckResult.of(check, measured)


def check_gradients(check: str, truth: GroundTruth, loss: float, gradients: Mapping[str, Array]) -> CheckResult:
    """Float64, end to end: the loss and the gradients by all parameters, within the gate."""
    desired = {"loss": np.asarray(truth.gradients.loss), **truth.gradients.weights}
    given = {**gradients, "loss": np.asarray(loss)}
    measured = [
        measure_limit(name, given.get(name), right, FLOAT64_GATE * truth.gradient_scales[name], "float64")
        for name, right in desired.items()
    ]
    return CheckResult.of(check, measured)


def check_layers(
    check: str, truth: GroundTruth, dtype: DType, outputs: Mapping[str, Array], activations: Mapping[str, Array] | None
) -> CheckResult:
    """Each layer alone, fed the reference's own input, within its rounding bound.

    Layers that round nothing agree bit for bit; a block's output, with its own branches.

    Args:
        check: The check's name.
        truth: The reference.
        dtype: The working precision.
        outputs: What each layer gave on :meth:`GroundTruth.inputs`; blocks aside.
        activations: Of one forward pass, for the blocks; None leaves them out.
    """
    measured = []
    for layer in GOOGLENET:
        if isinstance(layer, Concat):
            if activations is not None:
                measured.append(_concatenation(truth, layer, dtype, activations))
            continue
        measured.append(measure_layer(truth, layer, dtype, outputs.get(layer.name)))
    return CheckResult.of(check, measured)


def measure_layer(truth: GroundTruth, layer: Layer, dtype: DType, actual: Array | None) -> Measurement:
    """What one layer gave on :meth:`GroundTruth.inputs`, any but a concatenation."""
    local = truth.local(layer, dtype)
    if local.bound is None:
        return measure_equal(layer.name, actual, local.output, dtype)
    return measure_bound(layer.name, actual, local.output, local.bound, dtype)


def check_layer_gradients(
    check: str, truths: Mapping[str, LayerGradientTruth], dtype: DType, given: Mapping[str, Mapping[str, Array]]
) -> CheckResult:
    """Each layer's backward pass alone, on the reference's own input, within its rounding bound.

    Args:
        check: The check's name.
        truths: The reference's gradients, by layer.
        dtype: The working precision.
        given: The backend's gradients by layer: ``weight``, ``bias`` and ``inputs``.
    """
    measured = []
    for name, truth in truths.items():
        for key, (desired, bound) in truth.gradients.items():
            measured.append(measure_bound(f"{name}.{key}", given[name].get(key), desired, bound, dtype))
    undecided = sum(truth.undecided for truth in truths.values())
    entries = sum(truth.cotangent.size for truth in truths.values())
    return CheckResult.of(check, measured, f"{undecided} of {entries} signs undecided, and left out")


def check_end_to_end(check: str, truth: GroundTruth, dtype: DType, activations: Mapping[str, Array]) -> CheckResult:
    """Every named activation of one forward pass, against the noise floor.

    The floor is drawn, not derived; but it lets every layer err by its whole bound, and alike.
    """
    floor = truth.noise_floor(dtype)
    measured = [
        measure_limit(name, activations.get(name), desired, floor[name], dtype)
        for name, desired in truth.activations.items()
    ]
    return CheckResult.of(check, measured)


def check_prediction(check: str, truth: GroundTruth, dtype: DType, logits: Array) -> CheckResult:
    """The logits of the fast path, against the noise floor."""
    limit = truth.noise_floor(dtype)["fc"]
    desired = truth.activations["fc"]
    return CheckResult.of(check, [measure_limit("fc", logits, desired, limit, dtype)])


def _batch_shape(truth: GroundTruth, name: str) -> tuple[int, ...]:
    return (len(truth.images), *truth.shapes[name])


def _well_formed(name: str, actual: Array | None, shape: tuple[int, ...], dtype: DType) -> Measurement:
    return malformed(name, actual, shape, dtype) or Measurement(name, Status.PASS, 0.0)


def _concatenation(truth: GroundTruth, layer: Concat, dtype: DType, activations: Mapping[str, Array]) -> Measurement:
    for name in (layer.name, *layer.inputs):
        if fault := malformed(name, activations.get(name), _batch_shape(truth, name), dtype):
            return fault
    branches = np.concatenate([activations[name] for name in layer.inputs], axis=1)
    return measure_equal(layer.name, activations[layer.name], branches, dtype)
