"""A comparison of two traces as a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from netparity.compare.comparison import Comparison, Difference
from netparity.files.trace import ACTIVATIONS
from netparity.show.html.charts import draw_layers
from netparity.show.html.heat import Cell, HeatTable, Row, heat_cell, heat_level
from netparity.show.html.page import write_page

COLUMNS = ("share of what rounding allows", "largest difference", "ulp there", "entries that differ")


def write_comparison(path: Path, found: Comparison, arguments: Sequence[str]) -> None:
    """Writes the page of a comparison, which repeats the command's arguments; raises what write_page raises."""
    layers = [difference for difference in found.differences if difference.name.startswith(ACTIVATIONS)]
    shares = {_name(difference): difference.share for difference in layers if difference.share is not None}
    caption = "Every tensor, layers in canonical order first. Shares are of what rounding allows the two together."
    pair = f"{found.first} beside {found.second}"
    write_page(
        path,
        "comparison.html.j2",
        found.verdict,
        arguments,
        found=found,
        pair=pair,
        chart=draw_layers("Each layer's output", {pair: shares}, list(map(_name, layers))),
        tensors=HeatTable(caption, "tensor", COLUMNS, [Row(_name(row), _cells(row)) for row in found.differences]),
    )


def _name(row: Difference) -> str:
    return row.name.removeprefix(ACTIVATIONS)


def _cells(row: Difference) -> tuple[Cell, ...]:
    if row.identical:
        return (Cell("0", heat_level(0.0)), Cell("0"), Cell("0"), Cell("0 %"))
    note = row.sentence()
    share = Cell("not judged", "none", note) if row.share is None else heat_cell(row.share, note)
    if row.index is None:
        return (share, Cell(row.message), Cell("–"), Cell("–"))
    error = "∞" if math.isinf(row.error) else f"{row.error:.2e}"
    return (share, Cell(error), Cell(f"{row.ulp:.3g}"), Cell(f"{100 * row.differing:.2g} %"))
