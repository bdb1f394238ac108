"""The command ``bench``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netparity.cli.guard import interruptible
from netparity.cli.options import ImageSize, Interpreters


def bench(
    backend: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BACKEND]...",
            show_default="every one that is installed",
            help="A registered backend (torch, tf, mx), or module:attribute, or name=module:attribute.",
        ),
    ] = None,
    python: Interpreters = None,
    batch_size: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            show_default="1 8 32 128",
            help="Images in a call. All ways hold their memory at the same time; choose smaller batches where it is "
            "short. Repeatable.",
        ),
    ] = None,
    image_size: ImageSize = None,
    inference: Annotated[bool, typer.Option("--inference", help="A forward pass; this is the default.")] = False,
    training: Annotated[bool, typer.Option("--training", help="A step of training. With --inference: both.")] = False,
    way: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", show_default="all", help="Only ways of this name (predict, eager). Repeatable."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each way.")] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, show_default="as many as cores", help="Threads of each way's process.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="Length of a turn; one call at least.")] = 0.5,
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

    from netparity.bench.measure import TASK, Plan, run_bench
    from netparity.bench.timings import Setting
    from netparity.network.registered import default_network
    from netparity.show.bench import print_benchmark, write_json
    from netparity.show.bench_plot import check_plot, plot_benchmark
    from netparity.show.progress import progress
    from netparity.system.processor import usable_cores
    from netparity.workers.backends import choose

    subjects = choose(backend or (), python or ())
    if plot:
        check_plot(plot)
    registered = default_network()
    settings = (
        Setting(batch, image_size or registered.image_size, is_training)
        for is_training in ([False] if inference or not training else []) + ([True] if training else [])
        for batch in dict.fromkeys(batch_size or (1, 8, 32, 128))
    )
    plan = Plan(tuple(settings), rounds, threads or usable_cores(), seconds, timeout=timeout, ways=tuple(way or ()))
    with interruptible(), progress(Console(stderr=True), [TASK]) as listener:
        found = run_bench(registered, subjects, plan, listener)
    print_benchmark(Console(), found)
    if json:
        write_json(json, found)
    if plot:
        plot_benchmark(found, plot)
    raise typer.Exit(found.exit_code)
