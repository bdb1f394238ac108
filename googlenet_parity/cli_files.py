"""The commands ``convert`` and ``inspect``: weights in files of any kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from googlenet_np.errors import OptionError

__all__ = ["convert", "inspect"]


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file of weights; its content says what it is.")],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Its ending says what it becomes: .safetensors, .pt or .pth, .keras or .weights.h5, .params.",
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Carry weights from one file to another: safetensors, PyTorch, Keras, MXNet, in every direction, bit for bit.

    IN may also be a checkpoint of ``train``, Keras 2's .h5, or what the source document's own code saved, whose layers
    have other names; every tensor is found by its name and shape, and no pickle is run. A framework is needed only when
    IN or OUT is a file of its own. OUT is written whole or not at all.

    Example: ``googlenet-parity convert lesson.params lesson.pt``
    """
    from googlenet_parity.conversion import convert as convert_file

    try:
        done = convert_file(source, target, force=force)
    except KeyboardInterrupt:
        print("Interrupted; no half file is left.", file=sys.stderr)
        raise typer.Exit(130) from None
    print(done.sentence())


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights, a training's checkpoint, or a trace.")],
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all of it as JSON, with whole hashes.")
    ] = None,
) -> None:
    """Say what a file is, what is in it, and what is wrong with it: every tensor, its shape, dtype and hash.

    The hashes are those of the arrays in canonical layout, so the same weights have the same ones in every format.
    Nothing in the file is run, and nothing is changed.
    """
    from rich.console import Console

    from googlenet_parity import inspection_export
    from googlenet_parity.inspection import inspect_file

    if json and json.exists() and file.exists() and json.samefile(file):
        raise OptionError(f"--json is '{json}', which is the file to inspect; expected another name.")
    try:
        found = inspect_file(file)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        raise typer.Exit(130) from None
    inspection_export.print_inspection(Console(), found)
    if json:
        inspection_export.write_json(json, found)
    raise typer.Exit(found.exit_code)
