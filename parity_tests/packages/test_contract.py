"""Every backend against the reference, through the contract alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import googlenet_np
from googlenet_np import GOOGLENET, Backend, BuiltModel, UnknownLayerError, WeightsError
from netparity.network.contract import DType
from netparity.network.errors import NetparityError
from netparity.verdict.checks import check_gradients, check_layers, check_outputs, check_shapes
from netparity.verdict.findings import GRADIENTS, LAYERS, OUTPUTS, Check, CheckKind, Status
from netparity.verdict.ground_truth import GroundTruth
from netparity.verdict.tensors import measure_bound, measure_equal, measure_limit
from parity_tests.support.backends import BACKENDS, load
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]

SIZES = [
    (1, 7),
    (31, 33),
    *(pytest.param(size, marks=pytest.mark.exhaustive) for size in [(1, 1), (28, 28), (96, 96), (97, 97)]),
]
SHAPES = Check(CheckKind.SHAPES, "float64")
COMPUTING = [layer.name for layer in GOOGLENET.computing]
ROUND = list(zip(BACKENDS, (*BACKENDS[1:], BACKENDS[0]), strict=True))
"""Each backend once as the source and once as the target."""
BLOCKS = [layer.name for layer in GOOGLENET if layer.joins]
KINDS = ["b1.conv", "b1.pool", "b3.inception_3a.p3_2", "b3.inception_3a.p4_1", "b5.pool", "fc", BLOCKS[0]]
"""Layers of each kind: either stride of a max-pool, an even and an odd filter, a block."""


def random_images(batch_size: int, in_channels: int, height: int, width: int) -> Array:
    """Standard normal, so that signs mix: pools and the first convolution see negative numbers."""
    return np.random.default_rng(batch_size).standard_normal((batch_size, in_channels, height, width), np.float32)


def truth_of(images: Array, num_classes: int = 10, seed: int = 0) -> GroundTruth:
    weights = googlenet_np.init_weights(seed, in_channels=images.shape[1], num_classes=num_classes)
    return GroundTruth(GOOGLENET, weights, images, np.arange(len(images)) * 3 % num_classes)


def input_of(name: str, truth: GroundTruth) -> Array:
    """The reference's own input to a layer or a block, in float64."""
    return truth.inputs(GOOGLENET[f"{name}.p1_1" if name in BLOCKS else name], "float64")


@pytest.fixture(scope="module")
def small() -> GroundTruth:
    """Two images of 33×47 pixels: height, width and batch all differ, and no stride divides them."""
    return truth_of(random_images(2, 1, 33, 47))


@pytest.fixture(scope="module")
def model32(backend: Backend, small: GroundTruth) -> BuiltModel:
    return backend.build(small.weights, "float32")


@pytest.fixture(scope="module")
def model64(backend: Backend, small: GroundTruth) -> BuiltModel:
    return backend.build(small.weights, "float64")


def assert_passes(result: Any) -> None:
    assert result.status is Status.PASS, result.message if hasattr(result, "check") else result.sentence()


@pytest.mark.parametrize("name", representative(COMPUTING, KINDS))
def test_each_layer_stays_within_its_bound_in_float32(model32: BuiltModel, small: GroundTruth, name: str) -> None:
    local = small.local(GOOGLENET[name], "float32")
    actual = model32.layer(name, local.inputs)
    if local.bound is None:
        assert_passes(measure_equal(name, actual, local.output, "float32"))
    else:
        assert_passes(measure_bound(name, actual, local.output, local.bound, "float32"))


@pytest.mark.parametrize(
    "name", representative([name for name in COMPUTING if ".p4_1" in name or name.endswith("pool")], KINDS)
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pools_pad_with_minus_infinity(
    model32: BuiltModel, model64: BuiltModel, small: GroundTruth, name: str, dtype: DType
) -> None:
    model = model32 if dtype == "float32" else model64
    layer = GOOGLENET[name]
    inputs = -1 - np.random.default_rng(0).random((2, *small.shapes[layer.inputs[0]])).astype(dtype)
    desired = googlenet_np.layer(name, small.weights, inputs)
    if layer.kind == "max-pool":
        assert_passes(measure_equal(name, model.layer(name, inputs), desired.astype(dtype), dtype))
    else:
        np.testing.assert_allclose(model.layer(name, inputs), desired, rtol=1e-6)


@pytest.mark.parametrize("name", representative(BLOCKS, KINDS))
def test_a_blocks_name_runs_the_whole_block(model64: BuiltModel, small: GroundTruth, name: str) -> None:
    inputs = input_of(name, small)
    actual = model64.layer(name, inputs)
    assert_passes(measure_limit(name, actual, small.activations[name], 1e-12, "float64"))


@pytest.mark.parametrize("name", representative([*COMPUTING, BLOCKS[0], BLOCKS[-1]], KINDS))
def test_each_layers_gradients_agree_in_float64(model64: BuiltModel, small: GroundTruth, name: str) -> None:
    inputs = input_of(name, small)
    cotangent = np.random.default_rng(1).standard_normal(small.activations[name].shape)
    desired = googlenet_np.layer_gradients(name, small.weights, inputs, cotangent)
    actual = model64.layer_gradients(name, inputs, cotangent)
    assert list(actual.weights) == list(desired.weights)
    for key, gradient in {**desired.weights, "inputs": desired.inputs}.items():
        given = actual.inputs if key == "inputs" else actual.weights[key]
        assert_passes(measure_limit(key, given, gradient, 1e-12 * np.abs(gradient).max(), "float64"))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_whole_network_agrees_at_every_size(backend: Backend, size: tuple[int, int]) -> None:
    truth = truth_of(random_images(2, 1, *size))
    model = backend.build(truth.weights, "float64")
    activations = model.activations(truth.images.astype(np.float64))
    assert_passes(check_shapes(SHAPES, truth, "float64", activations))
    assert_passes(check_outputs(OUTPUTS, truth, activations))


@pytest.mark.exhaustive
def test_the_whole_network_agrees_with_three_channels_and_a_thousand_classes(backend: Backend) -> None:
    truth = truth_of(random_images(1, 3, 224, 224), num_classes=1000)
    activations = backend.build(truth.weights, "float64").activations(truth.images.astype(np.float64))
    assert_passes(check_shapes(SHAPES, truth, "float64", activations))
    assert_passes(check_outputs(OUTPUTS, truth, activations))


@pytest.mark.parametrize("batch_size", representative([1, 2, 5], [2]))
def test_every_sample_of_a_batch_counts(backend: Backend, batch_size: int) -> None:
    truth = truth_of(random_images(batch_size, 1, 40, 56))
    model = backend.build(truth.weights, "float64")
    images = truth.images.astype(np.float64)
    assert_passes(check_outputs(OUTPUTS, truth, model.activations(images)))
    loss, weights, by_images = model.gradients(images, truth.labels)
    assert_passes(check_gradients(GRADIENTS, truth, loss, {**weights, "images": by_images}))
    desired = truth.gradients.images  # of noise, in which no two pixels tie for a pool's maximum
    assert_passes(measure_limit("images", by_images, desired, 1e-12 * np.abs(desired).max(), "float64"))


@pytest.mark.exhaustive
def test_real_images_pass_layer_by_layer_in_float32(backend: Backend) -> None:
    images, labels = googlenet_np.sample_images(4)
    truth = GroundTruth(GOOGLENET, googlenet_np.init_weights(1), images, labels)
    model = backend.build(truth.weights, "float32")
    outputs = {name: model.layer(name, truth.inputs(GOOGLENET[name], "float32")) for name in COMPUTING}
    assert_passes(check_layers(LAYERS, truth, "float32", outputs, model.activations(images)))


def test_prediction_agrees_with_activations(backend: Backend, small: GroundTruth, model64: BuiltModel) -> None:
    images = small.images.astype(np.float64)
    predicted = model64.predict(images)
    assert predicted.shape == (2, 10)
    assert predicted.dtype == np.float64
    np.testing.assert_allclose(predicted, small.activations["fc"], rtol=0, atol=1e-12)


@pytest.mark.exhaustive
def test_prediction_takes_another_size_afterwards(model64: BuiltModel, small: GroundTruth) -> None:
    model64.predict(small.images.astype(np.float64))
    other = truth_of(random_images(3, 1, 20, 65))
    np.testing.assert_allclose(
        model64.predict(other.images.astype(np.float64)), other.activations["fc"], rtol=0, atol=1e-12
    )


def test_what_comes_back_belongs_to_the_caller(model32: BuiltModel, small: GroundTruth) -> None:
    first = model32.activations(small.images)
    kept = {name: array.copy() for name, array in first.items()}
    model32.activations(-small.images)
    model32.predict(-small.images)
    for name, array in first.items():
        assert array.flags.c_contiguous, name
        np.testing.assert_array_equal(array, kept[name], err_msg=name)


def test_inputs_are_left_alone(model32: BuiltModel, small: GroundTruth) -> None:
    images = small.images.copy()
    images.flags.writeable = False
    model32.activations(images)
    model32.gradients(images, small.labels)
    model32.predict(images)
    np.testing.assert_array_equal(images, small.images)


@pytest.mark.parametrize(("source", "target"), representative(permutations(BACKENDS, 2), ROUND))
@pytest.mark.parametrize("dtype", representative(["float32", "float64"], ["float32"]))
def test_weights_travel_bit_for_bit(source: str, target: str, dtype: Any) -> None:
    weights = googlenet_np.init_weights(7, in_channels=2, num_classes=3)
    there = load(source).build(weights, dtype).export_weights()
    back = load(target).build(there, dtype).export_weights()
    assert list(back) == list(weights)
    for name, array in weights.items():
        assert back[name].tobytes() == array.astype(dtype).tobytes(), name


def test_an_unknown_layer_is_named(model32: BuiltModel, small: GroundTruth) -> None:
    with pytest.raises(UnknownLayerError, match=r"'b6\.conv' is no layer"):
        model32.layer("b6.conv", small.images)


def _scaled(weights: dict[str, Array], name: str, change: Any) -> dict[str, Array]:
    return {**weights, name: change(weights[name])}


BAD_WEIGHTS: dict[str, Callable[[dict[str, Array]], dict[str, Array]]] = {
    "missing": lambda weights: {name: array for name, array in weights.items() if name != "fc.bias"},
    "unexpected": lambda weights: {**weights, "b6.conv.weight": weights["fc.bias"]},
    "shape": lambda weights: _scaled(weights, "b2.conv1.weight", lambda array: array[:, :63]),
    "integer": lambda weights: _scaled(weights, "b2.conv1.bias", lambda array: array.astype(np.int32)),
    "nan": lambda weights: _scaled(weights, "b2.conv1.bias", lambda array: array * np.nan),
    "infinite": lambda weights: _scaled(weights, "b2.conv1.bias", lambda array: array / 0),
}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("fault", BAD_WEIGHTS)
def test_bad_weights_are_refused(backend: Backend, fault: str) -> None:
    with pytest.raises(WeightsError, match=r"b2\.conv1|fc\.bias|b6\.conv"):
        backend.build(BAD_WEIGHTS[fault](googlenet_np.init_weights(0)), "float32")


BAD_IMAGES = {
    "rank": (np.zeros((2, 28, 28), np.float32), "shape"),
    "channels": (np.zeros((2, 3, 28, 28), np.float32), "channels"),
    "dtype": (np.zeros((2, 1, 28, 28), np.uint8), "uint8"),
    "nan": (np.full((2, 1, 28, 28), np.nan, np.float32), "nan"),
    "empty side": (np.zeros((2, 1, 0, 28), np.float32), "height"),
    "empty batch": (np.zeros((0, 1, 28, 28), np.float32), "batch"),
}


@pytest.mark.parametrize("call", ["activations", "predict"])
@pytest.mark.parametrize("fault", BAD_IMAGES)
def test_bad_images_are_refused(model32: BuiltModel, fault: str, call: str) -> None:
    images, message = BAD_IMAGES[fault]
    with pytest.raises(NetparityError, match=message):
        getattr(model32, call)(images)
