"""The command ``matrix``: its options, and what a person sees while environments are made and judged."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netparity.cli.guard import interruptible
from netparity.cli.options import CaseBatchSize, Html, ImageSize, Json, Seed, Timeout
from netparity.files.disk import cache_folder
from netparity.network.errors import FileError, OptionError

if TYPE_CHECKING:
    from netparity.compare.matrix import Entry


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
    seed: Seed = 0,
    image_size: ImageSize = None,
    batch_size: CaseBatchSize = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", show_default="the user's cache folder", help="Where environments are kept."),
    ] = None,
    traces: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep each entry's numbers there, to compare them with those of other machines."
        ),
    ] = None,
    html: Html = None,
    json: Json = None,
    timeout: Timeout = 600.0,
) -> None:
    """Did an update change the numbers? Install each version by itself, and compare them.

    Each entry gets an isolated environment (by uv if there is one, else by venv and pip), which is kept and used again.
    What runs there is judged against the reference, like any backend, and compared with every other entry, bit for bit.
    """
    from rich.console import Console

    from netparity.compare.matrix import run_matrix
    from netparity.runs.case import Options, make_case
    from netparity.show.matrix import print_matrix, write_json
    from netparity.show.progress import progress

    chosen = _entries(entries or [], file, python)
    try:
        folder = cache or cache_folder("netparity") / "environments"
    except FileError as error:
        raise OptionError(f"{str(error).removesuffix('.')}; name one with --cache.") from None
    options = Options(seed=seed, image_size=image_size, batch_size=batch_size)
    names = [entry.name for entry in chosen]
    with (
        interruptible("Interrupted; finished environments are kept, and nothing else goes on."),
        progress(Console(stderr=True), names, off_terminal=True) as listener,
    ):
        found = run_matrix(
            chosen, lambda: make_case(options), cache=folder, traces=traces, timeout=timeout, listener=listener
        )
    print_matrix(Console(), found)
    if json:
        write_json(json, found)
    if html:
        from netparity.show.html.matrix import write_matrix

        write_matrix(html, found, sys.argv[1:])
    raise typer.Exit(found.exit_code)


def _entries(texts: Sequence[str], file: Path | None, python: str | None) -> list[Entry]:
    from dataclasses import replace

    from netparity.compare.matrix import parse_entry, read_entries
    from netparity.workers.interpreters import find_interpreter

    found = [*map(parse_entry, texts), *(read_entries(file) if file else ())]
    if not found:
        raise OptionError('Which versions? For example: matrix "tensorflow-cpu==2.15.1" "tensorflow-cpu==2.21.0".')
    if python:
        python = find_interpreter(python)
    return [replace(entry, python=entry.python or python) for entry in found]
