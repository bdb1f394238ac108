"""A training as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netparity.network.published import PublishedTraining
from netparity.network.registered import RegisteredNetwork
from netparity.show.html.charts import Chart, draw_curves
from netparity.show.html.heat import Cell, HeatTable, Row
from netparity.show.html.page import shell_line, write_page

APART = ("format", "format_version", "versions", "environment", "command", "went_on")
"""Settings that have a place of their own on the page, or are none."""


def write_training(
    path: Path,
    registered: RegisteredNetwork,
    settings: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    arguments: Sequence[str],
    *,
    status: str = "done",
    remark: str = "",
) -> None:
    """Writes the page of a training.

    Args:
        settings: The first line of its history.
        history: A record for each whole epoch.
        arguments: Those of the command, which the page repeats.
        status: running, done, interrupted or error.
        remark: What else is to be said at the top.

    Raises:
        OptionError: Jinja2 is not installed.
        FileError: The file cannot be written.
    """
    published = registered.published(settings)
    command = shell_line(arguments)
    write_page(
        path,
        "training.html.j2",
        (status, _sentence(settings["backend"], history)),
        arguments,
        remark=remark,
        network=registered.network.name,
        settings=settings,
        charts=_charts(history, published) if history else (),
        beside=_beside(history, published),
        epochs=_table(history, published),
        chosen=[(name, named_values(value)) for name, value in settings.items() if name not in APART],
        began=settings.get("command", command) if "--resume" in arguments else command,
    )


def duration(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def named_values(value: Any) -> str:
    """A setting in words; of several, each after its name."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {named_values(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(named_values, value))
    # Hyperparameters are kept as float32, whose further digits mean nothing.
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _sentence(backend: str, history: Sequence[Mapping[str, Any]]) -> str:
    if not history:
        return f"{backend}: no epoch is whole yet."
    last, count = history[-1], len(history)
    seconds = sum(record["seconds"] for record in history)
    return (
        f"{backend}: loss {last['train_loss']:.4f}, accuracy {last['train_accuracy']:.4f} in training and "
        f"{last['test_accuracy']:.4f} in the test, after {count} epoch{'s' * (count != 1)} in {duration(seconds)}."
    )


def _charts(history: Sequence[Mapping[str, Any]], published: PublishedTraining | None) -> list[Chart]:
    counts, charts = [record["epoch"] for record in history], []
    for title, curves in (
        ("Loss", {"training": "train_loss"}),
        ("Accuracy", {"training": "train_accuracy", "test": "test_accuracy"}),
    ):
        bands = {
            name: (f"published, {name}, after {published.epochs} epochs", getattr(published, key))
            for name, key in curves.items()
            if published
        }
        found = {name: [record[key] for record in history] for name, key in curves.items()}
        charts.append(draw_curves(title, "epoch", found, counts, bands=bands))
    return charts


def _beside(history: Sequence[Mapping[str, Any]], published: PublishedTraining | None) -> str:
    """What the published result says of this one."""
    if published is None:
        return "For these settings and data no published result is known, so none is drawn beside them."
    low, high = published.test_accuracy
    told = f"Published for these settings: a test accuracy of {low:.3f} to {high:.3f} after {published.epochs} epochs"
    if len(history) != published.epochs:
        return f"{told}; this training has {len(history)}, so its numbers are not to be set against that yet."
    found = history[-1]["test_accuracy"]
    return f"{told}; this training came to {found:.3f}."


def _table(history: Sequence[Mapping[str, Any]], published: PublishedTraining | None) -> HeatTable:
    rows = []
    for record in history:
        cells = [Cell(f"{record[key]:.4f}") for key in ("train_loss", "train_accuracy", "test_accuracy")]
        cells += [Cell(duration(record["seconds"])), Cell(f"{record['images_per_second']:.1f}")]
        rows.append(Row(str(record["epoch"]), cells))
    if published:
        ranges = (published.train_loss, published.train_accuracy, published.test_accuracy)
        cells = [Cell(f"{low:g}–{high:g}") for low, high in ranges]
        rows.append(Row(f"{published.epochs}, {published.label}", [*cells, Cell("–"), Cell("–")]))
    columns = ("training loss", "training accuracy", "test accuracy", "time of the epoch", "images per second")
    return HeatTable("Loss, accuracy and time of each whole epoch.", "epoch", columns, rows)
