"""A matrix as a page: versions down, layers across, and who gives the same bits as whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from googlenet_np.architecture import GOOGLENET
from googlenet_parity.html.charts import draw_layers
from googlenet_parity.html.heat import LEGEND, Cell, HeatTable, Row, heat_cell, heat_level
from googlenet_parity.html.page import shell_line, write_page
from googlenet_parity.matrix import Matrix, Pair

__all__ = ["write_matrix"]


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
    write_page(
        path,
        "matrix.html.j2",
        status=status,
        sentence=sentence,
        found=found,
        layers=_layers(found),
        chart=draw_layers("Each layer alone", shares) if shares else None,
        pairs=_pairs(found),
        equal=[group for group in found.equal if len(group) > 1],
        legend=LEGEND,
        command=shell_line(arguments),
    )


def _layers(found: Matrix) -> HeatTable:
    names = GOOGLENET.names
    blocks = [(block, len(list(members))) for block, members in groupby(names, _block)]
    rows = (
        Row.of(row.entry.name, (heat_cell(row.shares.get(name), f"{row.entry.name}: {name}") for name in names))
        for row in found.rows
    )
    caption = "Each layer alone, fed the reference's own input: the share of its rounding bound that it uses."
    return HeatTable(caption, "environment", tuple(map(_short, names)), tuple(rows), tuple(blocks))


def _block(name: str) -> str:
    """The stage or the block that a layer is in, as a heading."""
    stage, _, rest = name.partition(".")
    return rest.partition(".")[0].removeprefix("inception_") if rest.startswith("inception_") else stage


def _short(name: str) -> str:
    """A layer's own name; of a block's output, that it is one."""
    last = name.rpartition(".")[2]
    return "concat" if last.startswith("inception_") else last


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
