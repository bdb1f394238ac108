"""Timing things against each other on a machine that others use too: round by round, so that noise meets all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["Jobs", "interleaved", "print_ratios"]

Jobs = Mapping[str, Callable[[], object]]


def interleaved(jobs: Jobs, rounds: int) -> dict[str, list[float]]:
    """Seconds that each job took, a round for each entry; a first round, not counted, warms caches up."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def print_ratios(seconds: Mapping[str, list[float]], baseline: str, allowed: Mapping[str, float]) -> None:
    """A line for each job: its median, its spread, and the median of its ratio to ``baseline``, round by round."""
    width = max(map(len, seconds))
    for name, took in seconds.items():
        ratios = [mine / theirs for mine, theirs in zip(took, seconds[baseline], strict=True)]
        ratio = statistics.median(ratios)
        line = f"{name:<{width}}  {statistics.median(took) * 1e3:9.1f} ms  (from {min(took) * 1e3:.1f} to "
        line += f"{max(took) * 1e3:.1f})  {ratio:6.2f} x {baseline}"
        if name in allowed:
            line += f"  (at most {allowed[name]:g}: {'met' if ratio <= allowed[name] else 'MISSED'})"
        print(line)
