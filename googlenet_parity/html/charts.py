"""Where the points, bars and cells of a page's charts are. What is drawn is in the templates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from googlenet_np.architecture import GOOGLENET
from googlenet_parity.html.heat import share_text
from googlenet_parity.verdict import ErrorMap

__all__ = [
    "Axis",
    "Band",
    "Bars",
    "CurveChart",
    "Heat",
    "LayerChart",
    "Line",
    "Mark",
    "PointChart",
    "Scale",
    "Shade",
    "draw_bars",
    "draw_curves",
    "draw_heat",
    "draw_layers",
]

WIDTH, HEIGHT = 344, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 6, 10, 26
SHAPES = (
    "M{}m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "M{}m-2.6-2.6h5.2v5.2h-5.2z",
    "M{}m0-3.4l3.2 5.8h-6.4z",
    "M{}m0-3.6l3.6 3.6l-3.6 3.6l-3.6-3.6z",
    "M{}m-3-1h2v-2h2v2h2v2h-2v2h-2v-2h-2z",
    "M{}m-3-2.4h6l-3 5.4z",
)
"""Of the backends' marks, since their colours alone would not tell them apart."""

GROUPS = {"b1": "stem", "b2": "stem", "b5.pool": "fc", "fc": "fc"}
"""What the layers outside of blocks are called on the axis; a pool between blocks needs no name."""


@dataclass(frozen=True)
class Line:
    """A line across a chart, or a tick: where, and what stands at it."""

    at: float
    text: str


class Axis:
    """A logarithmic axis, large numbers at the top, with places for zero and for infinity.

    Args:
        numbers: What is to be shown on it.
        one: Whether 1 is to be on it too.
        top, bottom: Its ends.
    """

    def __init__(self, numbers: Iterable[float], top: float, bottom: float, *, one: bool = True) -> None:
        given = list(numbers)
        finite = [number for number in given if 0 < number < math.inf] + [1.0] * one or [1.0]
        self._low = math.floor(math.log10(min(finite)))
        self._high = max(math.ceil(math.log10(max(finite)) + 0.2), self._low + 1)
        self._top, self._bottom = top, bottom
        self._zero = 14.0 * any(number == 0 for number in given)
        self._infinity = 14.0 * any(not number < math.inf for number in given)

    def place(self, number: float) -> float:
        """Where a number is."""
        if number == 0:
            return self._bottom
        if not number < math.inf:
            return self._top
        top, bottom = self._top + self._infinity, self._bottom - self._zero
        share = (math.log10(number) - self._low) / (self._high - self._low)
        return round(bottom - min(max(share, 0.0), 1.0) * (bottom - top), 1)

    @property
    def ticks(self) -> tuple[Line, ...]:
        """Powers of ten, seven at most, and zero and infinity where they occur."""
        every = -(-(self._high - self._low) // 6)
        # Counted from 1, so that the bound is among them.
        powers = [power for power in range(self._low, self._high + 1) if power % every == 0]
        ticks = [Line(self.place(10.0**power), _power(power)) for power in powers]
        ends = [Line(self._bottom, "0")] * bool(self._zero) + [Line(self._top, "∞")] * bool(self._infinity)
        return (*ticks, *ends)


def _power(power: int) -> str:
    if -2 <= power <= 3:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


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
        ticks: Of the axis at the left.
        width, height, left, right, top, bottom: Of the drawing, and of the axes in it.
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


@dataclass(frozen=True, kw_only=True)
class LayerChart(PointChart):
    """A number for each layer and each backend, on a logarithmic axis; points at zero and at infinity are not joined.

    Attributes:
        groups: Of the axis below.
        bound: Where 1 is.
    """

    groups: tuple[Line, ...]
    bound: float


def _symbol(series: int, point: str) -> str:
    """A series' mark at a point. There are as many colours; the next ones get another mark on each, so 36 differ."""
    return SHAPES[(series + series // len(SHAPES)) % len(SHAPES)].format(point)


def draw_layers(title: str, shares: Mapping[str, Mapping[str, float]]) -> LayerChart:
    """A chart of shares of the bound.

    Args:
        title: What it shows.
        shares: By backend and layer.
    """
    axis = Axis((share for found in shares.values() for share in found.values()), TOP, HEIGHT - BOTTOM - 4)
    step = (WIDTH - LEFT - RIGHT - 8) / (len(GOOGLENET) - 1)
    across = {name: round(LEFT + 4 + place * step, 1) for place, name in enumerate(GOOGLENET.names)}
    marks, lines, words = [], [], []
    for series, (backend, found) in enumerate(shares.items()):
        points = {name: f"{x} {axis.place(found[name])}" for name, x in across.items() if name in found}
        for name, point in points.items():
            marks.append(Mark(_symbol(series, point), series, f"{backend}, {name}: {share_text(found[name])}"))
        joined = [point for name, point in points.items() if 0 < found[name] < math.inf]
        lines.append("M" + "L".join(joined) if joined else "")
        if points:
            largest = max(points, key=lambda name: found[name])
            words.append(f"{backend} at most {share_text(found[largest])}, in {largest}")
    return LayerChart(
        title=title,
        summary="; ".join(words) or "nothing was measured",
        series=tuple(shares),
        marks=tuple(marks),
        lines=tuple(lines),
        ticks=axis.ticks,
        groups=tuple(_groups(across)),
        bound=axis.place(1.0),
    )


def _groups(across: Mapping[str, float]) -> Iterable[Line]:
    """The blocks' names, each in the middle of its layers."""
    for group, names in groupby(across, key=_group):
        if group:
            places = [across[name] for name in names]
            yield Line(round((places[0] + places[-1]) / 2, 1), group)


def _group(layer: str) -> str:
    stage, _, rest = layer.partition(".")
    if rest.startswith("inception_"):
        return rest.removeprefix("inception_")[:2]
    return GROUPS.get(layer, GROUPS.get(stage, ""))


class LinearAxis:
    """A linear axis that ends at round numbers.

    Args:
        numbers: What is to be shown on it; what is not finite has no place.
        top, bottom: Its ends.
    """

    def __init__(self, numbers: Iterable[float], top: float, bottom: float) -> None:
        finite = [number for number in numbers if math.isfinite(number)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        span = high - low or abs(high) or 1.0
        power = 10.0 ** math.floor(math.log10(span / 4))
        self._step = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power * 4 >= span * (1 - 1e-9))
        self._low = math.floor(low / self._step + 1e-9)
        self._high = max(math.ceil(high / self._step - 1e-9), self._low + 1)
        self._top, self._bottom = top, bottom

    def place(self, number: float) -> float:
        """Where a finite number is."""
        share = (number / self._step - self._low) / (self._high - self._low)
        return round(self._bottom - share * (self._bottom - self._top), 1)

    @property
    def ticks(self) -> tuple[Line, ...]:
        """The round numbers."""
        numbers = [round(count * self._step, 12) for count in range(self._low, self._high + 1)]
        return tuple(Line(self.place(number), f"{number:.6g}") for number in numbers)


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
        counts: Of the axis below.
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
    marks, lines, words = [], [], []
    for series, (name, curve) in enumerate(curves.items()):
        drawn = [
            (f"{x} {axis.place(number)}", count, number)
            for x, count, number in zip(places, counts, curve, strict=True)
            if bound or math.isfinite(number)
        ]
        marks += [Mark(_symbol(series, at), series, f"{name}, {across} {n}: {number:.4g}") for at, n, number in drawn]
        joined = [at for at, _, number in drawn if not bound or 0 < number < math.inf]
        lines.append("M" + "L".join(joined) if joined else "")
        if bound and drawn:
            _, count, largest = max(drawn, key=lambda point: math.inf if math.isnan(point[2]) else point[2])
            words.append(f"{name} at most {largest:.3g}, at {across} {count}")
        elif len(drawn) > 1:
            words.append(f"{name} from {drawn[0][2]:.4g} to {drawn[-1][2]:.4g}")
        elif drawn:
            words.append(f"{name} {drawn[0][2]:.4g}")
    every = -(-len(counts) // 10)
    names = list(curves)
    shown = [pair for place, pair in enumerate(zip(places, counts, strict=True)) if place % every == 0]
    return CurveChart(
        title=title,
        summary="; ".join(words) or "nothing was measured",
        series=tuple(curves),
        marks=tuple(marks),
        lines=tuple(lines),
        ticks=axis.ticks,
        across=across,
        bands=tuple(_band(axis, names.index(name), text, ends) for name, (text, ends) in ranges.items()),
        counts=tuple(Line(x, str(n)) for x, n in shown),
        bound=Line(axis.place(1.0), bound) if bound else None,
    )


def _band(axis: Axis | LinearAxis, series: int, text: str, ends: tuple[float, float]) -> Band:
    top, bottom = axis.place(max(ends)), axis.place(min(ends))
    # Ranges of a thousandth would be thinner than any screen shows.
    return Band(top, round(max(bottom - top, 2.0), 1), series, text)


SHADES = 7
"""Colours of a heat map, beside the one of what is right."""


class Scale:
    """From the errors of a tensor to the shades of its heat map, in equal factors up to the largest.

    Args:
        found: The errors. Those within the bound are right, and where nothing is allowed, those that are none.
    """

    def __init__(self, found: ErrorMap) -> None:
        self.bounded = found.bounded
        finite = [number for row in found.pixels for number in row if 0 < number < math.inf]
        base = 1.0 if found.bounded else min(finite, default=1.0)
        # In logarithms: the quotient of two errors may be beyond any number.
        self._base = math.log10(base)
        self._step = max(math.log10(max(finite, default=1.0)) - self._base, 0.0) / SHADES

    def right(self, number: float) -> bool:
        """Whether a number is no failure."""
        return number <= 1 if self.bounded else number == 0

    def shade(self, number: float) -> int:
        """0 for what is right, then 1 to :data:`SHADES`."""
        if self.right(number):
            return 0
        if not number < math.inf:
            return SHADES
        steps = (math.log10(number) - self._base) / self._step if self._step else 0.0
        return min(1 + int(steps), SHADES)

    def text(self, shade: int) -> str:
        """Which numbers have a shade."""
        if shade == 0:
            return "within the bound" if self.bounded else "no error"
        low, high = (10 ** (self._base + step * self._step) for step in (shade - 1, shade))
        return f"{low:.2g} to {high:.2g}"

    def number(self, number: float) -> str:
        """A number with what it counts."""
        if not number < math.inf:
            return "no number at all"
        return f"{number:.3g} of what is allowed" if self.bounded else f"{number:.3g} off"


@dataclass(frozen=True)
class Shade:
    """The cells of one shade as an SVG path, and which numbers they are."""

    level: int
    path: str
    text: str


@dataclass(frozen=True)
class Heat:
    """A map of the error, height down and width across.

    Attributes:
        rows, columns: Of its cells.
        scale: Units of the drawing for a cell.
        size: The tensor's own height and width.
        shades: From what is right to what is most wrong; each is there, though it may be of no cell.
        summary: The same in words.
        bounded: Whether the numbers are shares of what is allowed, and not absolute errors.
    """

    rows: int
    columns: int
    scale: float
    size: tuple[int, int]
    shades: tuple[Shade, ...]
    summary: str
    bounded: bool

    @property
    def width(self) -> float:
        """Of the drawing."""
        return self.columns * self.scale

    @property
    def height(self) -> float:
        """Of the drawing."""
        return self.rows * self.scale


def draw_heat(found: ErrorMap) -> Heat | None:
    """The map of an error; None for a tensor without height and width."""
    if found.size is None or not found.pixels:
        return None
    rows, columns = len(found.pixels), len(found.pixels[0])
    scale = Scale(found)
    paths: dict[int, list[str]] = {shade: [] for shade in range(SHADES + 1)}
    for y, row in enumerate(found.pixels):
        x = 0
        for shade, run in groupby(row, key=scale.shade):
            length = len(list(run))
            paths[shade].append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    places = {(y, x): number for y, row in enumerate(found.pixels) for x, number in enumerate(row)}
    wrong = sum(not scale.right(number) for number in places.values())
    y, x = max(places, key=lambda place: places[place])
    side = -(-max(found.size) // max(rows, columns))
    what = "places" if side == 1 else f"squares of {side}×{side} places"
    summary = (
        f"{wrong} of {len(places)} {what} are {'beyond the bound' if found.bounded else 'wrong'}; the worst, "
        f"{scale.number(places[y, x])}, is at row {y * side}, column {x * side}"
    )
    shades = tuple(Shade(shade, "".join(path), scale.text(shade)) for shade, path in paths.items())
    return Heat(rows, columns, round(300 / max(rows, columns), 3), found.size, shades, summary, found.bounded)


@dataclass(frozen=True)
class Bars:
    """The error of each channel, on a logarithmic axis.

    Attributes:
        right, wrong: The bars as SVG paths: of channels within the bound, and of the others.
        stroke: How wide a bar is.
        ticks: Of the axis.
        last: The last channel's number.
        bound: Where 1 is; None where nothing is allowed.
        summary: The same in words.
    """

    right: str
    wrong: str
    stroke: float
    ticks: tuple[Line, ...]
    last: int
    bound: float | None
    summary: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    edge: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def draw_bars(found: ErrorMap) -> Bars:
    """A bar for each channel."""
    scale = Scale(found)
    bottom = HEIGHT - BOTTOM
    axis = Axis(found.channels, TOP, bottom, one=found.bounded)
    step = (WIDTH - RIGHT - LEFT) / len(found.channels)
    paths: dict[bool, list[str]] = {True: [], False: []}
    for channel, number in enumerate(found.channels):
        if number:
            x = round(LEFT + (channel + 0.5) * step, 2)
            paths[scale.right(number)].append(f"M{x} {bottom}V{axis.place(number)}")
    wrong = sum(not scale.right(number) for number in found.channels)
    worst = max(range(len(found.channels)), key=lambda channel: found.channels[channel])
    summary = (
        f"{wrong} of {len(found.channels)} channels are {'beyond the bound' if found.bounded else 'wrong'}; the worst, "
        f"{scale.number(found.channels[worst])}, is channel {worst}"
    )
    return Bars(
        "".join(paths[True]),
        "".join(paths[False]),
        round(max(step * 0.8, 0.4), 2),
        axis.ticks,
        len(found.channels) - 1,
        axis.place(1.0) if found.bounded else None,
        summary,
    )
