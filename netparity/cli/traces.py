"""The commands ``record`` and ``compare``: their options, and what a person sees while they work."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netparity.cli.guard import interruptible
from netparity.cli.options import (
    CaseBatchSize,
    CaseImageSize,
    Force,
    Html,
    Images,
    Interpreters,
    Json,
    Junit,
    Seed,
    Timeout,
    Weights,
)
from netparity.network.errors import FileError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netparity.files.trace import Trace
    from netparity.runs.case import Options
    from netparity.workers.backends import Subject


def record(
    backend: Annotated[
        str, typer.Argument(metavar="BACKEND", help="torch, tf, mx, module:attribute, or name=module:attribute.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The trace, a safetensors file.")],
    seed: Seed = 0,
    weights: Weights = None,
    images: Images = None,
    image_size: CaseImageSize = None,
    batch_size: CaseBatchSize = None,
    dtype: Annotated[str, typer.Option(metavar="float32|float64", help="Precision to compute in.")] = "float32",
    python: Annotated[
        str | None, typer.Option(metavar="PATH", show_default="this one", help="Interpreter that has the framework.")
    ] = None,
    golden: Annotated[
        bool, typer.Option("--golden", help="Keep a sample of each tensor: a small file, for a repository.")
    ] = False,
    force: Force = False,
    timeout: Timeout = 600.0,
) -> None:
    """Write what a backend computes to a file: all named activations, logits, loss, gradients and predictions.

    The file also holds what made the numbers (versions, processor, threads, switches), the hashes of the weights and
    images, and how far rounding may take each layer. ``compare`` compares it with another one.
    """
    from netparity.files.trace import write_trace
    from netparity.runs.case import Options
    from netparity.workers.backends import Subject, find_backend
    from netparity.workers.interpreters import find_interpreter

    if out.exists() and not force:
        raise FileError(f"'{out}' is there already; --force writes over it.")
    options = Options(
        seed=seed, image_size=image_size, batch_size=batch_size, images=images, weights=weights, dtypes=(dtype,)
    )
    name, target = find_backend(backend)
    interpreter = find_interpreter(python) if python else None
    trace = _record(Subject(name, target, required=True, python=interpreter), options, timeout)
    trace = trace.condensed() if golden else trace
    write_trace(out, trace.header, trace.tensors)
    shape = "×".join(map(str, trace.settings.shape))
    print(f"{trace.label}, {trace.header['dtype']}, images {shape}: {len(trace.tensors)} tensors in {out}.")


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A trace, or a backend as in ``record``.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    require: Annotated[
        str,
        typer.Option(
            metavar="rounding|bitwise", help="What must hold: differences that rounding explains, or none at all."
        ),
    ] = "rounding",
    seed: Annotated[
        int | None, typer.Option(min=0, show_default="the trace's, else 0", help="Seed of the weights.")
    ] = None,
    weights: Weights = None,
    images: Images = None,
    image_size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="H W",
            show_default="the images' or the trace's, else the network's",
            help="Pixels; any size from 1 1 up.",
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, show_default="the trace's, else all", help="Images.")] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="float32|float64", show_default="the trace's, else float32", help="Precision to compute in."
        ),
    ] = None,
    python: Interpreters = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Show every tensor, not only the layers that matter.")
    ] = False,
    json: Json = None,
    junit: Junit = None,
    html: Html = None,
    timeout: Timeout = 600.0,
) -> None:
    """Compare two traces, or backends: what differs first, where beyond rounding, and by how much.

    Each may be as far from the exact numbers as rounding allows; so two may be apart by twice that. A backend that is
    compared with a trace runs on the trace's weights and images; where those came from files, name them again.
    """
    from rich.console import Console

    from netparity.compare.comparison import compare_traces, find_requirement
    from netparity.files.trace import open_trace
    from netparity.runs.case import Options, options_like
    from netparity.show.comparison import print_comparison, write_json, write_junit

    required = find_requirement(require)
    given = Options(
        seed or 0, image_size, batch_size=batch_size, images=images, weights=weights, dtypes=(dtype or "float32",)
    )
    traces: dict[str, Trace] = {name: open_trace(name) for name in (first, second) if _is_file(name)}
    for name, trace in traces.items():
        if dtype not in (None, trace.header["dtype"]):
            raise OptionError(f"--dtype is {dtype}, but '{name}' is a trace in {trace.header['dtype']}.")
    if traces:
        given = options_like(next(iter(traces.values())), given, seed)
    live = _live([name for name in (first, second) if name not in traces], python or ())
    one, other = (traces.get(name) or _record(live[name], given, timeout) for name in (first, second))
    found = compare_traces(one, other, required)
    print_comparison(Console(), found, every=layers)
    if json:
        write_json(json, found)
    if junit:
        write_junit(junit, found)
    if html:
        from netparity.show.html.comparison import write_comparison

        write_comparison(html, found, sys.argv[1:])
    raise typer.Exit(found.exit_code)


def _is_file(name: str) -> bool:
    """Whether an argument names a file; what looks like one and is not there is reported when it is opened."""
    return Path(name).exists() or name.endswith((".safetensors", ".trace")) or (os.sep in name and ":" not in name)


def _live(names: Sequence[str], interpreters: Sequence[str]) -> dict[str, Subject]:
    """The backends of these names, each in its interpreter; a name may be one that an interpreter brings."""
    from netparity.workers.backends import choose, find_backend

    labels = {interpreter.partition("=")[0] for interpreter in interpreters}
    chosen = {subject.name: subject for subject in choose([name for name in names if name not in labels], interpreters)}
    return {name: chosen[name if name in labels else find_backend(name)[0]] for name in names}


def _record(subject: Subject, options: Options, timeout: float) -> Trace:
    from rich.console import Console

    from netparity.compare.recording import record_case
    from netparity.runs.case import make_case
    from netparity.show.progress import progress

    case = make_case(options)
    with interruptible(), progress(Console(stderr=True), [subject.name]) as listener:
        return record_case(case, subject, case.dtypes[0], timeout=timeout, listener=listener)
