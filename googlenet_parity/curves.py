"""Loss and accuracy by epoch, as a picture; needs Matplotlib, which the extra ``report`` brings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from googlenet_np.errors import OptionError
from googlenet_np.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PUBLISHED", "Published", "plot", "published_for"]

Records = Sequence[Mapping[str, Any]]

FORMATS = ("svg", "png", "pdf")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito's, which people with any colour vision tell apart."""


@dataclass(frozen=True)
class Published:
    """What somebody else's training came to: from … to, since people's runs differ.

    Attributes:
        label: Whose it is.
        train_loss, train_accuracy, test_accuracy: After the last epoch.
        epochs: How many these were.
    """

    label: str
    train_loss: tuple[float, float]
    train_accuracy: tuple[float, float]
    test_accuracy: tuple[float, float]
    epochs: int


PUBLISHED = Published("published, PyTorch", (0.25, 0.26), (0.900, 0.905), (0.886, 0.887), 10)
"""Of this network, with lr 0.1, batches of 128 images of 96×96, and 10 epochs: the source document's results."""

PUBLISHED_SETTINGS = {"batch_size": 128, "image_size": [96, 96], "limit": 60000, "init": "xavier_uniform"}
PUBLISHED_HYPERPARAMETERS = {"lr": 0.1, "momentum": 0.0, "weight_decay": 0.0, "label_smoothing": 0.0}


def published_for(settings: Mapping[str, Any]) -> Published | None:
    """The published result of a training with these settings, as of a history's first line; None if there is none."""
    chosen = settings.get("hyperparameters", {})
    # Kept as float32: 0.1 comes back as 0.10000000149.
    alike = all(math.isclose(chosen.get(k, 0.0), v, rel_tol=1e-6) for k, v in PUBLISHED_HYPERPARAMETERS.items())
    same = all(settings.get(name) == value for name, value in PUBLISHED_SETTINGS.items())
    # Data of other hashes are no Fashion-MNIST, and what names its precision is not trained in float32.
    return PUBLISHED if alike and same and not {"data", "precision"} & set(settings) else None


def plot(histories: Mapping[str, Records], path: Path, *, published: Published | None = None) -> None:
    """Draws loss and accuracy by epoch, and writes the picture atomically. The same histories give the same file.

    Args:
        histories: By label, each a record for each epoch, as of :attr:`googlenet_parity.training.Run.history`.
        path: Its ending says the format: .svg, .png or .pdf.
        published: Drawn as bands.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
        OptionError: Another ending, or no record in any history.
        FileError: The file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    file_format = path.suffix.removeprefix(".")
    if file_format not in FORMATS:
        raise OptionError(f"'{path}' ends in {path.suffix!r}; expected {', '.join('.' + known for known in FORMATS)}.")
    if not any(histories.values()):
        raise OptionError("There is no epoch to draw in any history.")
    # Names and times in a file would make two of the same histories differ.
    with rc_context({"svg.hashsalt": "googlenet-parity", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        losses, accuracies = figure.subplots(1, 2)
        for (label, records), colour in zip(histories.items(), _colours(len(histories)), strict=True):
            _draw(losses, records, "train_loss", f"{label}, train", colour, "-")
            _draw(accuracies, records, "train_accuracy", f"{label}, train", colour, "--")
            _draw(accuracies, records, "test_accuracy", f"{label}, test", colour, "-")
        if published:
            losses.axhspan(*published.train_loss, color="0.6", alpha=0.6, label=f"{published.label}, train")
            accuracies.axhspan(*published.train_accuracy, color="0.75", alpha=0.6, label=f"{published.label}, train")
            accuracies.axhspan(*published.test_accuracy, color="0.4", alpha=0.6, label=f"{published.label}, test")
        for axes, what in ((losses, "loss"), (accuracies, "accuracy")):
            axes.set_xlabel("epoch")
            axes.set_ylabel(what)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
        losses.set_ylim(bottom=0)
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(file_format)
        with atomic_write(path) as file:
            figure.savefig(file, format=file_format, dpi=150, metadata=metadata)


def _colours(count: int) -> list[str]:
    return [COLOURS[place % len(COLOURS)] for place in range(count)]


def _draw(axes: Axes, records: Records, key: str, label: str, colour: str, style: str) -> None:
    epochs = [record["epoch"] for record in records]
    axes.plot(epochs, [record[key] for record in records], style, color=colour, label=label, marker=".", gid=label)
