"""Weights from one file into another, of any format, bit for bit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from netparity.files import checkpoint
from netparity.files.formats import FileFormat, format_to_write, recognise
from netparity.files.stored_tensors import StoredTensors, canonical_trees
from netparity.files.tensors import map_tensors
from netparity.files.weights import save_weights
from netparity.network.contract import Array
from netparity.network.errors import FileError, NetparityError
from netparity.network.registered import RegisteredNetwork, default_network
from netparity.network.weights import weights_like
from netparity.system.stderr import quiet


@dataclass(frozen=True)
class Conversion:
    """What was read, and what was written.

    Attributes:
        source, target: The files.
        source_format, target_format: The formats of the two.
        found: What the source turned out to hold: whose tree, or that it is a training's checkpoint.
        tensors, dtypes: How many tensors there are, and their dtypes, sorted.
        in_channels, num_classes: What the weights are for.
    """

    source: Path
    target: Path
    source_format: FileFormat
    target_format: FileFormat
    found: str
    tensors: int
    dtypes: tuple[str, ...]
    in_channels: int
    num_classes: int

    def sentence(self) -> str:
        """All of it, for a person."""
        return (
            f"{str(self.source)!r} ({self.source_format.name}, {self.found}) is now {str(self.target)!r} "
            f"({self.target_format.name}): {self.tensors} tensors, {' and '.join(self.dtypes)}, "
            f"{self.in_channels} image {'channel' if self.in_channels == 1 else 'channels'}, "
            f"{self.num_classes} {'class' if self.num_classes == 1 else 'classes'}."
        )


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    force: bool = False,
    network: RegisteredNetwork | None = None,
) -> Conversion:
    """Reads weights from one file and writes them to another: the same bits in the same dtypes.

    Args:
        source: Known by its content: canonical weights or a training's checkpoint in safetensors, or a framework's own
            file, in any module tree that the network's packages know.
        target: Its ending says its format. It is written beside, and renamed.
        force: Whether a file that is there may be written over.
        network: The network that the weights are for; None for the default one.

    Raises:
        OptionError: The target's name has no known ending.
        FileError: The source cannot be read, its or the target's framework is not installed, the target is there
            already, is the source, or cannot be written. What was at ``target`` stays.
        WeightsError: The source does not hold the network's weights, or the target's format cannot hold them.
    """
    registered = network or default_network()
    source, target = Path(source), Path(target)
    target_format, source_format = format_to_write(target), recognise(source)
    _check_target(source, target, force=force)
    writer = target_format.module(target, registered) if target_format.framework else None
    weights, found = _read(source, source_format, registered)
    if writer is None:
        save_weights(registered.network, target, weights)
    else:
        with quiet(NetparityError):
            writer.save_checkpoint(target, weights)
    dtypes = tuple(sorted({array.dtype.name for array in weights.values()}))
    like = weights_like(registered.network, weights)
    return Conversion(source, target, source_format, target_format, found, len(weights), dtypes, *like)


def _check_target(source: Path, target: Path, *, force: bool) -> None:
    """Says what stands in the way before anything slow is done."""
    if target.is_dir():
        raise FileError(f"Cannot write {str(target)!r}: it is a folder.")
    if not target.parent.is_dir():
        raise FileError(f"Cannot write {str(target)!r}: there is no folder {str(target.parent)!r}.")
    if target.exists() and target.samefile(source):
        raise FileError(f"{str(target)!r} is what is to be read; expected another name for what is to be written.")
    if target.exists() and not force:
        raise FileError(f"{str(target)!r} is there already; --force writes over it.")


def _read(path: Path, source_format: FileFormat, registered: RegisteredNetwork) -> tuple[dict[str, Array], str]:
    """The weights, and what the file turned out to hold."""
    if source_format.framework:
        stored = source_format.module(path, registered).read_tensors(path)
        return stored.weights(), stored.tree.name
    tensors, kind, _ = map_tensors(path)
    if kind == checkpoint.KIND:
        return dict(checkpoint.load(registered.network, path).weights), "the weights in a training's checkpoint"
    if kind not in (None, "weights"):
        raise FileError(f"{str(path)!r} is a {kind}, which holds no weights.")
    trees = canonical_trees(registered)
    stored = StoredTensors(registered.network, path, tensors, trees[:1] if kind else trees)
    return stored.weights(), "canonical weights" if stored.tree.canonical else stored.tree.name
