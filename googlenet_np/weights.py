"""Canonical weights: seeded initialisation, validation, and safetensors files.

A weights set is a ``dict`` of 116 arrays under canonical names (``b1.conv.weight`` … ``fc.bias``), kernels OIHW,
dense (out, in). How many image channels and classes it is for follows from the shapes of its first and last layer.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import GOOGLENET, Architecture
from googlenet_np.backend import OptimizerState
from googlenet_np.errors import OptionError, WeightsError, printable
from googlenet_np.tensor_files import load_tensors, save_tensors

__all__ = [
    "SCHEMES",
    "check_state",
    "check_weights",
    "init_weights",
    "load_weights",
    "name_differences",
    "save_weights",
    "tensor_faults",
    "weights_like",
]

Array = npt.NDArray[Any]

SCHEMES = ("xavier_uniform", "pytorch", "keras", "gluon")


def init_weights(
    seed: int,
    *,
    in_channels: int = 1,
    num_classes: int = 10,
    scheme: str = "xavier_uniform",
) -> dict[str, Array]:
    """Seeded canonical float32 weights, the same bits on every platform.

    Schemes:
        ``xavier_uniform``: weights U(±√(6 / (fan_in + fan_out))) (Glorot & Bengio, AISTATS 2010, eq. 16), biases
        U(±1/√fan_in): what the source document's PyTorch tab trains with. The biases are not zero, on purpose:
        over zero biases a forgotten one would go unseen.
        ``pytorch``: PyTorch's default, weights and biases U(±1/√fan_in).
        ``keras``: Keras' default, Glorot uniform weights, zero biases.
        ``gluon``: Gluon's default, weights U(±0.07), zero biases.

    Args:
        seed: 0 or more; seeds NumPy's PCG64.
        in_channels: Channels of the images.
        num_classes: Logits.
        scheme: One of :data:`SCHEMES`.

    Raises:
        OptionError: An unknown scheme, a negative seed, or a count under 1.
    """
    if scheme not in SCHEMES:
        raise OptionError(f"The initialisation scheme is {scheme!r}; expected one of {', '.join(SCHEMES)}.")
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise OptionError(f"The seed is {seed!r}; expected a whole number of 0 or more.")
    random = np.random.Generator(np.random.PCG64(int(seed)))
    weights: dict[str, Array] = {}
    fan_in = fan_out = 1
    for name, shape in GOOGLENET.parameter_shapes(in_channels, num_classes).items():
        if name.endswith(".weight"):
            receptive_field = int(np.prod(shape[2:], dtype=int))
            fan_out, fan_in = shape[0] * receptive_field, shape[1] * receptive_field
            limit = {
                "xavier_uniform": math.sqrt(6 / (fan_in + fan_out)),
                "pytorch": 1 / math.sqrt(fan_in),
                "keras": math.sqrt(6 / (fan_in + fan_out)),
                "gluon": 0.07,
            }[scheme]
        else:
            limit = 1 / math.sqrt(fan_in) if scheme in ("xavier_uniform", "pytorch") else 0.0
        # Not random.uniform: a compiler may fuse its product and sum, and round once where others round twice.
        weights[name] = (random.random(shape) * (2 * limit) - limit).astype(np.float32)
    return weights


def weights_like(weights: Mapping[str, Array]) -> tuple[int, int]:
    """The ``(in_channels, num_classes)`` that a weights set is for, read off its first and last layer.

    Raises:
        WeightsError: One of those two tensors is missing, is no array, or has the wrong rank.
    """
    sizes = []
    for name, rank, axis in (("b1.conv.weight", 4, 1), ("fc.weight", 2, 0)):
        if name not in weights:
            raise WeightsError(f"The weights hold no {name!r}; expected the 116 canonical tensors.")
        if not isinstance(weights[name], np.ndarray):
            raise WeightsError(f"{name!r} is a {type(weights[name]).__name__}; expected a NumPy array.")
        shape = weights[name].shape
        if len(shape) != rank or shape[axis] < 1:
            raise WeightsError(f"{name!r} has shape {_shape(shape)}; expected {rank} axes, none of them empty.")
        sizes.append(int(shape[axis]))
    return sizes[0], sizes[1]


def check_weights(
    weights: Mapping[str, Array],
    *,
    in_channels: int | None = None,
    num_classes: int | None = None,
    architecture: Architecture = GOOGLENET,
) -> None:
    """Raises unless ``weights`` is a full canonical set: keys, shapes, dtypes, finite values.

    Args:
        weights: Canonical names to arrays, float32 or float64.
        in_channels: What the set must be for; None takes it from the set itself.
        num_classes: Likewise.
        architecture: The network.

    Raises:
        WeightsError: With every missing and every unexpected key, sorted, or every tensor that does not fit.
        OptionError: A count under 1.
    """
    if not isinstance(weights, Mapping):
        raise WeightsError(f"The weights are a {type(weights).__name__}; expected a dict of name to NumPy array.")
    names = architecture.parameter_shapes()
    if differences := name_differences(weights, names):
        raise WeightsError(f"The weights do not have the {len(names)} canonical names; {differences}.")
    own = weights_like(weights)
    expected = architecture.parameter_shapes(
        own[0] if in_channels is None else in_channels, own[1] if num_classes is None else num_classes
    )
    with np.errstate(over="ignore", invalid="ignore"):
        faults = [fault for name, shape in expected.items() for fault in tensor_faults(name, weights[name], shape)]
    if faults:
        raise WeightsError(f"The weights do not fit {architecture.name}: {'; '.join(faults)}.")


def name_differences(actual: Collection[Any], desired: Collection[str]) -> str:
    """Every missing and every unexpected name, sorted, as the end of a sentence; empty where there is none."""
    missing = sorted(set(desired) - set(actual))
    unexpected = sorted(set(actual) - set(desired), key=str)
    parts = [f"{len(missing)} missing: {', '.join(missing)}"] * bool(missing)
    parts += [f"{len(unexpected)} unexpected: {', '.join(map(printable, unexpected))}"] * bool(unexpected)
    return "; ".join(parts)


def check_state(state: OptimizerState, in_channels: int, num_classes: int) -> None:
    """Raises unless ``state`` is an optimiser's for such a network: empty, or with an array for each parameter.

    Args:
        state: The state; its arrays are held to what :func:`check_weights` wants of weights.
        in_channels: Channels of the images.
        num_classes: Logits of the network.

    Raises:
        WeightsError: With everything that does not fit.
    """
    if not state.arrays:
        return
    try:
        check_weights(state.arrays, in_channels=in_channels, num_classes=num_classes)
    except WeightsError as error:
        raise WeightsError(f"The optimiser's state: {error}") from None


def tensor_faults(name: str, array: Any, shape: tuple[int, ...]) -> Iterator[str]:
    """What is wrong with one tensor of a weights set, as parts of a sentence: nothing, if it is as it should be."""
    if not isinstance(array, np.ndarray):
        yield f"{name!r} is a {type(array).__name__}, expected a NumPy array"
    elif array.shape != shape:
        yield f"{name!r} has shape {_shape(array.shape)}, expected {_shape(shape)}"
    elif array.dtype not in (np.float32, np.float64):
        yield f"{name!r} has dtype {array.dtype}, expected float32 or float64"
    elif not _all_finite(array):
        where = tuple(int(axis) for axis in np.argwhere(~np.isfinite(array.view(np.ndarray)))[0])
        yield f"{name!r} holds {array[where]} at {where}, expected finite numbers"


def _all_finite(array: Array) -> bool:
    plain = array.view(np.ndarray)  # a masked array would answer for what it shows
    # A sum of squares goes through memory once, makes no mask, and is finite only if every entry is; large ones can
    # overflow it, and then a mask must tell.
    return math.isfinite(np.vdot(plain, plain)) or bool(np.isfinite(plain).all())


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def save_weights(path: str | os.PathLike[str], weights: Mapping[str, Array]) -> None:
    """Writes a canonical weights set as safetensors, atomically: a reader sees the old file or the new one.

    The header says format version, layout and architecture. The file is written beside ``path`` and renamed.

    Raises:
        WeightsError: The set is not canonical; nothing is written.
        FileError: The file cannot be written; what was at ``path`` stays.
    """
    check_weights(weights)
    in_channels, num_classes = weights_like(weights)
    header = {
        "architecture": {"name": GOOGLENET.name, "in_channels": in_channels, "num_classes": num_classes},
        "layout": "kernels OIHW, dense (out, in)",
    }
    save_tensors(path, "weights", {name: weights[name] for name in GOOGLENET.parameter_shapes()}, header)


def load_weights(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Reads a canonical weights set from safetensors: 116 writable arrays, in canonical order.

    Raises:
        FileError: No such file, or not a whole safetensors file.
        WeightsError: A safetensors file that holds no canonical weights set.
    """
    tensors, _, _ = load_tensors(path)
    try:
        check_weights(tensors)
    except WeightsError as error:
        raise WeightsError(f"{os.fspath(path)!r}: {error}") from None
    return {name: np.array(tensors[name]) for name in GOOGLENET.parameter_shapes()}
