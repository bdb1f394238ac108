"""The reference's operations against cases worked out by hand, finite differences and the adjoint identity.

Each backward function is held three ways: numbers written out here, central differences of its forward function, and
the identity <J v, c> = <v, J' c> between a linear operation and its backward function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from netparity.network import operations as op

Array = npt.NDArray[Any]

STEP = 2.0**-17
"""Of the central differences. The cube root of the float64 rounding unit, 2**-53, balances their two errors."""

GEOMETRIES = [
    # kernel size, stride, padding: those of the network, then others
    *((1, 1, 0), (3, 1, 1), (5, 1, 2), (7, 2, 3)),
    *((3, 2, 1), (3, 1, 0), (2, 2, 0), (2, 3, 1)),
]

POOLS = [(3, 2, 1), (3, 1, 1), (2, 2, 0), (2, 3, 1), (3, 1, 0)]


def array(*values: Any, dtype: str = "float64") -> Array:
    return np.array(values, dtype)


def image(*rows: Any, dtype: str = "float64") -> Array:
    """One image of one channel."""
    return np.array([[rows]], dtype)


def difference_quotient(function: Callable[[Array], Array], x: Array, direction: Array) -> float:
    """Central difference of ``function(x).sum()`` along ``direction``."""
    ahead, behind = function(x + STEP * direction), function(x - STEP * direction)
    return float((ahead - behind).sum() / (2 * STEP))


def assert_derivative(function: Callable[[Array], Array], x: Array, gradient: Array, direction: Array) -> None:
    """``gradient`` is the one of ``function(x).sum()``, as far as a central difference along ``direction`` tells.

    Its error is STEP**2 / 6 times a third derivative, plus rounding of about 2**-53 / STEP, both of order 2**-36
    times the data, which are of order 1 here; one thousand terms of a sum leave 2**-26 with room to spare.
    """
    assert gradient.shape == x.shape
    np.testing.assert_allclose(
        float((gradient * direction).sum()), difference_quotient(function, x, direction), rtol=2**-26, atol=2**-26
    )


def assert_adjoint(forward: Array, cotangent: Array, x: Array, backward: Array) -> None:
    """<forward, cotangent> = <x, backward>, to 1e-12 of the sum of the terms' sizes."""
    left, right = float((forward * cotangent).sum()), float((x * backward).sum())
    assert abs(left - right) <= 1e-12 * float(abs(forward * cotangent).sum())


class TestConv2d:
    X = image([1, 2, 3], [4, 5, 6], [7, 8, 10])
    KERNEL = image([1, 10], [100, 1000])

    def test_kernel_is_neither_flipped_nor_transposed(self) -> None:
        # 1*1 + 10*2 + 100*4 + 1000*5 = 5421, and so on: each digit tells which pixel met which tap.
        desired = image([5421, 6532], [8754, 10865])
        np.testing.assert_array_equal(op.conv2d(self.X, self.KERNEL, None), desired, strict=True)

    def test_padding_is_zeros_on_all_four_sides(self) -> None:
        desired = image([1000, 2100, 3200, 300], [4010, 5421, 6532, 603], [7040, 8754, 10865, 1006], [70, 87, 108, 10])
        np.testing.assert_array_equal(op.conv2d(self.X, self.KERNEL, None, padding=1), desired, strict=True)

    def test_stride_counts_from_the_padded_corner(self) -> None:
        desired = image([1000, 3200], [7040, 10865])
        np.testing.assert_array_equal(op.conv2d(self.X, self.KERNEL, None, stride=2, padding=1), desired, strict=True)

    def test_stride_leaves_out_what_does_not_fill_a_window(self) -> None:
        np.testing.assert_array_equal(op.conv2d(self.X, self.KERNEL, None, stride=2), image([5421]), strict=True)

    def test_height_and_width_are_not_mistaken(self) -> None:
        x = image([1, 2, 3, 4, 5], [6, 7, 8, 9, 0], [5, 4, 3, 2, 1])
        kernel = image([1, 0, 2], [0, 3, 0], [0, 0, 4])
        # Top left: 1*1 + 2*3 + 3*7 + 4*3 = 40; then 2 + 8 + 24 + 8; 3 + 10 + 27 + 4.
        np.testing.assert_array_equal(op.conv2d(x, kernel, None), image([40, 42, 44]), strict=True)

    def test_channels_are_summed_and_filters_kept_apart(self) -> None:
        x = array([[[1, 2]], [[3, 4]], [[5, 6]]], [[[7, 8]], [[9, 10]], [[11, 12]]])  # 2 x 3 x 1 x 2
        weight = array([1, 10, 100], [-1, 0, 2]).reshape(2, 3, 1, 1)
        desired = array([[[531.5, 642.5]], [[8, 9]]], [[[1197.5, 1308.5]], [[14, 15]]])
        np.testing.assert_array_equal(op.conv2d(x, weight, array(0.5, -1.0)), desired, strict=True)

    def test_float32_stays_float32(self) -> None:
        x, kernel = self.X.astype("float32"), self.KERNEL.astype("float32")
        desired = image([5421.25, 6532.25], [8754.25, 10865.25], dtype="float32")
        np.testing.assert_array_equal(op.conv2d(x, kernel, array(0.25, dtype="float32")), desired, strict=True)

    def test_backward_by_hand(self) -> None:
        # Output positions (0, 0) and (1, 1) with cotangents 1 and 2, filter 2 x 2, no padding.
        by_weight, by_bias, by_x = op.conv2d_backward(self.X, self.KERNEL, image([1, 0], [0, 2]))
        np.testing.assert_array_equal(by_weight, image([1 + 10, 2 + 12], [4 + 16, 5 + 20]), strict=True)
        np.testing.assert_array_equal(by_bias, array(3), strict=True)
        np.testing.assert_array_equal(by_x, image([1, 10, 0], [100, 1000 + 2, 20], [0, 200, 2000]), strict=True)

    def test_backward_at_the_border_and_stride_2_by_hand(self) -> None:
        # Padded by one: windows start at (-1, -1), (-1, 1), (1, -1), (1, 1); cotangents 1, 2, 3, 4.
        by_weight, by_bias, by_x = op.conv2d_backward(self.X, self.KERNEL, image([1, 2], [3, 4]), stride=2, padding=1)
        # Tap (0, 0) meets a pixel only in the last window: 4 * 5. Tap (0, 1): 3 * 4 + 4 * 6. Tap (1, 0): 2 * 2 + 4 * 8.
        # Tap (1, 1): 1 * 1 + 2 * 3 + 3 * 7 + 4 * 10.
        np.testing.assert_array_equal(by_weight, image([20, 36], [36, 68]), strict=True)
        np.testing.assert_array_equal(by_bias, array(10), strict=True)
        np.testing.assert_array_equal(by_x, image([1000, 200, 2000], [30, 4, 40], [3000, 400, 4000]), strict=True)

    @pytest.mark.parametrize(("kernel_size", "stride", "padding"), GEOMETRIES)
    def test_adjoint(self, kernel_size: int, stride: int, padding: int) -> None:
        random = np.random.default_rng(kernel_size)
        x = random.normal(size=(2, 3, 8, 11))
        weight = random.normal(size=(5, 3, kernel_size, kernel_size))
        y = op.conv2d(x, weight, None, stride=stride, padding=padding)
        cotangent = random.normal(size=y.shape)
        by_weight, _, by_x = op.conv2d_backward(x, weight, cotangent, stride=stride, padding=padding)
        assert_adjoint(y, cotangent, x, by_x)
        assert_adjoint(y, cotangent, weight, by_weight)

    @pytest.mark.parametrize(("kernel_size", "stride", "padding"), GEOMETRIES)
    def test_finite_differences(self, kernel_size: int, stride: int, padding: int) -> None:
        random = np.random.default_rng(10 + kernel_size)
        geometry = {"stride": stride, "padding": padding}
        x = random.normal(size=(2, 3, 8, 11))
        weight, bias = random.normal(size=(5, 3, kernel_size, kernel_size)), random.normal(size=5)
        cotangent = random.normal(size=op.conv2d(x, weight, bias, **geometry).shape)
        by_weight, by_bias, by_x = op.conv2d_backward(x, weight, cotangent, **geometry)

        def weighted_sum(x: Array, weight: Array, bias: Array) -> Array:
            weighted: Array = op.conv2d(x, weight, bias, **geometry) * cotangent
            return weighted

        assert_derivative(lambda moved: weighted_sum(moved, weight, bias), x, by_x, random.normal(size=x.shape))
        assert_derivative(
            lambda moved: weighted_sum(x, moved, bias), weight, by_weight, random.normal(size=weight.shape)
        )
        assert_derivative(lambda moved: weighted_sum(x, weight, moved), bias, by_bias, random.normal(size=bias.shape))


class TestMaxPool2d:
    X = image([1, 5, 2, 0], [3, -1, 4, 7], [8, 6, -2, 9])

    def test_window_and_padding(self) -> None:
        desired = image([5, 5, 7, 7], [8, 8, 9, 9], [8, 8, 9, 9])
        np.testing.assert_array_equal(op.max_pool2d(self.X, kernel_size=3, stride=1, padding=1), desired, strict=True)

    def test_stride_2_counts_from_the_padded_corner(self) -> None:
        desired = image([5, 7], [8, 9])
        np.testing.assert_array_equal(op.max_pool2d(self.X, kernel_size=3, stride=2, padding=1), desired, strict=True)

    def test_no_padding(self) -> None:
        desired = image([5, 5, 7], [8, 6, 9])
        np.testing.assert_array_equal(op.max_pool2d(self.X, kernel_size=2, stride=1, padding=0), desired, strict=True)

    def test_border_is_minus_infinity(self) -> None:
        x = image([-3, -7], [-5, -4])
        np.testing.assert_array_equal(
            op.max_pool2d(x, kernel_size=3, stride=1, padding=1), image([-3, -3], [-3, -3]), strict=True
        )
        np.testing.assert_array_equal(op.max_pool2d(x, kernel_size=3, stride=2, padding=1), image([-3]), strict=True)

    def test_channels_and_images_are_kept_apart(self) -> None:
        x = array([[[1, 2]], [[4, 3]]], [[[-6, -5]], [[0, -1]]])  # 2 x 2 x 1 x 2
        desired = array([[[2]], [[4]]], [[[-5]], [[0]]])
        np.testing.assert_array_equal(op.max_pool2d(x, kernel_size=3, stride=2, padding=1), desired, strict=True)

    def test_nan_stays(self) -> None:
        x = self.X.copy()
        x[0, 0, 0, 0] = np.nan
        desired = image([np.nan, np.nan, 7, 7], [np.nan, np.nan, 9, 9], [8, 8, 9, 9])
        np.testing.assert_array_equal(op.max_pool2d(x, kernel_size=3, stride=1, padding=1), desired, strict=True)

    def test_float32_stays_float32(self) -> None:
        assert op.max_pool2d(self.X.astype("float32"), kernel_size=3, stride=1, padding=1).dtype == np.float32

    def test_backward_by_hand(self) -> None:
        # Windows of 3 at stride 2: maxima 5, 7, 8, 9, each once.
        by_x = self.backward(self.X, image([1, 2], [3, 4]), kernel_size=3, stride=2, padding=1)
        np.testing.assert_array_equal(by_x, image([0, 1, 0, 0], [0, 0, 0, 2], [3, 0, 0, 4]), strict=True)

    def test_backward_adds_up_where_windows_overlap(self) -> None:
        # Windows of 2 at stride 1: maxima 5, 5, 7 and 8, 6, 9.
        by_x = self.backward(self.X, image([1, 2, 4], [8, 16, 32]), kernel_size=2, stride=1, padding=0)
        np.testing.assert_array_equal(by_x, image([0, 3, 0, 0], [0, 0, 0, 4], [8, 16, 0, 32]), strict=True)

    @pytest.mark.parametrize(
        ("x", "desired"),
        [
            (image([7, 7], [7, 7]), image([1, 0], [0, 0])),
            (image([0, 7], [7, 7]), image([0, 1], [0, 0])),
            (image([0, 0], [7, 7]), image([0, 0], [1, 0])),
            (image([-1, -2], [-1, -1]), image([1, 0], [0, 0])),
        ],
        ids=["all equal", "first row, last column before second row", "second row", "negative"],
    )
    def test_tie_goes_to_the_first_maximum_in_row_major_order(self, x: Array, desired: Array) -> None:
        by_x = self.backward(x, image([1]), kernel_size=2, stride=1, padding=0)
        np.testing.assert_array_equal(by_x, desired, strict=True)

    def test_tie_on_the_border_of_overlapping_windows(self) -> None:
        # All entries equal: window (i, j) of 3 x 3 with padding 1 begins at (i - 1, j - 1), or at the image's edge.
        by_x = self.backward(np.zeros((1, 1, 2, 4)), np.ones((1, 1, 2, 4)), kernel_size=3, stride=1, padding=1)
        np.testing.assert_array_equal(by_x, image([4, 2, 2, 0], [0, 0, 0, 0]), strict=True)

    @pytest.mark.parametrize(("kernel_size", "stride", "padding"), POOLS)
    def test_cotangent_is_handed_on_whole(self, kernel_size: int, stride: int, padding: int) -> None:
        random = np.random.default_rng(20)
        x = random.integers(0, 3, size=(2, 3, 7, 10)).astype(float)  # many ties
        y = op.max_pool2d(x, kernel_size=kernel_size, stride=stride, padding=padding)
        cotangent = random.integers(-9, 9, size=y.shape).astype(float)
        by_x = self.backward(x, cotangent, kernel_size=kernel_size, stride=stride, padding=padding)
        np.testing.assert_array_equal(by_x.sum(axis=(2, 3)), cotangent.sum(axis=(2, 3)))

    @pytest.mark.parametrize(("kernel_size", "stride", "padding"), POOLS)
    def test_finite_differences_and_adjoint(self, kernel_size: int, stride: int, padding: int) -> None:
        random = np.random.default_rng(21)
        geometry = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
        # Distinct whole numbers: no step of the difference quotient changes which one is the maximum.
        x = random.permutation(2 * 3 * 7 * 10).reshape(2, 3, 7, 10) - 200.0
        y = op.max_pool2d(x, **geometry)
        cotangent = random.normal(size=y.shape)
        by_x = op.max_pool2d_backward(x, y, cotangent, **geometry)
        direction = random.normal(size=x.shape)
        assert_derivative(lambda moved: op.max_pool2d(moved, **geometry) * cotangent, x / 256, by_x, direction)
        assert_adjoint(y, cotangent, x, by_x)  # a maximum is one of its entries: linear as long as the order stays

    @staticmethod
    def backward(x: Array, cotangent: Array, **geometry: int) -> Array:
        return op.max_pool2d_backward(x, op.max_pool2d(x, **geometry), cotangent, **geometry)


class TestRelu:
    def test_by_hand_and_in_place(self) -> None:
        x = array(-2.0, -0.0, 0.0, 3.0, np.nan)
        y = op.relu(x)
        np.testing.assert_array_equal(y, array(0, 0, 0, 3, np.nan))
        assert y is x

    def test_derivative_at_zero_is_zero(self) -> None:
        by_x = op.relu_backward(op.relu(array(-2.0, -0.0, 0.0, 3.0)), array(5, 6, 7, 8))
        np.testing.assert_array_equal(by_x, array(0, 0, 0, 8), strict=True)

    def test_finite_differences_and_adjoint(self) -> None:
        random = np.random.default_rng(30)
        x = random.choice([-1, 1], size=(2, 3, 4, 5)) * random.uniform(0.1, 1, size=(2, 3, 4, 5))  # away from zero
        cotangent = random.normal(size=x.shape)
        y = op.relu(x.copy())
        by_x = op.relu_backward(y, cotangent)
        assert_derivative(lambda moved: op.relu(moved.copy()) * cotangent, x, by_x, random.normal(size=x.shape))
        assert_adjoint(y, cotangent, x, by_x)


class TestGlobalAvgPool2d:
    X = array([[[1, 2, 3], [4, 5, 9]], [[0, 0, 0], [0, 0, 3]]])  # 1 x 2 x 2 x 3

    def test_by_hand(self) -> None:
        np.testing.assert_array_equal(op.global_avg_pool2d(self.X), array([4, 0.5]), strict=True)

    def test_backward_by_hand(self) -> None:
        by_x = op.global_avg_pool2d_backward(self.X, array([6, -12]))
        np.testing.assert_array_equal(by_x, array([np.full((2, 3), 1), np.full((2, 3), -2)]), strict=True)

    def test_finite_differences_and_adjoint(self) -> None:
        random = np.random.default_rng(40)
        x, cotangent = random.normal(size=(2, 3, 4, 5)), random.normal(size=(2, 3))
        by_x = op.global_avg_pool2d_backward(x, cotangent)
        direction = random.normal(size=x.shape)
        assert_derivative(lambda moved: op.global_avg_pool2d(moved) * cotangent, x, by_x, direction)
        assert_adjoint(op.global_avg_pool2d(x), cotangent, x, by_x)


class TestDense:
    X = array([1, 2, 3], [4, 5, 6])
    WEIGHT = array([1, 10, 100], [-1, 0, 1])

    def test_by_hand(self) -> None:
        desired = array([321.5, 1], [654.5, 1])
        np.testing.assert_array_equal(op.dense(self.X, self.WEIGHT, array(0.5, -1)), desired, strict=True)

    def test_backward_by_hand(self) -> None:
        by_weight, by_bias, by_x = op.dense_backward(self.X, self.WEIGHT, array([1, 0], [2, -1]))
        np.testing.assert_array_equal(by_weight, array([9, 12, 15], [-4, -5, -6]), strict=True)
        np.testing.assert_array_equal(by_bias, array(3, -1), strict=True)
        np.testing.assert_array_equal(by_x, array([1, 10, 100], [3, 20, 199]), strict=True)

    def test_finite_differences_and_adjoint(self) -> None:
        random = np.random.default_rng(50)
        x, weight, bias = random.normal(size=(2, 3)), random.normal(size=(5, 3)), random.normal(size=5)
        cotangent = random.normal(size=(2, 5))
        by_weight, by_bias, by_x = op.dense_backward(x, weight, cotangent)
        assert_derivative(lambda moved: op.dense(moved, weight, bias) * cotangent, x, by_x, random.normal(size=x.shape))
        assert_derivative(
            lambda moved: op.dense(x, moved, bias) * cotangent, weight, by_weight, random.normal(size=weight.shape)
        )
        assert_derivative(lambda moved: op.dense(x, weight, moved) * cotangent, bias, by_bias, random.normal(size=5))
        assert_adjoint(op.dense(x, weight, np.zeros(5)), cotangent, x, by_x)


class TestSoftmaxCrossEntropy:
    def test_by_hand(self) -> None:
        # Softmax of log(1, 2, 5) is 1/8, 2/8, 5/8; of equal logits, a third each.
        logits = np.array([np.log([1, 2, 5]), [4, 4, 4]])
        losses, gradient = op.softmax_cross_entropy(logits, np.array([2, 0]))
        np.testing.assert_allclose(losses, array(np.log(8 / 5), np.log(3)), rtol=4e-16)
        np.testing.assert_allclose(gradient, array([1 / 8, 2 / 8, -3 / 8], [-2 / 3, 1 / 3, 1 / 3]), rtol=1e-15)

    def test_large_logits_do_not_overflow(self) -> None:
        logits = array([1e4, 0, -1e4], [-1e4, 1e4, 0], [-2e4, -1e4, -1e4])
        losses, gradient = op.softmax_cross_entropy(logits, np.array([0, 2, 1]))
        np.testing.assert_array_equal(losses, array(0, 1e4, np.log(2)))
        np.testing.assert_array_equal(gradient, array([0, 0, 0], [0, 1, -1], [0, -0.5, 0.5]))

    def test_float32_stays_float32(self) -> None:
        losses, gradient = op.softmax_cross_entropy(array([1, 2], [3, 5], dtype="float32"), np.array([0, 1]))
        assert [losses.dtype, gradient.dtype] == [np.float32, np.float32]

    def test_logits_and_labels_are_left_alone(self) -> None:
        logits, labels = array([1, 2], [3, 5]), np.array([0, 1])
        op.softmax_cross_entropy(logits, labels)
        np.testing.assert_array_equal(logits, array([1, 2], [3, 5]))
        np.testing.assert_array_equal(labels, [0, 1])

    def test_finite_differences(self) -> None:
        random = np.random.default_rng(60)
        logits, labels = 3 * random.normal(size=(4, 5)), np.array([3, 0, 4, 4])
        _, gradient = op.softmax_cross_entropy(logits, labels)
        assert_derivative(
            lambda moved: op.softmax_cross_entropy(moved, labels)[0], logits, gradient, random.normal(size=(4, 5))
        )
