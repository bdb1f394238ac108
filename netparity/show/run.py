"""A run for a person and for other programs: tables, JSON, and JUnit XML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from netparity.show import json_file, junit
from netparity.show.layer_names import short_names
from netparity.show.table import STYLES, new_table, numbers, styled
from netparity.verdict.findings import (
    END_TO_END,
    GRADIENTS,
    LAYER_GRADIENTS,
    LAYERS,
    OUTPUTS,
    TRAINING,
    CheckResult,
    Status,
)
from netparity.verdict.report import BackendReport, Report

COLUMNS = {
    OUTPUTS: "float64\noutputs",
    GRADIENTS: "float64\ngradients",
    LAYERS: "float32\nforward",
    LAYER_GRADIENTS: "float32\nbackward",
    TRAINING: "float64\ntraining",
}
"""The checks that have a column; the others show when they do not pass."""

LAYER_COLUMNS = {LAYERS: "fwd", LAYER_GRADIENTS: "bwd", END_TO_END: "total"}
"""The checks that have a column in the table of layers."""


def print_report(console: Console, report: Report) -> None:
    """The case in a line, a row for each backend, a sentence for whatever did not pass, and the verdict."""
    shown = [check for check in COLUMNS if any(backend.find(check) for backend in report.backends)]
    console.print(_case(report), highlight=False)
    table = new_table("\nbackend", *(COLUMNS[check] for check in shown), *numbers("\ntime"), "\nverdict")
    short = short_names(report.network.names)
    for backend in report.backends:
        version = next(iter(backend.versions.values()), "").partition("+")[0]
        cells = [_cell(backend.find(check), short) for check in shown]
        table.add_row(escape(f"{backend.name} {version}"), *cells, f"{backend.seconds:.1f} s", styled(backend.status))
    if shown:
        table.caption = "The largest error, as a share of what is allowed there; above 1 fails."
    console.print(table)
    for backend in report.backends:
        for message, checks in _messages(backend).items():
            names = ", ".join(str(check.check) for check in checks)
            words = f"{styled(checks[0].status)} {escape(backend.name)}: [bold]{names}[/] – {escape(message)}"
            console.print(words, highlight=False)
        if backend.diagnosis:
            why = backend.diagnosis.sentence()
            console.print(f"[bold]why[/] {escape(backend.name)}: {escape(why)}", highlight=False)
    for name, message, values in report.observed:
        text = f"Shown, not judged: {name}, end to end, off by {', '.join(values)} of the largest entry; {message}."
        console.print(f"[dim]{escape(text)}[/]", highlight=False)
    status, sentence = report.verdict
    console.print(f"{styled(status)}: {escape(sentence)}", highlight=False)


def print_layers(console: Console, report: Report) -> None:
    """A row for each layer: alone, forward and backward, and after all layers before it."""
    headings, shares = [], []
    for backend in report.backends:
        if any(check.measurements for check in backend.checks):
            for check, words in LAYER_COLUMNS.items():
                headings.append(f"{escape(backend.name) if check == LAYERS else ''}\n{words}")
                result = backend.find(check)
                shares.append(result.layer_shares(report.network) if result else {})
    table = new_table("float32\nlayer", *numbers(*headings))
    for name, short in short_names(report.network.names).items():
        table.add_row(escape(short), *(_share(column[name]) if name in column else "" for column in shares))
    console.print(table)
    console.print(
        "[dim]The largest error, as a share of what is allowed there; above 1 fails.\n"
        "fwd, bwd: the layer alone, forward and backward, fed the reference's own input.\n"
        "total: all layers up to it, in one forward pass, against the noise floor.[/]\n",
        highlight=False,
    )


def print_steps(console: Console, report: Report) -> None:
    """A row for each step of training: the reference's loss, and how far each backend's is from it."""
    trained = [backend for backend in report.backends if len(backend.losses) == len(report.losses)]
    floors = ["float32 may\ntake it"] if report.loss_floor else []
    headings = ("step", "loss", *floors, *(escape(backend.name) for backend in trained))
    table = new_table(*numbers(*headings), collapse_padding=False)
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


def _case(report: Report) -> str:
    settings = report.settings
    count, channels, height, width = settings.shape
    weights = settings.weights if settings.seed is None else f"{settings.weights} weights, seed {settings.seed}"
    images = f"{settings.images}: {count} × {channels}×{height}×{width}, {settings.num_classes} classes"
    return escape(f"{images}\n{weights}")


def _cell(result: CheckResult | None, short: Mapping[str, str]) -> str:
    if result is None:
        return "–"
    if result.worst is None:
        return styled(result.status)
    # Which layer it is matters most where each stands for itself, and a terminal has but eighty columns.
    name = short.get(result.worst.name, result.worst.name) if result.check == LAYERS else ""
    return f"[{STYLES[result.status]}]{_number(result.worst.share)}[/] [dim]{escape(name)}[/]"


def _messages(backend: BackendReport) -> dict[str, list[CheckResult]]:
    """What did not pass, checks that say the same together: a backend that died says it but once."""
    messages: dict[str, list[CheckResult]] = {}
    for check in backend.checks:
        if check.status is not Status.PASS:
            messages.setdefault(check.message, []).append(check)
    return messages


def write_json(path: Path, report: Report) -> None:
    """Writes the whole report as JSON, every measurement included; raises FileError if there can be no such file."""
    document = {
        "status": report.status,
        "exit_code": report.exit_code,
        "settings": report.settings.to_json(),
        "losses": report.losses,
        "loss_floor": report.loss_floor,
        "environment": report.environment,
        "backends": [_backend(backend) for backend in report.backends],
    }
    json_file.write_json(path, "report", document)


def _backend(backend: BackendReport) -> dict[str, Any]:
    return {
        "name": backend.name,
        "status": backend.status,
        "versions": backend.versions,
        "seconds": round(backend.seconds, 3),
        "checks": [_check(check) for check in backend.checks],
        "diagnosis": backend.diagnosis and asdict(backend.diagnosis),
        "losses": backend.losses,
        "observations": [asdict(observation) for observation in backend.observations],
    }


def _check(result: CheckResult) -> dict[str, Any]:
    return {
        "check": str(result.check),
        "status": result.status,
        "message": result.message,
        "worst": result.worst and result.worst.name,
        "share": result.worst and result.worst.share,
        "measurements": [asdict(measurement) for measurement in result.measurements],
    }


def write_junit(path: Path, report: Report) -> None:
    """Writes a test suite for each backend, a test case for each check; raises FileError as :func:`write_json`."""
    outcomes: dict[Status, junit.Outcome] = {Status.PASS: "", Status.SKIPPED: "skipped", Status.ERROR: "error"}
    suites = []
    for backend in report.backends:
        cases = [
            junit.Case(str(found.check), outcomes.get(found.status, "failure"), found.message, str(found.status))
            for found in backend.checks
        ]
        suites.append(junit.Suite(backend.name, cases, backend.name, backend.seconds))
    junit.write_junit(path, "netparity", suites)
