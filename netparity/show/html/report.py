"""A run, or a lockstep of training, as a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from netparity.network.network import Network
from netparity.show.html.charts import CurveChart, LayerChart, draw_curves, draw_layers
from netparity.show.html.error_map import Bars, Heat, draw_bars, draw_heat
from netparity.show.html.heat import LEGEND, Cell, HeatTable, Row, heat_cell, heat_level, share_text
from netparity.show.html.network import draw_network
from netparity.show.html.page import shell_line, write_page
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
from netparity.verdict.report import BackendReport, Report, faulty_layer

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


@dataclass(frozen=True)
class Failure:
    """What is the matter with one backend that does not pass.

    Attributes:
        label: What it is called on the page.
        backend: Its report.
        sentences: What did not pass, checks that say the same together: the checks, and what they say.
        check: The check whose failure says most surely where the fault is; empty where no tensor fails.
        layer: The layer in which it is; empty if it is in none.
        facts: What there is to say of the tensor that fails first there, as headings and texts.
        heat, bars: Where in that tensor the error is, as far as it can be drawn.
        places: What height and width are those of.
    """

    label: str
    backend: BackendReport
    sentences: tuple[tuple[str, Status, str], ...]
    check: str
    layer: str
    facts: tuple[tuple[str, str], ...]
    heat: Heat | None
    bars: Bars | None
    places: str


def write_report(path: Path, report: Report, arguments: Sequence[str]) -> None:
    """Writes the page of a run, or of a lockstep.

    Args:
        path: The file.
        report: The run.
        arguments: Those of the command, which the page repeats.

    Raises:
        OptionError: Jinja2 is not installed.
        FileError: The file cannot be written.
    """
    status, sentence = report.verdict
    network = report.network
    _, channels, *size = report.settings.shape
    shapes = network.output_shapes(channels, report.settings.num_classes, tuple(size))
    labels = _labels(report)
    shares = {check: _shares(network, labels, check) for check in CHARTS}
    alone = next((check for check in ALONE if shares[check]), ALONE[0])
    write_page(
        path,
        "report.html.j2",
        status=status,
        sentence=sentence,
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
        legend=LEGEND,
        charts=tuple(_charts(network, shares)),
        layers=_layer_table(network, labels),
        step_charts=tuple(_step_charts(report, labels)),
        steps=_step_table(report, labels),
        trained=_trained_table(labels),
        settings=[(name, named_values(value)) for name, value in report.settings.to_json().items()],
        subject="netparity train --lockstep" if report.losses else "netparity run",
        versions=[(label, ", ".join(map(" ".join, b.versions.items())) or "–") for label, b in labels.items()],
        share_text=share_text,
        command=shell_line(arguments),
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


def _charts(network: Network, shares: Mapping[Check, Mapping[str, Mapping[str, float]]]) -> Iterator[LayerChart]:
    for check, title in CHARTS.items():
        if shares[check]:
            yield draw_layers(title, shares[check], network.names)


def _offs(report: Report, labels: Mapping[str, BackendReport]) -> dict[str, list[float]]:
    """How far each backend's loss is from the reference's, by step; those without a loss for each are left out."""
    return {
        label: [loss - right for loss, right in zip(backend.losses, report.losses, strict=True)]
        for label, backend in labels.items()
        if report.losses and len(backend.losses) == len(report.losses)
    }


def _allowed(report: Report) -> Sequence[float]:
    """How far each loss may be off: in float64 by the check's gate, in float32 by where rounding may take it."""
    return report.loss_floor or [FLOAT64_GATE * max(map(abs, report.losses))] * len(report.losses)


def _share(off: float, allowed: float) -> float:
    if not abs(off) < math.inf:
        return math.inf
    if not allowed:
        return math.inf if off else 0.0
    return abs(off) / allowed


def _step_charts(report: Report, labels: Mapping[str, BackendReport]) -> Iterator[CurveChart]:
    if not report.losses:
        return
    steps = range(1, len(report.losses) + 1)
    offs = _offs(report, labels)
    losses = {"reference, float64": report.losses, **{label: labels[label].losses for label in offs}}
    yield draw_curves("Loss before each step", "step", losses, steps)
    allowed = _allowed(report)
    shares = {label: [_share(*pair) for pair in zip(off, allowed, strict=True)] for label, off in offs.items()}
    title = "How far each loss is from the reference's, as a share of what "
    what = ("rounding may do, not judged", "rounding may do") if report.loss_floor else ("is allowed", "the gate")
    # As in the chart beside it, the first mark and colour are the reference's.
    yield draw_curves(
        title + what[0], "step", {"reference, float64": [0.0] * len(steps), **shares}, steps, bound=what[1]
    )


def _step_table(report: Report, labels: Mapping[str, BackendReport]) -> HeatTable:
    offs = _offs(report, labels)
    floor = bool(report.loss_floor)
    rows = []
    for place, (loss, allowed) in enumerate(zip(report.losses, _allowed(report) if report.losses else (), strict=True)):
        cells = [Cell(f"{loss:.6f}"), Cell(f"{allowed:.1e}")]
        for off in offs.values():
            share = _share(off[place], allowed)
            level = "" if floor else heat_level(share)
            cells.append(Cell(f"{off[place]:+.1e}", level, f"{share_text(share)} of that"))
        rows.append(Row.of(str(place + 1), cells))
    columns = ("the reference's loss", "float32 may take it" if floor else "may be off by", *offs)
    caption = "The float64 reference's loss before each step, and how far each backend's is from it."
    return HeatTable(caption, "step", columns, tuple(rows))


def _trained_table(labels: Mapping[str, BackendReport]) -> HeatTable:
    """A row for each tensor of a float64 training: losses, weights and momenta."""
    found = {label: backend.find(TRAINING) for label, backend in labels.items()}
    shares = {label: {m.name: m.share for m in check.measurements} for label, check in found.items() if check}
    shares = {label: by_name for label, by_name in shares.items() if by_name}
    names = dict.fromkeys(name for by_name in shares.values() for name in by_name)
    rows = tuple(Row.of(name, (heat_cell(by_name.get(name)) for by_name in shares.values())) for name in names)
    caption = "The largest error of the losses, weights and momenta, as a share of what is allowed; above 1 fails."
    return HeatTable(caption, "tensor", tuple(shares), rows)


def _check_table(labels: Mapping[str, BackendReport]) -> HeatTable:
    """A row for each check, a column for each backend: the largest share, and of which tensor."""
    checks = dict.fromkeys(result.check for backend in labels.values() for result in backend.checks)
    rows = [Row.of("verdict", (Cell(str(b.status), f"status-{b.status}") for b in labels.values()))]
    rows += [Row.of(str(check), (_check_cell(b.find(check)) for b in labels.values())) for check in checks]
    rows.append(Row.of("time", (Cell(f"{backend.seconds:.1f} s") for backend in labels.values())))
    versions = (next(iter(backend.versions.values()), "").partition("+")[0] for backend in labels.values())
    columns = tuple(f"{label} {version}".strip() for label, version in zip(labels, versions, strict=True))
    caption = "The largest error of each check, as a share of what is allowed there; above 1 fails."
    return HeatTable(caption, "check", columns, tuple(rows))


def _check_cell(check: CheckResult | None) -> Cell:
    if check is None:
        return Cell("–", "none", "not made")
    if check.worst is None or check.status in (Status.SKIPPED, Status.ERROR):
        return Cell(str(check.status), f"status-{check.status}", check.message)
    return heat_cell(check.worst.share, f"{check.status}: {check.worst.name}")


def _layer_table(network: Network, labels: Mapping[str, BackendReport]) -> HeatTable:
    judged = {label: backend for label, backend in labels.items() if any(c.measurements for c in backend.checks)}
    names = [name for name in COLUMNS if any(backend.find(name) for backend in judged.values())]
    results = [backend.find(name) for backend in judged.values() for name in names]
    columns = [result.layer_shares(network) if result else {} for result in results]
    rows = tuple(
        Row.of(layer, (heat_cell(column.get(layer)) for column in columns), f"layer-{layer}") for layer in network.names
    )
    caption = "The largest error of each layer, as a share of what is allowed there; above 1 fails."
    groups = tuple((label, len(names)) for label in judged) if names else ()
    return HeatTable(caption, "layer", tuple(COLUMNS[name] for name in names) * len(judged), rows, groups)


def _failure(network: Network, label: str, backend: BackendReport) -> Failure:
    messages: dict[tuple[Status, str], list[str]] = {}
    for check in backend.checks:
        if check.status not in (Status.PASS, Status.SKIPPED):
            messages.setdefault((check.status, check.message), []).append(str(check.check))
    found, located = backend.error_map, backend.located
    return Failure(
        label,
        backend,
        tuple((", ".join(checks), status, message) for (status, message), checks in messages.items()),
        str(located[0].check) if located else "",
        faulty_layer(network, *located) if located else "",
        tuple(_facts(located[1])) if located else (),
        draw_heat(found) if found else None,
        draw_bars(found) if found else None,
        "kernel" if found and found.tensor.endswith(".weight") else "image",
    )


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
