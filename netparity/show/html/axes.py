"""Axes of charts: from numbers to places."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH, HEIGHT = 344, 220
"""The size of a drawing."""
LEFT, RIGHT, TOP, BOTTOM = 46, 338, 10, 194
"""Where the axes end in it."""


@dataclass(frozen=True)
class Line:
    """A line across a chart, or a tick: where, and what stands at it."""

    at: float
    text: str


class Axis:
    """A logarithmic axis of these numbers (and of 1, if ``one``), with places for zero and infinity at its ends."""

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
    def ticks(self) -> list[Line]:
        """Powers of ten, seven at most, and zero and infinity where they occur."""
        every = -(-(self._high - self._low) // 6)
        # Counted from 1, so that the bound is among them.
        powers = [power for power in range(self._low, self._high + 1) if power % every == 0]
        ends = [Line(self._bottom, "0")] * bool(self._zero) + [Line(self._top, "∞")] * bool(self._infinity)
        return [Line(self.place(10.0**power), _power(power)) for power in powers] + ends


def _power(power: int) -> str:
    if -2 <= power <= 3:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


class LinearAxis:
    """A linear axis of these numbers that ends at round ones; what is not finite has no place on it."""

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
    def ticks(self) -> list[Line]:
        """The round numbers."""
        numbers = [round(count * self._step, 12) for count in range(self._low, self._high + 1)]
        return [Line(self.place(number), f"{number:.6g}") for number in numbers]
