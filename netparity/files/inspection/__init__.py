"""What a file of weights, of a training or of a trace holds, and what is wrong with it."""

from __future__ import annotations

import os

from netparity.files.checkpoint import KIND as CHECKPOINT
from netparity.files.formats import recognise
from netparity.files.inspection.checkpoint import inspect_checkpoint
from netparity.files.inspection.findings import Inspection, TensorRow
from netparity.files.inspection.trace import inspect_trace
from netparity.files.inspection.weights import inspect_weights
from netparity.files.stored_tensors import StoredTensors, canonical_trees
from netparity.files.tensors import map_tensors
from netparity.files.trace import KIND as TRACE
from netparity.network.errors import NetparityError
from netparity.network.registered import RegisteredNetwork, default_network
from netparity.system.stderr import quiet

__all__ = ["Inspection", "TensorRow", "inspect_file"]


def inspect_file(path: str | os.PathLike[str], network: RegisteredNetwork | None = None) -> Inspection:
    """Reads a file and judges it; a trace is mapped, and read one tensor at a time.

    Args:
        path: Known by its content: weights in any format, a training's checkpoint, or a trace.
        network: The network that it should be of; None for the default one.

    Raises:
        FileError: There is nothing to judge: no such file, damaged or cut short, of a newer format version, of a format
            that is not known, one that would run code, or one whose framework is not installed.
        WeightsError: Nothing in it has a name.
    """
    registered = network or default_network()
    file_format = recognise(path)
    if file_format.framework:
        reader = file_format.module(path, registered)
        with quiet(NetparityError):
            stored = reader.read_tensors(path)
        return inspect_weights(stored, file_format, None, {})
    tensors, kind, header = map_tensors(path)
    trees = canonical_trees(registered)
    if kind == CHECKPOINT:
        return inspect_checkpoint(path, registered.network, trees[0], tensors, header)
    if kind == TRACE:
        return inspect_trace(path, registered.network, tensors, header)
    stored = StoredTensors(registered.network, path, tensors, trees[:1] if kind else trees)
    return inspect_weights(stored, file_format, kind, header)
