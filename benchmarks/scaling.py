"""What an image costs as batches and images grow: time and memory of each backend's ``predict``, and of the comparer.

For each backend: milliseconds per image (and per 96×96 pixels, where images grow), peak memory, and from the largest
settings how much memory one more image takes. ``bends`` marks a setting in which an image costs over a quarter more
than in the cheapest smaller one.

The comparer is a whole run with one backend, all checks included; its memory is that of its largest process.

Run: python benchmarks/scaling.py [PICTURE.svg]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from netparity.bench.measure import Plan, run_bench
from netparity.bench.timings import Setting
from netparity.network.registered import default_network
from netparity.show.curves import COLOURS
from netparity.workers.backends import choose

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SIZES = (32, 64, 96, 128, 160, 224, 320, 448)
BATCH = 8
"""Images in a call while their size grows."""

COMPARED = (2, 4, 8, 16, 32, 64)
"""Batches of the comparer, which keeps all 81 activations of each."""

PIXELS = 96 * 96
BENDS = 1.25


class Point(NamedTuple):
    """One setting of one curve.

    Attributes:
        amount: Images in a call, or pixels of one, as a multiple of 96×96.
        seconds: For one of them.
        memory: Peak of the process, in bytes.
    """

    amount: float
    seconds: float
    memory: int


Curves = dict[str, list[Point]]


def backends(settings: Sequence[Setting], *, by_size: bool) -> Curves:
    """A curve for each backend that is installed."""
    plan = Plan(tuple(settings), rounds=3, threads=os.cpu_count() or 1, ways=("predict",))
    curves: Curves = {}

    def listener(task: str, done: float, total: float, step: str) -> None:
        print(f"  {done}/{total} {step}", file=sys.stderr)

    for measured in run_bench(default_network(), choose(()), plan, listener).measured:
        height, width = measured.setting.image_size
        amount = height * width / PIXELS if by_size else measured.setting.batch_size
        for timing in measured.timings:
            if timing.median is not None and timing.peak_memory is not None:
                each = measured.setting.batch_size * (amount if by_size else 1)
                curves.setdefault(timing.backend, []).append(Point(amount, timing.median / each, timing.peak_memory))
    return curves


def comparer(batches: Sequence[int]) -> Curves:
    """The main job with one backend."""
    backend = next(iter(choose(()))).name
    command = [sys.executable, "-m", "netparity", "run", "--backend", backend, "--batch-size"]
    points = []
    for batch in batches:
        start = time.perf_counter()
        process = subprocess.Popen([*command, str(batch)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"netparity run --batch-size {batch} ended with exit code {process.returncode}.")
        points.append(Point(batch, (time.perf_counter() - start) / batch, usage.ru_maxrss * 1024))
        print(f"  comparer, batch {batch}", file=sys.stderr)
    return {f"run --backend {backend}": points}


def table(title: str, unit: str, curves: Curves) -> None:
    """Prints the curves, and what one more of what grows takes."""
    print(f"\n{title}")
    for name, points in curves.items():
        print(f"\n{name:<24}{unit:>10}  ms for one   peak MiB")
        for place, point in enumerate(points):
            cheapest = min((before.seconds for before in points[:place]), default=point.seconds)
            bends = "  bends" if point.seconds > BENDS * cheapest else ""
            print(f"{'':<24}{point.amount:>10.4g}  {point.seconds * 1e3:>10.2f} {point.memory / 2**20:>10.0f}{bends}")
        middle, last = points[len(points) // 2], points[-1]
        slope = (last.memory - middle.memory) / (last.amount - middle.amount) / 2**20
        rest = last.memory / 2**20 - slope * last.amount
        print(f"{'':<24}memory: {rest:.0f} MiB and {slope:.2f} MiB for each")


def draw(panels: Sequence[tuple[str, str, Curves]], path: Path) -> None:
    """Time above, memory below, both axes logarithmic: what is flat or falls above, and rises by 1 below, scales."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False)
    for place, (title, unit, curves) in enumerate(panels):
        for colour, (name, points) in zip(COLOURS, curves.items(), strict=False):
            amounts = [point.amount for point in points]
            axes[0][place].loglog(amounts, [point.seconds * 1e3 for point in points], "o-", color=colour, label=name)
            axes[1][place].loglog(amounts, [point.memory / 2**20 for point in points], "o-", color=colour)
        axes[0][place].set(title=title, ylabel="ms for one")
        axes[1][place].set(xlabel=unit, ylabel="peak memory, MiB")
        axes[0][place].legend()
    figure.savefig(path)


def main() -> None:
    """Prints the tables of one run, and draws them if a path is given."""
    compared = comparer(COMPARED)  # first: a process begins with its parent's peak, and judging large images takes much
    by_batch = backends([Setting(batch) for batch in BATCHES], by_size=False)
    by_size = backends([Setting(BATCH, (size, size)) for size in SIZES], by_size=True)
    panels = [
        ("images in a call, 1×96×96", "images", by_batch),
        (f"pixels of an image, batch {BATCH}", "× 96×96", by_size),
        ("comparer: images of a run", "images", compared),
    ]
    for title, unit, curves in panels:
        table(title, unit, curves)
    if len(sys.argv) > 1:
        draw(panels, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
