"""The command ``bench``: its options, and what a person sees while it measures."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from googlenet_parity.bench import Listener

__all__ = ["bench"]


def bench(
    backend: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BACKEND]...",
            show_default="every one that is installed",
            help="A registered backend (torch, tf, mx), or module:attribute, or name=module:attribute.",
        ),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option("--python", metavar="NAME=PATH", help="Interpreter of a backend, as of run.", show_default=False),
    ] = None,
    batch_size: Annotated[
        list[int] | None, typer.Option(min=1, show_default="1 8 32 128", help="Images in a call. Repeatable.")
    ] = None,
    image_size: Annotated[tuple[int, int], typer.Option(metavar="H W", help="Pixels; any size from 1 1 up.")] = (
        96,
        96,
    ),
    inference: Annotated[bool, typer.Option("--inference", help="A forward pass; so it is by default.")] = False,
    training: Annotated[bool, typer.Option("--training", help="A step of training. With --inference: both.")] = False,
    way: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", show_default="all", help="Only ways of this name (predict, eager). Repeatable."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way has its turn.")] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, show_default="as many as cores", help="Of each way's process.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="That a turn takes; one call at least.")] = 0.5,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every measurement as JSON.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg|png|pdf", help="Draw it; needs the extra report.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.001, help="Time that a single answer may take.")
    ] = 600.0,
) -> None:
    """How fast is every way of every backend, beside ONNX Runtime and beside what the processor can do?

    Each way (eager, compiled, …) runs in a process of its own with the same number of threads, and they take turns,
    round by round. NumPy goes in and NumPy comes out, new numbers in each call, and the first call counts by itself.
    A way whose answer is not the reference's is not timed.
    """
    from rich.console import Console

    from googlenet_parity import bench_export
    from googlenet_parity.bench import Plan, run_bench
    from googlenet_parity.bench_plot import check_plot, plot_benchmark
    from googlenet_parity.processor import usable_cores
    from googlenet_parity.registry import choose
    from googlenet_parity.timings import Setting

    subjects = choose(backend or (), python or ())
    if plot:
        check_plot(plot)
    settings = (
        Setting(batch, image_size, is_training)
        for is_training in ([False] if inference or not training else []) + ([True] if training else [])
        for batch in dict.fromkeys(batch_size or (1, 8, 32, 128))
    )
    plan = Plan(tuple(settings), rounds, threads or usable_cores(), seconds, timeout=timeout, ways=tuple(way or ()))
    try:
        with _progress(Console(stderr=True)) as listener:
            found = run_bench(subjects, plan, listener)
    except KeyboardInterrupt:
        print("Interrupted; every process that was started has been ended.", file=sys.stderr)
        raise typer.Exit(130) from None
    bench_export.print_benchmark(Console(), found)
    if json:
        bench_export.write_json(json, found)
    if plot:
        plot_benchmark(found, plot)
    raise typer.Exit(found.exit_code)


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Listener]:
    """A live line, gone in the end; nothing where the output is no terminal."""
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    line = Progress(
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.description}", style="dim", table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with line:
        task = line.add_task("starting", total=None)

        def listener(done: int, total: int, step: str) -> None:
            line.update(task, completed=done, total=total, description=escape(step))

        yield listener
