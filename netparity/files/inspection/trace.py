"""Whether a trace has the tensors that its header and its network call for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from netparity.files.formats import SAFETENSORS
from netparity.files.golden import SUMMARIES, kept_shape
from netparity.files.inspection.findings import Inspection, listed, table, tensor_row, totals
from netparity.files.tensors import FORMAT_VERSION, ForeignTensor
from netparity.files.trace import ACTIVATIONS, GRADIENTS, Trace, open_trace
from netparity.network.errors import FileError, OptionError
from netparity.network.network import IMAGES, Network
from netparity.network.weights import tensor_faults
from netparity.system.text import printable

Form = tuple[tuple[int, ...], str]
"""Shape and dtype."""

OPTIONAL = (GRADIENTS, "loss")
"""What the trace of a backend that has no gradients lacks."""


def inspect_trace(
    path: str | os.PathLike[str], network: Network, tensors: Mapping[str, Any], header: Mapping[str, Any]
) -> Inspection:
    """What a trace or a golden holds, whose layers must be the network's."""
    facts = {"format version": str(FORMAT_VERSION)}
    problems: list[str] = []
    expected: dict[str, Form] = {}
    try:
        trace = open_trace(path, network)
        expected = _forms(trace, network)
        if trace.sampled:
            problems += _summary_faults(header[SUMMARIES], expected)
            expected = {name: (kept_shape(name, shape), dtype) for name, (shape, dtype) in expected.items()}
        facts |= {
            "backend": printable(trace.label),
            "versions": table(header["versions"]),
            "environment": table(header["environment"]),
            "ran on": table(header["settings"]),
            **{f"SHA-256 of {what}": printable(digest) for what, digest in header["sha256"].items()},
        }
    except FileError as error:
        problems.append(str(error))
    except (OptionError, KeyError, TypeError, ValueError) as error:
        problems.append(f"Its header does not say what images it is of: {error!r}.")
    rows = [tensor_row(name, tensor, problem=_fault(name, tensor, expected)) for name, tensor in tensors.items()]
    problems += [f"{row.problem}." for row in rows if row.problem]
    missing = [name for name in expected if name not in tensors and not name.startswith(OPTIONAL)]
    problems += [listed("missing", missing)] * bool(missing)
    return Inspection(
        path=os.fspath(path),
        size=Path(path).stat().st_size,
        format=SAFETENSORS.name,
        kind="a golden" if SUMMARIES in header else "a trace",
        facts=facts | totals(rows),
        tensors=tuple(rows),
        network=network.name,
        header=header,
        problems=tuple(problems),
    )


def _forms(trace: Trace, network: Network) -> dict[str, Form]:
    """Every tensor that a trace may have, by what its header says of the images."""
    settings, dtype = trace.settings, trace.header["dtype"]
    count, channels, *size = settings.shape
    classes = settings.num_classes
    outputs = network.output_shapes(channels, classes, tuple(size))
    forms = {ACTIVATIONS + name: ((count, *shape), dtype) for name, shape in outputs.items() if name != IMAGES}
    forms |= {"logits": ((count, classes), dtype), "predictions": ((count,), "int64"), "loss": ((1,), "float64")}
    shapes = network.parameter_shapes(channels, classes)
    shapes[IMAGES] = (settings.gradient_images or count, channels, *size)
    return forms | {GRADIENTS + name: (shape, dtype) for name, shape in shapes.items()}


def _summary_faults(summaries: Mapping[str, Any], expected: Mapping[str, Form]) -> Iterator[str]:
    """Tensors that a golden has a sample of, and that are not of the form that a trace's are."""
    for name, summary in summaries.items():
        form = tuple(summary["shape"]), summary["dtype"]
        if form != expected.get(name, form):
            shape, dtype = expected[name]
            yield f"{name!r} is a sample of {form[1]} of shape {form[0]}, expected {dtype} of shape {shape}."


def _fault(name: str, tensor: Any, expected: Mapping[str, Form]) -> str:
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
