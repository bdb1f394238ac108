"""Keras' own files, ``.keras`` and ``.weights.h5``, of this project's models and of the source document's.

A file is read as the HDF5 file that it is or holds. No model is made from it, so nothing that it says about classes
and functions is looked at, and none of it runs.
"""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from googlenet_np.architecture import GOOGLENET
from googlenet_np.module_trees import KERAS, PROJECT
from googlenet_np.weights import check_weights, weights_like
from googlenet_tf.model import GoogLeNet
from googlenet_tf.weights import canonical_layout, import_weights
from netparity.files.disk import atomic_write, read_file
from netparity.files.stored_tensors import StoredTensors, renamed
from netparity.network.contract import Array
from netparity.network.errors import FileError, WeightsError

SUFFIXES = (".keras", ".weights.h5")
ZIP = b"PK"  # what a .keras file begins with
CONTAINERS = ("layers", "row")  # groups that only hold layers: a model's, and those of this project's Stage
TRAINING = ("optimizer", "metrics", "compile_metrics")  # groups of a compiled model that are no part of the network
PARAMETERS = {"vars/0": "weight", "vars/1": "bias", "kernel": "weight", "bias": "bias"}
# A path in a .h5 file of Keras 2.
NUMBERED = re.compile(r".*/(?P<layer>conv2d|dense)(_(?P<number>\d+))?/(?P<kind>kernel|bias):0")


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Reads a ``.keras`` or ``.weights.h5`` file, whatever its name, as Keras 2 (from 2.15) or Keras 3 wrote it.

    Args:
        path: Of ``GoogLeNet``, with either padding, compiled or not, or of the source document's ``Sequential``; of
            that one also in the ``.h5`` form of ``save_weights`` in Keras 2.

    Returns:
        The canonical weights set: 116 contiguous arrays in the file's own dtypes, bit for bit.

    Raises:
        FileError: No such file, or not a whole file of Keras weights.
        WeightsError: It holds no GoogLeNet in float32 or float64.
    """
    return read_tensors(path).weights()


def read_tensors(path: str | os.PathLike[str]) -> StoredTensors:
    """Reads a file of any Keras model's weights, as :func:`load_checkpoint` does, without optimiser and metrics."""
    content = read_file(path)
    version: Any = None
    try:
        if content.startswith(ZIP):  # even if it is cut short: HDF5 would find its own beginning in the midst of it
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read("model.weights.h5")
                with suppress(KeyError, ValueError, TypeError):  # it is no part of the weights
                    version = json.loads(archive.read("metadata.json"))["keras_version"]
        variables, attributes = _variables(content)
    except Exception:  # of any kind: damaged, both formats send their readers anywhere
        raise FileError(f"{os.fspath(path)!r} is not a whole file of Keras weights (.keras, .weights.h5).") from None
    version = attributes.get("keras_version", version)
    versions = {"keras": version} if isinstance(version, str) else {}
    keys = _numbered_keys if "layer_names" in attributes else _keys
    return StoredTensors(GOOGLENET, path, variables, (*KERAS, PROJECT), keys, canonical_layout, versions)


def save_checkpoint(path: str | os.PathLike[str], weights: Mapping[str, Array]) -> None:
    """Writes a canonical weights set as Keras saves a ``GoogLeNet``, atomically.

    Args:
        path: Written beside, and renamed. A ``.keras`` file has the whole model, with ``padding="symmetric"``;
            a ``.weights.h5`` file has its weights, for ``load_weights``.
        weights: Canonical names to arrays, all float32 or all float64, kernels OIHW, dense (out, in).

    Raises:
        WeightsError: The set is not canonical, or of two dtypes, which a Keras model cannot be; nothing is written.
        FileError: The name has another ending, or the file cannot be written; what was at ``path`` stays.
    """
    check_weights(weights)
    suffix = next((suffix for suffix in SUFFIXES if os.fspath(path).endswith(suffix)), None)
    if suffix is None:
        raise FileError(f"Cannot write {os.fspath(path)!r}: expected a name that ends in {' or '.join(SUFFIXES)}.")
    dtypes = sorted({array.dtype.name for array in weights.values()})
    if len(dtypes) > 1:
        raise WeightsError(f"The weights are {' and '.join(dtypes)}; a Keras model has one dtype.")
    in_channels, num_classes = weights_like(weights)
    model = GoogLeNet(num_classes, in_channels, dtype=dtypes[0])
    import_weights(model, weights)
    content = _saved(path, model, suffix)
    with atomic_write(path) as file:
        file.write(content)


def _variables(content: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Each variable of the network under its path in the file; and the file's attributes."""
    variables: dict[str, Array] = {}

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and name.split("/", maxsplit=1)[0] not in TRAINING:
            if node.external or node.is_virtual:
                raise OSError(f"{name} stands in another file")
            variables[name] = np.asarray(node[()])

    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(visit)
        return variables, dict(file.attrs)


def _keys(paths: Iterable[str]) -> dict[str, str]:
    """``layers/dense/vars/0`` as ``dense.weight``; any other path stays."""

    def key(path: str) -> str:
        parts = [part for part in path.split("/") if part not in CONTAINERS]
        parameter = PARAMETERS.get("/".join(parts[-2:]))
        return ".".join((*parts[:-2], parameter)) if parameter else path

    return renamed({path: path for path in paths}, key)


def _numbered_keys(paths: Iterable[str]) -> dict[str, str]:
    """``sequential_2/inception/conv2d_3/kernel:0`` as ``conv2d_3.weight``; any other path stays.

    Keras numbers the layers of a class as they are made, through the whole process: a second network's begin where the
    first one's ended. So numbers count from the file's smallest.
    """
    first: dict[str, int] = {}
    for match in filter(None, map(NUMBERED.fullmatch, paths)):
        number = int(match["number"] or 0)
        first[match["layer"]] = min(number, first.get(match["layer"], number))

    def key(path: str) -> str:
        if not (match := NUMBERED.fullmatch(path)):
            return path
        return f"{match['layer']}_{int(match['number'] or 0) - first[match['layer']]}.{PARAMETERS[match['kind']]}"

    return renamed({path: path for path in paths}, key)


def _saved(path: str | os.PathLike[str], model: GoogLeNet, suffix: str) -> bytes:
    """The bytes of the file; Keras writes to named files alone."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / f"googlenet{suffix}"
            (model.save if suffix == ".keras" else model.save_weights)(temporary)
            return temporary.read_bytes()
    except (OSError, RuntimeError) as error:  # HDF5's own on a full disk, in several lines with addresses of memory
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number else "the temporary folder does not take the file"
        raise FileError(f"Cannot write {os.fspath(path)!r}: {reason}.") from None
