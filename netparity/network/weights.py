"""Canonical weights of any network: which network sizes they are for, and whether they fit.

A weights set is a ``dict`` of arrays under canonical names, in canonical order: kernels OIHW, dense (out, in). How many
image channels and classes it is for follows from the shapes of its first and last layer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from netparity.network.contract import Array, OptimizerState
from netparity.network.errors import WeightsError
from netparity.network.network import Network
from netparity.system.text import printable


def weights_like(network: Network, weights: Mapping[str, Array]) -> tuple[int, int]:
    """The ``(in_channels, num_classes)`` that a weights set is for, read off its first and last layer.

    Raises:
        WeightsError: One of those two tensors is missing, is no array, or has the wrong rank.
    """
    shapes = network.parameter_shapes()
    sizes = []
    for layer, axis in ((network.weighted[0], 1), (network.weighted[-1], 0)):
        name = f"{layer.name}.weight"
        rank = len(shapes[name])
        if name not in weights:
            raise WeightsError(f"The weights hold no {name!r}; expected the {len(shapes)} canonical tensors.")
        if not isinstance(weights[name], np.ndarray):
            raise WeightsError(f"{name!r} is a {type(weights[name]).__name__}; expected a NumPy array.")
        shape = weights[name].shape
        if len(shape) != rank or shape[axis] < 1:
            raise WeightsError(f"{name!r} has shape {shape}; expected {rank} axes, none of them empty.")
        sizes.append(int(shape[axis]))
    return sizes[0], sizes[1]


def check_weights(
    network: Network,
    weights: Mapping[str, Array],
    *,
    in_channels: int | None = None,
    num_classes: int | None = None,
) -> None:
    """Raises unless ``weights`` is a full canonical set: keys, shapes, dtypes, finite values.

    Args:
        network: The network.
        weights: Canonical names to arrays, float32 or float64.
        in_channels, num_classes: What the set must be for; None takes it from the set itself.

    Raises:
        WeightsError: With every missing and every unexpected key, sorted, or every tensor that does not fit.
        OptionError: A count under 1.
    """
    if not isinstance(weights, Mapping):
        raise WeightsError(f"The weights are a {type(weights).__name__}; expected a dict of name to NumPy array.")
    names = network.parameter_shapes()
    if differences := name_differences(weights, names):
        raise WeightsError(f"The weights do not have the {len(names)} canonical names; {differences}.")
    own_channels, own_classes = weights_like(network, weights)
    in_channels = own_channels if in_channels is None else in_channels
    expected = network.parameter_shapes(in_channels, own_classes if num_classes is None else num_classes)
    with np.errstate(over="ignore", invalid="ignore"):
        faults = [fault for name, shape in expected.items() for fault in tensor_faults(name, weights[name], shape)]
    if faults:
        raise WeightsError(f"The weights do not fit {network.name}: {'; '.join(faults)}.")


def check_precision(weights: Mapping[str, Array], dtypes: Mapping[str, str]) -> None:
    """Raises where a model cannot hold the weights bit for bit.

    Args:
        weights: Names to float32 or float64 arrays.
        dtypes: The same names to what the model holds them in: ``float32``, ``bfloat16``, …

    Raises:
        WeightsError: With how many arrays would lose bits, and the first of them.
    """
    lossy = [name for name, array in weights.items() if dtypes[name] not in (array.dtype.name, "float64")]
    if lossy:
        raise WeightsError(
            f"{len(lossy)} of the {len(weights)} arrays do not fit a model of {dtypes[lossy[0]]} without losing bits, "
            f"{lossy[0]!r} of {weights[lossy[0]].dtype} first; convert the arrays or the model."
        )


def name_differences(actual: Collection[Any], desired: Collection[str]) -> str:
    """Every missing and every unexpected name, sorted, as the end of a sentence; empty where there is none."""
    missing = sorted(set(desired) - set(actual))
    unexpected = sorted(set(actual) - set(desired), key=str)
    parts = [f"{len(missing)} missing: {', '.join(missing)}"] * bool(missing)
    parts += [f"{len(unexpected)} unexpected: {', '.join(map(printable, unexpected))}"] * bool(unexpected)
    return "; ".join(parts)


def check_state(network: Network, state: OptimizerState, in_channels: int, num_classes: int) -> None:
    """Raises unless ``state`` is empty, or holds an array for each parameter that :func:`check_weights` accepts.

    Raises:
        WeightsError: With everything that does not fit.
    """
    if not state.arrays:
        return
    try:
        check_weights(network, state.arrays, in_channels=in_channels, num_classes=num_classes)
    except WeightsError as error:
        raise WeightsError(f"The optimiser's state: {error}") from None


def tensor_faults(name: str, array: Any, shape: tuple[int, ...]) -> Iterator[str]:
    """What is wrong with one tensor of a weights set, as parts of a sentence: nothing, if it is as it should be."""
    if not isinstance(array, np.ndarray):
        yield f"{name!r} is a {type(array).__name__}, expected a NumPy array"
    elif array.shape != shape:
        yield f"{name!r} has shape {array.shape}, expected {shape}"
    elif array.dtype not in (np.float32, np.float64):
        yield f"{name!r} has dtype {array.dtype}, expected float32 or float64"
    elif not _all_finite(array):
        where = tuple(np.argwhere(~np.isfinite(array.view(np.ndarray)))[0].tolist())
        yield f"{name!r} holds {array[where]} at {where}, expected finite numbers"


def _all_finite(array: Array) -> bool:
    plain = array.view(np.ndarray)  # a masked array would answer for what it shows
    # A sum of squares goes through memory once, makes no mask, and is finite only if every entry is; large ones can
    # overflow it, and then a mask must tell.
    return math.isfinite(np.vdot(plain, plain)) or bool(np.isfinite(plain).all())
