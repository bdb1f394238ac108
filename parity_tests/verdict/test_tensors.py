"""One tensor against the reference's: every entry counts, and nothing that is no number passes for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from netparity.verdict.bounds import Bound
from netparity.verdict.findings import Measurement, Status
from netparity.verdict.tensors import malformed, measure_bound, measure_equal, measure_limit

Array = npt.NDArray[Any]

SHAPE = (2, 3, 5, 7)
LAST = (1, 2, 4, 6)
"""The entry that a comparison of first samples, or of means, sees last."""


def desired() -> Array:
    """Numbers of many sizes, with zeros among them, as after a ReLU; exact in float32."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=SHAPE) * 10.0 ** random.integers(-3, 4, SHAPE)
    return np.maximum(numbers, 0).astype(np.float32).astype(np.float64)


def bound() -> Bound:
    """A bound that allows a different error at each entry, the probable one half of the certain one."""
    return Bound(np.abs(desired()) + 0.01, certain_factor=2e-4, probable_factor=1e-4, underflow=1e-30)


def given(index: tuple[int, ...] = LAST, error: float = 0.0) -> Array:
    """The desired numbers in float32, one of them off."""
    actual = desired().astype(np.float32)
    actual[index] += np.float32(error)
    return actual


# What cannot be compared


def spoiled(value: float, index: tuple[int, ...] = LAST) -> Array:
    actual = given()
    actual[index] = value
    return actual


MALFORMED = {
    "missing": (None, "is missing"),
    "shape": (given()[:, :, :, :6], "has shape (2, 3, 5, 6), expected (2, 3, 5, 7)"),
    "one sample": (given()[:1], "has shape (1, 3, 5, 7), expected"),
    "NHWC": (np.moveaxis(given(), 1, 3), "has shape (2, 5, 7, 3), expected"),
    "scalar": (np.float32(given()[LAST]).reshape(()), "has shape (), expected"),
    "empty": (given()[:0], "has shape (0, 3, 5, 7), expected"),
    "more precise": (given().astype(np.float64), "has dtype float64, expected float32"),
    "less precise": (given().astype(np.float16), "has dtype float16, expected float32"),
    "integer": (given().astype(np.int64), "has dtype int64, expected float32"),
    "other byte order": (given().astype(">f4"), "has dtype >f4, expected float32"),
    "NaN": (spoiled(np.nan), "holds nan at (1, 2, 4, 6) (0.48% of its entries are not finite)"),
    "infinity": (spoiled(np.inf), "holds inf at (1, 2, 4, 6)"),
    "minus infinity": (spoiled(-np.inf, (0, 1, 0, 3)), "holds -inf at (0, 1, 0, 3)"),
    "NaN alone": (np.full(SHAPE, np.nan, np.float32), "holds nan at (0, 0, 0, 0) (100.00% of"),
}


def measure_everyway(actual: Array | None) -> dict[str, Measurement | None]:
    return {
        "malformed": malformed("x", actual, SHAPE, "float32"),
        "bound": measure_bound("x", actual, desired(), bound(), "float32"),
        "equal": measure_equal("x", actual, desired(), "float32"),
        "limit": measure_limit("x", actual, desired(), 1e9, "float32"),
    }


@pytest.mark.parametrize("way", ["malformed", "bound", "equal", "limit"])
@pytest.mark.parametrize("fault", MALFORMED)
def test_what_cannot_be_compared_fails(fault: str, way: str) -> None:
    actual, words = MALFORMED[fault]
    found = measure_everyway(actual)[way]
    assert found is not None
    assert (found.name, found.status, found.share) == ("x", Status.FAIL, np.inf)
    assert words in found.message
    assert found.sentence().startswith(f"x {words}")


def test_what_is_right_passes_everyway() -> None:
    found = measure_everyway(given())
    assert found.pop("malformed") is None
    for measured in found.values():
        assert measured is not None
        assert (measured.status, measured.share, measured.beyond, measured.message) == (Status.PASS, 0.0, 0.0, "")


# A bound for each entry


@pytest.mark.parametrize("index", [(0, 0, 0, 0), (0, 2, 3, 1), LAST])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("share", "status"), [(0.9, Status.PASS), (1.2, Status.SUSPECT), (1.9, Status.SUSPECT), (4, Status.FAIL)]
)
def test_one_entry_beyond_its_own_bound_decides(
    index: tuple[int, ...], sign: int, share: float, status: Status
) -> None:
    allowed = float(bound().probable[index])
    measured = measure_bound("x", given(index, sign * share * allowed), desired(), bound(), "float32")
    assert measured.status is status
    assert measured.share == pytest.approx(share, rel=0.05)
    assert measured.index == index
    assert measured.limit == pytest.approx(allowed, abs=0)
    assert measured.error == pytest.approx(share * allowed, rel=0.05, abs=0)
    assert measured.actual == given(index, sign * share * allowed)[index]
    assert measured.desired == desired()[index]
    assert measured.beyond == (0 if share < 1 else pytest.approx(1 / desired().size))


def test_the_worst_entry_is_the_one_with_the_largest_share_not_the_largest_error() -> None:
    """An error that is much where little is allowed counts more than a larger one where more is allowed."""
    allowed = bound().probable
    large, small = (tuple(map(int, np.unravel_index(place, SHAPE))) for place in (allowed.argmax(), allowed.argmin()))
    actual = given()
    actual[large] += np.float32(0.8 * allowed[large])
    actual[small] += np.float32(3 * allowed[small])
    measured = measure_bound("x", actual, desired(), bound(), "float32")
    assert (measured.status, measured.index) == (Status.FAIL, small)
    assert abs(actual[large] - desired()[large]) > 100 * measured.error


def test_the_entry_that_is_certainly_wrong_need_not_be_the_one_with_the_largest_share() -> None:
    """The underflow term is part of both bounds, so their ratio differs from entry to entry."""
    uneven = Bound(np.array([0.0, 1.0]), certain_factor=4.0, probable_factor=1.0, underflow=1.0)
    actual = np.array([1.1, 2.1], np.float32)
    measured = measure_bound("x", actual, np.zeros(2), uneven, "float32")
    assert measured.index == (0,)
    assert measured.status is Status.FAIL


def test_an_entry_of_which_nothing_is_allowed_hides_no_other() -> None:
    strict = Bound(np.array([0.0, 1.0, 1.0]), certain_factor=2e-4, probable_factor=1e-4, underflow=0.0)
    measured = measure_bound("x", np.array([0, 1, 1.5], np.float32), np.array([0.0, 1, 1]), strict, "float32")
    assert (measured.status, measured.index) == (Status.FAIL, (2,))


def test_errors_are_taken_in_double_precision() -> None:
    """In float32, a third and the nearest float32 to it would be the same number."""
    third = np.array([1 / 3])
    measured = measure_limit("x", third.astype(np.float32), third, 1e-9, "float32")
    assert measured.status is Status.FAIL
    assert measured.error == pytest.approx(abs(float(np.float32(1 / 3)) - 1 / 3), abs=0)


# One limit for all entries


@pytest.mark.parametrize("index", [(0, 0, 0, 0), LAST])
def test_one_entry_beyond_the_limit_decides(index: tuple[int, ...]) -> None:
    assert measure_limit("x", given(index, 0.4), desired(), 0.5, "float32").status is Status.PASS
    measured = measure_limit("x", given(index, 1), desired(), 0.5, "float32")
    assert (measured.status, measured.index) == (Status.FAIL, index)
    assert measured.share == pytest.approx(2, rel=1e-3)


def test_where_nothing_is_allowed_any_error_is_infinitely_much() -> None:
    assert measure_limit("x", given(), desired(), 0, "float32").status is Status.PASS
    measured = measure_limit("x", given(LAST, 1e-3), desired(), 0, "float32")
    assert (measured.status, measured.share, measured.index) == (Status.FAIL, np.inf, LAST)


def test_a_number_alone_is_measured_too() -> None:
    assert measure_limit("loss", np.float64(2.5).reshape(()), np.array(2.5), 0, "float64").status is Status.PASS
    measured = measure_limit("loss", np.float64(3).reshape(()), np.array(2.5), 0.25, "float64")
    assert (measured.status, measured.share) == (Status.FAIL, 2)
    assert measure_limit("loss", np.float64("nan").reshape(()), np.array(2.5), 9, "float64").status is Status.FAIL


# Bit for bit


def test_the_sign_of_zero_is_no_difference() -> None:
    actual = given()
    assert (actual == 0).any()
    actual[actual == 0] = -0.0
    assert measure_equal("x", actual, desired(), "float32").status is Status.PASS


@pytest.mark.parametrize(("dtype", "exponent"), [("float32", -126), ("float64", -1022)])
def test_subnormal_numbers_may_be_flushed_to_zero_and_normal_ones_may_not(dtype: Any, exponent: int) -> None:
    smallest = 2.0**exponent
    pooled = np.array([smallest / 2, -smallest / 4, 1.0])
    flushed = np.array([0, 0, 1], dtype)
    assert measure_equal("x", flushed, pooled, dtype).status is Status.PASS
    assert measure_equal("x", pooled.astype(dtype), np.array([0.0, 0, 1]), dtype).status is Status.PASS
    assert measure_equal("x", flushed, np.array([smallest, 0, 1]), dtype).status is Status.FAIL
    assert measure_equal("x", np.array([smallest, 0, 1], dtype), np.array([0.0, 0, 1]), dtype).status is Status.FAIL


@pytest.mark.parametrize("index", [(0, 0, 0, 0), LAST])
def test_one_bit_of_one_entry_is_a_difference(index: tuple[int, ...]) -> None:
    actual, neighbour = given(), np.float32(0.75)
    wanted = desired()
    wanted[index] = neighbour
    actual[index] = np.nextafter(neighbour, np.float32(1))
    measured = measure_equal("x", actual, wanted, "float32")
    assert (measured.status, measured.share, measured.index) == (Status.FAIL, np.inf, index)
    assert measured.error == 2.0**-24
    assert measured.beyond == pytest.approx(1 / actual.size)


def test_permuted_entries_are_a_difference() -> None:
    """Their mean, their norm and their histogram are the same."""
    measured = measure_equal("x", given()[:, ::-1].copy(), desired(), "float32")
    assert measured.status is Status.FAIL
    assert measured.beyond > 0.4


# What a person reads


def test_a_measurement_says_where_how_much_and_what_was_expected() -> None:
    measured = Measurement("b1.conv", Status.FAIL, 12.5, 0.25, 0.02, (1, 2, 3, 4), 1.25, 1.0, 0.03125)
    assert measured.sentence() == (
        "b1.conv uses 12.5 of what is allowed at (1, 2, 3, 4): 1.25 instead of 1, 0.25 off where 0.02 is allowed; "
        "3.12% of its entries are beyond"
    )
