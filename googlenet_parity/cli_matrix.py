"""The command ``matrix``: its options, and what a person sees while environments are made and judged."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from googlenet_np.errors import FileError, OptionError
from googlenet_np.files import cache_folder

if TYPE_CHECKING:
    from rich.console import Console

    from googlenet_parity.matrix import Entry, Listener

__all__ = ["matrix"]


def matrix(
    entries: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="REQUIREMENT...",
            help='One environment each, as pip takes it: "torch==2.13.0", "tensorflow-cpu==2.15.1 numpy==1.26.4".',
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE.toml", help="More of them: entries = [...], see the docs.")
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(metavar="PATH", show_default="this one", help="Interpreter to make the environments with."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights.")] = 0,
    image_size: Annotated[tuple[int, int], typer.Option(metavar="H W", help="Pixels.")] = (96, 96),
    batch_size: Annotated[int, typer.Option(min=1, max=16, help="Images.")] = 16,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", show_default="the user's cache folder", help="Where environments are kept."),
    ] = None,
    traces: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep each one's numbers there, for compare with those of other machines."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page, to be looked at.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all of it as JSON.")] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="Time that one of them may take.")] = 600,
) -> None:
    """Did an update change the numbers? Installs each version by itself, and sets them against each other.

    Each entry gets an isolated environment (by uv if there is one, else by venv and pip), which is kept and used again.
    What runs there is judged against the reference, like any backend, and compared with every other entry, bit for bit.
    """
    from rich.console import Console

    from googlenet_parity import matrix_export
    from googlenet_parity.case import Options, make_case
    from googlenet_parity.html.matrix import write_matrix
    from googlenet_parity.html.page import check_html
    from googlenet_parity.matrix import run_matrix

    if html:
        check_html(html)
    chosen = _entries(entries or [], file, python)
    try:
        folder = cache or cache_folder() / "environments"
    except FileError as error:
        raise OptionError(f"{str(error).removesuffix('.')}; name one with --cache.") from None
    options = Options(seed, image_size, batch_size=batch_size)
    try:
        with _progress(Console(stderr=True), [entry.name for entry in chosen]) as listener:
            found = run_matrix(
                chosen, lambda: make_case(options), cache=folder, traces=traces, timeout=timeout, listener=listener
            )
    except KeyboardInterrupt:
        print("Interrupted; finished environments are kept, and nothing else goes on.", file=sys.stderr)
        raise typer.Exit(130) from None
    matrix_export.print_matrix(Console(), found)
    if json:
        matrix_export.write_json(json, found)
    if html:
        write_matrix(html, found, sys.argv[1:])
    raise typer.Exit(found.exit_code)


def _entries(texts: Sequence[str], file: Path | None, python: str | None) -> list[Entry]:
    from dataclasses import replace

    from googlenet_parity.interpreters import find_interpreter
    from googlenet_parity.matrix import parse_entry, read_entries

    found = [*map(parse_entry, texts), *(read_entries(file) if file else ())]
    if not found:
        raise OptionError('Which versions? For example: matrix "tensorflow-cpu==2.15.1" "tensorflow-cpu==2.21.0".')
    if python:
        python = find_interpreter(python)
    return [replace(entry, python=entry.python or python) for entry in found]


@contextlib.contextmanager
def _progress(console: Console, names: Sequence[str]) -> Iterator[Listener]:
    """A live line for each entry, gone in the end; where the output is no terminal, a line when one is installed."""
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    bars = Progress(
        TextColumn("{task.fields[entry]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.description}", style="dim", table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        tasks = {name: bars.add_task("waiting", total=1.0, entry=escape(name), start=False) for name in names}
        told: set[tuple[str, float]] = set()

        def listener(entry: str, step: str, share: float) -> None:
            bars.start_task(tasks[entry])
            bars.update(tasks[entry], completed=share, description=escape(step))
            if not console.is_terminal and share in (0.0, 1.0) and (entry, share) not in told:
                told.add((entry, share))
                print(f"{entry}: {step}", file=sys.stderr, flush=True)

        yield listener
