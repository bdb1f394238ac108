"""What is the matter with a backend whose checks fail: in which layer, why, and where in its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from netparity.diagnosis.error_map import map_errors
from netparity.diagnosis.explain import diagnose
from netparity.diagnosis.training_mistakes import diagnose_training
from netparity.network.contract import Array, DType
from netparity.network.kinds import Layer
from netparity.runs.calls import BackendCalls
from netparity.runs.truths import Truths
from netparity.verdict import checks
from netparity.verdict.bounds import FLOAT64_GATE
from netparity.verdict.findings import LAYER_GRADIENTS, LAYERS, OUTPUTS, TRAINING, CheckResult
from netparity.verdict.ground_truth import GroundTruth
from netparity.verdict.report import DIAGNOSED, Diagnosis, ErrorMap, locate
from netparity.workers.replies import BackendError


def explain_failure(calls: BackendCalls, truths: Truths, results: Sequence[CheckResult]) -> Diagnosis | None:
    """What is the matter with the first layer that fails by itself, in float32, else in float64; else in training."""
    for check in DIAGNOSED:
        failure = next((result.first_failure for result in results if result.check == check), None)
        if failure is not None and check.dtype is not None:
            with suppress(BackendError, KeyError, ValueError):  # then the failure's own sentence must do
                return _explain(calls, truths.by_dtype[check.dtype], truths.network[failure.name], check.dtype)
    if truths.training and any(result.check == TRAINING and result.status.failed for result in results):
        losses = calls.reply("train", "float64").arrays["losses"]
        return diagnose_training(truths.training, losses, FLOAT64_GATE)
    return None


def map_failure(calls: BackendCalls, truths: Truths, results: Sequence[CheckResult]) -> ErrorMap | None:
    """Where the error is in the tensor whose failure says most surely where the fault is."""
    if (located := locate(results)) is None:
        return None
    check, name = located[0].check, located[1].name
    with suppress(BackendError, KeyError):  # what did not come cannot be drawn
        if check == LAYERS:
            return _map_layer(calls, truths.by_dtype["float32"], truths.network[name])
        if check == OUTPUTS:
            actual = calls.reply("activations", "float64").arrays[name]
            desired = truths.by_dtype["float64"].activations[name]
            return map_errors(name, actual, desired, FLOAT64_GATE * float(np.abs(desired).max()), "float64")
        if check == LAYER_GRADIENTS:
            layer, _, tensor = name.rpartition(".")
            desired, bound = truths.backward[layer].gradients[tensor]
            actual = calls.reply("layer_gradients", "float32", layer).arrays[tensor]
            axis = 1 if tensor == "inputs" else 0
            return map_errors(name, actual, desired, bound.probable, "float32", channel_axis=axis)
    return None


def _explain(calls: BackendCalls, truth: GroundTruth, layer: Layer, dtype: DType) -> Diagnosis:
    if layer.joins:
        activations = calls.reply("activations", dtype).arrays
        branches = [activations[branch] for branch in layer.inputs]
        return diagnose(truth, layer.name, dtype, activations[layer.name], branches=branches)

    def probe(inputs: Array) -> Array:
        return calls.ask_layer(layer.name, dtype, inputs)

    actual = probe(truth.inputs(layer, dtype))
    if not checks.measure_layer(truth, layer, dtype, actual).status.failed:
        # Right by itself: what it was fed in the forward pass is wrong.
        activations = calls.reply("activations", dtype).arrays
        return diagnose(truth, layer.name, dtype, activations[layer.name], others=activations)
    return diagnose(truth, layer.name, dtype, actual, probe=probe)


def _map_layer(calls: BackendCalls, truth: GroundTruth, layer: Layer) -> ErrorMap | None:
    if layer.joins:
        activations = calls.reply("activations", "float32").arrays
        joined = layer.forward([activations[branch] for branch in layer.inputs], {})
        return map_errors(layer.name, activations[layer.name], joined, None, "float32")
    local = truth.local(layer, "float32")
    actual = calls.reply("layer", "float32", layer.name).arrays["output"]
    limit = None if local.bound is None else local.bound.probable
    return map_errors(layer.name, actual, local.output, limit, "float32")
