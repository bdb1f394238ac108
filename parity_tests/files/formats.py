"""Each format's files: written and read by the framework itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.weight_files import load_weights, save_weights
from googlenet_np.weights import init_weights
from netparity.network import layout
from parity_tests.support.backends import require

__all__ = ["ENDINGS", "HEADS", "LOADED", "PROPER_NAMES", "Stored", "make_weights", "read", "write", "write_keras_2"]

Array = npt.NDArray[Any]
Weights = dict[str, Array]
Stored = Callable[[str], Path]

ENDINGS: dict[str, str | None] = {
    ".safetensors": None,
    ".pt": "torch",
    ".keras": "tf",
    ".weights.h5": "tf",
    ".params": "mx",
}
"""Each format's own, and the backend whose framework it takes."""


def make_weights(dtype: str = "float32", in_channels: int = 3, num_classes: int = 7) -> Weights:
    """With what a way through another dtype or through arithmetic would lose."""
    weights = init_weights(5, in_channels=in_channels, num_classes=num_classes)
    weights = {name: array.astype(dtype) * (1 + np.finfo(dtype).eps) for name, array in weights.items()}
    limits = np.finfo(dtype)
    weights["b1.conv.bias"][:4] = [-0.0, limits.smallest_subnormal, limits.max, -limits.tiny]
    return weights


def write(path: Path, weights: Mapping[str, Array], backend: str | None) -> None:
    """By the package of the framework itself."""
    if backend is None:
        save_weights(path, weights)
    else:
        require(backend)
        import_module(f"googlenet_{backend}").save_checkpoint(path, weights)


def read(path: Path, backend: str | None) -> Weights:
    if backend is None:
        return load_weights(path)
    require(backend)
    loaded: Weights = import_module(f"googlenet_{backend}").load_checkpoint(path)
    return loaded


PROPER_NAMES = {"torch": "PyTorch", "tf": "TensorFlow", "mx": "MXNet"}

HEADS = {
    "torch": b"\x80\x02}q\x00.",
    "tf": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "mx": b"\x12\x01" + bytes(100),
}
"""Enough of a file to know its format."""

LOADED = """
    import atexit, runpy, sys
    atexit.register(lambda: print(*sorted({"torch", "tensorflow", "mxnet"} & set(sys.modules)), file=sys.stderr))
    sys.argv[0] = "netparity"
    runpy.run_module("netparity", run_name="__main__", alter_sys=True)
"""


def write_keras_2(path: Path, weights: Weights) -> None:
    """As TensorFlow 2.15.1 saves the source document's network, the third in its process."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["sequential"]
        file.attrs["keras_version"] = "2.15.0"
        for i, (name, array) in enumerate(weights.items()):
            layer = "dense_2" if name.startswith("fc") else f"conv2d_{114 + i // 2}"
            kind = "kernel" if name.endswith("weight") else "bias"
            permuted = {4: layout.oihw_to_hwio, 2: layout.out_in_to_in_out}.get(array.ndim, np.array)(array)
            file[f"sequential/{layer}/{kind}:0"] = permuted
