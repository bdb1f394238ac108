"""GoogLeNet's canonical weights in safetensors files: :mod:`netparity.files.weights` on GoogLeNet."""

from __future__ import annotations

import os
from collections.abc import Mapping

from googlenet_np.architecture import GOOGLENET
from netparity.files import weights as files
from netparity.network.contract import Array


def save_weights(path: str | os.PathLike[str], weights: Mapping[str, Array]) -> None:
    """Writes a canonical weights set as safetensors, atomically: a reader sees the old file or the new one.

    The header says format version, layout and network. The file is written beside ``path`` and renamed. The weights are
    float32 or float64, kernels OIHW, dense (out, in).

    Raises:
        WeightsError: The set is not canonical; nothing is written.
        FileError: The file cannot be written; what was at ``path`` stays.
    """
    files.save_weights(GOOGLENET, path, weights)


def load_weights(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Reads a canonical weights set from safetensors: writable arrays, in canonical order.

    Raises:
        FileError: No such file, or not a whole safetensors file.
        WeightsError: A safetensors file that holds no canonical weights set of GoogLeNet.
    """
    return files.load_weights(GOOGLENET, path)
