"""The command ``predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netparity.cli.options import Json


def predict(
    weights: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT|WEIGHTS", help="A training's checkpoint, or canonical safetensors.")
    ],
    images: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGES",
            help="An array (N, C, H, W) in a .npy file, or a folder of image files like those of the training.",
        ),
    ],
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            show_default="the first that is installed, else numpy",
            help="torch, tf, mx, numpy (the reference), or module:attribute.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes of each image, the likeliest first.")] = 3,
    image_size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="H W",
            show_default="the training's, else the network's",
            help="Pixels to resize image files to; an array keeps its own.",
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Say what is on images, with probabilities: the softmax of a trained network's logits."""
    from rich.console import Console

    from netparity.network.registered import default_network
    from netparity.show.prediction import print_predictions, write_json
    from netparity.train import prediction
    from netparity.train.start import settle_threads

    settle_threads()
    registered = default_network()
    trained = prediction.load_network(registered, weights)
    loaded, names = prediction.load_named_images(images, image_size or trained.image_size, trained.in_channels)
    logits = prediction.logits(prediction.choose_backend(backend), trained, loaded)
    found = prediction.classify(logits, names, top, registered.classes)
    print_predictions(Console(), found)
    if json:
        write_json(json, found)
