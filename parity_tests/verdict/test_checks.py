"""The checks: what is right passes, and one thing wrong, wherever it is, fails by its name.

A fault here is small on purpose: one entry, of the last sample, or one that leaves means and norms as they were. A
comparer that looked at averages, at the first sample or at the shape alone would let it pass.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, init_weights, sample_images
from netparity.network.contract import DTYPES, DType, Gradients, LayerGradients
from netparity.network.kinds import Concat, Layer
from netparity.network.operations import conv2d
from netparity.network.reference import before_activation
from netparity.network.settings import CaseSettings
from netparity.runs.case import Case
from netparity.runs.side_by_side import run
from netparity.verdict import checks
from netparity.verdict.bounds import FLOAT64_GATE
from netparity.verdict.findings import (
    END_TO_END,
    GRADIENTS,
    LAYER_GRADIENTS,
    LAYERS,
    OUTPUTS,
    Check,
    CheckKind,
    CheckResult,
    Status,
)
from netparity.verdict.ground_truth import GroundTruth
from netparity.verdict.layer_gradients import LayerGradientTruth, layer_gradient_truth
from netparity.verdict.report import BackendReport, Report
from netparity.workers.backends import Subject
from parity_tests.support.numpy_backend import Backend

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

SHAPES = Check(CheckKind.SHAPES, "float32")
WEIGHTS = Check(CheckKind.WEIGHTS, "float32")
PREDICTION = Check(CheckKind.PREDICTION, "float32")

RIGHT = Backend()
SAMPLES = 3
ALONE = [layer for layer in GOOGLENET if not isinstance(layer, Concat)]
BLOCKS = [layer.name for layer in GOOGLENET if isinstance(layer, Concat)]


def named(value: object) -> str | None:
    return type(value).__name__ if isinstance(value, Backend) else None


@functools.cache
def truth() -> GroundTruth:
    return GroundTruth(GOOGLENET, init_weights(0), *sample_images(SAMPLES, image_size=(17, 23)))


@functools.cache
def activations_of(backend: Backend, dtype: DType) -> Mapping[str, Array]:
    return backend.build(truth().weights, dtype).activations(truth().images)


@functools.cache
def outputs_of(backend: Backend) -> Mapping[str, Array]:
    """Each layer alone on the reference's inputs, in float32."""
    model = backend.build(truth().weights, "float32")
    return {layer.name: model.layer(layer.name, truth().inputs(layer, "float32")) for layer in ALONE}


@functools.cache
def gradients_of(backend: Backend) -> Gradients:
    return backend.build(truth().weights, "float64").gradients(truth().images, truth().labels)


@functools.cache
def backward_truths() -> Mapping[str, LayerGradientTruth]:
    return {layer.name: layer_gradient_truth(truth(), layer, "float32") for layer in ALONE}


@functools.cache
def layer_gradients_of(backend: Backend) -> Mapping[str, Arrays]:
    """The backward pass of each layer alone, in float32."""
    model = backend.build(truth().weights, "float32")
    passes = {name: model.layer_gradients(name, own.inputs, own.cotangent) for name, own in backward_truths().items()}
    return {name: {**given.weights, "inputs": given.inputs} for name, given in passes.items()}


def activations(dtype: DType = "float32", backend: Backend = RIGHT) -> Arrays:
    """Copies, to be spoiled."""
    return {name: array.copy() for name, array in activations_of(backend, dtype).items()}


def outputs(backend: Backend = RIGHT) -> Arrays:
    return {name: array.copy() for name, array in outputs_of(backend).items()}


def exported(dtype: DType = "float32") -> Arrays:
    return Backend().build(truth().weights, dtype).export_weights()


def check_layers(given: Arrays, whole: Arrays | None = None) -> CheckResult:
    return checks.check_layers(LAYERS, truth(), "float32", given, whole or activations())


def check_gradients(given: Gradients) -> CheckResult:
    return checks.check_gradients(GRADIENTS, truth(), given.loss, {**given.weights, "images": given.images})


def check_layer_gradients(given: Mapping[str, Arrays]) -> CheckResult:
    return checks.check_layer_gradients(LAYER_GRADIENTS, backward_truths(), "float32", given)


def last(array: Array) -> tuple[int, ...]:
    return tuple(length - 1 for length in array.shape)


def assert_fails(result: CheckResult, first: str, *, status: Status = Status.FAIL, words: str = "") -> None:
    """The check has failed, and names ``first`` as what fails first."""
    assert result.status is status
    assert result.first_failure is not None
    assert result.first_failure.name == first
    assert result.message.startswith(f"{first} ")
    assert words in result.message


# What is right


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_backend_passes(dtype: DType) -> None:
    whole = activations(dtype)
    results = [
        checks.check_weights_kept(WEIGHTS, truth(), dtype, exported(dtype)),
        checks.check_shapes(SHAPES, truth(), dtype, whole),
    ]
    if dtype == "float64":
        results += [checks.check_outputs(OUTPUTS, truth(), whole), check_gradients(gradients_of(RIGHT))]
    else:
        results += [
            check_layers(outputs()),
            check_layer_gradients(layer_gradients_of(RIGHT)),
            checks.check_end_to_end(END_TO_END, truth(), dtype, whole),
            checks.check_prediction(PREDICTION, truth(), dtype, whole["fc"]),
        ]
    assert [result.status for result in results] == [Status.PASS] * len(results)


@pytest.mark.parametrize(
    ("result", "names"),
    [
        (lambda: checks.check_weights_kept(WEIGHTS, truth(), "float32", exported()), tuple(truth().weights)),
        (lambda: checks.check_shapes(SHAPES, truth(), "float32", activations()), GOOGLENET.names),
        (lambda: checks.check_outputs(OUTPUTS, truth(), activations("float64")), GOOGLENET.names),
        (lambda: check_gradients(gradients_of(RIGHT)), ("loss", *truth().weights, "images")),
        (lambda: check_layers(outputs()), GOOGLENET.names),
        (lambda: checks.check_end_to_end(END_TO_END, truth(), "float32", activations()), GOOGLENET.names),
    ],
    ids=["weights", "shapes", "outputs", "gradients", "layers", "end to end"],
)
def test_every_tensor_is_measured_in_canonical_order(result: Callable[[], CheckResult], names: tuple[str, ...]) -> None:
    assert tuple(found.name for found in result().measurements) == names


# Shapes


def spoil_shapes(change: str) -> Arrays:
    given = activations()
    match change:
        case "missing":
            del given["b3.pool"], given["b4.inception_4a"]
        case "two unknown":
            given |= {"dropout": given["fc"], "aux": given["fc"]}
        case "order":
            given["b2.conv1"] = given.pop("b2.conv1")
        case "NHWC":
            given["b4.pool"] = np.moveaxis(given["b4.pool"], 1, 3)
        case "one sample":
            given["fc"] = given["fc"][:1]
        case "float64":
            given["b5.pool"] = given["b5.pool"].astype(np.float64)
        case "NaN":
            given["b5.inception_5b"][last(given["b5.inception_5b"])] = np.nan
        case "infinity":
            given["fc"][last(given["fc"])] = np.inf
    return given


@pytest.mark.parametrize(
    ("change", "first", "words"),
    [
        ("missing", "b3.pool", "is missing (2 of 81 fail)"),
        ("two unknown", "dropout", "is no layer of the network (2 of 83 fail)"),
        ("order", "b2.conv2", "comes out of canonical order"),
        ("NHWC", "b4.pool", f"has shape ({SAMPLES}, 1, 1, 832), expected ({SAMPLES}, 832, 1, 1)"),
        ("one sample", "fc", f"has shape (1, 10), expected ({SAMPLES}, 10)"),
        ("float64", "b5.pool", "has dtype float64, expected float32"),
        ("NaN", "b5.inception_5b", "holds nan at"),
        ("infinity", "fc", f"holds inf at ({SAMPLES - 1}, 9)"),
    ],
)
def test_shapes(change: str, first: str, words: str) -> None:
    assert_fails(checks.check_shapes(SHAPES, truth(), "float32", spoil_shapes(change)), first, words=words)


# Weights


def spoil_weights(change: str, name: str) -> Arrays:
    given = exported()
    weight = given[name]
    match change:
        case "one bit":
            weight[last(weight)] = np.nextafter(weight[last(weight)], np.float32(9))
        case "a sign":
            weight[last(weight)] *= -1
        case "missing":
            del given[name]
        case "renamed":
            given[f"module.{name}"] = given.pop(name)
        case "float64":
            given[name] = weight.astype(np.float64)
        case "flat":
            given[name] = weight.ravel()
        case "transposed":
            given[name] = weight.swapaxes(0, 1).copy()
        case "flipped":
            given[name] = weight[..., ::-1].copy()
        case "NaN":
            weight[last(weight)] = np.nan
    return given


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ("one bit", "b1.conv.weight", "uses inf of what is allowed at (63, 0, 6, 6)"),
        ("one bit", "fc.bias", "uses inf of what is allowed at (9,)"),
        ("a sign", "b4.inception_4d.p3_2.weight", "(63, 31, 4, 4)"),
        ("missing", "b3.inception_3a.p1_1.bias", "is missing"),
        ("renamed", "fc.weight", "is missing (2 of 117 fail)"),
        ("float64", "b2.conv2.weight", "has dtype float64"),
        ("flat", "b2.conv1.weight", "has shape (4096,), expected (64, 64, 1, 1)"),
        ("transposed", "b2.conv1.weight", "of its entries are beyond"),
        ("transposed", "b2.conv2.weight", "has shape (64, 192, 3, 3)"),
        ("flipped", "b5.inception_5b.p2_2.weight", "of its entries are beyond"),
        ("NaN", "b5.inception_5a.p4_2.bias", "holds nan at (127,)"),
    ],
)
def test_weights(change: str, name: str, words: str) -> None:
    given = spoil_weights(change, name)
    assert_fails(checks.check_weights_kept(WEIGHTS, truth(), "float32", given), name, words=words)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_weights_keep_the_sign_of_zero(zero: float) -> None:
    weights = init_weights(0)
    weights["fc.bias"][3] = zero
    own = GroundTruth(GOOGLENET, weights, truth().images, truth().labels)
    given = {name: weight.copy() for name, weight in weights.items()}
    assert checks.check_weights_kept(WEIGHTS, own, "float32", given).status is Status.PASS
    given["fc.bias"][3] = -zero
    assert_fails(checks.check_weights_kept(WEIGHTS, own, "float32", given), "fc.bias", words="zeros of another sign")


def test_weights_have_names_and_no_order() -> None:
    given = dict(reversed(exported().items()))
    assert checks.check_weights_kept(WEIGHTS, truth(), "float32", given).status is Status.PASS


# Float64, end to end


def test_float32_arithmetic_in_float64_arrays_fails() -> None:
    given = {name: array.astype(np.float64) for name, array in activations("float32").items()}
    assert FLOAT64_GATE == 1e-12
    assert_fails(checks.check_outputs(OUTPUTS, truth(), given), "b1.conv", words="(81 of 81 fail)")


@pytest.mark.parametrize("layer", ["b1.conv", "b3.inception_3b.p4_1", "b4.inception_4c", "b5.pool", "fc"])
def test_one_entry_off_by_twice_the_gate_fails(layer: str) -> None:
    given = activations("float64")
    limit = FLOAT64_GATE * np.abs(truth().activations[layer]).max()
    given[layer][last(given[layer])] += 0.5 * limit
    assert checks.check_outputs(OUTPUTS, truth(), given).status is Status.PASS
    given[layer][last(given[layer])] += 1.5 * limit
    assert_fails(checks.check_outputs(OUTPUTS, truth(), given), layer)


@pytest.mark.parametrize("layer", ["b1.pool", "fc"])
@pytest.mark.parametrize("change", ["missing", "NaN", "stale", "swapped", "float32"])
def test_outputs(layer: str, change: str) -> None:
    given = activations("float64")
    array = given[layer]
    match change:
        case "missing":
            del given[layer]
        case "NaN":
            array[last(array)] = np.nan
        case "stale":
            array[-1] = array[0]
        case "swapped":
            given[layer] = array[[0, 2, 1]]
        case "float32":
            given[layer] = array.astype(np.float32)
    assert_fails(checks.check_outputs(OUTPUTS, truth(), given), layer)


# Gradients


class LossIsSummed(Backend):
    """Over the batch, not averaged, as Gluon's."""

    def loss(self, logits: Array, labels: Array) -> tuple[float, Array]:
        loss, by_logits = super().loss(logits, labels)
        return loss * len(logits), by_logits * len(logits)


class LossHasNoGradientOfItsOwn(Backend):
    """The loss is right, its gradient is not averaged."""

    def loss(self, logits: Array, labels: Array) -> tuple[float, Array]:
        loss, by_logits = super().loss(logits, labels)
        return loss, by_logits * len(logits)


class LastSampleIsIgnored(Backend):
    def loss(self, logits: Array, labels: Array) -> tuple[float, Array]:
        loss, by_logits = super().loss(logits, labels)
        by_logits[-1] = 0
        return loss, by_logits


class BranchIsDetached(Backend):
    """One reduction gives no gradient to what it reads; its own is right."""

    def backward(self, layer: Layer, inputs: Array, cotangent: Array) -> LayerGradients:
        weights, by_inputs = super().backward(layer, inputs, cotangent)
        return LayerGradients(weights, by_inputs * (layer.name != "b3.inception_3b.p2_1"))


class BiasIsFrozen(Backend):
    def backward(self, layer: Layer, inputs: Array, cotangent: Array) -> LayerGradients:
        weights, by_inputs = super().backward(layer, inputs, cotangent)
        if layer.name == "b4.inception_4b.p3_2":
            weights["bias"][:] = 0
        return LayerGradients(weights, by_inputs)


@pytest.mark.parametrize(
    ("backend", "first"),
    [
        (LossIsSummed(), "loss"),
        (LossHasNoGradientOfItsOwn(), "b1.conv.weight"),
        (LastSampleIsIgnored(), "b1.conv.weight"),
        (BranchIsDetached(), "b1.conv.weight"),
        (BiasIsFrozen(), "b4.inception_4b.p3_2.bias"),
    ],
    ids=named,
)
def test_a_wrong_backward_pass_fails(backend: Backend, first: str) -> None:
    assert_fails(check_gradients(gradients_of(backend)), first)


def test_a_detached_branch_leaves_what_comes_after_it_right() -> None:
    failed = [found.name for found in check_gradients(gradients_of(BranchIsDetached())).measurements if found.share > 1]
    assert failed[-1] == "b3.inception_3a.p4_2.bias"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda images: None, "is missing"),
        (lambda images: images[:1], "has shape"),
        (lambda images: images.astype(np.float32), "has dtype"),
        (lambda images: np.where(images == images[-1, -1, -1, -1], np.nan, images), "holds nan"),
    ],
    ids=["missing", "shape", "dtype", "NaN"],
)
def test_the_form_of_the_image_gradient_counts(change: Callable[[Array], Array | None], words: str) -> None:
    right = gradients_of(RIGHT)
    given = {**right.weights, "images": change(right.images)}
    present = {name: array for name, array in given.items() if array is not None}
    assert_fails(checks.check_gradients(GRADIENTS, truth(), right.loss, present), "images", words=words)


def test_ties_of_maxima_move_the_image_gradient_and_nothing_else() -> None:
    """An even background looks alike at every pixel, and rounding says which of them a pool's gradient goes to."""
    right = gradients_of(RIGHT)
    moved = np.roll(right.images, 1, axis=3)
    assert check_gradients(right._replace(images=moved)).status is Status.PASS


def test_a_gradient_that_nobody_knows_fails() -> None:
    right = gradients_of(RIGHT)
    surplus = {**right.weights, "b1.conv.momentum": right.weights["b1.conv.bias"]}
    assert_fails(check_gradients(right._replace(weights=surplus)), "b1.conv.momentum", words="no parameter")


@pytest.mark.parametrize("name", ["b1.conv.weight", "b2.conv2.bias", "b5.inception_5b.p2_2.weight", "fc.bias"])
@pytest.mark.parametrize("change", ["missing", "halved", "negated", "transposed", "one entry", "NaN"])
def test_gradients(name: str, change: str) -> None:
    right = gradients_of(RIGHT)
    weights = {key: gradient.copy() for key, gradient in right.weights.items()}
    match change:
        case "missing":
            del weights[name]
        case "halved":
            weights[name] *= 0.5
        case "negated":
            weights[name] *= -1
        case "transposed":
            weights[name] = weights[name][::-1].copy()
        case "one entry":
            weights[name][last(weights[name])] += 2 * FLOAT64_GATE * np.abs(weights[name]).max()
        case "NaN":
            weights[name][last(weights[name])] = np.nan
    assert_fails(check_gradients(right._replace(weights=weights)), name)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_loss_that_is_none(loss: float) -> None:
    assert_fails(check_gradients(gradients_of(RIGHT)._replace(loss=loss)), "loss")


def test_a_loss_off_by_twice_the_gate() -> None:
    right = gradients_of(RIGHT)
    assert_fails(check_gradients(right._replace(loss=right.loss * (1 + 2 * FLOAT64_GATE))), "loss")
    assert check_gradients(right._replace(loss=right.loss * (1 + FLOAT64_GATE / 2))).status is Status.PASS


# Float32, layer by layer


@pytest.mark.parametrize("layer", ALONE, ids=[layer.name for layer in ALONE])
def test_one_entry_off_by_twice_its_bound_fails_at_its_layer(layer: Layer) -> None:
    """Any other of the layer's entries may lie as far from zero as it likes."""
    given = outputs()
    local = truth().local(layer, "float32")
    output, bound = local.output, local.bound
    where = last(output)
    if bound is None:  # one bit is too much; not of a zero, whose next number may be flushed
        where = tuple(np.argwhere(output > 0)[-1])
        given[layer.name][where] = np.nextafter(np.float32(output[where]), np.float32(9))
    else:
        given[layer.name][where] = output[where] + 2 * bound.certain[where]
    assert_fails(check_layers(given), layer.name)


def test_between_the_two_bounds_it_is_suspect() -> None:
    layer = GOOGLENET["b4.inception_4e.p2_2"]
    local = truth().local(layer, "float32")
    output, bound = local.output, local.bound
    assert bound is not None
    where = last(output)
    between = (bound.probable[where] + bound.certain[where]) / 2
    assert between > 1.5 * bound.probable[where]
    given = outputs()
    given[layer.name][where] = output[where] + between
    assert_fails(check_layers(given), layer.name, status=Status.SUSPECT, words="No proof")
    given["fc"][last(given["fc"])] += 1
    assert_fails(check_layers(given), layer.name, words="(2 of 81 fail)")


@pytest.mark.parametrize("change", ["missing", "stale", "swapped", "NaN", "transposed", "float64", "negated zero"])
@pytest.mark.parametrize("layer", ["b1.conv", "b3.inception_3a.p4_1", "b5.pool", "fc"])
def test_layers(layer: str, change: str) -> None:
    given = outputs()
    array = given[layer]
    match change:
        case "missing":
            del given[layer]
        case "stale":
            array[-1] = array[0]
        case "swapped":
            given[layer] = array[[0, 2, 1]]
        case "NaN":
            array[last(array)] = np.nan
        case "transposed":
            given[layer] = array.reshape(*array.shape[1::-1], *array.shape[2:]).swapaxes(0, 1).copy()
        case "float64":
            given[layer] = array.astype(np.float64)
        case "negated zero":
            array[array == 0] = -0.0
            assert check_layers(given).status is Status.PASS
            return
    assert_fails(check_layers(given), layer)


@pytest.mark.parametrize("block", BLOCKS)
def test_branches_that_change_places_fail_at_their_block(block: str) -> None:
    """The first two branches, where the layers themselves are right."""
    whole = activations()
    branches = [whole[name] for name in GOOGLENET[block].inputs]
    whole[block] = np.concatenate([branches[1], branches[0], *branches[2:]], axis=1)
    assert whole[block].shape == activations()[block].shape
    assert_fails(check_layers(outputs(), whole), block)


@pytest.mark.parametrize(
    ("change", "words"),
    [("one bit", "0 is allowed"), ("missing", "is missing"), ("branch missing", "is missing"), ("NaN", "holds nan")],
)
def test_a_block_is_its_own_branches_bit_for_bit(change: str, words: str) -> None:
    block, branch = "b4.inception_4d", "b4.inception_4d.p3_2"
    whole = activations()
    match change:
        case "one bit":
            where = tuple(np.argwhere(whole[block] > 0)[-1])
            whole[block][where] = np.nextafter(whole[block][where], np.float32(9))
        case "missing":
            del whole[block]
        case "branch missing":
            del whole[branch]
        case "NaN":
            whole[branch][last(whole[branch])] = np.nan
    result = check_layers(outputs(), whole)
    assert_fails(result, branch if change in ("branch missing", "NaN") else block, words=words)


class PaddedOffCentre(Backend):
    """As much padding, but one row and one column of it after the image instead of before it."""

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        if layer.name != "b1.conv":
            return super().before_activation(layer, inputs)
        padded = np.pad(inputs[0], ((0, 0), (0, 0), (2, 4), (2, 4)))
        return conv2d(padded, self.weights["b1.conv.weight"], self.weights["b1.conv.bias"], stride=2)


class NoReLU(Backend):
    def activate(self, layer: Layer, output: Array) -> Array:
        return output if layer.name == "b4.inception_4a.p3_1" else super().activate(layer, output)


class OtherBias(Backend):
    def import_weights(self, weights: Mapping[str, Array]) -> Arrays:
        own = super().import_weights(weights)
        return own | {"b5.inception_5a.p2_1.bias": np.zeros_like(own["b5.inception_5a.p2_1.bias"])}


@pytest.mark.parametrize(
    ("backend", "first"),
    [(PaddedOffCentre(), "b1.conv"), (NoReLU(), "b4.inception_4a.p3_1"), (OtherBias(), "b5.inception_5a.p2_1")],
    ids=named,
)
def test_a_fault_shows_at_its_own_layer_alone_and_from_there_on_end_to_end(backend: Backend, first: str) -> None:
    local = check_layers(outputs(backend), activations(backend=backend))
    assert_fails(local, first)
    assert [found.name for found in local.measurements if found.status is not Status.PASS] == [first]
    end_to_end = checks.check_end_to_end(END_TO_END, truth(), "float32", activations(backend=backend))
    assert_fails(end_to_end, first)
    assert end_to_end.measurements[-1].status is Status.FAIL
    assert_fails(checks.check_outputs(OUTPUTS, truth(), activations("float64", backend)), first)


# Gradients in float32, layer by layer


@pytest.mark.parametrize(
    ("backend", "only"),
    [(BranchIsDetached(), "b3.inception_3b.p2_1.inputs"), (BiasIsFrozen(), "b4.inception_4b.p3_2.bias")],
    ids=named,
)
def test_a_wrong_backward_pass_fails_at_its_own_layer_alone(backend: Backend, only: str) -> None:
    result = check_layer_gradients(layer_gradients_of(backend))
    assert_fails(result, only)
    assert [found.name for found in result.measurements if found.status is not Status.PASS] == [only]


@pytest.mark.parametrize("change", ["twice its bound", "missing", "halved", "stale", "NaN"])
@pytest.mark.parametrize(
    ("layer", "key"),
    [
        ("b1.conv", "weight"),
        ("b1.conv", "inputs"),
        ("b2.conv2", "bias"),
        ("b3.inception_3a.p4_1", "inputs"),
        ("b5.pool", "inputs"),
        ("fc", "weight"),
    ],
)
def test_layer_gradients(layer: str, key: str, change: str) -> None:
    array = layer_gradients_of(RIGHT)[layer][key].copy()
    given = {**layer_gradients_of(RIGHT), layer: {**layer_gradients_of(RIGHT)[layer], key: array}}
    match change:
        case "twice its bound":
            desired, bound = backward_truths()[layer].gradients[key]
            array[last(array)] = desired[last(array)] + 2 * bound.certain[last(array)]
        case "missing":
            del given[layer][key]
        case "halved":
            array *= 0.5
        case "stale":
            array[-1] = array[0]
        case "NaN":
            array[last(array)] = np.nan
    assert_fails(check_layer_gradients(given), f"{layer}.{key}")


def test_a_gradient_of_a_layer_that_nobody_knows_fails() -> None:
    pool = layer_gradients_of(RIGHT)["b1.pool"]
    given = {**layer_gradients_of(RIGHT), "b1.pool": {**pool, "bias": pool["inputs"]}}
    assert_fails(check_layer_gradients(given), "b1.pool.bias", words="no gradient")


@pytest.mark.parametrize("nudge", [-1e-7, 0, 1e-7])
def test_signs_that_rounding_may_decide_are_left_out_and_no_others(nudge: float) -> None:
    """One bias brings an entry to within a rounding of zero. On which side of the kink a backend sees it is open."""
    layer, entry = GOOGLENET["b1.conv"], (1, 5, 3, 4)
    weights = init_weights(0)
    weights["b1.conv.bias"][5] = 0
    weights["b1.conv.bias"][5] = -before_activation(layer, [truth().images.astype(np.float64)], weights)[entry]
    own = GroundTruth(GOOGLENET, weights, truth().images, truth().labels)
    backward, bound = layer_gradient_truth(own, layer, "float32"), own.local(layer, "float32").bound
    assert bound is not None
    samples = len(backward.inputs)
    output = before_activation(layer, [truth().images[:samples].astype(np.float64)], weights)
    undecided = np.abs(output) <= bound.certain[:samples]
    assert undecided[entry]
    np.testing.assert_array_equal(backward.cotangent == 0, undecided)
    weights["b1.conv.bias"][5] += np.float32(nudge)
    given = RIGHT.build(weights, "float32").layer_gradients(layer.name, backward.inputs, backward.cotangent)
    gradients = {layer.name: {**given.weights, "inputs": given.inputs}}
    result = checks.check_layer_gradients(LAYER_GRADIENTS, {layer.name: backward}, "float32", gradients)
    assert result.status is Status.PASS
    assert result.message == f"{undecided.sum()} of {undecided.size} signs undecided, and left out"


# Float32, end to end


class HalfPrecision(Backend):
    """Weights kept with eight binary digits, as bfloat16 has."""

    def import_weights(self, weights: Mapping[str, Array]) -> Arrays:
        significands = {name: np.frexp(weight) for name, weight in weights.items()}
        rounded = {name: np.ldexp(np.rint(m * 256) / 256, e) for name, (m, e) in significands.items()}
        return super().import_weights(rounded)


def test_less_precision_is_beyond_the_noise_floor_everywhere() -> None:
    result = checks.check_end_to_end(END_TO_END, truth(), "float32", activations(backend=HalfPrecision()))
    assert_fails(result, "b1.conv", words="(81 of 81 fail)")


@pytest.mark.parametrize("change", ["stale", "classes swapped", "NaN", "softmax", "float64", "one sample"])
def test_predictions(change: str) -> None:
    logits = activations()["fc"]
    match change:
        case "stale":
            logits[-1] = logits[0]
        case "classes swapped":
            logits[:, [8, 9]] = logits[:, [9, 8]]
        case "NaN":
            logits[last(logits)] = np.nan
        case "softmax":
            logits = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        case "float64":
            logits = logits.astype(np.float64)
        case "one sample":
            logits = logits[:1]
    assert_fails(checks.check_prediction(PREDICTION, truth(), "float32", logits), "fc")


# The first of several


def test_the_first_failure_in_canonical_order_is_named_and_the_worst_is_known() -> None:
    given = outputs()
    for layer, error in (("fc", 100), ("b2.conv1", 1), ("b4.inception_4a.p1_1", 10)):
        given[layer][last(given[layer])] += error
    result = check_layers(dict(reversed(given.items())))
    assert_fails(result, "b2.conv1", words="(3 of 81 fail)")
    assert result.worst is not None
    assert result.worst.share == max(found.share for found in result.measurements)
    assert result.worst.name != "b2.conv1"


# The verdict of a run


def run_of(*backends: BackendReport) -> Report:
    return Report(GOOGLENET, backends, CaseSettings(0, "xavier_uniform", "samples", (1, 1, 5, 7), 10, DTYPES))


def report_of(*statuses: Status) -> BackendReport:
    checks = (CheckResult(Check(kind), status) for kind, status in zip(CheckKind, statuses, strict=False))
    return BackendReport("numpy", {}, tuple(checks))


@pytest.mark.parametrize(
    ("statuses", "status", "exit_code"),
    [
        ((Status.PASS, Status.PASS), Status.PASS, 0),
        ((Status.PASS, Status.SKIPPED), Status.PASS, 0),
        ((Status.PASS, Status.SUSPECT, Status.PASS), Status.SUSPECT, 1),
        ((Status.FAIL, Status.SUSPECT), Status.FAIL, 1),
        ((Status.SKIPPED, Status.FAIL), Status.FAIL, 1),
        ((Status.PASS, Status.ERROR), Status.ERROR, 2),
        ((Status.ERROR, Status.FAIL), Status.ERROR, 2),
        ((Status.SKIPPED, Status.SKIPPED), Status.SKIPPED, 2),
        ((), Status.SKIPPED, 2),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_the_most_severe_check_of_the_most_severe_backend_decides(
    statuses: tuple[Status, ...], status: Status, exit_code: int
) -> None:
    backend, right = report_of(*statuses), report_of(Status.PASS)
    assert backend.status is status
    assert (run_of(backend).status, run_of(backend).exit_code) == (status, exit_code)
    beside = 0 if status is Status.SKIPPED else exit_code
    assert run_of(right, backend).exit_code == run_of(backend, right).exit_code == beside


def test_a_run_that_judges_nobody_is_no_pass() -> None:
    assert (run_of().status, run_of().exit_code) == (Status.SKIPPED, 2)


def test_float64_is_judged_on_two_images() -> None:
    """The backend's fault is in the last sample that it is given."""
    case = Case(GOOGLENET, init_weights(0), *sample_images(3, image_size=(5, 7)), ("float64",))
    report = run(lambda: case, [Subject("numpy", "parity_tests.support.misbehaving:GivesNaN")])
    found = report.backends[0]["outputs float64"].first_failure
    assert found is not None
    assert found.index is not None
    assert (found.name, found.index[0]) == ("b3.inception_3b.p3_2", 1)
