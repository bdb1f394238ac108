"""What a file of weights, of a training or of a trace holds, and what is wrong with it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import GOOGLENET, layer_table
from googlenet_np.errors import FileError, GoogLeNetError, OptionError, WeightsError, printable
from googlenet_np.module_trees import PROJECT, StoredTensors
from googlenet_np.tensor_files import FORMAT_VERSION, ForeignTensor, map_tensors
from googlenet_np.weights import tensor_faults, weights_like
from googlenet_parity import checkpoint
from googlenet_parity import trace as traces
from googlenet_parity.file_formats import CANONICAL_LAYOUT, SAFETENSORS, FileFormat, recognise
from googlenet_parity.golden import SUMMARIES, kept_shape
from googlenet_parity.hashing import array_sha256, weights_sha256
from googlenet_parity.quiet import quiet

__all__ = ["Inspection", "TensorRow", "inspect_file"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class TensorRow:
    """One tensor of a file.

    Attributes:
        name: In the file.
        canonical: Its canonical name; empty for one that has none.
        shape: In the file.
        dtype: In the file, or what it is if it is no array.
        sha256: Of the array in canonical layout, or as it is if it has no canonical name; empty if it is no array.
        problem: What is wrong with it; empty if nothing is.
    """

    name: str
    canonical: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str
    problem: str = ""


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        path: The file.
        size: Bytes.
        format: Whose file it is.
        kind: What it holds: weights, a training's checkpoint, a trace, or tensors that are none of these.
        facts: What there is to say of it, as headings and texts.
        tensors: In canonical order; those that have no place there come last, by name.
        sha256: Of the whole weights set, as traces have it; empty where there is none.
        header: As the file has it, for those of this project's own files.
        problems: Sentences; empty for a sound file.
    """

    path: str
    size: int
    format: str
    kind: str
    facts: Mapping[str, str]
    tensors: tuple[TensorRow, ...]
    sha256: str = ""
    header: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 for a sound file, 1 where something is wrong."""
        return 1 if self.problems else 0


def inspect_file(path: str | os.PathLike[str]) -> Inspection:
    """Reads a file and judges it; a trace is mapped, and read one tensor at a time.

    Raises:
        FileError: There is nothing to judge: no such file, damaged or cut short, of a newer format version, of a format
            that is not known, one that would run code, or one whose framework is not installed.
        WeightsError: Nothing in it has a name.
    """
    file_format = recognise(path)
    if file_format.backend:
        reader = file_format.module(path)
        with quiet():
            stored = reader.read_tensors(path)
        return _inspect_weights(stored, file_format, None, {})
    tensors, kind, header = map_tensors(path)
    if kind == checkpoint.KIND:
        return _inspect_checkpoint(path, tensors, header)
    if kind == traces.KIND:
        return _inspect_trace(path, tensors, header)
    stored = StoredTensors(path, tensors, (PROJECT,) if kind else CANONICAL_LAYOUT)
    return _inspect_weights(stored, file_format, kind, header)


# Weights


def _inspect_weights(
    stored: StoredTensors, file_format: FileFormat, kind: str | None, header: Mapping[str, Any]
) -> Inspection:
    rows, problems = _judge(stored)
    named = any(row.canonical for row in rows)
    facts = {"format version": str(FORMAT_VERSION)} if kind else {}
    facts |= {f"version of {name}": version for name, version in stored.versions.items()}
    if named:
        facts["names are"] = "canonical" if stored.tree is PROJECT else f"those of {stored.tree.name}"
    facts |= _about(rows)
    weights: dict[str, Array] = {}
    if not problems:
        try:
            weights = stored.weights()
            facts |= _sizes(weights)
            problems += _lies(weights, header)
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
        sha256=weights_sha256(weights) if weights else "",
        header=header,
        problems=tuple(problems),
    )


def _judge(stored: StoredTensors) -> tuple[list[TensorRow], list[str]]:
    """Each tensor, and what is wrong with them as a weights set."""
    try:
        names, tree = stored.names, stored.tree
    except WeightsError as error:
        return [_row(name, tensor) for name, tensor in sorted(stored.tensors.items())], [str(error)]
    given = {canonical: stored.by_key[key] for key, canonical in tree.parameters.items() if key in names}
    faults = dict(_faults(given))
    rows = [
        _row(names[key], stored.tensors[names[key]], canonical, given[canonical], faults.get(canonical, ""))
        for key, canonical in tree.parameters.items()
        if canonical in given
    ]
    unexpected = sorted(name for key, name in names.items() if key not in tree.parameters)
    rows += [_row(name, stored.tensors[name], problem="unexpected") for name in unexpected]
    if not given:
        return rows, [f"None of its {len(rows)} tensors has a name that a GoogLeNet's has."]
    missing = [key for key in tree.parameters if key not in names]
    lists = {"missing": missing, "unexpected": unexpected}
    problems = [_listed(what, listed) for what, listed in lists.items() if listed]
    return rows, problems + [f"{words}." for words in faults.values()]


def _faults(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The canonical name of each tensor that cannot be what it should be, and why."""
    shapes = GOOGLENET.parameter_shapes()
    try:
        shapes = GOOGLENET.parameter_shapes(*weights_like(given))
    except WeightsError:  # nobody can say how many channels and classes there should be
        others = GOOGLENET.parameter_shapes(2, 11)
        shapes = {name: shape for name, shape in shapes.items() if shape == others[name]}
    for name, tensor in given.items():
        if isinstance(tensor, ForeignTensor):
            yield name, f"{name!r} is {tensor.kind}, expected float32 or float64"
        else:
            for words in tensor_faults(name, tensor, shapes.get(name, np.shape(tensor))):
                yield name, words


def _lies(weights: Mapping[str, Array], header: Mapping[str, Any]) -> list[str]:
    """Where the header says something else than the weights."""
    architecture = header.get("architecture")
    if not isinstance(architecture, dict):
        return []
    says, holds = (architecture.get("in_channels"), architecture.get("num_classes")), weights_like(weights)
    if says == holds:
        return []
    return [f"Its header says (channels, classes) are {says!r}, and its tensors are for {holds!r}."]


def _row(name: str, tensor: Any, canonical: str = "", array: Any = None, problem: str = "") -> TensorRow:
    """A row of the table; ``array`` is the tensor in canonical layout, where that is known."""
    if isinstance(tensor, ForeignTensor):
        return TensorRow(name, canonical, tensor.shape, tensor.kind, "", problem)
    if not isinstance(tensor, np.ndarray):
        return TensorRow(name, canonical, (), type(tensor).__name__, "", problem)
    # The bytes of an array of objects are addresses in memory.
    digest = "" if tensor.dtype.hasobject else array_sha256(tensor if array is None else array)
    return TensorRow(name, canonical, tensor.shape, tensor.dtype.name, digest, problem)


def _about(rows: Iterable[TensorRow]) -> dict[str, str]:
    rows = list(rows)
    dtypes = sorted({row.dtype for row in rows})
    return {
        "dtype": ", ".join(map(printable, dtypes)) or "none",
        "tensors": f"{len(rows)}, of {sum(math.prod(row.shape) for row in rows):,} numbers",
    }


def _sizes(weights: Mapping[str, Array]) -> dict[str, str]:
    in_channels, num_classes = weights_like(weights)
    return {"image channels": str(in_channels), "classes": str(num_classes)}


def _listed(what: str, names: list[str]) -> str:
    return (
        f"{len(names)} {'tensor is' if len(names) == 1 else 'tensors are'} {what}: {', '.join(map(printable, names))}."
    )


# A training's checkpoint


def _inspect_checkpoint(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], header: Mapping[str, Any]
) -> Inspection:
    rows: list[TensorRow] = []
    problems: list[str] = []
    for what, prefix in (("The weights", checkpoint.WEIGHTS), ("The optimiser's state", checkpoint.OPTIMIZER)):
        own = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if own or prefix == checkpoint.WEIGHTS:
            more_rows, more_problems = _judge(StoredTensors(path, own, (PROJECT,), _without(prefix)))
            rows += more_rows
            problems += [f"{what}: {problem}" for problem in more_problems]
    others = sorted(name for name in tensors if not name.startswith((checkpoint.WEIGHTS, checkpoint.OPTIMIZER)))
    rows += [_row(name, tensors[name], problem="unexpected") for name in others]
    problems += [_listed("unexpected", others)] * bool(others)
    facts = {"format version": str(FORMAT_VERSION)} | _about(rows)
    digest = ""
    if not problems:
        try:
            saved = checkpoint.load(path)
        except GoogLeNetError as error:
            problems.append(str(error))
        else:
            digest = weights_sha256(saved.weights)
            facts |= _sizes(saved.weights)
            facts["backend"] = printable(saved.settings.get("backend", "not said"))
            facts["versions"] = _table(saved.settings.get("versions"))
            facts["trained for"] = f"{saved.progress.epoch} epochs and {saved.progress.step} steps"
    return Inspection(
        path=os.fspath(path),
        size=Path(path).stat().st_size,
        format=SAFETENSORS.name,
        kind="a training's checkpoint",
        facts=facts,
        tensors=tuple(rows),
        sha256=digest,
        header=header,
        problems=tuple(problems),
    )


def _without(prefix: str) -> Callable[[Iterable[str]], dict[str, str]]:
    return lambda names: {name.removeprefix(prefix): name for name in names}


def _table(entries: Any) -> str:
    """A table of a header, in a line."""
    if not isinstance(entries, Mapping):
        return "not said"
    lists = {key: "/".join(map(str, value)) if isinstance(value, list) else value for key, value in entries.items()}
    return ", ".join(f"{printable(key)} {printable(value)}" for key, value in lists.items())


# A trace


def _inspect_trace(path: str | os.PathLike[str], tensors: Mapping[str, Any], header: Mapping[str, Any]) -> Inspection:
    facts = {"format version": str(FORMAT_VERSION)}
    problems: list[str] = []
    expected: dict[str, Form] = {}
    try:
        trace = traces.open_trace(path)
        expected = _trace_forms(header)
        if trace.sampled:
            problems += _summary_faults(header[SUMMARIES], expected)
            expected = {name: (kept_shape(name, shape), dtype) for name, (shape, dtype) in expected.items()}
        facts |= {
            "backend": printable(trace.label),
            "versions": _table(header["versions"]),
            "environment": _table(header["environment"]),
            "ran on": _table(header["settings"]),
            **{f"SHA-256 of {what}": printable(digest) for what, digest in header["sha256"].items()},
        }
    except FileError as error:
        problems.append(str(error))
    except (OptionError, KeyError, TypeError, ValueError) as error:
        problems.append(f"Its header does not say what images it is of: {error!r}.")
    rows = [_row(name, tensor, problem=_trace_fault(name, tensor, expected)) for name, tensor in tensors.items()]
    problems += [f"{row.problem}." for row in rows if row.problem]
    missing = [name for name in expected if name not in tensors and not name.startswith(OPTIONAL)]
    problems += [_listed("missing", missing)] * bool(missing)
    return Inspection(
        path=os.fspath(path),
        size=Path(path).stat().st_size,
        format=SAFETENSORS.name,
        kind="a golden" if SUMMARIES in header else "a trace",
        facts=facts | _about(rows),
        tensors=tuple(rows),
        header=header,
        problems=tuple(problems),
    )


Form = tuple[tuple[int, ...], str]
"""Shape and dtype."""

OPTIONAL = (traces.GRADIENTS, "loss")
"""What the trace of a backend that has no gradients lacks."""


def _trace_forms(header: Mapping[str, Any]) -> dict[str, Form]:
    """Every tensor that a trace may have, by what its header says of the images."""
    settings, dtype = header["settings"], header["dtype"]
    count, channels, height, width = settings["shape"]
    classes, backward = settings["num_classes"], settings.get(traces.GRADIENT_IMAGES, count)
    outputs = {row.name: row.output_shape for row in layer_table(channels, classes, (height, width))}
    forms = {traces.ACTIVATIONS + name: ((count, *shape), dtype) for name, shape in outputs.items()}
    forms |= {"logits": ((count, classes), dtype), "predictions": ((count,), "int64"), "loss": ((1,), "float64")}
    shapes = {**GOOGLENET.parameter_shapes(channels, classes), "images": (backward, channels, height, width)}
    return forms | {traces.GRADIENTS + name: (shape, dtype) for name, shape in shapes.items()}


def _summary_faults(summaries: Mapping[str, Any], expected: Mapping[str, Form]) -> Iterator[str]:
    """Tensors that a golden has a sample of, and that are not of the form that a trace's are."""
    for name, summary in summaries.items():
        form = tuple(summary["shape"]), summary["dtype"]
        if form != expected.get(name, form):
            shape, dtype = expected[name]
            yield f"{name!r} is a sample of {form[1]} of shape {form[0]}, expected {dtype} of shape {shape}."


def _trace_fault(name: str, tensor: Any, expected: Mapping[str, Form]) -> str:
    """What is wrong with a tensor, as a sentence without its full stop; without forms, only its numbers are judged."""
    if isinstance(tensor, ForeignTensor):
        return f"{name!r} is {tensor.kind}, expected float32, float64 or int64"
    if expected and name not in expected:
        return f"{name!r} has no place in a trace"
    shape, dtype = expected.get(name, (tensor.shape, tensor.dtype.name))
    if tensor.dtype.name != dtype:
        return f"{name!r} has dtype {tensor.dtype}, expected {dtype}"
    if tensor.dtype.kind != "f":
        return "" if tensor.shape == shape else f"{name!r} has shape {tensor.shape}, expected {shape}"
    return next(tensor_faults(name, tensor, shape), "")
