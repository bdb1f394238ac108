"""A benchmark as a picture; needs Matplotlib, which the extra ``report`` brings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netparity.bench.timings import Benchmark, Measured
from netparity.network.errors import OptionError
from netparity.network.frameworks import how_to_install
from netparity.show.curves import COLOURS, picture, picture_format

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def check_plot(path: Path) -> None:
    """Before anything is measured: can the picture be drawn afterwards?

    Raises:
        OptionError: Matplotlib is not installed, or it knows no such format.
    """
    picture_format(path)
    try:
        import matplotlib as mpl  # noqa: F401
    except ModuleNotFoundError:
        raise OptionError(f"--plot needs Matplotlib: {how_to_install('report')}.") from None


def plot_benchmark(found: Benchmark, path: Path) -> None:
    """Draws GFLOP/s, a panel for each setting, a bar for each way, and writes the picture atomically.

    All panels share one axis, on which the processor's limit is one line. A bar's thin line goes from the slowest round
    to the fastest; the number beside it is images per second.

    Raises:
        OptionError: As in :func:`check_plot`; or no way was timed.
        FileError: The file cannot be written.
    """
    check_plot(path)
    drawn = [measured for measured in found.measured if any(timing.seconds for timing in measured.timings)]
    if not drawn:
        raise OptionError("No way was timed: there is nothing to draw.")
    backends = list(dict.fromkeys(timing.backend for measured in drawn for timing in measured.timings))
    colours = {backend: COLOURS[place % len(COLOURS)] for place, backend in enumerate(backends)}
    bars = [sum(bool(timing.seconds) for timing in measured.timings) for measured in drawn]
    with picture(path, (8, 0.9 + sum(0.6 + 0.26 * count for count in bars))) as figure:
        panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False, height_ratios=[2 + n for n in bars])[:, 0]
        for axes, measured in zip(panels, drawn, strict=True):
            _draw(axes, found, measured, colours)
        fastest = max(
            measured.setting.flops(found.network) / min(timing.seconds)
            for measured in drawn
            for timing in measured.timings
            if timing.seconds
        )
        panels[-1].set_xlim(0, 1.08 * max(fastest, found.limit or 0) / 1e9)  # with room for the numbers beside the bars
        panels[-1].set_xlabel("GFLOP/s; beside the bars: images per second")


def _draw(axes: Axes, found: Benchmark, measured: Measured, colours: dict[str, str]) -> None:
    timed = [timing for timing in measured.timings if timing.seconds]
    flops = measured.setting.flops(found.network) / 1e9
    for place, timing in enumerate(timed):
        assert timing.median is not None
        assert timing.spread is not None
        fastest, slowest = timing.spread
        axes.barh(place, flops / timing.median, height=0.7, color=colours[timing.backend])
        axes.plot([flops / slowest, flops / fastest], [place, place], color="0.2", linewidth=1)
        axes.annotate(
            f"{timing.images_per_second:.0f}",
            (flops / fastest, place),
            xytext=(4, 0),
            textcoords="offset points",
            verticalalignment="center",
            fontsize="small",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
    axes.set_yticks(range(len(timed)), [f"{timing.backend} {timing.way}" for timing in timed], fontsize="small")
    axes.invert_yaxis()
    axes.set_title(str(measured.setting), loc="left", fontsize="medium")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    if found.limit:
        axes.axvline(found.limit / 1e9, color="0.4", linestyle="--", linewidth=1)
        axes.annotate(
            "large matrices",
            (found.limit / 1e9, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3, 3),
            textcoords="offset points",
            horizontalalignment="right",
            fontsize="x-small",
            color="0.4",
        )
