"""Where the points of a page's charts are. What is drawn is in the templates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from netparity.network.network import block_names
from netparity.show.html.axes import BOTTOM, LEFT, RIGHT, TOP, Axis, Line, LinearAxis
from netparity.show.html.heat import share_text
from netparity.show.layer_names import short_block

SHAPES = (
    "M{}m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "M{}m-2.6-2.6h5.2v5.2h-5.2z",
    "M{}m0-3.4l3.2 5.8h-6.4z",
    "M{}m0-3.6l3.6 3.6l-3.6 3.6l-3.6-3.6z",
    "M{}m-3-1h2v-2h2v2h2v2h-2v2h-2v-2h-2z",
    "M{}m-3-2.4h6l-3 5.4z",
)
"""The shapes of the series' marks, since their colours alone would not tell them apart."""


class Point(NamedTuple):
    """One point of a series: where, what is said of it, and whether it is joined to its neighbours."""

    place: str
    note: str
    joined: bool


@dataclass(frozen=True)
class Mark:
    """One point as it is drawn: an SVG path, which series it belongs to, and what is said of it."""

    path: str
    series: int
    note: str


@dataclass(frozen=True)
class Band:
    """A range across a chart, with which a series is to be compared."""

    top: float
    height: float
    series: int
    text: str


@dataclass(frozen=True)
class Chart:
    """Points of several series, joined, on an axis at the left.

    Attributes:
        title: What it shows.
        words: The same in words, series by series.
        series: The points of each series, by its name.
        ticks: The marks of the axis at the left.
        below: The words or numbers of the axis below.
        bound: Where 1 is, and what it is called; None without a bound.
        across: What is counted along the axis below; empty where its words say it.
        bands: Ranges to compare the series with.
    """

    title: str
    words: Sequence[str]
    series: Mapping[str, Sequence[Point]]
    ticks: Sequence[Line]
    below: Sequence[Line]
    bound: Line | None = None
    across: str = ""
    bands: Sequence[Band] = ()

    @property
    def summary(self) -> str:
        """What it shows, in words."""
        return "; ".join(self.words) or "nothing was measured"

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The series and their marks, about the origin."""
        return [(name, _symbol(number, "0 0")) for number, name in enumerate(self.series)]

    @property
    def marks(self) -> list[Mark]:
        """All points of all series."""
        numbered = [(number, point) for number, points in enumerate(self.series.values()) for point in points]
        return [Mark(_symbol(number, point.place), number, point.note) for number, point in numbered]

    @property
    def lines(self) -> list[str]:
        """Each series as one line through its points."""
        joined = ([point.place for point in points if point.joined] for points in self.series.values())
        return ["M" + "L".join(places) if places else "" for places in joined]


def _symbol(series: int, point: str) -> str:
    """A series' mark at a point. There are as many colours; the next ones get another mark on each, so 36 differ."""
    return SHAPES[(series + series // len(SHAPES)) % len(SHAPES)].format(point)


def draw_layers(title: str, shares: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> Chart:
    """A chart of shares of the bound, by backend and layer, on a logarithmic axis; ``names`` are all layers in order.

    Points at zero and at infinity are not joined to their neighbours.
    """
    axis = Axis((share for found in shares.values() for share in found.values()), TOP, BOTTOM - 4)
    step = (RIGHT - LEFT - 8) / max(len(names) - 1, 1)
    across = {name: round(LEFT + 4 + place * step, 1) for place, name in enumerate(names)}
    series, words = {}, []
    for backend, found in shares.items():
        measured = {name: found[name] for name in names if name in found}
        series[backend] = [
            Point(f"{across[name]} {axis.place(n)}", f"{backend}, {name}: {share_text(n)}", 0 < n < math.inf)
            for name, n in measured.items()
        ]
        if measured:
            largest = max(measured, key=lambda name: measured[name])
            words.append(f"{backend} at most {share_text(measured[largest])}, in {largest}")
    return Chart(title, words, series, axis.ticks, list(_groups(across)), Line(axis.place(1.0), "the bound"))


def _groups(across: Mapping[str, float]) -> Iterator[Line]:
    """The blocks' names, each in the middle of its layers; what is before and after them is the stem and the head.

    The head is named after its last layer. A layer between two blocks needs no name.
    """
    blocks = block_names(across)
    groups = [(block, [across[name] for name in names]) for block, names in groupby(across, blocks.__getitem__)]
    ends = {0: "stem", len(groups) - 1: list(across)[-1]} if len(groups) > 1 else {}
    for place, (block, places) in enumerate(groups):
        if text := short_block(block) or ends.get(place, ""):
            yield Line(round((places[0] + places[-1]) / 2, 1), text)


def draw_curves(
    title: str,
    across: str,
    curves: Mapping[str, Sequence[float]],
    counts: Sequence[int],
    *,
    bands: Mapping[str, tuple[str, tuple[float, float]]] | None = None,
    bound: str = "",
) -> Chart:
    """A chart of numbers over epochs or steps.

    Args:
        across: What ``counts`` are of.
        curves: By name, a number for each of ``counts``.
        bands: By the name of the curve that they belong to: what a band is called, and from where to where it goes.
        bound: What 1 is called, where the numbers are shares, on a logarithmic axis; on another, what is not finite has
            no point.
    """
    ranges = bands or {}
    numbers = [number for curve in curves.values() for number in curve]
    axis: Axis | LinearAxis
    if bound:
        axis = Axis(numbers, TOP, BOTTOM - 4)
    else:
        axis = LinearAxis([*numbers, *(end for _, ends in ranges.values() for end in ends)], TOP, BOTTOM - 4)
    step = (RIGHT - LEFT - 16) / max(len(counts) - 1, 1)
    # A single point stands in the middle: at the edge it would look like the beginning of something.
    begin = LEFT + 8 if len(counts) > 1 else (LEFT + RIGHT) / 2
    places = [round(begin + place * step, 1) for place in range(len(counts))]
    series, words = {}, []
    for name, curve in curves.items():
        drawn = [found for found in zip(places, counts, curve, strict=True) if bound or math.isfinite(found[2])]
        series[name] = [
            Point(f"{x} {axis.place(n)}", f"{name}, {across} {count}: {n:.4g}", not bound or 0 < n < math.inf)
            for x, count, n in drawn
        ]
        if drawn:
            words.append(f"{name} {_range(across, drawn, shares=bool(bound))}")
    names = list(curves)
    drawn_bands = [_band(axis, names.index(name), text, ends) for name, (text, ends) in ranges.items()]
    below = [Line(x, str(count)) for x, count in zip(places, counts, strict=True)][:: -(-len(counts) // 10)]
    one = Line(axis.place(1.0), bound) if bound else None
    return Chart(title, words, series, axis.ticks, below, one, across, drawn_bands)


def _range(across: str, drawn: Sequence[tuple[float, int, float]], *, shares: bool) -> str:
    """A curve in words."""
    if shares:
        _, count, largest = max(drawn, key=lambda point: math.inf if math.isnan(point[2]) else point[2])
        return f"at most {largest:.3g}, at {across} {count}"
    first, last = drawn[0][2], drawn[-1][2]
    return f"from {first:.4g} to {last:.4g}" if len(drawn) > 1 else f"{first:.4g}"


def _band(axis: Axis | LinearAxis, series: int, text: str, ends: tuple[float, float]) -> Band:
    top, bottom = axis.place(max(ends)), axis.place(min(ends))
    # Ranges of a thousandth would be thinner than any screen shows.
    return Band(top, round(max(bottom - top, 2.0), 1), series, text)
