"""A network in numbers: shapes as each framework has them, parameters, multiply-adds, what was published of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from netparity.network.frameworks import FRAMEWORKS
from netparity.network.network import LayerRow, Network, check_count
from netparity.network.published import PublishedTable
from netparity.network.registered import RegisteredNetwork
from netparity.show.table import new_table


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
    groups: dict[str, list[LayerRow]] = {}
    for row in rows:
        groups.setdefault(row.name if layers else row.name.partition(".")[0], []).append(row)
    console.print(_table(title, "layer" if layers else "stage", groups, batch_size))
    if registered.table:
        console.print()
        console.print(_published_table(registered.table, network))
        console.print(registered.table.note, style="dim", highlight=False)


def _table(title: str, what: str, groups: Mapping[str, Sequence[LayerRow]], batch_size: int) -> Table:
    """A row for each group: its last layer's shape, its parameters and multiply-adds together."""
    layouts = (Column(f"{framework.title}\n[dim]{framework.layout}[/]") for framework in FRAMEWORKS.values())
    right = (Column(heading, justify="right") for heading in ("parameters", "multiply-adds\n[dim]per image[/]"))
    table = new_table(Column(what), *layouts, *right, collapse_padding=False, title=title)
    for name, members in groups.items():
        canonical = (batch_size, *members[-1].output_shape)
        shapes = (framework.shape(canonical, members[-1].kind) for framework in FRAMEWORKS.values())
        table.add_row(escape(name), *("×".join(map(str, shape)) for shape in shapes), *_totals(members))
    table.add_section()
    everything = [row for members in groups.values() for row in members]
    table.add_row("all", *([""] * len(FRAMEWORKS)), *_totals(everything), style="bold")
    return table


def _totals(rows: Sequence[LayerRow]) -> tuple[str, str]:
    """Parameters, and multiply-adds."""
    return f"{sum(row.parameters for row in rows):,}", f"{sum(row.multiply_adds for row in rows):,}"


def _published_table(published: PublishedTable, network: Network) -> Table:
    headings = ("parameters", "in K", "paper", "multiply-adds", "in M", "paper")
    right = (Column(heading, justify="right") for heading in headings)
    table = new_table(Column("layer"), *right, collapse_padding=False, title=published.title)
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
