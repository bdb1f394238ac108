"""Where the error is in one tensor: its places as a map, its channels as bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from netparity.show.html.axes import BOTTOM, LEFT, RIGHT, TOP, Axis, Line
from netparity.verdict.report import ErrorMap

SHADES = 7
"""Colours of a heat map, beside the one of what is right."""


class Scale:
    """The shades of a heat map for the errors of a tensor, in equal factors up to the largest.

    Errors within the bound are right; where nothing is allowed, those that are none.
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

    def summary(self, numbers: Mapping[str, float], what: str) -> str:
        """How many of the numbers, each under the words for its place, are failures, and the worst of them."""
        wrong = sum(not self.right(number) for number in numbers.values())
        worst = max(numbers, key=numbers.__getitem__)
        return (
            f"{wrong} of {len(numbers)} {what} are {'beyond the bound' if self.bounded else 'wrong'}; the worst, "
            f"{self.number(numbers[worst])}, is {worst}"
        )


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
        height, width: The size of the drawing.
        scale: Units of the drawing for a cell.
        size: The tensor's own height and width.
        shades: From what is right to what is most wrong; each is there, though it may be of no cell.
        summary: The same in words.
        bounded: Whether the numbers are shares of what is allowed, and not absolute errors.
    """

    height: float
    width: float
    scale: float
    size: tuple[int, int]
    shades: Sequence[Shade]
    summary: str
    bounded: bool


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
    side = -(-max(found.size) // max(rows, columns))
    places = {
        f"at row {y * side}, column {x * side}": number
        for y, row in enumerate(found.pixels)
        for x, number in enumerate(row)
    }
    summary = scale.summary(places, "places" if side == 1 else f"squares of {side}×{side} places")
    shades = [Shade(shade, "".join(path), scale.text(shade)) for shade, path in paths.items()]
    cell = round(300 / max(rows, columns), 3)
    return Heat(rows * cell, columns * cell, cell, found.size, shades, summary, found.bounded)


@dataclass(frozen=True)
class Bars:
    """The error of each channel, on a logarithmic axis.

    Attributes:
        right, wrong: The bars as SVG paths: of channels within the bound, and of the others.
        stroke: How wide a bar is.
        ticks: The marks of the axis.
        last: The last channel's number.
        bound: Where 1 is; None where nothing is allowed.
        summary: The same in words.
    """

    right: str
    wrong: str
    stroke: float
    ticks: Sequence[Line]
    last: int
    bound: float | None
    summary: str


def draw_bars(found: ErrorMap) -> Bars:
    """A bar for each channel."""
    scale = Scale(found)
    axis = Axis(found.channels, TOP, BOTTOM, one=found.bounded)
    step = (RIGHT - LEFT) / len(found.channels)
    paths: dict[bool, list[str]] = {True: [], False: []}
    for channel, number in enumerate(found.channels):
        if number:
            x = round(LEFT + (channel + 0.5) * step, 2)
            paths[scale.right(number)].append(f"M{x} {BOTTOM}V{axis.place(number)}")
    summary = scale.summary({f"channel {place}": error for place, error in enumerate(found.channels)}, "channels")
    return Bars(
        "".join(paths[True]),
        "".join(paths[False]),
        round(max(step * 0.8, 0.4), 2),
        axis.ticks,
        len(found.channels) - 1,
        axis.place(1.0) if found.bounded else None,
        summary,
    )
