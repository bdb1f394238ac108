"""The rounding bounds: their numbers by hand, that they hold for any order of summation, and that they are tight."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet_np import GOOGLENET, init_weights, sample_images
from googlenet_np.reference import layer as compute_layer
from googlenet_np.reference import layer_gradients
from netparity.network.contract import DTYPES, DType
from netparity.network.kinds import Layer
from netparity.verdict.bounds import (
    FALSE_ALARM,
    UNIT_ROUNDOFF,
    Bound,
    confidence,
    flush,
    gamma,
    probable_gamma,
)
from netparity.verdict.findings import Status
from netparity.verdict.ground_truth import GroundTruth
from netparity.verdict.layer_gradients import layer_gradient_truth
from netparity.verdict.tensors import measure_bound

Array = npt.NDArray[Any]

TINY = float(np.finfo(np.float32).tiny)
"""The smallest normal float32, 2⁻¹²⁶."""


# The numbers


@pytest.mark.parametrize(("dtype", "digits"), [("float32", 24), ("float64", 53)])
def test_unit_roundoff_is_half_the_step_after_one(dtype: DType, digits: int) -> None:
    assert UNIT_ROUNDOFF[dtype] == 2.0**-digits == np.finfo(dtype).eps / 2


@pytest.mark.parametrize(
    ("m", "u", "by_hand"),
    [
        (1, 2.0**-24, Fraction(1, 2**24 - 1)),
        (148, 2.0**-24, Fraction(148, 2**24 - 148)),  # 7×7×3 products and a bias
        (2**23, 2.0**-24, Fraction(1)),
        (1025, 2.0**-53, Fraction(1025, 2**53 - 1025)),
    ],
)
def test_gamma_by_hand(m: int, u: float, by_hand: Fraction) -> None:
    assert gamma(m, u) == pytest.approx(float(by_hand), rel=1e-15, abs=0)


@pytest.mark.parametrize(
    ("m", "u", "confidence", "by_hand"),
    [
        # exp(10 · 2 u + 4 u² / (1 - u)) - 1 and so on, in fifty decimal digits
        (4, 2.0**-24, 10, 1.1920936202617031e-06),
        (100, 2.0**-24, 6, 3.5762854366883422e-06),
        (10_000, 2.0**-53, 9, 9.9920072216269204e-14),
    ],
)
def test_probable_gamma_by_hand(m: int, u: float, confidence: float, by_hand: float) -> None:
    assert probable_gamma(m, u, confidence) == pytest.approx(by_hand, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    ("products", "u", "by_hand"), [(1, 0.0, 6.5446792155928248), (10**9, 2.0**-24, 9.1803794995516820)]
)
def test_confidence_by_hand(products: int, u: float, by_hand: float) -> None:
    assert FALSE_ALARM == 1e-9
    assert confidence(products, u) == pytest.approx(by_hand, rel=1e-14, abs=0)


@given(products=st.integers(1, 10**15), false_alarm=st.floats(1e-15, 0.5), dtype=st.sampled_from(DTYPES))
def test_confidence_gives_the_chance_it_was_asked_for(products: int, false_alarm: float, dtype: DType) -> None:
    u = UNIT_ROUNDOFF[dtype]
    chance = 2 * products * math.exp(-((confidence(products, u, false_alarm) * (1 - u)) ** 2) / 2)
    assert chance == pytest.approx(false_alarm, rel=1e-9, abs=0)


@given(
    products=st.integers(1, 10**12),
    times=st.integers(2, 1000),
    length=st.integers(1, 5000),
    dtype=st.sampled_from(DTYPES),
)
def test_fewer_false_alarms_and_longer_runs_need_wider_bounds(
    products: int, times: int, length: int, dtype: DType
) -> None:
    u = UNIT_ROUNDOFF[dtype]
    usual = confidence(products, u)
    rarer = confidence(products, u, FALSE_ALARM / times)
    longer = confidence(products * times, u)
    assert rarer > usual
    assert longer == pytest.approx(rarer, rel=1e-12), "both divide the chance that one sum may take"
    assert probable_gamma(length, u, rarer) > probable_gamma(length, u, usual)


# How long a sum is


@pytest.mark.parametrize(
    ("name", "input_shape", "length"),
    [
        ("b1.conv", (3, 224, 224), 3 * 7 * 7 + 1),
        ("b2.conv1", (64, 24, 24), 64 + 1),
        ("b2.conv2", (64, 24, 24), 64 * 3 * 3 + 1),
        ("b3.inception_3a.p3_2", (16, 12, 12), 16 * 5 * 5 + 1),
        ("fc", (1024,), 1024 + 1),
        ("b5.pool", (1024, 3, 5), 3 * 5 + 1),
        ("b1.pool", (64, 48, 48), 0),
        ("b3.inception_3a.p4_1", (192, 12, 12), 0),
        ("b3.inception_3a", (64, 12, 12), 0),
    ],
)
def test_sum_length(name: str, input_shape: tuple[int, ...], length: int) -> None:
    assert GOOGLENET[name].sum_length(input_shape) == length


# That the bounds hold

numbers = st.floats(-(2.0**20), 2.0**20, width=32)
small_numbers = st.floats(-(2.0**-64), 2.0**-64, width=32)  # their products are subnormal


@st.composite
def sums(draw: st.DrawFn) -> list[tuple[np.float32, np.float32]]:
    """Up to twelve pairs to be multiplied and added, in the order in which they are to be added; the last is a bias."""
    size = draw(st.integers(1, 12))
    entries = draw(st.sampled_from([numbers, small_numbers, numbers | small_numbers]))
    pairs = [(np.float32(draw(entries)), np.float32(draw(entries))) for _ in range(size)]
    if draw(st.booleans()):  # cancellation: every product is followed by all but its own negative
        pairs += [(np.nextafter(-x, np.float32(0)), weight) for x, weight in pairs]
    bias = draw(st.just(0.0) | entries)
    return [*draw(st.permutations(pairs)), (np.float32(1), np.float32(bias))]


def exact_sum(pairs: list[tuple[np.float32, np.float32]]) -> Fraction:
    return sum((Fraction(float(x)) * Fraction(float(weight)) for x, weight in pairs), Fraction(0))


def bound_of(pairs: list[tuple[np.float32, np.float32]]) -> Bound:
    magnitude = exact_sum([(abs(x), abs(weight)) for x, weight in pairs])
    largest = max(float(abs(value)) for pair in pairs for value in pair)
    return Bound.of_sums(np.array(float(magnitude)), len(pairs), "float32", confidence(len(pairs), 2.0**-24), largest)


def one_after_the_other(products: list[np.float32]) -> np.float32:
    return functools.reduce(lambda total, product: total + product, products, np.float32(0))


def pairwise(products: list[np.float32]) -> np.float32:
    if len(products) == 1:
        return products[0]
    half = len(products) // 2
    return np.float32(pairwise(products[:half]) + pairwise(products[half:]))


def in_four_lanes(products: list[np.float32]) -> np.float32:
    return pairwise([one_after_the_other(products[lane::4]) for lane in range(4)])


@pytest.mark.parametrize("order", [one_after_the_other, pairwise, in_four_lanes])
@given(pairs=sums())
def test_no_order_of_summation_goes_beyond_the_certain_bound(order: Any, pairs: Any) -> None:
    total = order([x * weight for x, weight in pairs])
    error = abs(Fraction(float(total)) - exact_sum(pairs))
    assert error <= Fraction(float(bound_of(pairs).certain))


@given(pairs=sums())
def test_nor_does_a_chain_of_fused_multiply_adds(pairs: Any) -> None:
    total = np.float32(0)
    for x, weight in pairs:
        total = np.float32(float(Fraction(float(x)) * Fraction(float(weight)) + Fraction(float(total))))
    assert abs(Fraction(float(total)) - exact_sum(pairs)) <= Fraction(float(bound_of(pairs).certain))


@given(pairs=sums())
def test_nor_does_a_machine_that_flushes_subnormals_to_zero(pairs: Any) -> None:
    def flushed(value: np.float32) -> np.float32:
        return np.float32(0) if abs(value) < TINY else value

    total = np.float32(0)
    for x, weight in pairs:
        total = flushed(total + flushed(flushed(x) * flushed(weight)))
    assert abs(Fraction(float(total)) - exact_sum(pairs)) <= Fraction(float(bound_of(pairs).certain))


def test_the_certain_bound_is_reached_to_within_a_half() -> None:
    """Were it ten times too wide, it would be no proof worth having: ones swallow half an ulp, again and again."""
    pairs = [(np.float32(1), np.float32(1))] + [(np.float32(1), np.float32(2.0**-24))] * 2000
    error = abs(float(one_after_the_other([x * weight for x, weight in pairs])) - float(exact_sum(pairs)))
    assert error > 0.5 * bound_of(pairs).certain


@given(length=st.integers(1, 100_000), confidence=st.floats(1, 30), dtype=st.sampled_from(DTYPES))
def test_the_probable_bound_is_never_above_the_certain_one(length: int, confidence: float, dtype: DType) -> None:
    bound = Bound.of_sums(np.array([0.0, 1e-30, 1.0, 1e30]), length, dtype, confidence, 1.0)
    assert (bound.probable <= bound.certain).all()
    assert (bound.probable > 0).all()
    if length > confidence**2 + 2:
        assert bound.probable_factor < bound.certain_factor


def test_flush_takes_subnormals_and_nothing_else() -> None:
    values = np.array([0.0, TINY, -TINY, TINY / 2, -TINY / 2, 1.0, np.inf], np.float32)
    np.testing.assert_array_equal(flush(values, "float32"), [0, TINY, -TINY, 0, 0, 1, np.inf])
    np.testing.assert_array_equal(flush(values.astype(np.float64), "float64"), values)


# That they are tight on the network's own layers

SUMMING = [layer for layer in GOOGLENET if layer.kind in ("conv", "dense")]
ALONE = [layer for layer in GOOGLENET if layer.kind != "concat"]


@functools.cache
def truth() -> GroundTruth:
    return GroundTruth(GOOGLENET, init_weights(0), *sample_images(2, image_size=(33, 47)))


def rounded(array: Array, digits: int) -> Array:
    """``array`` with significands of so many binary digits."""
    significand, exponent = np.frexp(array)
    return np.ldexp(np.rint(significand * 2**digits) / 2**digits, exponent).astype(np.float32)


def computed_in_float32(layer: Layer, digits: int = 24) -> Array:
    """``layer`` on the reference's inputs, in float32, its factors rounded to so many digits before."""
    weights = {
        name: rounded(weight, digits) if name.endswith("weight") else weight
        for name, weight in truth().weights.items()
        if name.startswith(f"{layer.name}.")
    }
    return compute_layer(layer.name, weights, rounded(truth().inputs(layer, "float32"), digits), dtype="float32")


@pytest.mark.parametrize("layer", SUMMING, ids=[layer.name for layer in SUMMING])
def test_float32_is_within_the_bound_and_anything_less_is_not(layer: Layer) -> None:
    local = truth().local(layer, "float32")
    assert local.bound is not None
    measured = {
        digits: measure_bound(layer.name, computed_in_float32(layer, digits), local.output, local.bound, "float32")
        for digits in (24, 11, 8)
    }
    assert measured[24].status is Status.PASS
    assert measured[24].share < 0.5
    assert measured[11].status.failed, "TensorFloat-32 inputs"
    assert measured[11].share > 2
    assert measured[8].status is Status.FAIL, "bfloat16 inputs"
    assert measured[8].share > 15


@pytest.mark.parametrize("layer", ALONE, ids=[layer.name for layer in ALONE])
def test_float32_gradients_are_within_their_bounds_and_anything_less_is_not(layer: Layer) -> None:
    """Only the cotangent is rounded to fewer digits: it enters every gradient, and decides no sign."""
    backward = layer_gradient_truth(truth(), layer, "float32")
    measured = {}
    for digits in (24, 11, 8):
        cotangent = rounded(backward.cotangent, digits)
        given = layer_gradients(layer.name, truth().weights, backward.inputs, cotangent, dtype="float32")
        gradients = {**given.weights, "inputs": given.inputs}
        assert gradients.keys() == backward.gradients.keys()
        measured[digits] = [
            measure_bound(key, gradients[key], *own, "float32") for key, own in backward.gradients.items()
        ]
    assert {found.status for found in measured[24]} == {Status.PASS}
    assert min(found.share for found in measured[11]) > 1, "TensorFloat-32 cotangents"
    assert {found.status for found in measured[8]} == {Status.FAIL}, "bfloat16 cotangents"
    assert min(found.share for found in measured[8]) > 8


@pytest.mark.exhaustive
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_alarm_without_a_fault(seed: int) -> None:
    """Weights, images and the order of the channels are drawn."""
    random = np.random.default_rng(seed)
    images = random.normal(size=(2, 3, 9, 14)).astype(np.float32)
    own = GroundTruth(GOOGLENET, init_weights(seed, in_channels=3), images, np.zeros(2, np.int64))
    for layer in SUMMING:
        local = own.local(layer, "float32")
        assert local.bound is not None
        order = random.permutation(local.inputs.shape[1])
        weights = {
            f"{layer.name}.weight": own.weights[f"{layer.name}.weight"][:, order],
            f"{layer.name}.bias": own.weights[f"{layer.name}.bias"],
        }
        actual = compute_layer(layer.name, weights, local.inputs[:, order], dtype="float32")
        assert measure_bound(layer.name, actual, local.output, local.bound, "float32").share < 0.7
