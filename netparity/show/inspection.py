"""What an inspection found, for a person and for other programs: a table, and JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netparity.files.inspection import Inspection, TensorRow
from netparity.show import json_file
from netparity.show.table import folded, new_table, numbers
from netparity.system.text import printable

SHOWN = 12
"""How many problems are shown one by one: with more, the first would scroll away."""


def print_inspection(console: Console, found: Inspection) -> None:
    """What the file is, a row for each tensor, and the verdict with what is wrong."""
    console.print(f"[bold]{escape(repr(found.path))}[/]: {escape(found.kind)}", highlight=False)
    grid = Table.grid(padding=(0, 2))
    for heading, text in {"file": f"{found.format}, {found.size:,} bytes", **found.facts}.items():
        grid.add_row(f"[dim]{escape(printable(heading))}[/]", escape(printable(text)))
    if found.sha256:
        grid.add_row("[dim]SHA-256[/]", found.sha256)
    console.print(grid, highlight=False)
    if found.tensors:
        # Where a tensor's name is its canonical one, perhaps with its group before it, that needs no column.
        renamed = any(row.canonical and not row.name.endswith(row.canonical) for row in found.tensors)
        console.print(_table(found.tensors, renamed=renamed))
        if renamed:
            console.print("[dim]Shapes are the file's. Hashes are of the canonical layout, alike in all formats.[/]\n")
    if not found.problems:
        contents = f"the {len(found.tensors)} tensors of a {found.network}" if found.kind == "weights" else found.kind
        console.print(f"[green]sound[/]: {escape(contents)}, whole and finite.", highlight=False)
        return
    count = len(found.problems)
    console.print(f"[bold red]wrong[/]: {count} {'thing' if count == 1 else 'things'}.", highlight=False)
    for problem in found.problems[:SHOWN]:
        console.print(f"– {escape(problem)}", highlight=False)
    if count > SHOWN:
        console.print(f"– … and {count - SHOWN} more; --json has all of them.", highlight=False)


def _table(rows: tuple[TensorRow, ...], *, renamed: bool) -> Table:
    names = map(folded, ("in the file", "canonical name") if renamed else ("tensor",))
    table = new_table(*names, *numbers("shape"), folded("dtype"), "SHA-256")
    for row in rows:
        name = escape(printable(row.name))
        cells = [f"[bold red]{name}[/]" if row.problem else name]
        cells += [escape(row.canonical)] if renamed else []
        shape = "×".join(map(str, row.shape)) or "–"
        table.add_row(*cells, shape, escape(printable(row.dtype)), f"{row.sha256[:12]}…" if row.sha256 else "–")
    return table


def write_json(path: Path, found: Inspection) -> None:
    """Writes all that was found as JSON, whole hashes included; raises FileError if there can be no such file."""
    document = {
        "status": "wrong" if found.problems else "sound",
        "exit_code": found.exit_code,
        "file": found.path,
        "size": found.size,
        "file_format": found.format,
        "kind": found.kind,
        "facts": found.facts,
        "sha256": found.sha256 or None,
        "header": found.header,
        "problems": found.problems,
        "tensors": [
            {key: value or None for key, value in asdict(row).items()} | {"shape": row.shape} for row in found.tensors
        ],
    }
    json_file.write_json(path, "inspection", document)
