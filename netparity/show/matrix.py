"""A matrix for a person and for other programs: a table with versions down and the network across, and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from netparity.compare.matrix import Matrix, Pair, Row
from netparity.files.trace import ACTIVATIONS
from netparity.show import json_file
from netparity.show.table import folded, new_table, numbers, styled


def print_matrix(console: Console, found: Matrix) -> None:
    """A row for each entry, a column for each stage, then who equals whom, and the verdict."""
    stages = list(dict.fromkeys(map(_stage, found.network.names)))
    table = new_table(folded("environment"), *numbers(*stages), "verdict")
    for row in found.rows:
        largest: dict[str, float] = {}
        for name, share in row.shares.items():
            largest[_stage(name)] = max(share, largest.get(_stage(name), 0.0))
        cells = (_cell(largest.get(stage)) for stage in stages)
        table.add_row(escape(row.entry.name), *cells, styled(row.status))
    table.caption = "The largest share of its rounding bound that a layer of the stage uses; above 1 fails."
    console.print(table)
    for row in found.rows:
        for line in row.complaints:
            console.print(f"{styled(row.status)} {escape(f'{row.entry.name}: {line}')}", highlight=False)
    _print_pairs(console, found)
    status, sentence = found.verdict
    console.print(f"{styled(status)}: {escape(sentence)}", highlight=False)


def _stage(layer: str) -> str:
    return layer.partition(".")[0]


def _print_pairs(console: Console, found: Matrix) -> None:
    """Who equals whom bit for bit, and where the others part."""
    for group in found.equal:
        if len(group) > 1:
            console.print(f"The same, bit for bit: {escape(', '.join(group))}.", highlight=False)
    if not (pairs := found.distinct_pairs):
        return
    columns = (folded("not the same bits"), folded("first to\ndiffer"))
    table = new_table(*columns, *numbers("share of what\nrounding allows", "predictions\nchanged"))
    for pair in pairs:
        first = pair.comparison.first_different
        table.add_row(
            f"{escape(pair.first)} | {escape(pair.second)}",
            escape(first.name.removeprefix(ACTIVATIONS)) if first else "",
            _cell(pair.comparison.largest.share),
            str(len(pair.comparison.changed)),
        )
    console.print(table)
    for pair in pairs:
        if beyond := pair.comparison.first_beyond:
            told = f"{pair.first} and {pair.second}: first beyond rounding, {beyond.sentence()}."
            console.print(f"[bold red]fail[/] {escape(told)}", highlight=False)


def _cell(share: float | None) -> str:
    if share is None:
        return "[dim]–[/]"
    text = f"{share:.3f}" if share < 100 else f"{share:.1e}"
    return text if share <= 1 else f"[bold red]{text}[/]"


def write_json(path: Path, found: Matrix) -> None:
    """Writes the whole matrix as JSON; raises FileError if there can be no such file."""
    document = {
        "settings": found.settings.to_json(),
        "status": found.status,
        "exit_code": found.exit_code,
        "rows": [_row(row) for row in found.rows],
        "equal": found.equal,
        "pairs": [_pair(pair) for pair in found.pairs],
    }
    json_file.write_json(path, "matrix", document)


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.entry.name,
        "requirements": list(row.entry.requirements),
        "backend": row.entry.target,
        "status": row.status,
        "error": row.error,
        "complaints": list(row.complaints),
        "python": row.environment.version if row.environment else None,
        "packages": dict(row.environment.packages) if row.environment else {},
        "layers": row.shares,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    found = pair.comparison
    first, beyond, largest = found.first_different, found.first_beyond, found.largest
    return {
        "first": pair.first,
        "second": pair.second,
        "identical": found.identical,
        "first_different": first and first.name,
        "first_beyond": beyond and beyond.name,
        "largest_share": largest.share,
        "changed_predictions": len(found.changed),
    }
