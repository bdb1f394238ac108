"""Where the points of a page's charts are. What is drawn is in the templates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from netparity.show.html.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Line, LinearAxis
from netparity.show.html.heat import share_text
from netparity.show.layer_names import block_names, short_block

SHAPES = (
    "M{}m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "M{}m-2.6-2.6h5.2v5.2h-5.2z",
    "M{}m0-3.4l3.2 5.8h-6.4z",
    "M{}m0-3.6l3.6 3.6l-3.6 3.6l-3.6-3.6z",
    "M{}m-3-1h2v-2h2v2h2v2h-2v2h-2v-2h-2z",
    "M{}m-3-2.4h6l-3 5.4z",
)
"""The shapes of the series' marks, since their colours alone would not tell them apart."""


@dataclass(frozen=True)
class Mark:
    """One point: an SVG path, which series it belongs to, and what is said of it."""

    path: str
    series: int
    note: str


@dataclass(frozen=True, kw_only=True)
class PointChart:
    """Points of several series, joined, on an axis at the left.

    Attributes:
        title: What it shows.
        summary: The same in words.
        series: The names of what is drawn.
        marks: The points.
        lines: For each series, its points joined.
        ticks: The marks of the axis at the left.
        width, height: The size of the drawing.
        left, right, top, bottom: Where the axes end in it.
    """

    title: str
    summary: str
    series: tuple[str, ...]
    marks: tuple[Mark, ...]
    lines: tuple[str, ...]
    ticks: tuple[Line, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM

    @property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """The series and their marks, about the origin."""
        return tuple((name, _symbol(place, "0 0")) for place, name in enumerate(self.series))


class _Point(NamedTuple):
    """One point of a series, what is said of it, and whether it is joined to its neighbours."""

    x: float
    y: float
    note: str
    joined: bool


def _points(title: str, axis: Axis | LinearAxis, series: Mapping[str, Sequence[_Point]], words: Iterable[str]) -> Any:
    """What all charts of points have."""
    joined = [[f"{point.x} {point.y}" for point in points if point.joined] for points in series.values()]
    return {
        "title": title,
        "summary": "; ".join(words) or "nothing was measured",
        "series": tuple(series),
        "marks": tuple(
            Mark(_symbol(place, f"{point.x} {point.y}"), place, point.note)
            for place, points in enumerate(series.values())
            for point in points
        ),
        "lines": tuple("M" + "L".join(points) if points else "" for points in joined),
        "ticks": axis.ticks,
    }


def _symbol(series: int, point: str) -> str:
    """A series' mark at a point. There are as many colours; the next ones get another mark on each, so 36 differ."""
    return SHAPES[(series + series // len(SHAPES)) % len(SHAPES)].format(point)


@dataclass(frozen=True, kw_only=True)
class LayerChart(PointChart):
    """A number for each layer and each backend, on a logarithmic axis; points at zero and at infinity are not joined.

    Attributes:
        groups: The words of the axis below.
        bound: Where 1 is.
    """

    groups: tuple[Line, ...]
    bound: float


def draw_layers(title: str, shares: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> LayerChart:
    """A chart of shares of the bound.

    Args:
        title: What it shows.
        shares: By backend and layer.
        names: The names of all layers, in canonical order.
    """
    axis = Axis((share for found in shares.values() for share in found.values()), TOP, HEIGHT - BOTTOM - 4)
    step = (WIDTH - LEFT - RIGHT - 8) / max(len(names) - 1, 1)
    across = {name: round(LEFT + 4 + place * step, 1) for place, name in enumerate(names)}
    series, words = {}, []
    for backend, found in shares.items():
        measured = {name: found[name] for name in names if name in found}
        series[backend] = [
            _Point(across[name], axis.place(share), f"{backend}, {name}: {share_text(share)}", 0 < share < math.inf)
            for name, share in measured.items()
        ]
        if measured:
            largest = max(measured, key=lambda name: measured[name])
            words.append(f"{backend} at most {share_text(measured[largest])}, in {largest}")
    groups = tuple(_groups(across))
    return LayerChart(**_points(title, axis, series, words), groups=groups, bound=axis.place(1.0))


def _groups(across: Mapping[str, float]) -> Iterator[Line]:
    """The blocks' names, each in the middle of its layers; what is before and after them is the stem and the head.

    The head is called as its last layer. A layer between two blocks needs no name.
    """
    blocks = block_names(across)
    groups = [(block, [across[name] for name in names]) for block, names in groupby(across, blocks.__getitem__)]
    ends = {0: "stem", len(groups) - 1: list(across)[-1]} if len(groups) > 1 else {}
    for place, (block, places) in enumerate(groups):
        if text := short_block(block) or ends.get(place, ""):
            yield Line(round((places[0] + places[-1]) / 2, 1), text)


@dataclass(frozen=True)
class Band:
    """A range across a chart, with which a series is to be compared."""

    top: float
    height: float
    series: int
    text: str


@dataclass(frozen=True, kw_only=True)
class CurveChart(PointChart):
    """Numbers over epochs or steps; one that is not finite has no point.

    Attributes:
        across: What is counted along the axis below.
        bands: Ranges to compare the curves with.
        counts: The numbers of the axis below.
        bound: Where 1 is, and what it is called; None without a bound.
    """

    across: str
    bands: tuple[Band, ...]
    counts: tuple[Line, ...]
    bound: Line | None
    height: float = HEIGHT + 14


def draw_curves(
    title: str,
    across: str,
    curves: Mapping[str, Sequence[float]],
    counts: Sequence[int],
    *,
    bands: Mapping[str, tuple[str, tuple[float, float]]] | None = None,
    bound: str = "",
) -> CurveChart:
    """A chart of numbers over epochs or steps.

    Args:
        title: What it shows.
        across: What ``counts`` are of.
        curves: By name, a number for each of ``counts``.
        counts: The epochs or steps.
        bands: By the name of the curve that they belong to: what a band is called, and from where to where it goes.
        bound: What 1 is called, where the numbers are shares; they are then drawn on a logarithmic axis.
    """
    ranges = bands or {}
    numbers = [number for curve in curves.values() for number in curve]
    bottom = HEIGHT - BOTTOM - 4
    axis: Axis | LinearAxis
    if bound:
        axis = Axis(numbers, TOP, bottom)
    else:
        axis = LinearAxis([*numbers, *(end for _, ends in ranges.values() for end in ends)], TOP, bottom)
    step = (WIDTH - LEFT - RIGHT - 16) / max(len(counts) - 1, 1)
    # A single point stands in the middle: at the edge it would look like the beginning of something.
    begin = LEFT + 8 if len(counts) > 1 else (LEFT + WIDTH - RIGHT) / 2
    places = [round(begin + place * step, 1) for place in range(len(counts))]
    series, words = {}, []
    for name, curve in curves.items():
        drawn = [found for found in zip(places, counts, curve, strict=True) if bound or math.isfinite(found[2])]
        series[name] = [
            _Point(x, axis.place(n), f"{name}, {across} {count}: {n:.4g}", not bound or 0 < n < math.inf)
            for x, count, n in drawn
        ]
        if drawn:
            words.append(f"{name} {_range(across, drawn, shares=bool(bound))}")
    names = list(curves)
    every = -(-len(counts) // 10)
    return CurveChart(
        **_points(title, axis, series, words),
        across=across,
        bands=tuple(_band(axis, names.index(name), text, ends) for name, (text, ends) in ranges.items()),
        counts=tuple(Line(x, str(count)) for x, count in list(zip(places, counts, strict=True))[::every]),
        bound=Line(axis.place(1.0), bound) if bound else None,
    )


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
