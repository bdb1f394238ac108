"""Weights from one file into another, of any format, bit for bit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from googlenet_np.errors import FileError
from googlenet_np.module_trees import PROJECT, StoredTensors
from googlenet_np.tensor_files import map_tensors
from googlenet_np.weights import save_weights, weights_like
from googlenet_parity import checkpoint
from googlenet_parity.file_formats import CANONICAL_LAYOUT, FileFormat, format_to_write, recognise
from googlenet_parity.quiet import quiet

__all__ = ["Conversion", "convert"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Conversion:
    """What was read, and what was written.

    Attributes:
        source, target: The files.
        source_format, target_format: Theirs.
        found: What the source turned out to hold: whose tree, or that it is a training's checkpoint.
        tensors: How many.
        dtypes: Theirs, sorted.
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


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str], *, force: bool = False) -> Conversion:
    """Reads weights from one file and writes them to another: the same bits in the same dtypes.

    Args:
        source: Known by its content: canonical weights or a training's checkpoint in safetensors, or a framework's own
            file, of this project's models or of the source document's.
        target: Its ending says its format. Written beside, and renamed.
        force: Whether a file that is there may be written over.

    Raises:
        OptionError: The target's name has no known ending.
        FileError: The source cannot be read, its or the target's framework is not installed, the target is there
            already, is the source, or cannot be written. What was at ``target`` stays.
        WeightsError: The source holds no GoogLeNet, or one that the target's format cannot hold.
    """
    source, target = Path(source), Path(target)
    target_format, source_format = format_to_write(target), recognise(source)
    _check_target(source, target, force=force)
    writer = target_format.module(target) if target_format.backend else None
    weights, found = _read(source, source_format)
    if writer is None:
        save_weights(target, weights)
    else:
        with quiet():
            writer.save_checkpoint(target, weights)
    dtypes = tuple(sorted({array.dtype.name for array in weights.values()}))
    return Conversion(source, target, source_format, target_format, found, len(weights), dtypes, *weights_like(weights))


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


def _read(path: Path, source_format: FileFormat) -> tuple[dict[str, Array], str]:
    """The weights, and what the file turned out to hold."""
    if source_format.backend:
        stored = source_format.module(path).read_tensors(path)
        return stored.weights(), stored.tree.name
    tensors, kind, _ = map_tensors(path)
    if kind == checkpoint.KIND:
        return dict(checkpoint.load(path).weights), "the weights in a training's checkpoint"
    if kind not in (None, "weights"):
        raise FileError(f"{str(path)!r} is a {kind}, which holds no weights.")
    stored = StoredTensors(path, tensors, (PROJECT,) if kind else CANONICAL_LAYOUT)
    return stored.weights(), "canonical weights" if stored.tree is PROJECT else stored.tree.name
