"""Kinks that rounding may decide, counted; and float32 gradients, end to end, shown and never judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, init_weights, sample_images
from googlenet_np.reference import gradients
from netparity.network.kinds import Conv2d, Dense, Kinks, MaxPool2d
from netparity.verdict import checks
from netparity.verdict.ground_truth import WIRING_SAMPLES, GroundTruth

Array = npt.NDArray[Any]

POOL = MaxPool2d("pool", ("b1.conv",), kernel_size=3, stride=2, padding=1)
SAME_SIZE = MaxPool2d("pool", ("b1.conv",), kernel_size=3, stride=1, padding=1)


def undecided_signs(before: Array, error: float) -> Kinks:
    """Of a convolution's outputs before its ReLU, each of which may be off by ``error``."""
    conv = Conv2d("conv", ("images",), 1, kernel_size=1)
    return conv.undecided(before, np.zeros(1), error, input_error=9.0, after_a_pool=False)


def undecided_maxima(layer: MaxPool2d, x: Array, error: float, *, after_a_pool: bool = False) -> Kinks:
    """Of a pool's windows over ``x``, each entry of which may be off by ``error``."""
    return layer.undecided(np.zeros(1), x, error=9.0, input_error=error, after_a_pool=after_a_pool)


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return GroundTruth(GOOGLENET, init_weights(0), *sample_images(2, image_size=(25, 33)))


def test_a_sign_is_undecided_within_its_error_on_both_sides() -> None:
    before = np.array([[-2.0, -0.5, -0.1], [0.0, 0.1, 3.0]])
    assert undecided_signs(before, 0.1) == Kinks(signs=3, maxima=0, entries=6)
    assert undecided_signs(before, 0.6).signs == 4
    assert undecided_signs(before, 0.0).signs == 1


@pytest.mark.parametrize(("second", "undecided"), [(8.0, 0), (8.79, 0), (8.81, 1), (9.0, 1)])
def test_a_maximum_is_undecided_when_the_second_is_within_both_errors(second: float, undecided: int) -> None:
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 0, 0], x[0, 0, 1, 1] = 9.0, second
    window = MaxPool2d("pool", ("b1.conv",), kernel_size=3, stride=3, padding=0)
    assert undecided_maxima(window, x, 0.1) == Kinks(maxima=undecided, entries=1)


def test_a_window_of_closed_relus_is_no_kink() -> None:
    assert undecided_maxima(SAME_SIZE, np.zeros((2, 3, 4, 5)), 0.1) == Kinks(entries=2 * 3 * 4 * 5)


def test_what_overlapping_windows_share_is_one_pixel() -> None:
    """Two equal outputs of a pool are most likely the same input, and the gradient comes to it either way."""
    pool = MaxPool2d("pool", ("b2.pool",), kernel_size=3, stride=3, padding=0)
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 0, 0] = x[0, 0, 0, 1] = 9.0
    assert undecided_maxima(pool, x, 0.1, after_a_pool=True).maxima == 0
    x[0, 0, 0, 1] = 8.9
    assert undecided_maxima(pool, x, 0.1, after_a_pool=True).maxima == 1


def test_only_relus_and_maxima_have_kinks() -> None:
    for layer in (Dense("fc", ("b5.pool",)), GOOGLENET["b5.pool"], GOOGLENET["b3.inception_3a"]):
        assert layer.undecided(np.zeros((2, 3)), np.zeros((2, 3)), 1.0, 1.0, after_a_pool=False) == Kinks()


def test_the_network_knows_which_layers_read_a_pool() -> None:
    assert [layer.name for layer in GOOGLENET if GOOGLENET.reads_a_pool(layer) and isinstance(layer, MaxPool2d)] == [
        "b3.inception_3a.p4_1",
        "b4.inception_4a.p4_1",
        "b5.inception_5a.p4_1",
    ]
    assert not GOOGLENET.reads_a_pool(GOOGLENET["b1.conv"])


def test_padding_is_never_a_maximum() -> None:
    lone = np.full((1, 1, 1, 1), -5.0)
    assert undecided_maxima(SAME_SIZE, lone, 1e-3).maxima == 0


@pytest.mark.parametrize("layer", [POOL, SAME_SIZE], ids=["stride 2", "stride 1"])
def test_windows_are_counted_as_the_reference_takes_them(layer: MaxPool2d) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 10))
    expected = [-(-length // layer.stride) for length in (7, 10)]
    assert undecided_maxima(layer, x, 0.0).entries == 2 * 3 * expected[0] * expected[1]


def test_the_network_has_some_and_far_from_all(truth: GroundTruth) -> None:
    kinks = truth.kinks("float32")
    relus = sum(np.prod(truth.shapes[f"{layer.name}"]) for layer in GOOGLENET.weighted if layer.name != "fc")
    pools = sum(np.prod(truth.shapes[layer.name]) for layer in GOOGLENET if isinstance(layer, MaxPool2d))
    assert kinks.entries == len(truth.images) * (relus + pools)
    assert 0 < kinks.signs < kinks.entries / 100
    assert 0 < kinks.maxima < kinks.entries / 2
    assert truth.kinks("float64").signs < kinks.signs


def test_only_the_images_whose_gradients_are_shown_are_counted() -> None:
    images, labels = sample_images(WIRING_SAMPLES + 2, image_size=(9, 9))
    all_of_them = GroundTruth(GOOGLENET, init_weights(0), images, labels).kinks("float32")
    assert all_of_them.entries % WIRING_SAMPLES == 0
    first = GroundTruth(GOOGLENET, init_weights(0), images[:WIRING_SAMPLES], labels[:WIRING_SAMPLES])
    assert all_of_them.entries == first.kinks("float32").entries


def test_what_is_shown_is_the_worst_entry_as_a_share_of_the_largest(truth: GroundTruth) -> None:
    right = truth.gradients
    given = {name: gradient.astype(np.float32) for name, gradient in right.weights.items()}
    given["images"] = right.images.astype(np.float32)
    given["fc.bias"][3] += 0.25 * np.abs(right.weights["fc.bias"]).max()
    seen = checks.observe_gradients("gradients float32", truth, Kinks(5, 7, 100), given)
    assert list(seen.values) == [*right.weights, "images"]
    assert seen.worst == "fc.bias"
    assert seen.values["fc.bias"] == pytest.approx(0.25, rel=1e-5)
    assert seen.values["b1.conv.weight"] < 1e-6
    assert "5 signs of ReLUs and 7 maxima of pools among 100" in seen.message


@pytest.mark.parametrize("fault", ["missing", "NaN", "another shape"])
def test_what_cannot_be_compared_is_shown_as_such(truth: GroundTruth, fault: str) -> None:
    given = dict(gradients(truth.weights, truth.images, truth.labels, dtype="float32").weights)
    match fault:
        case "missing":
            del given["fc.bias"]
        case "NaN":
            given["fc.bias"] = np.full_like(given["fc.bias"], np.nan)
        case "another shape":
            given["fc.bias"] = given["fc.bias"][:-1]
    seen = checks.observe_gradients("gradients float32", truth, Kinks(), given)
    assert seen.values["fc.bias"] == float("inf")
