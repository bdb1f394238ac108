"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Seed = Annotated[int, typer.Option(min=0, help="Seed of the weights.")]
ImageSize = Annotated[
    tuple[int, int] | None,
    typer.Option(metavar="H W", show_default="the network's", help="Pixels; any size from 1 1 up."),
]

# What a case has where they are not given follows from its files.
CaseImageSize = Annotated[
    tuple[int, int] | None,
    typer.Option(metavar="H W", show_default="the images', else the network's", help="Pixels; any size from 1 1 up."),
]
CaseBatchSize = Annotated[int | None, typer.Option(min=1, show_default="all", help="Images.")]
Images = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.npy|DIR",
        show_default="the network's sample images",
        help="An array (N, C, H, W), float in any range or uint8; or a folder of image files.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(metavar="FILE", show_default="initial ones, by the seed", help="Canonical weights in safetensors."),
]

Interpreters = Annotated[
    list[str] | None,
    typer.Option(
        "--python",
        metavar="NAME=PATH",
        show_default="this one",
        help="Interpreter that runs a backend, of another environment for example: tf=/opt/old/bin/python. It needs "
        "the framework and NumPy. old=tf:/opt/old/bin/python runs tf once more, under another name. Repeatable.",
    ),
]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="Time that one backend may take.")]

Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the whole result as JSON.")]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the checks as JUnit XML, for CI.")]


def check_html(path: Path | None) -> Path | None:
    """Says before any work that a page cannot be written; what draws pages is imported only for one."""
    if path:
        from netparity.show.html import page

        page.check_html(path)
    return path


Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", callback=check_html, help="Write the result as a page."),
]
