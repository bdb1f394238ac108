"""The command ``convert``: weights in files of any kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["convert"]


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
