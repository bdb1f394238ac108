"""What a person sees: progress while a run goes on, and its report as a table."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from googlenet_np.architecture import GOOGLENET
from googlenet_parity.run import Listener
from googlenet_parity.verdict import BackendReport, CheckResult, Report, Status

__all__ = ["print_layers", "print_report", "print_steps", "progress"]

STYLES = {
    Status.PASS: "green",
    Status.SKIPPED: "dim",
    Status.SUSPECT: "yellow",
    Status.FAIL: "bold red",
    Status.ERROR: "bold red",
}
COLUMNS = {
    "outputs float64": "float64\noutputs",
    "gradients float64": "float64\ngradients",
    "layers float32": "float32\nforward",
    "layer gradients float32": "float32\nbackward",
    "training float64": "float64\ntraining",
}
"""The checks that have a column; the others show when they do not pass."""


@contextlib.contextmanager
def progress(console: Console, names: Sequence[str]) -> Iterator[Listener]:
    """A live line for each backend, gone when the run is over; nothing where the output is no terminal."""
    bars = Progress(
        TextColumn("{task.fields[backend]:<8}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:>3.0f}/{task.total:<3.0f}"),
        TimeElapsedColumn(),
        TextColumn("{task.description}", style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        tasks = {name: bars.add_task("starting", total=100, backend=escape(name)) for name in names}

        def listener(backend: str, done: int, total: int, step: str) -> None:
            description = "done" if done == total else escape(step)
            bars.update(tasks[backend], completed=done, total=total, description=description)

        yield listener


def print_report(console: Console, report: Report) -> None:
    """The case in a line, a row for each backend, a sentence for whatever did not pass, and the verdict."""
    shown = [check for check in COLUMNS if any(backend.find(check) for backend in report.backends)]
    console.print(_case(report), highlight=False)
    table = Table(box=SIMPLE_HEAD, caption_justify="left", caption_style="dim", pad_edge=False, collapse_padding=True)
    table.add_column("\nbackend", no_wrap=True)
    for check in shown:
        table.add_column(COLUMNS[check], no_wrap=True)
    table.add_column("\ntime", justify="right", no_wrap=True)
    table.add_column("\nverdict", no_wrap=True)
    for backend in report.backends:
        version = next(iter(backend.versions.values()), "").partition("+")[0]
        cells = [_cell(backend.find(check)) for check in shown]
        status = f"[{STYLES[backend.status]}]{backend.status}[/]"
        table.add_row(escape(f"{backend.name} {version}"), *cells, f"{backend.seconds:.1f} s", status)
    if shown:
        table.caption = "The largest error, as a share of what is allowed there; above 1 fails."
    console.print(table)
    for backend in report.backends:
        for message, checks in _messages(backend).items():
            console.print(
                f"[{STYLES[checks[0].status]}]{checks[0].status}[/] {escape(backend.name)}: "
                f"[bold]{', '.join(check.check for check in checks)}[/] – {escape(message)}",
                highlight=False,
            )
        if backend.diagnosis:
            why = backend.diagnosis.sentence()
            console.print(f"[bold]why[/] {escape(backend.name)}: {escape(why)}", highlight=False)
    _print_observations(console, report)
    console.print(_verdict(report), highlight=False)


def print_layers(console: Console, report: Report) -> None:
    """A row for each layer: alone, forward and backward, and after all layers before it."""
    kinds = {"layers float32": "fwd", "layer gradients float32": "bwd", "end to end float32": "total"}
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("float32\nlayer", no_wrap=True)
    judged = [backend for backend in report.backends if any(check.measurements for check in backend.checks)]
    shares = []
    for backend in judged:
        for place, (check, words) in enumerate(kinds.items()):
            table.add_column(f"{'' if place else escape(backend.name)}\n{words}", justify="right", no_wrap=True)
            result = backend.find(check)
            shares.append(result.layer_shares if result else {})
    for name in GOOGLENET.names:
        cells = [_share(column[name]) if name in column else "" for column in shares]
        table.add_row(escape(name.rpartition("inception_")[2]), *cells)
    console.print(table)
    console.print(
        "[dim]The largest error, as a share of what is allowed there; above 1 fails.\n"
        "fwd, bwd: the layer alone, forward and backward, fed the reference's own input.\n"
        "total: all layers up to it, in one forward pass, against the noise floor.[/]\n",
        highlight=False,
    )


def print_steps(console: Console, report: Report) -> None:
    """A row for each step of training: the reference's loss, and how far each backend's is from it."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    trained = [backend for backend in report.backends if len(backend.losses) == len(report.losses)]
    for heading in ("step", "loss", *(["float32 may\ntake it"] * bool(report.loss_floor)), *(b.name for b in trained)):
        table.add_column(escape(heading), justify="right", no_wrap=True)
    for step, loss in enumerate(report.losses):
        floor = [f"{report.loss_floor[step]:.1e}"] if report.loss_floor else []
        off = [f"{backend.losses[step] - loss:+.1e}" for backend in trained]
        table.add_row(str(step + 1), f"{loss:.6f}", *floor, *off)
    console.print(table)
    told = "The float64 reference's loss before each step, and how far each backend's is from it."
    console.print(f"[dim]{told}[/]\n", highlight=False)


def _share(share: float) -> str:
    return f"[bold red]{_number(share)}[/]" if share > 1 else "[dim]0[/]" if share == 0 else _number(share)


def _number(share: float) -> str:
    return "∞" if share == float("inf") else f"{share:.3f}" if share < 10 else f"{share:.3g}"


def _print_observations(console: Console, report: Report) -> None:
    for name, message, values in report.observed:
        text = f"Shown, not judged: {name}, end to end, off by {', '.join(values)} of the largest entry; {message}."
        console.print(f"[dim]{escape(text)}[/]", highlight=False)


def _case(report: Report) -> str:
    count, channels, height, width = report.settings["shape"]
    seed = report.settings["seed"]
    weights = f"{report.settings['weights']} weights, seed {seed}" if seed is not None else report.settings["weights"]
    classes = report.settings["num_classes"]
    return escape(f"{report.settings['images']}: {count} × {channels}×{height}×{width}, {classes} classes\n{weights}")


def _cell(check: CheckResult | None) -> str:
    if check is None:
        return "–"
    if check.worst is None:
        return f"[{STYLES[check.status]}]{check.status}[/]"
    share = check.worst.share
    # Which layer it is matters most where each stands for itself, and a terminal has but eighty columns.
    name = check.worst.name.rpartition("inception_")[2] if check.check == "layers float32" else ""
    return f"[{STYLES[check.status]}]{_number(share)}[/] [dim]{escape(name)}[/]"


def _messages(backend: BackendReport) -> dict[str, list[CheckResult]]:
    """What did not pass, checks that say the same together: a backend that died says it but once."""
    messages: dict[str, list[CheckResult]] = {}
    for check in backend.checks:
        if check.status is not Status.PASS:
            messages.setdefault(check.message, []).append(check)
    return messages


def _verdict(report: Report) -> str:
    status, sentence = report.verdict
    return f"[{STYLES[status]}]{status}[/]: {escape(sentence)}"
