"""The checks of a backend: pure functions from what it gave and what the reference says to a verdict.

Each takes the check that it makes first, and the reference's numbers second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from netparity.network.contract import Array, DType, OptimizerState
from netparity.network.kinds import Kinks, Layer
from netparity.verdict.bounds import FLOAT64_GATE
from netparity.verdict.findings import Check, CheckResult, Measurement, Status
from netparity.verdict.ground_truth import GroundTruth
from netparity.verdict.layer_gradients import LayerGradientTruth
from netparity.verdict.report import Observation
from netparity.verdict.tensors import malformed, measure_bound, measure_equal, measure_limit
from netparity.verdict.training_truth import TrainingTruth


def check_shapes(check: Check, truth: GroundTruth, dtype: DType, activations: Mapping[str, Array]) -> CheckResult:
    """Every named activation is there, in canonical order, with the right shape and dtype, and finite."""
    names = truth.network.names
    measured = [_well_formed(name, activations.get(name), _batch_shape(truth, name), dtype) for name in names]
    measured += [_unknown(name, "layer") for name in activations if name not in names]
    if all(found.status is Status.PASS for found in measured) and tuple(activations) != names:
        wrong = next(got for got, name in zip(activations, names, strict=True) if got != name)
        message = f"comes out of canonical order ({len(names)} layers, {names[0]} first)"
        measured.append(Measurement(wrong, Status.FAIL, float("inf"), message=message))
    return CheckResult.of(check, measured, f"{len(names)} layers")


def check_weights_kept(check: Check, truth: GroundTruth, dtype: DType, exported: Mapping[str, Array]) -> CheckResult:
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
    measured += [_unknown(name, "parameter") for name in exported if name not in truth.weights]
    return CheckResult.of(check, measured, f"{len(truth.weights)} tensors bit for bit")


def check_outputs(check: Check, truth: GroundTruth, activations: Mapping[str, Array]) -> CheckResult:
    """Float64, end to end: every named activation, the logits last, within the gate."""
    measured = [
        measure_limit(name, activations.get(name), right, FLOAT64_GATE * float(np.abs(right).max()), "float64")
        for name, right in truth.activations.items()
    ]
    return CheckResult.of(check, measured)


def check_gradients(check: Check, truth: GroundTruth, loss: float, gradients: Mapping[str, Array]) -> CheckResult:
    """Float64, end to end: the loss and the gradients by all parameters, within the gate.

    Of the gradient by the images, the form alone counts. On an even background pixels tie for a pool's maximum, and
    rounding says which of them gets the gradient: that moves no gradient by a parameter, since what ties looks alike,
    but it does move this one. The layers' own gradients by their inputs, which make it up, are judged one by one.
    """
    desired = {"loss": np.asarray(truth.gradients.loss), **truth.gradients.weights}
    given = {**gradients, "loss": np.asarray(loss)}
    measured = [
        measure_limit(name, given.get(name), right, FLOAT64_GATE * truth.gradient_scales[name], "float64")
        for name, right in desired.items()
    ]
    measured.append(_well_formed("images", gradients.get("images"), truth.images.shape, "float64"))
    measured += [_unknown(name, "parameter") for name in gradients if name not in {*desired, "images"}]
    return CheckResult.of(check, measured)


def check_layers(
    check: Check,
    truth: GroundTruth,
    dtype: DType,
    outputs: Mapping[str, Array],
    activations: Mapping[str, Array] | None,
    *,
    unable: Collection[str] = (),
) -> CheckResult:
    """Each layer alone, fed the reference's own input, within its rounding bound.

    Layers that round nothing agree bit for bit; a block's output, with its own branches.

    Args:
        check, truth, dtype: The check, the reference, and the working precision.
        outputs: What each layer gave on :meth:`GroundTruth.inputs`; blocks aside.
        activations: The activations of one forward pass, for the blocks; None leaves them out.
        unable: Layers that the backend cannot call alone, or could not; they are left out.
    """
    measured = []
    for layer in truth.network:
        if layer.joins:
            if activations is not None:
                measured.append(_joined(truth, layer, dtype, activations))
        elif layer.name not in unable:
            measured.append(measure_layer(truth, layer, dtype, outputs.get(layer.name)))
    return CheckResult.of(check, measured)


def measure_layer(truth: GroundTruth, layer: Layer, dtype: DType, actual: Array | None) -> Measurement:
    """What one layer that computes something gave on :meth:`GroundTruth.inputs`."""
    local = truth.local(layer, dtype)
    if local.bound is None:
        return measure_equal(layer.name, actual, local.output, dtype)
    return measure_bound(layer.name, actual, local.output, local.bound, dtype)


def check_layer_gradients(
    check: Check, truths: Mapping[str, LayerGradientTruth], dtype: DType, given: Mapping[str, Mapping[str, Array]]
) -> CheckResult:
    """Each layer's backward pass alone, on the reference's own input, within its rounding bound.

    Both sides' gradients are given by layer; the backend's are ``weight``, ``bias`` and ``inputs``.
    """
    measured = []
    for name, truth in truths.items():
        for key, (desired, bound) in truth.gradients.items():
            measured.append(measure_bound(f"{name}.{key}", given[name].get(key), desired, bound, dtype))
        measured += [_unknown(f"{name}.{key}", "gradient") for key in given[name] if key not in truth.gradients]
    undecided = sum(truth.undecided for truth in truths.values())
    entries = sum(truth.cotangent.size for truth in truths.values())
    return CheckResult.of(check, measured, f"{undecided} of {entries} signs undecided, and left out")


def check_end_to_end(check: Check, truth: GroundTruth, dtype: DType, activations: Mapping[str, Array]) -> CheckResult:
    """Every named activation of one forward pass, against the noise floor.

    The floor is drawn, not derived; but it lets every layer err by its whole bound, and alike.
    """
    floor = truth.noise_floor(dtype)
    measured = [
        measure_limit(name, activations.get(name), desired, floor[name], dtype)
        for name, desired in truth.activations.items()
    ]
    return CheckResult.of(check, measured)


def check_prediction(check: Check, truth: GroundTruth, dtype: DType, logits: Array) -> CheckResult:
    """The logits of the fast path, against the noise floor."""
    output = truth.network.output
    limit = truth.noise_floor(dtype)[output]
    return CheckResult.of(check, [measure_limit(output, logits, truth.activations[output], limit, dtype)])


def check_training(
    check: Check, truth: TrainingTruth, losses: Array, weights: Mapping[str, Array], state: OptimizerState
) -> CheckResult:
    """A training in float64: the loss of every step, and all weights and momenta after the last, within the gate.

    A momentum is compared as a share of its own largest entry, or of its weights', which it is added to.
    """
    velocity = state.scaled(1.0)
    measured = [_within_gate("losses", losses, truth.losses, 0.0)]
    measured += [_within_gate(name, weights.get(name), right, 0.0) for name, right in truth.weights.items()]
    measured += [
        _within_gate(f"{name} momentum", velocity.get(name), right, float(np.abs(truth.weights[name]).max()))
        for name, right in truth.state.arrays.items()
    ]
    measured += [_unknown(name, "parameter") for name in weights if name not in truth.weights]
    measured += [_unknown(f"{name} momentum", "momentum") for name in velocity if name not in truth.state.arrays]
    return CheckResult.of(check, measured, f"{len(truth.losses)} steps")


def check_training_form(check: Check, truth: TrainingTruth, losses: Array, weights: Mapping[str, Array]) -> CheckResult:
    """A training in float32: a loss for every step and all weights after the last, each of the right form, and finite.

    Their numbers are not judged: wherever rounding decides a kink, two right trainings part.
    """
    measured = [_well_formed("losses", losses, truth.losses.shape, "float64")]
    measured += [_well_formed(name, weights.get(name), right.shape, "float32") for name, right in truth.weights.items()]
    return CheckResult.of(check, measured, f"{len(truth.losses)} steps, not compared")


def _within_gate(name: str, actual: Array | None, right: Array, scale: float) -> Measurement:
    limit = FLOAT64_GATE * max(scale, float(np.abs(right).max()))
    return measure_limit(name, actual, right, limit, "float64")


def observe_gradients(name: str, truth: GroundTruth, kinks: Kinks, gradients: Mapping[str, Array]) -> Observation:
    """Gradients end to end in a working precision: how far the worst entry of each is off, as a share of its largest.

    This is what people compare, and it decides nothing here: one kink that rounding decides moves it by percents.

    Args:
        name: The observation's name.
        truth: The reference for the same images.
        kinks: Number of undecided kinks.
        gradients: The backend's gradients by parameter, and ``images``.
    """
    values = {}
    for key, right in {**truth.gradients.weights, "images": truth.gradients.images}.items():
        actual = gradients.get(key)
        largest = float(np.abs(right).max())
        if actual is None or actual.shape != right.shape or not np.isfinite(actual).all():
            values[key] = float("inf")
        elif largest:
            values[key] = float(np.abs(actual - right).max()) / largest
    message = (
        f"rounding may decide {kinks.signs:,} signs of ReLUs and {kinks.maxima:,} maxima of pools "
        f"among {kinks.entries:,}, and each turns gradients"
    )
    return Observation(name, message, values)


def _unknown(name: object, what: str) -> Measurement:
    return Measurement(str(name), Status.FAIL, float("inf"), message=f"is no {what} of the network")


def _batch_shape(truth: GroundTruth, name: str) -> tuple[int, ...]:
    return (len(truth.images), *truth.shapes[name])


def _well_formed(name: str, actual: Array | None, shape: tuple[int, ...], dtype: DType) -> Measurement:
    return malformed(name, actual, shape, dtype) or Measurement(name, Status.PASS, 0.0)


def _joined(truth: GroundTruth, layer: Layer, dtype: DType, activations: Mapping[str, Array]) -> Measurement:
    """A layer that only joins others, against their own outputs in the same pass."""
    for name in (layer.name, *layer.inputs):
        if fault := malformed(name, activations.get(name), _batch_shape(truth, name), dtype):
            return fault
    joined = layer.forward([activations[name] for name in layer.inputs], {})
    return measure_equal(layer.name, activations[layer.name], joined, dtype)
