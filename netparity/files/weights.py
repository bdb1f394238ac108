"""Canonical weights of any network in safetensors files."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from netparity.files.tensors import load_tensors, save_tensors
from netparity.network.contract import Array
from netparity.network.errors import WeightsError
from netparity.network.network import Network
from netparity.network.weights import check_weights, weights_like

KIND = "weights"


def save_weights(network: Network, path: str | os.PathLike[str], weights: Mapping[str, Array]) -> None:
    """Writes a canonical weights set as safetensors, atomically: a reader sees the old file or the new one.

    The header says format version, layout and network. The file is written beside ``path`` and renamed. The weights are
    float32 or float64, kernels OIHW, dense (out, in).

    Raises:
        WeightsError: The set is not canonical; nothing is written.
        FileError: The file cannot be written; what was at ``path`` stays.
    """
    check_weights(network, weights)
    in_channels, num_classes = weights_like(network, weights)
    header = {
        "architecture": {"name": network.name, "in_channels": in_channels, "num_classes": num_classes},
        "layout": "kernels OIHW, dense (out, in)",
    }
    save_tensors(path, KIND, {name: weights[name] for name in network.parameter_shapes()}, header)


def load_weights(network: Network, path: str | os.PathLike[str]) -> dict[str, Array]:
    """Reads a canonical weights set from safetensors: writable arrays, in canonical order.

    Raises:
        FileError: No such file, or not a whole safetensors file.
        WeightsError: A safetensors file that holds no canonical weights set of this network.
    """
    tensors, _, _ = load_tensors(path)
    try:
        check_weights(network, tensors)
    except WeightsError as error:
        raise WeightsError(f"{os.fspath(path)!r}: {error}") from None
    return {name: np.array(tensors[name]) for name in network.parameter_shapes()}
