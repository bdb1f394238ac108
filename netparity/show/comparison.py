"""A comparison of two traces for a person and for other programs: a table, JSON, and JUnit XML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from netparity.compare.comparison import Comparison, Difference, Requirement
from netparity.files.trace import ACTIVATIONS
from netparity.show import json_file, junit
from netparity.show.table import new_table, numbers, styled


def print_comparison(console: Console, found: Comparison, *, every: bool = False) -> None:
    """A row for each tensor that matters (or each), what differs around the numbers, and the verdict."""
    console.print(f"{escape(found.first)} beside {escape(found.second)}", highlight=False)
    rows = found.differences if every else _telling(found)
    if rows:
        headings = ("largest\ndifference", "ulp\nthere", "share of what\nrounding allows", "entries that\ndiffer")
        table = new_table("tensor", *numbers(*headings))
        for row in rows:
            table.add_row(*_cells(row))
        console.print(table)
    for what, one, other in found.environment:
        console.print(f"[dim]{escape(what)}: {escape(one)} | {escape(other)}[/]", highlight=False, soft_wrap=True)
    for place, before, after in found.changed:
        console.print(f"image {place}: class {before} became {after}", highlight=False)
    if first := found.first_different:
        console.print(f"First to differ: {escape(first.sentence())}.", highlight=False)
    if beyond := found.first_beyond:
        console.print(f"First beyond rounding: {escape(beyond.sentence())}.", highlight=False)
    if found.changed:
        console.print(f"{len(found.changed)} predictions changed.", highlight=False)
    status, sentence = found.verdict
    console.print(f"{styled(status)}: {sentence}", highlight=False)


def _telling(found: Comparison) -> list[Difference]:
    """The first that differs, the first beyond rounding, and the largest, in the order of the network."""
    chosen = [found.first_different, found.first_beyond, found.largest]
    return [row for row in found.differences if not row.identical and any(row is other for other in chosen)]


def _cells(row: Difference) -> list[str]:
    name = escape(row.name.removeprefix(ACTIVATIONS))
    if row.identical:
        return [name, "[dim]–[/]", "[dim]–[/]", "[dim]–[/]", "[dim]0 %[/]"]
    if row.message:
        return [name, "[bold red]–[/]", "", "[bold red]∞[/]" if row.beyond else "", ""]
    share = "not judged" if row.share is None else f"{row.share:.3g}"
    return [
        name,
        f"{row.error:.2e}",
        f"{row.ulp:.3g}",
        f"[bold red]{share}[/]" if row.beyond else share,
        f"{100 * row.differing:.2g} %",
    ]


def write_json(path: Path, found: Comparison) -> None:
    """Writes the whole comparison as JSON; raises FileError if there can be no such file."""
    first, beyond = found.first_different, found.first_beyond
    document = {
        "first": found.first,
        "second": found.second,
        "required": found.required,
        "status": found.status,
        "exit_code": found.exit_code,
        "identical": found.identical,
        "first_different": first and first.name,
        "first_beyond": beyond and beyond.name,
        "changed": [{"image": place, "first": one, "second": other} for place, one, other in found.changed],
        "environment": [{"what": what, "first": one, "second": other} for what, one, other in found.environment],
        "differences": [_difference(difference) for difference in found.differences],
    }
    json_file.write_json(path, "comparison", document)


def write_junit(path: Path, found: Comparison) -> None:
    """Writes a test case for each tensor, a failure if it breaks what is required; FileError as in write_json."""
    cases = [
        junit.Case(difference.name, "failure", difference.sentence(), str(found.required))
        if difference.beyond or (found.required is Requirement.BITWISE and not difference.identical)
        else junit.Case(difference.name)
        for difference in found.differences
    ]
    suite = junit.Suite(f"{found.first} | {found.second}", cases, "compare")
    junit.write_junit(path, "netparity compare", [suite])


def _difference(difference: Difference) -> dict[str, Any]:
    numbers = {key: getattr(difference, key) for key in ("error", "ulp", "share", "first", "second")}
    return {
        "name": difference.name,
        "identical": difference.identical,
        "beyond": difference.beyond,
        **{key: value for key, value in numbers.items() if value is not None},
        "index": difference.index,
        "differing": difference.differing,
        "message": difference.message,
    }
