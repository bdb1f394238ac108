"""A matrix as a page: versions down, layers across, and who gives the same bits as whom."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from netparity.compare.matrix import Matrix, Pair
from netparity.network.network import block_names
from netparity.show.html.charts import draw_layers
from netparity.show.html.heat import Cell, HeatTable, Row, heat_cell, heat_level
from netparity.show.html.page import write_page
from netparity.show.layer_names import short_block


def write_matrix(path: Path, found: Matrix, arguments: Sequence[str]) -> None:
    """Writes the page of a matrix, which repeats the command's arguments; raises what write_page raises."""
    shares = {row.entry.name: row.shares for row in found.rows if row.shares}
    write_page(
        path,
        "matrix.html.j2",
        found.verdict,
        arguments,
        found=found,
        layers=_layers(found),
        chart=draw_layers("Each layer alone", shares, found.network.names) if shares else None,
        pairs=_pairs(found),
        equal=[group for group in found.equal if len(group) > 1],
    )


def _layers(found: Matrix) -> HeatTable:
    """A column for each layer, under its block or else its stage."""
    names = found.network.names
    blocks = block_names(names)
    headings = (short_block(blocks[name]) or name.partition(".")[0] for name in names)
    groups = [(heading, len(list(run))) for heading, run in groupby(headings)]
    columns = ["concat" if name == blocks[name] else name.rpartition(".")[2] for name in names]
    rows = [
        Row(row.entry.name, [heat_cell(row.shares.get(name), f"{row.entry.name}: {name}") for name in names])
        for row in found.rows
    ]
    caption = "Each layer alone, fed the reference's own input: the share of its rounding bound that it uses."
    return HeatTable(caption, "environment", columns, rows, groups)


def _pairs(found: Matrix) -> HeatTable:
    ran = [row.entry.name for row in found.rows if row.trace is not None]
    pairs = {frozenset((pair.first, pair.second)): pair for pair in found.pairs}
    caption = (
        "Every two of them: = where all bits are the same, else the largest share of what rounding allows the two "
        "together."
    )
    rows = [Row(first, [_pair(pairs.get(frozenset((first, second)))) for second in ran]) for first in ran]
    return HeatTable(caption, "environment", ran, rows)


def _pair(pair: Pair | None) -> Cell:
    if pair is None:
        return Cell("·")
    first = pair.comparison.first_different
    if first is None:
        return Cell("=", heat_level(0.0), "the same, bit for bit")
    return heat_cell(pair.comparison.largest.share, f"first to differ: {first.sentence()}")
