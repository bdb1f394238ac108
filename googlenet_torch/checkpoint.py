"""PyTorch's own files: state dicts, of this project's models and of the source document's.

A file is read with ``weights_only=True``: tensors and plain containers, no pickle that runs code.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from googlenet_np.architecture import GOOGLENET
from googlenet_np.module_trees import PROJECT, TORCH_NOTE, TORCH_SOURCE
from googlenet_np.weights import check_weights
from netparity.files.disk import atomic_write, read_file
from netparity.files.pickles import called_names
from netparity.files.stored_tensors import StoredTensors, renamed, strip_common
from netparity.files.tensors import ForeignTensor
from netparity.network.contract import Array
from netparity.network.errors import FileError, WeightsError
from netparity.system.text import printable

# Keys under which training scripts keep the state dict beside an optimiser's and an epoch.
WRAPPERS = ("state_dict", "model_state_dict")
STORAGE = re.compile(r"torch\.\w+Storage")
MOST_NAMED = 5  # of what a pickle would call: a whole model's names dozens


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Reads a ``.pt`` or ``.pth`` file with a state dict, and runs nothing that is in it.

    Args:
        path: A state dict, bare or under ``state_dict`` or ``model_state_dict``, of ``GoogLeNet``, of the source
            document's ``Sequential`` (``0.0.weight``, ``2.0.p1_1.weight``) or of the study note's ``net``
            (``net.2.0.b1_1.weight``); the prefixes of ``torch.compile`` and ``DataParallel`` are taken off.

    Returns:
        The canonical weights set: 116 contiguous arrays in the file's own dtypes, bit for bit.

    Raises:
        FileError: No such file, or not a whole PyTorch file of tensors and plain values.
        WeightsError: It holds no state dict of a GoogLeNet in float32 or float64.
    """
    return read_tensors(path).weights()


def read_tensors(path: str | os.PathLike[str]) -> StoredTensors:
    """Reads a file with the state dict of any model, as :func:`load_checkpoint` does."""
    content = _load(path)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{os.fspath(path)!r}: The file holds a {type(content).__name__}; expected a state dict.")
    wrapped = [key for key in WRAPPERS if isinstance(content.get(key), Mapping)]
    if len(wrapped) > 1:
        raise WeightsError(f"{os.fspath(path)!r}: The file holds {' and '.join(wrapped)}; expected one state dict.")
    state_dict = content[wrapped[0]] if wrapped else content
    tensors = {str(name): _array(tensor) for name, tensor in state_dict.items()}
    return StoredTensors(GOOGLENET, path, tensors, (PROJECT, TORCH_SOURCE, TORCH_NOTE), _keys)


def save_checkpoint(path: str | os.PathLike[str], weights: Mapping[str, Array]) -> None:
    """Writes a canonical weights set, float32 or float64, as the state dict of a ``GoogLeNet``, atomically.

    ``GoogLeNet(...).load_state_dict(torch.load(path))`` takes it as it is.

    Raises:
        WeightsError: The set is not canonical; nothing is written.
        FileError: The file cannot be written; what was at ``path`` stays.
    """
    check_weights(weights)
    buffer = io.BytesIO()  # PyTorch turns a full disk into errors of its own; memory has none
    torch.save({name: torch.from_numpy(np.array(weights[name])) for name in GOOGLENET.parameter_shapes()}, buffer)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def _load(path: str | os.PathLike[str]) -> Any:
    content = read_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about files that are refused anyway
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise FileError(
            f"{os.fspath(path)!r} is no PyTorch file of tensors and plain values alone; what else is in it"
            f"{_called(content)} could run code and is not read. Save the model's state_dict(), a lazy model's after "
            f"its first call."
        ) from None
    except Exception:  # of any kind: a damaged file sends PyTorch's reader anywhere
        raise FileError(f"{os.fspath(path)!r} is not a whole PyTorch file, as torch.save writes it.") from None


def _called(content: bytes) -> str:
    """What the pickle would call beside what a state dict does, in brackets; nothing if that cannot be told."""
    known = ("collections.OrderedDict", "torch._utils.", "torch.storage.")
    names = [name for name in called_names(content) if not name.startswith(known) and not STORAGE.fullmatch(name)]
    shown = [printable(name) for name in names[:MOST_NAMED]]
    more = [f"{len(names) - len(shown)} more"] * (len(names) > len(shown))
    return f" ({', '.join(shown + more)})" if names else ""


def _keys(names: Iterable[str]) -> dict[str, str]:
    # torch.compile puts its name before the model, or before a part of it.
    keys = renamed({name: name for name in names}, lambda name: name.replace("_orig_mod.", ""))
    return strip_common(keys, ("module.", "net."))


def _array(tensor: Any) -> Any:
    """A tensor as NumPy sees it, not copied. What is none is kept, for the message about all the names."""
    if not isinstance(tensor, Tensor):
        return tensor
    try:
        return tensor.detach().numpy()
    except (TypeError, RuntimeError):  # a dtype that NumPy lacks; sparse, quantized, without data
        layout = "" if tensor.layout is torch.strided else f", {tensor.layout}"
        kind = f"{tensor.dtype}{layout}{' without data' if tensor.is_meta else ''}"
        return ForeignTensor(kind, tuple(tensor.shape))
