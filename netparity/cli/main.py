"""The command line: ``netparity`` alone runs the main job."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer

from netparity.cli.bench import bench
from netparity.cli.files import convert, inspect
from netparity.cli.guard import interruptible
from netparity.cli.matrix import matrix
from netparity.cli.options import (
    CaseBatchSize,
    CaseImageSize,
    Html,
    Images,
    ImageSize,
    Interpreters,
    Json,
    Junit,
    Seed,
    Timeout,
    Weights,
)
from netparity.cli.predict import predict
from netparity.cli.traces import compare, record
from netparity.cli.train import train
from netparity.network.errors import NetparityError

NAME = "netparity"

app = typer.Typer(
    name=NAME,
    help="Do several implementations compute the same network? With no command: **run**, on the default network.",
    epilog="Exit codes: 0 pass, 1 a check failed, 2 it could not be run.",
    rich_markup_mode="markdown",
    no_args_is_help=False,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(epilog="Exit codes: 0 every backend passes, 1 a check failed, 2 a backend could not be judged.")
def run(
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            show_default="every one that is installed",
            help="A registered backend (torch, tf, mx), or module:attribute, or name=module:attribute. Repeatable. "
            "A backend that is named and missing is an error; one that is not named is skipped.",
        ),
    ] = None,
    python: Interpreters = None,
    seed: Seed = 0,
    image_size: CaseImageSize = None,
    in_channels: Annotated[
        int | None, typer.Option(min=1, show_default="the weights', else the network's", help="Channels of the images.")
    ] = None,
    num_classes: Annotated[
        int | None, typer.Option(min=1, show_default="the weights', else the network's", help="Logits.")
    ] = None,
    batch_size: CaseBatchSize = None,
    images: Images = None,
    weights: Weights = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(metavar="float32|float64", show_default="both", help="Precision to judge in. Repeatable."),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Show every layer: alone, forward and backward, and accumulated.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Count whatever is skipped as an error (exit code 2), as CI should.")
    ] = False,
    json: Json = None,
    junit: Junit = None,
    html: Html = None,
    timeout: Timeout = 600.0,
    memory_limit: Annotated[
        float,
        typer.Option(metavar="GIB", min=0.001, show_default="none", help="Address space that one backend may use."),
    ] = math.inf,
) -> None:
    """Judge every installed backend of the default network against the NumPy reference, layer by layer.

    Each backend runs in a process of its own, side by side. In float64, all outputs, the loss and the gradients by all
    parameters must agree end to end; in float32, each layer, fed the reference's own input, must stay within a rounding
    bound that is derived and not tuned.
    """
    from rich.console import Console

    from netparity.runs.case import Options, make_case
    from netparity.runs.side_by_side import run as run_case
    from netparity.show import run as terminal
    from netparity.show.progress import progress
    from netparity.workers.backends import choose

    options = Options(
        seed, image_size, in_channels, num_classes, batch_size, images, weights, dtypes=dtype or Options.dtypes
    )
    subjects = choose(backend or (), python or ())
    with interruptible(), progress(Console(stderr=True), [subject.name for subject in subjects]) as listener:
        report = run_case(
            lambda: make_case(options),
            subjects,
            timeout=timeout,
            memory_limit=int(memory_limit * 2**30) if memory_limit < math.inf else None,
            listener=listener,
        )
    console = Console()
    if layers:
        terminal.print_layers(console, report)
    terminal.print_report(console, report)
    if json:
        terminal.write_json(json, report)
    if junit:
        terminal.write_junit(junit, report)
    if html:
        from netparity.show.html.report import write_report

        write_report(html, report, sys.argv[1:])
    if strict and report.exit_code == 0 and (skipped := report.skipped):
        print(f"error: --strict, and skipped were: {', '.join(skipped)}.", file=sys.stderr)
        raise typer.Exit(2)
    raise typer.Exit(report.exit_code)


@app.command()
def summary(
    image_size: ImageSize = None,
    in_channels: Annotated[
        int | None, typer.Option(min=1, show_default="the network's", help="Channels of the images.")
    ] = None,
    num_classes: Annotated[int | None, typer.Option(min=1, show_default="the network's", help="Logits.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images.")] = 1,
    layers: Annotated[bool, typer.Option("--layers", help="Every layer, not only the stages.")] = False,
) -> None:
    """Show the network's shapes in each framework's own layout, its size, and published figures beside it."""
    from rich.console import Console

    from netparity.network.registered import default_network
    from netparity.show.summary import print_summary

    own = default_network()
    sizes = image_size or own.image_size, in_channels or own.in_channels, num_classes or own.num_classes
    print_summary(Console(), own, *sizes, batch_size, layers=layers)


for command in (train, predict, record, compare, matrix, convert):
    app.command()(command)
app.command(epilog="Exit codes: 0 all is measured, 1 an answer is wrong, 2 a backend cannot be measured.")(bench)
app.command(epilog="Exit codes: 0 a sound file, 1 something is wrong with it, 2 it cannot be read.")(inspect)


def main() -> None:
    """The console script: no command, or an option in its place, stands for ``run``."""
    arguments = sys.argv[1:]
    top_level = {"-h", "--help", "--install-completion", "--show-completion"}
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in top_level):
        sys.argv.insert(1, "run")
    # By itself, SIGTERM (of a job's time limit, for example) would leave workers and their files behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.unraisablehook = _send_again
    try:
        app(prog_name=_name())
    except (NetparityError, OSError, MemoryError) as error:
        print(f"error: {'Out of memory. ' if isinstance(error, MemoryError) else ''}{error}", file=sys.stderr)
        sys.exit(2)


def _name() -> str:
    """The name that this program was called by, if it is one of its own: completion is installed for a name."""
    called = Path(sys.argv[0]).name
    scripts = entry_points(group="console_scripts", name=called) if called != NAME else ()
    return called if any(script.value == "netparity.__main__:main" for script in scripts) else NAME


def _send_again(ignored: Any) -> None:
    """Sends a signal once more whose exception Python has ignored, as it does in callbacks and finalizers."""
    if not isinstance(ignored.exc_value, (KeyboardInterrupt, SystemExit)):
        sys.__unraisablehook__(ignored)
        return
    sent = signal.SIGINT if isinstance(ignored.exc_value, KeyboardInterrupt) else signal.SIGTERM
    timer = threading.Timer(0.1, os.kill, (os.getpid(), sent))  # when that callback is over
    timer.daemon = True
    timer.start()
