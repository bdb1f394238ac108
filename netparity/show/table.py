"""What the tables in a terminal have in common."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from netparity.verdict.findings import Status

STYLES = {
    Status.PASS: "green",
    Status.SKIPPED: "dim",
    Status.SUSPECT: "yellow",
    Status.FAIL: "bold red",
    Status.ERROR: "bold red",
}


def styled(status: Status) -> str:
    """The word of a status in its style, as markup."""
    return f"[{STYLES[status]}]{status}[/]"


def new_table(*columns: Column | str, collapse_padding: bool = True, **options: Any) -> Table:
    """A table of these columns; a string is the heading of one whose words are never broken."""
    return Table(
        *(Column(column, no_wrap=True) if isinstance(column, str) else column for column in columns),
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=collapse_padding,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        caption_style="dim",
        **options,
    )


def folded(heading: str) -> Column:
    """A column whose words may go on in the next line."""
    return Column(heading, overflow="fold")


def numbers(*headings: str) -> list[Column]:
    """Columns of numbers, to the right."""
    return [Column(heading, justify="right", no_wrap=True) for heading in headings]
