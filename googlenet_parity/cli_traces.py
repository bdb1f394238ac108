"""The commands ``record`` and ``compare``: their options, and what a person sees while they work."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from googlenet_np.errors import FileError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from googlenet_np.backend import DType
    from googlenet_parity.case import Options
    from googlenet_parity.registry import Subject
    from googlenet_parity.trace import Trace

__all__ = ["compare", "record"]

Seed = Annotated[int | None, typer.Option(min=0, show_default="0, or the trace's", help="Seed of the weights.")]
Weights = Annotated[
    Path | None,
    typer.Option(metavar="FILE", show_default="Xavier, by the seed", help="Canonical weights in safetensors."),
]
Images = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.npy|DIR",
        show_default="real Fashion-MNIST test images",
        help="An array (N, C, H, W), float in any range or uint8; or a folder of image files.",
    ),
]
Size = Annotated[
    tuple[int, int] | None,
    typer.Option(metavar="H W", show_default="96 96, or the trace's", help="Pixels; any size from 1 1 up."),
]
Batch = Annotated[int | None, typer.Option(min=1, show_default="16, or the trace's", help="Images.")]
Precision = Annotated[str | None, typer.Option(metavar="float32|float64", show_default="float32, or the trace's")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="Time that one backend may take.")]


def record(
    backend: Annotated[
        str, typer.Argument(metavar="BACKEND", help="torch, tf, mx, module:attribute, or name=module:attribute.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The trace, a safetensors file.")],
    seed: Seed = None,
    weights: Weights = None,
    images: Images = None,
    image_size: Size = None,
    batch_size: Batch = None,
    dtype: Precision = None,
    python: Annotated[
        str | None, typer.Option(metavar="PATH", show_default="this one", help="Interpreter that has the framework.")
    ] = None,
    golden: Annotated[
        bool, typer.Option("--golden", help="Keep a sample of each tensor: a small file, for a repository.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    timeout: Timeout = 600.0,
) -> None:
    """Keep what a backend computes: all named activations, logits, loss, gradients and predictions, in a file.

    Beside the numbers it says what made them (versions, processor, threads, switches), on which weights and images
    (their hashes), and how far rounding may take each layer. ``compare`` sets it against another one.
    """
    from googlenet_parity.case import Options
    from googlenet_parity.interpreters import find_interpreter
    from googlenet_parity.registry import Subject, find_backend
    from googlenet_parity.trace import write_trace

    if out.exists() and not force:
        raise FileError(f"'{out}' is there already; --force writes over it.")
    options = Options(seed or 0, image_size, None, None, batch_size, images, weights, (dtype or "float32",))
    name, target = find_backend(backend)
    interpreter = find_interpreter(python) if python else None
    trace = _record(Subject(name, target, required=True, python=interpreter), options, timeout)
    if golden:
        trace = trace.condensed()
    write_trace(out, trace.header, trace.tensors)
    shape = "×".join(map(str, trace.header["settings"]["shape"]))
    print(f"{trace.label}, {trace.header['dtype']}, images {shape}: {len(trace.tensors)} tensors in {out}.")


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A trace, or a backend as of ``record``.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    require: Annotated[
        str,
        typer.Option(
            metavar="rounding|bitwise", help="What must hold: differences that rounding explains, or none at all."
        ),
    ] = "rounding",
    seed: Seed = None,
    weights: Weights = None,
    images: Images = None,
    image_size: Size = None,
    batch_size: Batch = None,
    dtype: Precision = None,
    python: Annotated[
        list[str] | None,
        typer.Option(
            "--python",
            metavar="NAME=PATH",
            show_default="this one",
            help="Interpreter that runs a backend: compare tf old --python old=tf:/opt/old/bin/python. Repeatable.",
        ),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Show every tensor, not only the layers that matter.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write every difference as JSON.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write them as JUnit XML.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write them as a page.")] = None,
    timeout: Timeout = 600.0,
) -> None:
    """Set two traces, or backends, against each other: what differs first, where beyond rounding, and by how much.

    Each may be as far from the exact numbers as rounding allows; so two may be apart by twice that. A backend that is
    set against a trace runs on the trace's weights and images; where those came from files, name them again.
    """
    from rich.console import Console

    from googlenet_parity import comparison_export
    from googlenet_parity.case import Options, options_like
    from googlenet_parity.comparison import REQUIREMENTS, compare_traces
    from googlenet_parity.html.comparison import write_comparison
    from googlenet_parity.html.page import check_html
    from googlenet_parity.trace import open_trace

    if require not in REQUIREMENTS:
        raise OptionError(f"--require is {require!r}; expected {' or '.join(REQUIREMENTS)}.")
    if html:
        check_html(html)
    given = Options(seed or 0, image_size, None, None, batch_size, images, weights, (dtype or "float32",))
    traces: dict[str, Trace] = {name: open_trace(name) for name in (first, second) if _is_file(name)}
    if traces:
        given = options_like(next(iter(traces.values())).header, given, seed)
    live = _live([name for name in (first, second) if name not in traces], python or ())
    one, other = (traces.get(name) or _record(live[name], given, timeout) for name in (first, second))
    found = compare_traces(one, other, require)
    comparison_export.print_comparison(Console(), found, every=layers)
    if json:
        comparison_export.write_json(json, found)
    if junit:
        comparison_export.write_junit(junit, found)
    if html:
        write_comparison(html, found, sys.argv[1:])
    raise typer.Exit(found.exit_code)


def _is_file(name: str) -> bool:
    """Whether an argument names a file; what looks like one and is not there is said by whoever opens it."""
    return Path(name).exists() or name.endswith((".safetensors", ".trace")) or (os.sep in name and ":" not in name)


def _live(names: Sequence[str], interpreters: Sequence[str]) -> dict[str, Subject]:
    """The backends of these names, each in its interpreter; a name may be one that an interpreter brings."""
    from googlenet_parity.registry import choose, find_backend

    labels = {interpreter.partition("=")[0] for interpreter in interpreters}
    chosen = {subject.name: subject for subject in choose([name for name in names if name not in labels], interpreters)}
    return {name: chosen[name if name in labels else find_backend(name)[0]] for name in names}


def _record(subject: Subject, options: Options, timeout: float) -> Trace:
    from rich.console import Console

    from googlenet_parity import terminal
    from googlenet_parity.case import make_case
    from googlenet_parity.recording import record as record_backend

    case = make_case(options)
    dtype: DType = case.dtypes[0]
    try:
        with terminal.progress(Console(stderr=True), [subject.name]) as listener:
            return record_backend(case, subject, dtype, timeout=timeout, listener=listener)
    except KeyboardInterrupt:
        print("Interrupted; every process that was started has been ended.", file=sys.stderr)
        raise typer.Exit(130) from None
