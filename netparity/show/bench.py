"""A benchmark for a person and for other programs: a table for each setting, and JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netparity.bench.timings import BASELINE, Benchmark, Measured, Timing
from netparity.show import json_file
from netparity.show.table import STYLES, folded, new_table, numbers, styled
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
                console.print(f"{styled(timing.status)} {escape(timing.message)}", highlight=False)
    if found.busy:
        load = f"the load was {found.environment['load']:.1f} on {found.environment.get('cores')} cores before the run"
        console.print(f"[yellow]busy[/] {load}: other work may have taken part in these times.", highlight=False)
    console.print(f"[dim]{escape(_conditions(found))}\n{NOTES}[/]", highlight=False)


def _table(found: Benchmark, measured: Measured) -> Table:
    baseline = [] if measured.setting.training else ["times\nORT"]
    headings = ("ms", "±", "img\n/s", "GFLOP\n/s", "of\nlimit", *baseline, "peak\nMiB", "first\ns")
    table = new_table(folded("backend"), "way", *numbers(*headings), collapse_padding=False, padding=(0, 1, 0, 0))
    table.title = str(measured.setting)
    for timing in measured.timings:
        if timing.way:
            table.add_row(escape(timing.backend), escape(timing.way), *_cells(found, measured, timing))
    return table


def _cells(found: Benchmark, measured: Measured, timing: Timing) -> list[str]:
    if timing.median is None or timing.spread is None:
        word = "–" if timing.status is Status.SKIPPED else timing.status  # what is skipped needs no wider column
        return [f"[{STYLES[timing.status]}]{word}[/]"]
    fastest, slowest = timing.spread
    ratio = [] if measured.setting.training else [_number(timing.ratio_to(measured.baseline), ".2f")]
    milliseconds = 1e3 * timing.median
    return [
        f"{milliseconds:.3g}" if milliseconds < 100 else f"{milliseconds:.0f}",
        f"[dim]{(slowest - fastest) / 2 / timing.median:.0%}[/]",
        _number(timing.images_per_second, ".0f"),
        _number(found.flops_per_second(timing), ".0f", 1e9),
        _number(found.share_of_limit(timing), ".0%"),
        *ratio,
        _number(timing.peak_memory, ".0f", 2**20),
        _number(timing.first_call, ".1f"),
    ]


def _conditions(found: Benchmark) -> str:
    options, environment = found.options, found.environment
    timed = [timing for measured in found.measured for timing in measured.timings if timing.seconds]
    versions = ", ".join(dict.fromkeys(f"{timing.backend} {timing.version}" for timing in timed)) or "nothing timed"
    told = f"{versions}; rounds: {options.get('rounds')}, threads: {options.get('threads')}"
    told += f", {environment.get('processor', 'a processor without a name')}."
    if found.limit is not None:
        told += f" Its limit: {found.limit / 1e9:.0f} GFLOP/s, the fastest product of large float32 matrices by NumPy."
    return told


def _number(value: float | None, form: str, unit: float = 1) -> str:
    return "[dim]–[/]" if value is None else f"{value / unit:{form}}"


def write_json(path: Path, found: Benchmark) -> None:
    """Writes every measurement as JSON, what there is not as null; raises FileError if there can be no such file."""
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
    return {
        **asdict(measured.setting),
        "flops": measured.setting.flops(found.network),
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
