"""A network in numbers: shapes as each framework has them, parameters, multiply-adds, what was published of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netparity.network.frameworks import FRAMEWORKS
from netparity.network.network import LayerRow, Network, check_count
from netparity.network.published import PublishedTable
from netparity.network.registered import RegisteredNetwork


def print_summary(
    console: Console,
    registered: RegisteredNetwork,
    image_size: tuple[int, int],
    in_channels: int,
    num_classes: int,
    batch_size: int,
    *,
    layers: bool = False,
) -> None:
    """A table by stages or by layers; beside what was published of the network, if anything was, a second one.

    Raises:
        OptionError: A size or a count is not a whole number of 1 or more.
    """
    check_count("batch_size", batch_size)
    network = registered.network
    rows = network.table(in_channels, num_classes, image_size)
    shape = "×".join(map(str, (batch_size, in_channels, *image_size)))
    title = f"{escape(network.name)} at {shape} (N×C×H×W), {num_classes} classes"
    console.print(_table(title, [[row] for row in rows] if layers else _stages(rows), batch_size, layers=layers))
    if registered.table:
        console.print()
        console.print(_published_table(registered.table, network))
        console.print(registered.table.note, style="dim", highlight=False)


def _stages(rows: Sequence[LayerRow]) -> list[list[LayerRow]]:
    """The layers of each stage: the part of their names before the first dot."""
    stages: dict[str, list[LayerRow]] = {}
    for row in rows:
        stages.setdefault(_stage(row), []).append(row)
    return list(stages.values())


def _stage(row: LayerRow) -> str:
    return row.name.partition(".")[0]


def _table(title: str, groups: Sequence[Sequence[LayerRow]], batch_size: int, *, layers: bool) -> Table:
    """A row for each group: its last layer's shape, its parameters and multiply-adds together."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer" if layers else "stage")
    for framework in FRAMEWORKS.values():
        table.add_column(f"{framework.title}\n[dim]{framework.layout}[/]")
    for column in ("parameters", "multiply-adds\n[dim]per image[/]"):
        table.add_column(column, justify="right")
    for members in groups:
        last = members[-1]
        canonical = (batch_size, *last.output_shape)
        shapes = ["×".join(map(str, framework.shape(canonical, last.kind))) for framework in FRAMEWORKS.values()]
        table.add_row(escape(last.name if layers else _stage(last)), *shapes, *_totals(members))
    table.add_section()
    table.add_row(
        "all", *([""] * len(FRAMEWORKS)), *_totals([row for members in groups for row in members]), style="bold"
    )
    return table


def _totals(rows: Sequence[LayerRow]) -> tuple[str, str]:
    """Parameters, and multiply-adds."""
    return f"{sum(row.parameters for row in rows):,}", f"{sum(row.multiply_adds for row in rows):,}"


def _published_table(published: PublishedTable, network: Network) -> Table:
    table = Table(title=published.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer")
    for column in ("parameters", "in K", "paper", "multiply-adds", "in M", "paper"):
        table.add_column(column, justify="right")
    for line, parameters, operations in published.beside(network):
        kilo, mega = parameters / published.kilo, operations / published.mega
        table.add_row(
            line.name,
            f"{parameters:,}",
            f"{kilo:,.1f}",
            _marked(line.kilo_parameters, "K", kilo, published.agreement),
            f"{operations:,}",
            f"{mega:,.1f}",
            _marked(line.mega_operations, "M", mega, published.agreement),
        )
    return table


def _marked(figure: float, unit: str, ours: float, agreement: float) -> str:
    """The published figure, marked where it is not what its architecture gives."""
    rounding = 0.5 / figure if figure == int(figure) else 0.05 / figure
    agrees = abs(ours / figure - 1) <= agreement + rounding
    return f"{figure:g} {unit}" + ("  " if agrees else " [red]*[/]")
