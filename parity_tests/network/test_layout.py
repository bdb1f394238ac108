"""Each permutation of axes against its index rule written out, and a scan that there are no others."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

import googlenet_np
from netparity.network import layout

Array = npt.NDArray[Any]

N, C, H, W = 2, 3, 4, 5
O, I, K, L = 2, 3, 4, 5  # noqa: E741 -- a kernel's letters; its height and width differ here on purpose
NCHW = np.arange(N * C * H * W).reshape(N, C, H, W)
NHWC = np.arange(N * C * H * W).reshape(N, H, W, C)
CNHW = np.arange(N * C * H * W).reshape(C, N, H, W)
OIHW = np.arange(O * I * K * L).reshape(O, I, K, L)
HWIO = np.arange(O * I * K * L).reshape(K, L, I, O)
OUT_IN = np.arange(O * I).reshape(O, I)
IN_OUT = np.arange(O * I).reshape(I, O)

CASES: dict[str, tuple[Array, Any]] = {
    "nchw_to_nhwc": (
        NCHW,
        [[[[NCHW[n, c, h, w] for c in range(C)] for w in range(W)] for h in range(H)] for n in range(N)],
    ),
    "nhwc_to_nchw": (
        NHWC,
        [[[[NHWC[n, h, w, c] for w in range(W)] for h in range(H)] for c in range(C)] for n in range(N)],
    ),
    "oihw_to_hwio": (
        OIHW,
        [[[[OIHW[o, i, h, w] for o in range(O)] for i in range(I)] for w in range(L)] for h in range(K)],
    ),
    "hwio_to_oihw": (
        HWIO,
        [[[[HWIO[h, w, i, o] for w in range(L)] for h in range(K)] for i in range(I)] for o in range(O)],
    ),
    "out_in_to_in_out": (OUT_IN, [[OUT_IN[o, i] for o in range(O)] for i in range(I)]),
    "in_out_to_out_in": (IN_OUT, [[IN_OUT[i, o] for i in range(I)] for o in range(O)]),
    "nchw_to_cnhw": (
        NCHW,
        [[[[NCHW[n, c, h, w] for w in range(W)] for h in range(H)] for n in range(N)] for c in range(C)],
    ),
    "cnhw_to_nchw": (
        CNHW,
        [[[[CNHW[c, n, h, w] for w in range(W)] for h in range(H)] for c in range(C)] for n in range(N)],
    ),
}

PACKAGES = ("googlenet_np", "googlenet_torch", "googlenet_tf", "googlenet_mx", "netparity")
PERMUTATIONS = {"T", "mT", "transpose", "swapaxes", "moveaxis", "movedim", "rollaxis", "permute", "permute_dims"}


class Place(NamedTuple):
    """Where axes are permuted outside ``layout.py``: the file, and the expression as it stands there."""

    file: str
    expression: str


MATRIX_PRODUCT = "the transposed factor of a matrix product, no layout"
WRONG_ON_PURPOSE = "one of the mistakes that a diagnosis tries"

ALLOWED = {
    Place("netparity/network/operations.py", "columns.T"): MATRIX_PRODUCT,
    Place("netparity/network/operations.py", "matrix.T"): MATRIX_PRODUCT,
    Place("netparity/network/operations.py", "x.T"): MATRIX_PRODUCT,
    Place(
        "googlenet_np/images.py", "rows.swapaxes"
    ): "the sheet's rows and columns of pictures, none of whose axes is one",
    Place("netparity/network/kinds/mistakes.py", "base.weight.swapaxes"): WRONG_ON_PURPOSE,
    Place("netparity/network/kinds/mistakes.py", "base.x.swapaxes"): WRONG_ON_PURPOSE,
    Place("netparity/network/kinds/mistakes.py", "weight.swapaxes"): WRONG_ON_PURPOSE,
    Place("netparity/diagnosis/explain.py", "array.swapaxes"): "a row for each channel, of images and vectors alike",
    Place("netparity/diagnosis/explain.py", "theirs.T"): MATRIX_PRODUCT,
}


def named(function: str) -> Callable[[Array], Array]:
    permutation: Callable[[Array], Array] = getattr(layout, function)
    return permutation


def permutations(package: str) -> set[Place]:
    """Every use of an attribute or a function in :data:`PERMUTATIONS` in a package, ``layout.py`` apart."""
    root = Path(googlenet_np.__file__).parents[1]
    return {
        Place(file.relative_to(root).as_posix(), ast.unparse(node))
        for file in sorted((root / package).rglob("*.py"))
        if file != root / "netparity" / "network" / "layout.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in PERMUTATIONS)
        or (isinstance(node, ast.Name) and node.id in PERMUTATIONS - {"T"})
    }


def test_every_function_has_a_case() -> None:
    functions = [name for name, found in vars(layout).items() if inspect.isfunction(found)]
    assert sorted(CASES) == sorted(functions)


@pytest.mark.parametrize("function", CASES)
def test_index_rule(function: str) -> None:
    array, desired = CASES[function]
    np.testing.assert_array_equal(named(function)(array), np.array(desired), err_msg=function, strict=True)


@pytest.mark.parametrize("function", CASES)
def test_result_is_a_view(function: str) -> None:
    array, _ = CASES[function]
    assert np.shares_memory(named(function)(array), array)


@pytest.mark.parametrize("function", CASES)
def test_inverse(function: str) -> None:
    array, _ = CASES[function]
    before, after = function.split("_to_")
    back = named(f"{after}_to_{before}")(named(function)(array))
    np.testing.assert_array_equal(back, array, err_msg=function, strict=True)


@pytest.mark.parametrize("package", PACKAGES)
def test_axes_are_permuted_nowhere_else(package: str) -> None:
    """A framework is free to lay out its memory; what it must not do is permute canonical arrays by itself."""
    allowed = {place for place in ALLOWED if place.file.startswith(f"{package}/")}
    found = permutations(package)
    assert found - allowed == set(), "permute axes by a function of netparity.network.layout"
    assert allowed - found == set(), "entries of ALLOWED that nothing uses"
