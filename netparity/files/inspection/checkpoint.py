"""Whether a training's checkpoint is whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from netparity.files import checkpoint
from netparity.files.formats import SAFETENSORS
from netparity.files.hashing import weights_sha256
from netparity.files.inspection.findings import Inspection, TensorRow, listed, table, tensor_row, totals
from netparity.files.inspection.weights import judge_tensors, sizes
from netparity.files.stored_tensors import StoredTensors
from netparity.files.tensors import FORMAT_VERSION
from netparity.network.errors import NetparityError
from netparity.network.module_tree import ModuleTree
from netparity.network.network import Network
from netparity.system.text import printable


def inspect_checkpoint(
    path: str | os.PathLike[str],
    network: Network,
    tree: ModuleTree,
    tensors: Mapping[str, Any],
    header: Mapping[str, Any],
) -> Inspection:
    """What a training's checkpoint holds, by the network that was trained and its canonical tree."""
    rows: list[TensorRow] = []
    problems: list[str] = []
    for what, prefix in (("The weights", checkpoint.WEIGHTS), ("The optimiser's state", checkpoint.OPTIMIZER)):
        own = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if own or prefix == checkpoint.WEIGHTS:
            keys = partial(_without, prefix)
            more_rows, more_problems = judge_tensors(StoredTensors(network, path, own, (tree,), keys))
            rows += more_rows
            problems += [f"{what}: {problem}" for problem in more_problems]
    others = sorted(name for name in tensors if not name.startswith((checkpoint.WEIGHTS, checkpoint.OPTIMIZER)))
    rows += [tensor_row(name, tensors[name], problem="unexpected") for name in others]
    problems += [listed("unexpected", others)] * bool(others)
    facts = {"format version": str(FORMAT_VERSION)} | totals(rows)
    digest = ""
    if not problems:
        try:
            saved = checkpoint.load(network, path)
        except NetparityError as error:
            problems.append(str(error))
        else:
            digest = weights_sha256(saved.weights)
            facts |= sizes(network, saved.weights)
            facts["backend"] = printable(saved.settings.get("backend", "not said"))
            facts["versions"] = table(saved.settings.get("versions"))
            facts["trained for"] = f"{saved.progress.epoch} epochs and {saved.progress.step} steps"
    return Inspection(
        path=os.fspath(path),
        size=Path(path).stat().st_size,
        format=SAFETENSORS.name,
        kind="a training's checkpoint",
        facts=facts,
        tensors=tuple(rows),
        network=network.name,
        sha256=digest,
        header=header,
        problems=tuple(problems),
    )


def _without(prefix: str, names: Iterable[str]) -> dict[str, str]:
    return {name.removeprefix(prefix): name for name in names}
