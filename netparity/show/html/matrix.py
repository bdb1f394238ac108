"""A matrix as a page: versions down, layers across, and who gives the same bits as whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from netparity.compare.matrix import Matrix, Pair
from netparity.show.html.charts import draw_layers
from netparity.show.html.heat import LEGEND, Cell, HeatTable, Row, heat_cell, heat_level
from netparity.show.html.page import shell_line, write_page
from netparity.show.layer_names import block_names, short_block


def write_matrix(path: Path, found: Matrix, arguments: Sequence[str]) -> None:
    """Writes the page of a matrix.

    Args:
        path: The file.
        found: The matrix.
        arguments: Those of the command, which the page repeats.

    Raises:
        OptionError: Jinja2 is not installed.
        FileError: The file cannot be written.
    """
    status, sentence = found.verdict
    shares = {row.entry.name: row.shares for row in found.rows if row.shares}
    names = list(dict.fromkeys(name for layers in shares.values() for name in layers))
    write_page(
        path,
        "matrix.html.j2",
        status=status,
        sentence=sentence,
        found=found,
        layers=_layers(found, names),
        chart=draw_layers("Each layer alone", shares, names) if shares else None,
        pairs=_pairs(found),
        equal=[group for group in found.equal if len(group) > 1],
        legend=LEGEND,
        command=shell_line(arguments),
    )


def _layers(found: Matrix, names: Sequence[str]) -> HeatTable:
    """A column for each layer, under its block or else its stage."""
    blocks = block_names(names)
    headings = (short_block(blocks[name]) or name.partition(".")[0] for name in names)
    groups = tuple((heading, len(list(run))) for heading, run in groupby(headings))
    columns = tuple("concat" if name == blocks[name] else name.rpartition(".")[2] for name in names)
    rows = (
        Row.of(row.entry.name, (heat_cell(row.shares.get(name), f"{row.entry.name}: {name}") for name in names))
        for row in found.rows
    )
    caption = "Each layer alone, fed the reference's own input: the share of its rounding bound that it uses."
    return HeatTable(caption, "environment", columns, tuple(rows), groups)


def _pairs(found: Matrix) -> HeatTable:
    ran = [row.entry.name for row in found.rows if row.trace is not None]
    pairs = {frozenset((pair.first, pair.second)): pair for pair in found.pairs}

    def cells(first: str) -> Iterator[Cell]:
        for second in ran:
            pair = pairs.get(frozenset((first, second)))
            yield Cell("·") if pair is None else _pair(pair)

    caption = (
        "Every two of them: = where all bits are the same, else the largest share of what rounding allows the two "
        "together."
    )
    return HeatTable(caption, "environment", tuple(ran), tuple(Row.of(name, cells(name)) for name in ran))


def _pair(pair: Pair) -> Cell:
    first = pair.comparison.first_different
    if first is None:
        return Cell("=", heat_level(0.0), "the same, bit for bit")
    return heat_cell(pair.comparison.largest.share, f"first to differ: {first.sentence()}")
