"""A run, or a lockstep of training, as a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from netparity.network.network import Network
from netparity.show.html.charts import Chart, draw_curves, draw_layers
from netparity.show.html.error_map import draw_bars, draw_heat
from netparity.show.html.heat import Cell, HeatTable, Row, heat_cell, heat_level, share_text
from netparity.show.html.network import draw_network
from netparity.show.html.page import write_page
from netparity.show.html.training import named_values
from netparity.verdict.bounds import FLOAT64_GATE
from netparity.verdict.findings import (
    END_TO_END,
    GRADIENTS,
    LAYER_GRADIENTS,
    LAYERS,
    OUTPUTS,
    TRAINING,
    Check,
    CheckResult,
    Measurement,
    Status,
)
from netparity.verdict.report import BackendReport, Report, faulty_layer, locate

ALONE = (LAYERS, OUTPUTS)
"""The checks by which the picture of the network is coloured: the first that was made."""

CHARTS = {
    LAYERS: "Each layer alone, float32",
    END_TO_END: "All layers up to it, float32",
    LAYER_GRADIENTS: "Each layer's gradients alone, float32",
    OUTPUTS: "All layers up to it, float64",
}
"""The checks that are drawn layer by layer."""

COLUMNS = {
    LAYERS: "forward alone, float32",
    LAYER_GRADIENTS: "backward alone, float32",
    END_TO_END: "accumulated, float32",
    OUTPUTS: "accumulated, float64",
    GRADIENTS: "gradients, float64",
}
"""The checks that have a column in the table of layers."""


def write_report(path: Path, report: Report, arguments: Sequence[str]) -> None:
    """Writes the page of a run or a lockstep, which repeats the command's arguments; raises what write_page raises."""
    network = report.network
    _, channels, *size = report.settings.shape
    shapes = network.output_shapes(channels, report.settings.num_classes, tuple(size))
    labels = _labels(report)
    offs = _offs(report, labels)
    shares = {check: _shares(network, labels, check) for check in CHARTS}
    alone = next((check for check in ALONE if shares[check]), ALONE[0])
    write_page(
        path,
        "report.html.j2",
        report.verdict,
        arguments,
        report=report,
        labels=labels,
        failures=[
            _failure(network, label, backend)
            for label, backend in labels.items()
            if backend.status not in (Status.PASS, Status.SKIPPED)
        ],
        checks=_check_table(labels),
        network=draw_network(network, shares[alone], shapes),
        network_title=CHARTS[alone],
        drawn=list(shares[alone]),
        charts=[draw_layers(title, shares[check], network.names) for check, title in CHARTS.items() if shares[check]],
        layers=_layer_table(network, labels),
        step_charts=_step_charts(report, labels, offs) if report.losses else [],
        steps=_step_table(report, offs),
        trained=_trained_table(labels),
        settings=[(name, named_values(value)) for name, value in report.settings.to_json().items()],
        subject="netparity train --lockstep" if report.losses else "netparity run",
        versions=[(label, ", ".join(map(" ".join, b.versions.items())) or "–") for label, b in labels.items()],
        share_text=share_text,
    )


def _labels(report: Report) -> dict[str, BackendReport]:
    """The backends by what they are called on the page, each differently, though two may have one name."""
    labels: dict[str, BackendReport] = {}
    for backend in report.backends:
        label, number = backend.name, 2
        while label in labels:
            label, number = f"{backend.name} ({number})", number + 1
        labels[label] = backend
    return labels


def _shares(network: Network, labels: Mapping[str, BackendReport], check: Check) -> dict[str, dict[str, float]]:
    """Shares by backend and layer; backends of which nothing was measured are left out."""
    results = {label: backend.find(check) for label, backend in labels.items()}
    shares = {label: result.layer_shares(network) for label, result in results.items() if result}
    return {label: found for label, found in shares.items() if found}


def _offs(report: Report, labels: Mapping[str, BackendReport]) -> dict[str, list[float]]:
    """How far each backend's loss is from the reference's, by step; those without a loss for each are left out."""
    return {
        label: [loss - right for loss, right in zip(backend.losses, report.losses, strict=True)]
        for label, backend in labels.items()
        if report.losses and len(backend.losses) == len(report.losses)
    }


def _allowed(report: Report) -> Sequence[float]:
    """How far each loss may be off: in float64 by the check's gate, in float32 by where rounding may take it."""
    return report.loss_floor or [FLOAT64_GATE * max(map(abs, report.losses), default=0.0)] * len(report.losses)


def _share(off: float, allowed: float) -> float:
    if not abs(off) < math.inf:
        return math.inf
    if not allowed:
        return math.inf if off else 0.0
    return abs(off) / allowed


def _step_charts(
    report: Report, labels: Mapping[str, BackendReport], offs: Mapping[str, Sequence[float]]
) -> list[Chart]:
    steps = range(1, len(report.losses) + 1)
    # In both, the first mark and colour are the reference's.
    losses = {"reference, float64": report.losses, **{label: labels[label].losses for label in offs}}
    shares = {"reference, float64": [0.0] * len(steps)}
    for label, off in offs.items():
        shares[label] = [_share(*pair) for pair in zip(off, _allowed(report), strict=True)]
    title = "How far each loss is from the reference's, as a share of what "
    what, bound = (
        ("rounding may do, not judged", "rounding may do") if report.loss_floor else ("is allowed", "the gate")
    )
    return [
        draw_curves("Loss before each step", "step", losses, steps),
        draw_curves(title + what, "step", shares, steps, bound=bound),
    ]


def _step_table(report: Report, offs: Mapping[str, Sequence[float]]) -> HeatTable:
    floor = bool(report.loss_floor)
    rows = []
    for place, (loss, allowed) in enumerate(zip(report.losses, _allowed(report), strict=True)):
        cells = [Cell(f"{loss:.6f}"), Cell(f"{allowed:.1e}")]
        for off in offs.values():
            share = _share(off[place], allowed)
            level = "" if floor else heat_level(share)
            cells.append(Cell(f"{off[place]:+.1e}", level, f"{share_text(share)} of that"))
        rows.append(Row(str(place + 1), cells))
    columns = ("the reference's loss", "float32 may take it" if floor else "may be off by", *offs)
    caption = "The float64 reference's loss before each step, and how far each backend's is from it."
    return HeatTable(caption, "step", columns, rows)


def _trained_table(labels: Mapping[str, BackendReport]) -> HeatTable:
    """A row for each tensor of a float64 training: losses, weights and momenta."""
    found = {label: backend.find(TRAINING) for label, backend in labels.items()}
    shares = {
        label: {measured.name: measured.share for measured in check.measurements}
        for label, check in found.items()
        if check and check.measurements
    }
    names = dict.fromkeys(name for by_name in shares.values() for name in by_name)
    rows = [Row(name, [heat_cell(by_name.get(name)) for by_name in shares.values()]) for name in names]
    caption = "The largest error of the losses, weights and momenta, as a share of what is allowed; above 1 fails."
    return HeatTable(caption, "tensor", list(shares), rows)


def _check_table(labels: Mapping[str, BackendReport]) -> HeatTable:
    """A row for each check, a column for each backend: the largest share, and of which tensor."""
    checks = dict.fromkeys(result.check for backend in labels.values() for result in backend.checks)
    rows = [Row("verdict", [Cell(str(b.status), f"status-{b.status}") for b in labels.values()])]
    rows += [Row(str(check), [_check_cell(b.find(check)) for b in labels.values()]) for check in checks]
    rows.append(Row("time", [Cell(f"{backend.seconds:.1f} s") for backend in labels.values()]))
    versions = (next(iter(backend.versions.values()), "").partition("+")[0] for backend in labels.values())
    columns = [f"{label} {version}".strip() for label, version in zip(labels, versions, strict=True)]
    caption = "The largest error of each check, as a share of what is allowed there; above 1 fails."
    return HeatTable(caption, "check", columns, rows)


def _check_cell(check: CheckResult | None) -> Cell:
    if check is None:
        return Cell("–", "none", "not made")
    if check.worst is None or check.status in (Status.SKIPPED, Status.ERROR):
        return Cell(str(check.status), f"status-{check.status}", check.message)
    return heat_cell(check.worst.share, f"{check.status}: {check.worst.name}")


def _layer_table(network: Network, labels: Mapping[str, BackendReport]) -> HeatTable:
    judged = {label: backend for label, backend in labels.items() if any(c.measurements for c in backend.checks)}
    checks = [check for check in COLUMNS if any(backend.find(check) for backend in judged.values())]
    results = [backend.find(check) for backend in judged.values() for check in checks]
    columns = [result.layer_shares(network) if result else {} for result in results]
    rows = [Row(name, [heat_cell(column.get(name)) for column in columns], f"layer-{name}") for name in network.names]
    caption = "The largest error of each layer, as a share of what is allowed there; above 1 fails."
    groups = [(label, len(checks)) for label in judged] if checks else []
    return HeatTable(caption, "layer", [COLUMNS[check] for check in checks] * len(judged), rows, groups)


def _failure(network: Network, label: str, backend: BackendReport) -> dict[str, Any]:
    """What is to be said of a backend that does not pass; checks that say the same say it together."""
    messages: dict[tuple[Status, str], list[str]] = {}
    for check in backend.checks:
        if check.status not in (Status.PASS, Status.SKIPPED):
            messages.setdefault((check.status, check.message), []).append(str(check.check))
    found, located = backend.error_map, locate(backend.checks)
    return {
        "label": label,
        "backend": backend,
        "sentences": [(", ".join(checks), *said) for said, checks in messages.items()],
        "check": located and str(located[0].check),
        "layer": located and faulty_layer(network, *located),
        "facts": list(_facts(located[1])) if located else [],
        "heat": found and draw_heat(found),
        "bars": found and draw_bars(found),
        "places": "kernel" if found and found.tensor.endswith(".weight") else "image",
    }


def _facts(failure: Measurement) -> Iterator[tuple[str, str]]:
    yield "tensor", failure.name
    if failure.message:
        yield "what is wrong", failure.message
    if failure.index is not None:
        yield "worst entry", str(failure.index)
    if not failure.message:
        yield "the backend's number there", f"{failure.actual:.9g}"
        yield "the reference's", f"{failure.desired:.9g}"
        yield "off by", f"{failure.error:.3g}"
        yield "allowed", f"{failure.limit:.3g}"
        yield "share of what is allowed", share_text(failure.share)
    if failure.beyond:
        yield "entries that are beyond", f"{failure.beyond:.2%}"
