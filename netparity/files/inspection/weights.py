"""Whether a file of weights holds the network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netparity.files.formats import FileFormat
from netparity.files.hashing import weights_sha256
from netparity.files.inspection.findings import Inspection, TensorRow, listed, tensor_row, totals
from netparity.files.stored_tensors import StoredTensors
from netparity.files.tensors import FORMAT_VERSION, ForeignTensor
from netparity.network.contract import Array
from netparity.network.errors import WeightsError
from netparity.network.network import Network
from netparity.network.weights import tensor_faults, weights_like


def inspect_weights(
    stored: StoredTensors, file_format: FileFormat, kind: str | None, header: Mapping[str, Any]
) -> Inspection:
    """What a file of weights holds; ``kind`` is what it says it is, None where it does not say."""
    rows, problems = judge_tensors(stored)
    named = any(row.canonical for row in rows)
    facts = {"format version": str(FORMAT_VERSION)} if kind else {}
    facts |= {f"version of {name}": version for name, version in stored.versions.items()}
    if named:
        facts["names are"] = "canonical" if stored.tree.canonical else f"those of {stored.tree.name}"
    facts |= totals(rows)
    weights: dict[str, Array] = {}
    if not problems:
        try:
            weights = stored.weights()
            facts |= sizes(stored.network, weights)
            problems += _wrong_header(stored.network, weights, header)
        except WeightsError as error:  # whatever else keeps it from being loaded
            problems.append(str(error))
    if kind not in (None, "weights"):
        problems.append(f"It says that it is a file of {kind}, which is not known here.")
    return Inspection(
        path=os.fspath(stored.path),
        size=Path(stored.path).stat().st_size,
        format=file_format.name,
        kind="weights" if named else "tensors",
        facts=facts,
        tensors=tuple(rows),
        network=stored.network.name,
        sha256=weights_sha256(weights) if weights else "",
        header=header,
        problems=tuple(problems),
    )


def judge_tensors(stored: StoredTensors) -> tuple[list[TensorRow], list[str]]:
    """A row for each tensor, and what is wrong with them as a weights set."""
    try:
        names, tree = stored.names, stored.tree
    except WeightsError as error:
        return [tensor_row(name, tensor) for name, tensor in sorted(stored.tensors.items())], [str(error)]
    given = {canonical: stored.by_key[key] for key, canonical in tree.parameters.items() if key in names}
    faults = dict(_faults(stored.network, given))
    rows = [
        tensor_row(names[key], stored.tensors[names[key]], canonical, given[canonical], faults.get(canonical, ""))
        for key, canonical in tree.parameters.items()
        if canonical in given
    ]
    unexpected = sorted(name for key, name in names.items() if key not in tree.parameters)
    rows += [tensor_row(name, stored.tensors[name], problem="unexpected") for name in unexpected]
    if not given:
        return rows, [f"None of its {len(rows)} tensors has a name that a {stored.network.name}'s has."]
    missing = [key for key in tree.parameters if key not in names]
    lists = {"missing": missing, "unexpected": unexpected}
    problems = [listed(what, which) for what, which in lists.items() if which]
    return rows, problems + [f"{words}." for words in faults.values()]


def _faults(network: Network, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The canonical name of each tensor that cannot be what it should be, and why."""
    shapes = network.parameter_shapes()
    try:
        shapes = network.parameter_shapes(*weights_like(network, given))
    except WeightsError:  # nobody can say how many channels and classes there should be
        others = network.parameter_shapes(2, 11)
        shapes = {name: shape for name, shape in shapes.items() if shape == others[name]}
    for name, tensor in given.items():
        if isinstance(tensor, ForeignTensor):
            yield name, f"{name!r} is {tensor.kind}, expected float32 or float64"
        else:
            for words in tensor_faults(name, tensor, shapes.get(name, np.shape(tensor))):
                yield name, words


def _wrong_header(network: Network, weights: Mapping[str, Array], header: Mapping[str, Any]) -> list[str]:
    """Where the header says something else than the weights."""
    if not isinstance(architecture := header.get("architecture"), dict):
        return []
    says, holds = (architecture.get("in_channels"), architecture.get("num_classes")), weights_like(network, weights)
    words = f"Its header says (channels, classes) are {says!r}, and its tensors are for {holds!r}."
    return [] if says == holds else [words]


def sizes(network: Network, weights: Mapping[str, Array]) -> dict[str, str]:
    """How many image channels and classes weights are for."""
    in_channels, num_classes = weights_like(network, weights)
    return {"image channels": str(in_channels), "classes": str(num_classes)}
