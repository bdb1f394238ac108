"""The catalogue of faults: what is made wrong, and what must be reported of it.

Every fault is a backend that a run finds by name. Most are NumPy backends with one thing wrong
(:mod:`parity_tests.faulty_numpy`); some are real frameworks, set up as people do it by mistake. "Momentum applied
twice" is not among them: the contract has no training yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.backend import LayerGradients
from googlenet_np.layout import nchw_to_nhwc, oihw_to_hwio, out_in_to_in_out
from parity_tests import faulty_numpy as faulty
from parity_tests.faulty_numpy import Changed, OtherWindows, same_padding
from parity_tests.numpy_backend import Backend

__all__ = ["FAULTS", "Fault"]

Array = npt.NDArray[Any]

LAYERS = "layers float32"
LAYER_GRADIENTS = "layer gradients float32"
OUTPUTS = "outputs float64"
GRADIENTS = "gradients float64"
SHAPES = "shapes float32"
WEIGHTS = "weights float32"
PREDICTION = "prediction float32"


@dataclass(frozen=True)
class Fault:
    """One fault, and what must be reported.

    Attributes:
        name: What is wrong, and where; unique.
        backend: The faulty NumPy backend, or the ``module:attribute`` of one that is made in a framework.
        place: The first tensor in canonical order that must fail: a layer, a parameter, or one of a layer's gradients.
        cause: Words that the diagnosis must hold; None where it must name nothing, since no known difference explains
            the numbers.
        check: The check in which it must fail first.
        suspect: Whether the failure may be no proof.
        num_classes: Of the case in which it is judged.
    """

    name: str
    backend: Backend | str
    place: str
    cause: str | None = None
    check: str = LAYERS
    suspect: bool = False
    num_classes: int = 10

    @property
    def framework(self) -> str:
        """``numpy``, ``torch``, ``tf`` or ``mx``."""
        return self.backend.partition(":")[0].rpartition("_")[2] if isinstance(self.backend, str) else "numpy"

    @property
    def target(self) -> str:
        """Its ``module:attribute``."""
        return self.backend if isinstance(self.backend, str) else f"{__name__}:{self.name}"


def __getattr__(name: str) -> Callable[[], Backend]:
    """A worker process finds a NumPy backend here, under the fault's own name."""
    for fault in FAULTS:
        if fault.name == name and isinstance(fault.backend, Backend):
            backend = fault.backend
            return lambda: backend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _at(places: str, words: str, make: Callable[[str], Backend], cause: str | None, **options: Any) -> list[Fault]:
    """The same fault at several layers."""
    return [Fault(f"{place}: {words}", make(place), place, cause, **options) for place in places.split()]


def _gradient_at(places: str, words: str, make: Callable[[str], Backend], key: str) -> list[Fault]:
    """The same fault in the backward passes of several layers, where ``key`` of ``weight, bias, inputs`` fails first."""
    return [
        Fault(f"{place}: {words}", make(place), f"{place}.{key}", check=LAYER_GRADIENTS) for place in places.split()
    ]


# What is done to an array


def _flipped(kernel: Array) -> Array:
    return kernel[:, :, ::-1, ::-1]


def _transposed(kernel: Array) -> Array:
    return kernel.swapaxes(2, 3)


def _misread(array: Array) -> Array:
    """NHWC memory read as NCHW."""
    return np.ascontiguousarray(nchw_to_nhwc(array)).reshape(array.shape)


def _inner(kernel: Array) -> Array:
    return kernel[:, :, 1:4, 1:4]


def _rolled(axis: int) -> Callable[[Array], Array]:
    return lambda array: np.roll(array, 1, axis)


def _last_is(value: float) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        array[(-1,) * array.ndim] = value
        return array

    return change


def _stale(array: Array) -> Array:
    """The last sample of the batch still holds what the first one is."""
    array[-1] = array[0]
    return array


def _averaged(*, counting: bool) -> Callable[[Array], Array]:
    """Means over windows of 3×3, padded by 1."""

    def change(x: Array) -> Array:
        pads = ((0, 0), (0, 0), (1, 1), (1, 1))
        sums, counts = (
            np.lib.stride_tricks.sliding_window_view(np.pad(array, pads), (3, 3), (2, 3)).sum(axis=(4, 5))
            for array in (x, np.ones_like(x))
        )
        means: Array = sums / (9 if counting else counts)
        return means

    return change


def _bfloat16(array: Array) -> Array:
    return _to_bits(array, 8)


def _float16(array: Array) -> Array:
    return array.astype(np.float16).astype(np.float32)


def _tf32(array: Array) -> Array:
    return _to_bits(array, 11)


def _to_bits(array: Array, bits: int) -> Array:
    """Rounded to so many bits of significand."""
    significand, exponent = np.frexp(array)
    return np.ldexp(np.rint(np.ldexp(significand, bits)), exponent - bits).astype(np.float32)


# What is done to gradients


def _with(key: str, change: Callable[[Array], Array]) -> Callable[..., LayerGradients]:
    """Changes one of a layer's gradients; takes what it is given last."""

    def changed(*given: Any) -> LayerGradients:
        right: LayerGradients = given[-1]
        if key == "inputs":
            return right._replace(inputs=change(right.inputs))
        return right._replace(weights={**right.weights, key: change(right.weights[key])})

    return changed


def _without_bias(gradients: LayerGradients) -> LayerGradients:
    return gradients._replace(weights={"weight": gradients.weights["weight"]})


# What is done to dictionaries


def _without(name: str) -> Callable[[dict[str, Array]], dict[str, Array]]:
    return lambda arrays: {key: array for key, array in arrays.items() if key != name}


def _replaced(name: str, change: Callable[[Array], Array]) -> Callable[[dict[str, Array]], dict[str, Array]]:
    return lambda arrays: {**arrays, name: change(arrays[name])}


def _taken_from(name: str, other: str) -> Callable[[dict[str, Array]], dict[str, Array]]:
    """Those of one layer are those of another."""
    return lambda arrays: {
        key: arrays[other + key.removeprefix(name)] if key.startswith(f"{name}.") else array
        for key, array in arrays.items()
    }


class _Foreign(faulty.ImportsOther):
    """One layer computes with another's weights, or kernel, and exports its own."""

    def __init__(self, name: str, other: str, kinds: str = "weight bias") -> None:
        names = {f"{name}.{kind}": f"{other}.{kind}" for kind in kinds.split()}
        super().__init__(lambda weights: {key: weights[foreign] for key, foreign in names.items()})

    def build(self, weights: Any, dtype: Any) -> Any:
        model = super().build(weights, dtype)
        model.given = {name: array.astype(dtype) for name, array in weights.items()}
        return model

    def export_weights(self) -> dict[str, Array]:
        return self.given
