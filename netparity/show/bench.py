"""A benchmark for a person and for other programs: a table for each setting, and JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netparity.bench.timings import BASELINE, Benchmark, Measured, Timing
from netparity.show import json_file
from netparity.show.run import STYLES
from netparity.verdict.findings import Status

NOTES = (
    "ms: of a call or a step, from NumPy images to the answer in NumPy, median of the rounds, ± half of what lies "
    "between the fastest and the slowest. first: seconds that making the way and calling it once took, "
    "compilation included."
)


def print_benchmark(console: Console, found: Benchmark) -> None:
    """A table for each setting, what was not timed and why, and the conditions of all of it."""
    for measured in found.measured:
        console.print(_table(found, measured))
        for timing in measured.timings:
            if timing.status is not Status.PASS:
                status = f"[{STYLES[timing.status]}]{timing.status}[/]"
                console.print(f"{status} {escape(timing.message)}", highlight=False)
    if found.busy:
        load = f"the load was {found.environment['load']:.1f} on {found.environment.get('cores')} cores before the run"
        console.print(f"[yellow]busy[/] {load}: other work may have taken part in these times.", highlight=False)
    console.print(f"[dim]{escape(_conditions(found))}\n{NOTES}[/]", highlight=False)


def _table(found: Benchmark, measured: Measured) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left", title_style="bold")
    table.title = str(measured.setting)
    table.add_column("backend", overflow="fold")
    table.add_column("way", no_wrap=True)
    baseline = [] if measured.setting.training else ["times\nORT"]
    for heading in ("ms", "±", "img\n/s", "GFLOP\n/s", "of\nlimit", *baseline, "peak\nMiB", "first\ns"):
        table.add_column(heading, justify="right", no_wrap=True)
    for timing in measured.timings:
        if timing.way:
            table.add_row(escape(timing.backend), escape(timing.way), *_cells(found, measured, timing))
    return table


def _cells(found: Benchmark, measured: Measured, timing: Timing) -> list[str]:
    if timing.median is None or timing.spread is None:
        word = "–" if timing.status is Status.SKIPPED else timing.status  # what is skipped needs no wider column
        return [f"[{STYLES[timing.status]}]{word}[/]"]
    fastest, slowest = timing.spread
    ratio = [] if measured.setting.training else [_number(timing.ratio_to(measured.baseline), "{:.2f}".format)]
    return [
        _milliseconds(timing.median),
        f"[dim]{(slowest - fastest) / 2 / timing.median:.0%}[/]",
        _number(timing.images_per_second, "{:.0f}".format),
        _number(found.flops_per_second(timing), lambda flops: f"{flops / 1e9:.0f}"),
        _number(found.share_of_limit(timing), "{:.0%}".format),
        *ratio,
        _number(timing.peak_memory, lambda size: f"{size / 2**20:.0f}"),
        _number(timing.first_call, "{:.1f}".format),
    ]


def _conditions(found: Benchmark) -> str:
    options, environment = found.options, found.environment
    timed = [timing for measured in found.measured for timing in measured.timings if timing.seconds]
    versions = dict.fromkeys(f"{timing.backend} {timing.version}" for timing in timed)
    told = (
        f"{', '.join(versions) or 'nothing timed'}; rounds: {options.get('rounds')}, threads: {options.get('threads')}"
    )
    told += f", {environment.get('processor', 'a processor without a name')}."
    if found.limit is not None:
        told += f" Its limit: {found.limit / 1e9:.0f} GFLOP/s, the fastest product of large float32 matrices by NumPy."
    return told


def _number(value: float | None, words: Callable[[float], str]) -> str:
    return "[dim]–[/]" if value is None else words(value)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def write_json(path: Path, found: Benchmark) -> None:
    """Writes every measurement as JSON; what there is not is null.

    Raises:
        FileError: The file cannot be written.
    """
    document = {
        "environment": found.environment,
        "options": found.options,
        "limit": {
            "flops_per_second": found.limit,
            "meaning": "the fastest product of two large float32 matrices by NumPy, with as many threads",
        },
        "exit_code": found.exit_code,
        "settings": [_setting(found, measured) for measured in found.measured],
    }
    json_file.write_json(path, "benchmark", document)


def _setting(found: Benchmark, measured: Measured) -> dict[str, Any]:
    setting = measured.setting
    return {
        "batch_size": setting.batch_size,
        "image_size": setting.image_size,
        "training": setting.training,
        "flops": setting.flops(found.network),
        "baseline": BASELINE if measured.baseline else None,
        "ways": [_way(found, measured, timing) for timing in measured.timings],
    }


def _way(found: Benchmark, measured: Measured, timing: Timing) -> dict[str, Any]:
    return {
        "backend": timing.backend,
        "version": timing.version,
        "way": timing.way,
        "status": str(timing.status),
        "message": timing.message,
        "seconds": timing.seconds,
        "median": timing.median,
        "spread": timing.spread,
        "images_per_second": timing.images_per_second,
        "flops_per_second": found.flops_per_second(timing),
        "share_of_limit": found.share_of_limit(timing),
        "ratio_to_baseline": timing.ratio_to(measured.baseline),
        "peak_memory": timing.peak_memory,
        "first_call": timing.first_call,
    }
