"""Numbers coloured by the share of their bound, and tables of them.

A colour is one of few levels, so that a legend can name each. It never stands alone: beside it is the number, and what
is beyond its bound has a cross.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

STEPS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
"""The largest share of each level but the last."""

UNKNOWN = "none"
"""The level of what was not measured."""

BEYOND = "✕"


def heat_level(share: float | None) -> str:
    """The level of a share: ``none``, ``0`` (no error at all), ``1`` … ``5`` (within the bound), ``6``, ``7``."""
    if share is None:
        return UNKNOWN
    return str(next((level for level, step in enumerate(STEPS) if share <= step), len(STEPS)))


def share_text(share: float | None) -> str:
    """A share as a person reads it, with a cross before one that is beyond."""
    if share is None:
        return "–"
    form = ".3f" if 0.001 <= share < 10 else ".3g"
    number = "∞" if math.isinf(share) else f"{share:{form}}"
    return number if share <= 1 else f"{BEYOND} {number}"


def brief(share: float | None) -> str:
    """A share in four characters at most, for where there is little room."""
    if share is None:
        return "–"
    if share == 0:
        return "0"
    if share <= 1:
        return "1" if share >= 0.995 else f"{share:.2f}"[1:]
    if math.isinf(share) or share >= 1e100:
        return f"{BEYOND}∞"
    exponent = math.floor(math.log10(share))
    return f"{BEYOND}{math.floor(share)}" if exponent < 2 else f"{BEYOND}e{exponent}"


@dataclass(frozen=True)
class Cell:
    """One cell of a table, or an entry of a legend.

    Attributes:
        text: What it says.
        level: Its colour, as in :func:`heat_level`; empty for none.
        note: More, shown where a pointer rests on it.
    """

    text: str
    level: str = ""
    note: str = ""


LEGEND = (
    Cell("0, bit for bit", "0"),
    Cell("to 0.01", "1"),
    Cell("to 0.03", "2"),
    Cell("to 0.1", "3"),
    Cell("to 0.3", "4"),
    Cell("to 1, the bound", "5"),
    Cell(f"{BEYOND} to 10, beyond", "6"),
    Cell(f"{BEYOND} more", "7"),
    Cell("– not measured", UNKNOWN),
)


def heat_cell(share: float | None, note: str = "") -> Cell:
    """A share as a cell: its number, on its colour."""
    return Cell(share_text(share), heat_level(share), note)


@dataclass(frozen=True)
class Row:
    """A row of a table: its header, a cell for each column, and its id in the page, for links."""

    head: str
    cells: Sequence[Cell]
    anchor: str = ""


@dataclass(frozen=True)
class HeatTable:
    """A table of coloured cells, for the macro ``heat_table`` of ``parts.html.j2``.

    Attributes:
        caption: What it shows, in a sentence; also what a screen reader calls it.
        corner: The header over the row headers.
        columns: The columns' headers.
        groups: Headers over several columns each: the text, and how many; none, or enough for all columns.
    """

    caption: str
    corner: str
    columns: Sequence[str]
    rows: Sequence[Row]
    groups: Sequence[tuple[str, int]] = ()

    def __post_init__(self) -> None:
        widths = {len(row.cells) for row in self.rows}
        if self.groups:
            widths.add(sum(span for _, span in self.groups))
        if widths - {len(self.columns)}:
            raise ValueError(f"The table has {len(self.columns)} columns, and rows or groups of {sorted(widths)}.")
