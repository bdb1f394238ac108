"""What is on images, for a person and for other programs: a line for each image, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from netparity.show.json_file import write_plain_json
from netparity.train.prediction import Prediction


def print_predictions(console: Console, found: Sequence[Prediction]) -> None:
    """A line for each image: its name, and its likeliest classes with their probabilities."""
    width = max((len(image.name) for image in found), default=0)
    for image in found:
        classes = "   ".join(f"{seen.name} {seen.probability:.3f}" for seen in image.classes)
        console.print(f"{image.name:<{width}}  {classes}", soft_wrap=True, highlight=False, markup=False)


def write_json(path: Path, found: Sequence[Prediction]) -> None:
    """Writes a list with an entry for each image; raises FileError if there can be no such file."""
    write_plain_json(path, [asdict(image) for image in found])
