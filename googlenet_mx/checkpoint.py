"""MXNet's own files, ``.params``, of this project's models and of the source document's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np

from googlenet_np.architecture import GOOGLENET
from googlenet_np.module_trees import GLUON_EXPORT, GLUON_SOURCE, PROJECT
from googlenet_np.weights import check_weights
from netparity.files.disk import atomic_write, read_file
from netparity.files.stored_tensors import StoredTensors, renamed, strip_common
from netparity.network.contract import Array
from netparity.network.errors import FileError, WeightsError


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Reads a ``.params`` file.

    Args:
        path: Written by ``save_parameters`` of ``GoogLeNet`` (``b1.conv.weight``) or of the source document's
            ``Sequential`` (``0.0.weight``, ``2.0.p1_1.weight``), or by ``export`` of ``GoogLeNet``
            (``arg:googlenet0_conv0_weight``).

    Returns:
        The canonical weights set: 116 contiguous arrays in the file's own dtypes, bit for bit.

    Raises:
        FileError: No such file, or not a whole file of MXNet arrays.
        WeightsError: It holds no GoogLeNet in float32 or float64.
    """
    return read_tensors(path).weights()


def read_tensors(path: str | os.PathLike[str]) -> StoredTensors:
    """Reads a ``.params`` file of any model, as :func:`load_checkpoint` does."""
    arrays = _load(path)
    if not isinstance(arrays, dict):
        expected = "expected those of save_parameters or export"
        raise WeightsError(f"{os.fspath(path)!r}: The file holds arrays without names; {expected}.")
    tensors = {name: array.asnumpy() for name, array in arrays.items()}
    return StoredTensors(GOOGLENET, path, tensors, (PROJECT, GLUON_SOURCE, GLUON_EXPORT), _keys)


def save_checkpoint(path: str | os.PathLike[str], weights: Mapping[str, Array]) -> None:
    """Writes a canonical weights set, float32 or float64, as ``save_parameters`` of a ``GoogLeNet`` does, atomically.

    ``GoogLeNet(...).load_parameters(path)`` takes it as it is, under ``npx.set_np()`` if it was saved so, else not.

    Raises:
        WeightsError: The set is not canonical; nothing is written.
        FileError: The file cannot be written; what was at ``path`` stays.
    """
    check_weights(weights)
    names = GOOGLENET.parameter_shapes()
    content = _saved(path, {name: mx.nd.array(weights[name], dtype=weights[name].dtype) for name in names})
    with atomic_write(path) as file:
        file.write(content)


def _load(path: str | os.PathLike[str]) -> Any:
    content = read_file(path)
    # A file saved under npx.set_np(), as the source document's code does, loads in those shape semantics alone; and
    # any other file outside them alone.
    for np_shape in (False, True):
        with mx.util.np_array(False), mx.util.np_shape(np_shape):
            try:
                return mx.nd.load_frombuffer(content)
            except (mx.MXNetError, UnicodeDecodeError):
                continue
    raise FileError(f"{os.fspath(path)!r} is not a whole file of MXNet arrays.")


def _keys(names: Iterable[str]) -> dict[str, str]:
    keys = {name: name for name in names}
    if all(name.startswith(("arg:", "aux:")) for name in keys):
        keys = renamed(keys, lambda name: name.partition(":")[2])
        # The model's own name, which Gluon counts (googlenet0_) and a user may choose.
        models = {name.removesuffix("conv0_weight") for name in keys if name.endswith("conv0_weight")}
        return strip_common(keys, (min(models, key=len, default=""),))
    return keys


def _saved(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> bytes:
    """The bytes of the file; MXNet writes to named files alone."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / "weights.params"
            mx.nd.save(str(temporary), arrays)
            content = temporary.read_bytes()
            # MXNet does not look whether its last bytes reach the disk.
            if not np.array_equal(load_checkpoint(temporary)["fc.bias"], arrays["fc.bias"].asnumpy()):
                raise OSError("what was written differs from what was to be written")
    except OSError as error:
        raise FileError(f"Cannot write {os.fspath(path)!r}: {error.strerror or error}.") from None
    except (mx.MXNetError, FileError):
        raise FileError(f"Cannot write {os.fspath(path)!r}: the temporary folder does not take the file.") from None
    return content
