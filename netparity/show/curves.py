"""Loss and accuracy by epoch, as a picture; needs Matplotlib, which the extra ``report`` brings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netparity.files.disk import atomic_write
from netparity.network.errors import OptionError
from netparity.network.published import PublishedTraining

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Records = Sequence[Mapping[str, Any]]

FORMATS = ("svg", "png", "pdf")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito's, which people with any colour vision tell apart."""


def plot(histories: Mapping[str, Records], path: Path, *, published: PublishedTraining | None = None) -> None:
    """Draws loss and accuracy by epoch, and writes the picture atomically. The same histories give the same file.

    Args:
        histories: By label, each a record for each epoch, as in :attr:`netparity.train.loop.Run.history`.
        path: Its ending says the format: .svg, .png or .pdf.
        published: Drawn as bands.

    Raises:
        ModuleNotFoundError, FileError: As in :func:`picture`.
        OptionError: Another ending, or no record in any history.
    """
    with picture(path, (9, 3.6)) as figure:
        if not any(histories.values()):
            raise OptionError("There is no epoch to draw in any history.")
        from matplotlib.ticker import MaxNLocator

        losses, accuracies = figure.subplots(1, 2)
        for place, (label, records) in enumerate(histories.items()):
            colour = COLOURS[place % len(COLOURS)]
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


def picture_format(path: Path) -> str:
    """One of :data:`FORMATS`, by the ending; raises OptionError for another."""
    file_format = path.suffix.removeprefix(".")
    if file_format not in FORMATS:
        raise OptionError(f"'{path}' ends in {path.suffix!r}; expected {', '.join('.' + known for known in FORMATS)}.")
    return file_format


@contextlib.contextmanager
def picture(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """A figure to draw in, which is written atomically when the block ends well. Equal figures give equal files.

    Args:
        path: Its ending says the format: .svg, .png or .pdf.
        size: Width and height in inches.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
        OptionError: Another ending.
        FileError: The file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    file_format = picture_format(path)
    # Names and times in a file would make two of the same figures differ.
    with rc_context({"svg.hashsalt": "netparity", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(file_format)
        with atomic_write(path) as file:
            figure.savefig(file, format=file_format, dpi=150, metadata=metadata)


def _draw(axes: Axes, records: Records, key: str, label: str, colour: str, style: str) -> None:
    epochs = [record["epoch"] for record in records]
    axes.plot(epochs, [record[key] for record in records], style, color=colour, label=label, marker=".", gid=label)
