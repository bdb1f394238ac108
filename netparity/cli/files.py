"""The commands ``convert`` and ``inspect``: weights in files of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netparity.cli.guard import interruptible
from netparity.cli.options import Force, Json
from netparity.network.errors import OptionError


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file of weights; its content says what it is.")],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Its ending says what it becomes: .safetensors, .pt or .pth, .keras or .weights.h5, .params.",
        ),
    ],
    force: Force = False,
) -> None:
    """Carry weights from one file to another: safetensors, PyTorch, Keras, MXNet, in every direction, bit for bit.

    IN may also be a checkpoint of ``train``, Keras 2's .h5, or a file that has other names for the same layers, of a
    module tree that the network registers. Every tensor is found by its name and shape, and no pickle is run. A
    framework is needed only when IN or OUT is a file of its own. OUT is written whole or not at all.

    Example: ``netparity convert lesson.params lesson.pt``
    """
    from netparity.files.conversion import convert as convert_file

    with interruptible("Interrupted; no half file is left."):
        done = convert_file(source, target, force=force)
    print(done.sentence())


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights, a training's checkpoint, or a trace.")],
    json: Json = None,
) -> None:
    """Say what a file is, what is in it, and what is wrong with it: every tensor, its shape, dtype and hash.

    The hashes are those of the arrays in canonical layout, so the same weights have the same ones in every format.
    Nothing in the file is run, and nothing is changed.
    """
    from rich.console import Console

    from netparity.files.inspection import inspect_file
    from netparity.show.inspection import print_inspection, write_json

    if json and json.exists() and file.exists() and json.samefile(file):
        raise OptionError(f"--json is '{json}', which is the file to inspect; expected another name.")
    with interruptible("Interrupted."):
        found = inspect_file(file)
    print_inspection(Console(), found)
    if json:
        write_json(json, found)
    raise typer.Exit(found.exit_code)
