"""The NumPy reference: its forward pass and gradients, one layer alone, its memory, and what it refuses.

Its numbers are held against a second implementation, written for this file from the source document's definition with
nothing but sums over windows; against finite differences; and against itself, layer by layer. The frameworks hold it
in float64 elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from googlenet_np import (
    GOOGLENET,
    Gradients,
    ImagesError,
    OptionError,
    UnknownLayerError,
    WeightsError,
    forward,
    gradients,
    init_weights,
    layer,
    layer_gradients,
)
from netparity.network import operations, reference
from netparity.network.kinds import Concat
from netparity.network.layout import nchw_to_nhwc, nhwc_to_nchw
from netparity.network.network import IMAGES
from netparity.verdict.bounds import UNIT_ROUNDOFF, gamma
from parity_tests.support.command import LIMIT
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]
Weights = dict[str, Array]

IN_CHANNELS, NUM_CLASSES = 3, 7
LABELS = np.array([5, 0])

BLOCKS = [found.name for found in GOOGLENET if isinstance(found, Concat)]
KINDS = ["b1.conv", "b2.pool", "b3.inception_3a.p2_1", "b3.inception_3a", "b5.pool", "fc"]
"""A layer of each kind, a 1 x 1 convolution and a block among them."""


def seeded_images(*shape: int, dtype: str = "float64") -> Array:
    return np.random.default_rng(prod(shape)).normal(size=shape).astype(dtype)


def relative_error(actual: Array, desired: Array) -> float:
    """The largest difference, relative to the largest entry."""
    assert actual.shape == desired.shape
    return float(abs(actual - desired).max() / abs(desired).max())


@pytest.fixture(scope="module")
def weights() -> Weights:
    return {
        name: array.astype(np.float64)
        for name, array in init_weights(3, in_channels=IN_CHANNELS, num_classes=NUM_CLASSES).items()
    }


@pytest.fixture(scope="module")
def images() -> Array:
    return seeded_images(2, IN_CHANNELS, 33, 38)


@pytest.fixture(scope="module")
def activations(weights: Weights, images: Array) -> Weights:
    return forward(weights, images)


@pytest.fixture(scope="module")
def whole(weights: Weights, images: Array) -> Gradients:
    return gradients(weights, images, LABELS)


class SourceDocumentsNetwork:
    """GoogLeNet once more, as the source document's text has it: no code and no table is shared with the reference."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def logits(self, x: Array) -> Array:
        x = self.max_pool(self.conv(x, "b1.conv", stride=2, padding=3), stride=2)
        x = self.max_pool(self.conv(self.conv(x, "b2.conv1"), "b2.conv2", padding=1), stride=2)
        for stage, blocks in (("b3", "ab"), ("b4", "abcde"), ("b5", "ab")):
            for letter in blocks:
                x = self.inception(x, f"{stage}.inception_{stage[1]}{letter}")
            x = self.max_pool(x, stride=2) if stage != "b5" else x.mean(axis=(2, 3))
        logits: Array = np.einsum("nc,oc->no", x, self.weights["fc.weight"]) + self.weights["fc.bias"]
        return logits

    def inception(self, x: Array, name: str) -> Array:
        p1 = self.conv(x, f"{name}.p1_1")
        p2 = self.conv(self.conv(x, f"{name}.p2_1"), f"{name}.p2_2", padding=1)
        p3 = self.conv(self.conv(x, f"{name}.p3_1"), f"{name}.p3_2", padding=2)
        p4 = self.conv(self.max_pool(x, stride=1), f"{name}.p4_2")
        return np.concatenate([p1, p2, p3, p4], axis=1)

    def conv(self, x: Array, name: str, *, stride: int = 1, padding: int = 0) -> Array:
        kernel, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        windows = self.windows(x, len(kernel[0, 0]), stride, padding, value=0)
        y = np.einsum("nchwkl,ockl->nohw", windows, kernel, optimize=True) + bias[None, :, None, None]
        return np.where(y > 0, y, 0)

    def max_pool(self, x: Array, *, stride: int) -> Array:
        maximum: Array = self.windows(x, 3, stride, 1, value=-np.inf).max(axis=(4, 5))
        return maximum

    @staticmethod
    def windows(x: Array, size: int, stride: int, padding: int, *, value: float) -> Array:
        border = (padding, padding)
        padded = np.pad(x, ((0, 0), (0, 0), border, border), constant_values=value)
        windows: Array = sliding_window_view(padded, (1, 1, size, size))[:, :, ::stride, ::stride, 0, 0]
        return windows


class TestForward:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("size", [(1, 1), (1, 7), (31, 33)])
    def test_shapes_dtype_and_order(self, weights: Weights, size: tuple[int, int], dtype: str) -> None:
        result = forward(weights, seeded_images(2, IN_CHANNELS, *size), dtype=dtype)
        shapes = GOOGLENET.output_shapes(IN_CHANNELS, NUM_CLASSES, size)
        assert tuple(result) == GOOGLENET.names
        assert {name: array.shape for name, array in result.items()} == {
            name: (2, *shapes[name]) for name in GOOGLENET.names
        }
        assert {array.dtype.name for array in result.values()} == {dtype}
        assert all(array.flags.c_contiguous for array in result.values())

    @pytest.mark.parametrize("size", [(1, 1), (1, 7), (31, 33), (34, 50)])
    def test_logits_are_the_source_documents(self, weights: Weights, size: tuple[int, int]) -> None:
        x = seeded_images(2, IN_CHANNELS, *size)
        desired = SourceDocumentsNetwork(weights).logits(x)
        assert relative_error(forward(weights, x)["fc"], desired) < 1e-13

    def test_default_dtype_is_float64(self) -> None:
        result = forward(init_weights(0), seeded_images(2, 1, 5, 8, dtype="float32"), layers=["fc"])
        assert result["fc"].dtype == np.float64

    def test_float32_differs_from_float64_by_its_roundings_only(self, weights: Weights, images: Array) -> None:
        rounded = {name: array.astype(np.float32) for name, array in weights.items()}
        low, high = (forward(rounded, images.astype(np.float32), dtype=dtype)["fc"] for dtype in ("float32", "float64"))
        assert 0 < relative_error(low, high) < 1e-5

    def test_layers_keeps_only_those_in_canonical_order(
        self, weights: Weights, images: Array, activations: Weights
    ) -> None:
        result = forward(weights, images, layers=["fc", "b3.inception_3a", "b1.pool"])
        assert list(result) == ["b1.pool", "b3.inception_3a", "fc"]
        np.testing.assert_equal(result, {name: activations[name] for name in result})

    @pytest.mark.parametrize("layers", [["fc", "b6.conv"], ["images"], "fc"])
    def test_layers_that_are_none(self, weights: Weights, images: Array, layers: Any) -> None:
        with pytest.raises(UnknownLayerError, match="is no layer of GoogLeNet"):
            forward(weights, images, layers=layers)
        with pytest.raises(UnknownLayerError, match="is no layer of GoogLeNet"):
            reference.forward_and_gradients(GOOGLENET, weights, images, LABELS, layers=layers)

    def test_memory_order_of_the_images_does_not_matter(
        self, weights: Weights, images: Array, activations: Weights
    ) -> None:
        as_nhwc = nhwc_to_nchw(np.ascontiguousarray(nchw_to_nhwc(images)))
        assert not as_nhwc.flags.c_contiguous
        np.testing.assert_array_equal(forward(weights, as_nhwc, layers=["fc"])["fc"], activations["fc"])

    @pytest.mark.parametrize("constant", ["CHUNK_BYTES", "COLUMN_BYTES"])
    def test_result_does_not_depend_on_chunks(
        self, monkeypatch: pytest.MonkeyPatch, weights: Weights, images: Array, activations: Weights, constant: str
    ) -> None:
        monkeypatch.setattr(reference if constant == "CHUNK_BYTES" else operations, constant, 1)
        logits = forward(weights, images)["fc"]
        assert relative_error(logits, activations["fc"]) < 1e-14


class TestGradients:
    def test_names_shapes_and_dtype(self, weights: Weights, images: Array, whole: Gradients) -> None:
        assert [(name, array.shape) for name, array in whole.weights.items()] == [
            (name, array.shape) for name, array in weights.items()
        ]
        assert whole.images.shape == images.shape
        assert {array.dtype for array in (whole.images, *whole.weights.values())} == {np.dtype(np.float64)}

    def test_float32(self, weights: Weights, images: Array) -> None:
        result = gradients(weights, images, LABELS, dtype="float32")
        assert {array.dtype for array in (result.images, *result.weights.values())} == {np.dtype(np.float32)}

    def test_loss_is_the_batch_mean_of_the_cross_entropy(self, activations: Weights, whole: Gradients) -> None:
        logits = activations["fc"]
        desired = np.mean([np.log(np.exp(logits[i]).sum()) - logits[i, LABELS[i]] for i in range(2)])
        assert isinstance(whole.loss, float)
        np.testing.assert_allclose(whole.loss, desired, rtol=1e-15)

    def test_gradient_by_the_last_bias_by_hand(self, activations: Weights, whole: Gradients) -> None:
        softmax = np.exp(activations["fc"]) / np.exp(activations["fc"]).sum(axis=1, keepdims=True)
        desired = (softmax - np.eye(NUM_CLASSES)[LABELS]).mean(axis=0)
        np.testing.assert_allclose(whole.weights["fc.bias"], desired, rtol=1e-14)

    @pytest.mark.parametrize("rank", representative([0, 1, 2], quick=[0]))
    @pytest.mark.parametrize(
        "name",
        [
            *("images", "b1.conv.weight", "b1.conv.bias", "b2.conv1.weight", "b2.conv2.weight"),
            *("b3.inception_3a.p1_1.weight", "b3.inception_3b.p2_2.weight", "b4.inception_4a.p3_2.weight"),
            *("b4.inception_4d.p4_2.weight", "b5.inception_5a.p2_1.bias", "b5.inception_5b.p3_2.bias"),
            *("fc.weight", "fc.bias"),
        ],
    )
    def test_finite_differences(self, weights: Weights, images: Array, whole: Gradients, name: str, rank: int) -> None:
        """Central differences at the entries whose gradients are the largest, the second and the third largest.

        The step is small, so that no ReLU and no maximum changes sides on the way (at 2**-16 some do). The error is
        then rounding: some 2**-52 of a loss of order 1, divided by twice the step; measured at most 2**-32.
        """
        gradient = whole.images if name == "images" else whole.weights[name]
        place = np.unravel_index(np.argsort(abs(gradient), axis=None)[-1 - rank], gradient.shape)
        step = 2.0**-20

        def loss(change: float) -> float:
            moved = {"images": images, **weights}
            moved[name] = moved[name].copy()
            moved[name][place] += change
            logits = forward({key: moved[key] for key in weights}, moved["images"], layers=["fc"])["fc"]
            return float(operations.softmax_cross_entropy(logits, LABELS)[0].mean())

        quotient = (loss(step) - loss(-step)) / (2 * step)
        assert abs(gradient[place]) > 2**-13
        np.testing.assert_allclose(gradient[place], quotient, rtol=0, atol=2**-29)

    @pytest.mark.parametrize("constant", ["CHUNK_BYTES", "COLUMN_BYTES"])
    def test_result_does_not_depend_on_chunks(
        self, monkeypatch: pytest.MonkeyPatch, weights: Weights, images: Array, whole: Gradients, constant: str
    ) -> None:
        monkeypatch.setattr(reference if constant == "CHUNK_BYTES" else operations, constant, 1)
        loss, by_weights, by_images = gradients(weights, images, LABELS)
        errors = {name: relative_error(by_weights[name], whole.weights[name]) for name in by_weights}
        errors["images"] = relative_error(by_images, whole.images)
        errors["loss"] = abs(loss - whole.loss)
        assert {name: error for name, error in errors.items() if error > 1e-14} == {}

    @pytest.mark.parametrize("chunk_bytes", [1, reference.CHUNK_BYTES])
    def test_one_pass_gives_activations_and_gradients(
        self,
        monkeypatch: pytest.MonkeyPatch,
        weights: Weights,
        images: Array,
        activations: Weights,
        whole: Gradients,
        chunk_bytes: int,
    ) -> None:
        monkeypatch.setattr(reference, "CHUNK_BYTES", chunk_bytes)
        kept, (loss, by_weights, by_images) = reference.forward_and_gradients(GOOGLENET, weights, images, LABELS)
        assert [list(kept), list(by_weights)] == [list(activations), list(whole.weights)]
        errors = {name: relative_error(kept[name], activations[name]) for name in kept}
        errors |= {name: relative_error(by_weights[name], whole.weights[name]) for name in by_weights}
        errors["images"] = relative_error(by_images, whole.images)
        errors["loss"] = abs(loss - whole.loss)
        assert {name: error for name, error in errors.items() if error > 1e-14} == {}


class TestOneLayer:
    @pytest.mark.parametrize("name", GOOGLENET.names)
    def test_forward_is_made_of_layers(self, weights: Weights, images: Array, activations: Weights, name: str) -> None:
        result = layer(name, weights, inputs_of(name, images, activations))
        assert (result.dtype, result.shape) == (activations[name].dtype, activations[name].shape)
        assert (abs(result - activations[name]) <= apart(name, weights, images, activations)).all()

    @pytest.mark.parametrize("name", [name for name in KINDS if name not in BLOCKS])
    def test_mistakes_are_made_from_the_right_layer(
        self, weights: Weights, images: Array, activations: Weights, name: str
    ) -> None:
        found, inputs = GOOGLENET[name], inputs_of(name, images, activations)
        own = {key: weights[f"{name}.{key}"] for key in found.parameters}
        result = found.right(inputs, own).output()
        assert (abs(result - activations[name]) <= apart(name, weights, images, activations)).all()

    def test_gradients_are_made_of_layers_by_the_chain_rule(
        self, weights: Weights, images: Array, activations: Weights, whole: Gradients
    ) -> None:
        chain = [name for name in GOOGLENET.names if name.rsplit(".", 1)[0] not in BLOCKS]
        _, by_logits = operations.softmax_cross_entropy(activations["fc"], LABELS)
        cotangent = by_logits / len(images)
        by_weights: Weights = {}
        for name in reversed(chain):
            given = layer_gradients(name, weights, inputs_of(name, images, activations), cotangent)
            by_weights |= {f"{name}.{key}": gradient for key, gradient in given.weights.items()}
            cotangent = given.inputs
        assert sorted(by_weights) == sorted(whole.weights)
        errors = {name: relative_error(by_weights[name], whole.weights[name]) for name in by_weights}
        errors["images"] = relative_error(cotangent, whole.images)
        assert {name: error for name, error in errors.items() if error > 1e-13} == {}

    @pytest.mark.parametrize("block", BLOCKS)
    def test_gradients_of_a_block_are_made_of_its_layers(
        self, weights: Weights, images: Array, activations: Weights, block: str
    ) -> None:
        x = inputs_of(block, images, activations)
        inside = {name: activations[f"{block}.{name}"] for name in ("p1_1", "p2_1", "p2_2", "p3_1", "p3_2", "p4_1")}
        cotangent = seeded_images(*activations[block].shape)
        ends = np.cumsum([inside[name].shape[1] for name in ("p1_1", "p2_2", "p3_2")])
        c1, c2, c3, c4 = np.split(cotangent, ends, axis=1)
        by_weights: Weights = {}

        def back(name: str, inputs: Array, arrived: Array) -> Array:
            given = layer_gradients(f"{block}.{name}", weights, inputs, arrived)
            by_weights.update({f"{name}.{key}": gradient for key, gradient in given.weights.items()})
            return given.inputs

        by_inputs = back("p1_1", x, c1)
        by_inputs = by_inputs + back("p2_1", x, back("p2_2", inside["p2_1"], c2))
        by_inputs = by_inputs + back("p3_1", x, back("p3_2", inside["p3_1"], c3))
        by_inputs = by_inputs + back("p4_1", x, back("p4_2", inside["p4_1"], c4))
        given = layer_gradients(block, weights, x, cotangent)
        assert list(given.weights) == [
            f"{name}.{kind}" for name in ("p1_1", "p2_1", "p2_2", "p3_1", "p3_2", "p4_2") for kind in ("weight", "bias")
        ]
        assert relative_error(given.inputs, by_inputs) < 1e-13
        errors = {name: relative_error(given.weights[name], by_weights[name]) for name in by_weights}
        assert {name: error for name, error in errors.items() if error > 1e-13} == {}

    @pytest.mark.parametrize("name", KINDS)
    def test_dtype(self, weights: Weights, images: Array, activations: Weights, name: str) -> None:
        inputs = inputs_of(name, images, activations)
        result = layer(name, weights, inputs, dtype="float32")
        by_weights, by_inputs = layer_gradients(name, weights, inputs, np.ones(result.shape), dtype="float32")
        assert {array.dtype for array in (result, by_inputs, *by_weights.values())} == {np.dtype(np.float32)}
        assert result.flags.c_contiguous
        assert by_inputs.flags.c_contiguous

    def test_pool_of_negative_numbers(self, weights: Weights) -> None:
        x = -1 - abs(seeded_images(2, 5, 6, 9))
        windows = SourceDocumentsNetwork.windows(x, 3, 2, 1, value=-np.inf)
        np.testing.assert_array_equal(layer("b2.pool", weights, x), windows.max(axis=(4, 5)), strict=True)

    @pytest.mark.parametrize("call", [layer, layer_gradients])
    def test_name_that_is_no_layer(self, weights: Weights, call: Callable[..., Any]) -> None:
        extra = {"cotangent": np.zeros((2, 7))} if call is layer_gradients else {}
        with pytest.raises(UnknownLayerError, match="'fc2' is no layer of GoogLeNet"):
            call("fc2", weights, np.zeros((2, 1024)), **extra)

    @pytest.mark.parametrize(
        ("name", "inputs", "complaint"),
        [
            ("b2.conv1", np.zeros((2, 65, 5, 4)), r"shape \(2, 65, 5, 4\); expected \(N, 64, H, W\)"),
            ("b2.conv1", np.zeros((64, 5, 4)), r"shape \(64, 5, 4\); expected \(N, 64, H, W\)"),
            ("b2.conv1", np.zeros((2, 64, 5, 0)), r"shape \(2, 64, 5, 0\); expected .*, none of them zero"),
            ("b2.conv1", np.zeros((0, 64, 5, 4)), r"shape \(0, 64, 5, 4\); expected .*, none of them zero"),
            ("b2.conv1", np.zeros((2, 64, 5, 4), np.int64), "dtype int64; expected float32 or float64"),
            ("b2.pool", np.zeros((2, 64)), r"shape \(2, 64\); expected \(N, C, H, W\)"),
            ("b3.inception_3a", np.zeros((2, 193, 5, 4)), r"expected \(N, 192, H, W\)"),
            ("fc", np.zeros((2, 1024, 1, 1)), r"shape \(2, 1024, 1, 1\); expected \(N, 1024\)"),
            ("fc", np.zeros((2, 1023)), r"shape \(2, 1023\); expected \(N, 1024\)"),
        ],
    )
    def test_inputs_that_do_not_fit(self, weights: Weights, name: str, inputs: Array, complaint: str) -> None:
        with pytest.raises(ImagesError, match=f"^The inputs of '{name}' have .*{complaint}"):
            layer(name, weights, inputs)

    def test_cotangent_that_does_not_fit(self, weights: Weights) -> None:
        with pytest.raises(ImagesError, match=r"cotangent of 'fc' has shape \(2, 8\); expected \(2, 7\)"):
            layer_gradients("fc", weights, np.zeros((2, 1024)), np.zeros((2, 8)))


def inputs_of(name: str, images: Array, activations: Weights) -> Array:
    """What a layer reads, or what a block's first layer does."""
    before = GOOGLENET[f"{name}.p1_1" if name in BLOCKS else name].inputs[0]
    return images if before == "images" else activations[before]


def apart(name: str, weights: Weights, images: Array, activations: Weights) -> Array:
    """How far apart two computations of a layer or block on the same inputs may be, entry by entry.

    After a forward pass the inputs lie otherwise in memory, and BLAS may then sum in another order; which order, its
    kernels for the processor say. Two sums of n terms are 2 γ(n) of their terms apart at most, and γ(3 n) covers the
    rounding of this bound, too. Where nothing is summed, no bit may differ. Within a block, what one layer's results
    are apart reaches the next: through its weights' absolute values, or through a maximum as it is.
    """
    values = {**activations, IMAGES: inputs_of(name, images, activations)}
    errors = {IMAGES: np.zeros_like(values[IMAGES])}
    for member in GOOGLENET.part(name):
        inherited = [errors[before] for before in member.inputs]
        size = {key: abs(weights[f"{member.name}.{key}"]) for key in member.parameters}
        errors[member.name] = member.forward(inherited, {key: size[key] * (key != "bias") for key in size})
        if length := member.sum_length(values[member.inputs[0]].shape[1:]):
            terms = member.forward([abs(values[member.inputs[0]]) + inherited[0]], size)
            errors[member.name] += gamma(3 * length, UNIT_ROUNDOFF["float64"]) * terms
    return errors[name]


class TestCallersArrays:
    """Read-only arrays raise where something writes to them; what comes back must be the caller's own."""

    @pytest.fixture
    def locked(self, weights: Weights, images: Array) -> Any:
        arrays = [*weights.values(), images, LABELS]
        for array in arrays:
            array.flags.writeable = False
        yield arrays
        for array in arrays:
            array.flags.writeable = True

    def test_forward(self, locked: list[Array], weights: Weights, images: Array) -> None:
        assert_own(forward(weights, images).values(), locked)

    def test_gradients(self, locked: list[Array], weights: Weights, images: Array) -> None:
        _, by_weights, by_images = gradients(weights, images, LABELS)
        assert_own([*by_weights.values(), by_images], locked)

    @pytest.mark.parametrize("name", KINDS)
    def test_one_layer(
        self, locked: list[Array], weights: Weights, images: Array, activations: Weights, name: str
    ) -> None:
        inputs, cotangent = inputs_of(name, images, activations).copy(), np.ones_like(activations[name])
        inputs.flags.writeable = cotangent.flags.writeable = False
        result = layer(name, weights, inputs)
        by_weights, by_inputs = layer_gradients(name, weights, inputs, cotangent)
        assert_own([result, by_inputs, *by_weights.values()], [*locked, inputs, cotangent])


def assert_own(results: Any, arrays: list[Array]) -> None:
    results = list(results)
    assert all(result.flags.writeable for result in results)
    assert not any(np.shares_memory(result, array) for result in results for array in arrays)
    assert not any(np.shares_memory(one, other) for i, one in enumerate(results) for other in results[:i])


def run_forward(weights: Weights, images: Array, **options: Any) -> None:
    forward(weights, images, **options)


def run_gradients(weights: Weights, images: Array, **options: Any) -> None:
    gradients(weights, images, LABELS, **options)


@pytest.mark.parametrize("call", [run_forward, run_gradients])
class TestBadInput:
    @pytest.mark.parametrize(
        ("bad", "complaint"),
        [
            (np.zeros((3, 9, 8)), r"shape \(3, 9, 8\); expected four axes"),
            (np.zeros((1, 2, 3, 9, 8)), r"shape \(1, 2, 3, 9, 8\); expected four axes"),
            (np.zeros((2, 4, 9, 8)), "4 channels .*; expected 3"),
            (np.zeros((2, 3, 9, 8), np.uint8), "dtype uint8; expected float32 or float64: divide by 255"),
            (np.zeros((2, 3, 9, 8), np.float16), "dtype float16; expected float32 or float64"),
            (np.zeros((2, 3, 9, 8), np.complex64), "dtype complex64; expected float32 or float64"),
            (np.zeros((2, 3, 9, 8), object), "dtype object; expected float32 or float64"),
            (np.zeros((0, 3, 9, 8)), "the batch is empty"),
            (np.zeros((2, 0, 9, 8)), "the channel axis is empty"),
            (np.zeros((2, 3, 0, 8)), "the height is empty"),
            (np.zeros((2, 3, 9, 0)), "the width is empty"),
            ([[[[0.0]]]], "are a list; expected a NumPy array"),
            (None, "are a NoneType; expected a NumPy array"),
        ],
        ids=lambda value: None if isinstance(value, str) else getattr(value, "dtype", type(value).__name__),
    )
    def test_images(self, weights: Weights, call: Callable[..., None], bad: Any, complaint: str) -> None:
        with pytest.raises(ImagesError, match=f"^The images .*{complaint}"):
            call(weights, bad)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_images_that_are_not_finite(self, weights: Weights, call: Callable[..., None], value: float) -> None:
        bad = seeded_images(2, IN_CHANNELS, 9, 8)
        bad[1, 2, 3, 4] = value
        with pytest.raises(ImagesError, match=rf"hold {value} at \(n, c, h, w\) = \(1, 2, 3, 4\)"):
            call(weights, bad)

    @pytest.mark.parametrize("dtype", ["float16", "double", None, np.float32])
    def test_dtype(self, weights: Weights, images: Array, call: Callable[..., None], dtype: Any) -> None:
        with pytest.raises(OptionError, match=r"The dtype is .*; expected one of float32, float64"):
            call(weights, images, dtype=dtype)

    def test_weights_without_a_tensor(self, weights: Weights, images: Array, call: Callable[..., None]) -> None:
        with pytest.raises(WeightsError, match=r"1 missing: fc\.bias"):
            call({name: array for name, array in weights.items() if name != "fc.bias"}, images)

    def test_weights_for_no_classes(self, weights: Weights, images: Array, call: Callable[..., None]) -> None:
        with pytest.raises(WeightsError, match=r"'fc\.weight' has shape \(0, 1024\)"):
            call({**weights, "fc.weight": np.zeros((0, 1024)), "fc.bias": np.zeros(0)}, images)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (np.array([0, 1, 2]), r"shape \(3,\); expected \(2,\)"),
        (np.array([[0, 1]]), r"shape \(1, 2\); expected \(2,\)"),
        (np.array([0.0, 1.0]), "dtype float64; expected an integer dtype"),
        (np.array([True, False]), "dtype bool; expected an integer dtype"),
        (np.array([0, 7]), "Label 1 is 7; expected 0 to 6"),
        (np.array([-1, 0]), "Label 0 is -1; expected 0 to 6"),
        ([0, 1], "are a list; expected a NumPy array"),
    ],
    ids=str,
)
def test_bad_labels(weights: Weights, images: Array, bad: Any, complaint: str) -> None:
    with pytest.raises(ImagesError, match=complaint):
        gradients(weights, images, bad)


MEASURE = """
import re, resource, sys
from pathlib import Path
import numpy as np
from threadpoolctl import threadpool_limits
from googlenet_np import forward, gradients, init_weights
from netparity.network import reference

def peak():
    # On Linux ru_maxrss starts with the peak of the process that this one was forked from; VmHWM is our own.
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.search(r"VmHWM:[^0-9]*([0-9]+) kB", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

weights = init_weights(0)
images = np.random.default_rng(0).random((24, 1, 112, 112), dtype=np.float32)
labels = np.arange(len(images)) % 10
reference.CHUNK_BYTES //= 8
with threadpool_limits(2, user_api="blas"):  # each thread has gradients of its own
    before = peak()
    if sys.argv[1] == "forward":
        forward(weights, images, dtype="float32", layers=["fc"])
    else:
        gradients(weights, images, labels, dtype="float32")
    print(peak() - before)
"""


@pytest.mark.parametrize(
    ("call", "limit"), representative([("forward", 64 << 20), ("gradients", 112 << 20)], quick=[("forward", 64 << 20)])
)
def test_memory_does_not_grow_with_the_batch(call: str, limit: int) -> None:
    """All activations of 24 images would take 138 MiB; measured are 11 MiB forward, and 79 MiB with gradients.

    An image of 112 x 112 has 1.5 million, hence 5.8 MiB in float32, and an eighth of reference.CHUNK_BYTES is 16 MiB.
    Beside one chunk the backward pass holds the gradients by its activations that are still pending, and in each
    thread those by the weights.
    """
    per_image = 4 * sum(map(prod, GOOGLENET.output_shapes(image_size=(112, 112)).values()))
    assert 24 * per_image > limit + reference.CHUNK_BYTES // 8
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, call], capture_output=True, text=True, check=True, timeout=LIMIT
    )
    assert int(result.stdout) < limit
