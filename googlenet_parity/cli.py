"""The command line: ``googlenet-parity`` alone runs the main job."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from googlenet_np.errors import GoogLeNetError
from googlenet_parity import cli_bench, cli_files, cli_matrix, cli_traces, cli_training

__all__ = ["app", "main"]

app = typer.Typer(
    name="googlenet-parity",
    help="Do PyTorch, TensorFlow and MXNet compute the same GoogLeNet? With no command: **run**.",
    epilog="Exit codes: 0 pass, 1 a check failed, 2 it could not be run.",
    rich_markup_mode="markdown",
    no_args_is_help=False,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Size = tuple[int, int]


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
            "One that is named and missing is an error; one that is not named is skipped.",
        ),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(
            "--python",
            metavar="NAME=PATH",
            show_default="this one",
            help="Interpreter that runs a backend, of another environment, say: tf=/opt/old/bin/python. It needs the "
            "framework and NumPy. old=tf:/opt/old/bin/python runs tf once more, under another name. Repeatable.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights.")] = 0,
    image_size: Annotated[
        Size | None, typer.Option(metavar="H W", show_default="96 96", help="Pixels; any size from 1 1 up.")
    ] = None,
    in_channels: Annotated[int | None, typer.Option(min=1, show_default="1", help="Channels of the images.")] = None,
    num_classes: Annotated[int | None, typer.Option(min=1, show_default="10", help="Logits.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, show_default="16", help="Images.")] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy|DIR",
            show_default="16 real Fashion-MNIST test images",
            help="An array (N, C, H, W), float in any range or uint8; or a folder of image files.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default="Xavier, by the seed", help="Canonical weights in safetensors."),
    ] = None,
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
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every measurement as JSON.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the checks as JUnit XML, for CI.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page, to be looked at.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.001, help="Time that one backend may take.")
    ] = 600.0,
    memory_limit: Annotated[
        float,
        typer.Option(metavar="GIB", min=0.001, show_default="none", help="Address space that one backend may use."),
    ] = math.inf,
) -> None:
    """Set every installed backend against the NumPy reference, layer by layer, on real images.

    Each backend runs in a process of its own, side by side. In float64, all outputs, the loss and all 116 gradients
    must agree end to end; in float32, each layer, fed the reference's own input, must stay within a rounding bound
    that is derived and not tuned.
    """
    from rich.console import Console

    from googlenet_parity import export, terminal
    from googlenet_parity.case import Options, make_case
    from googlenet_parity.registry import choose
    from googlenet_parity.run import run as run_case

    options = Options(
        seed,
        image_size,
        in_channels,
        num_classes,
        batch_size,
        images,
        weights,
        tuple(dtype) if dtype else Options.dtypes,
    )
    subjects = choose(backend or (), python or ())
    if html:
        from googlenet_parity.html.page import check_html

        check_html(html)
    console = Console()
    try:
        with terminal.progress(Console(stderr=True), [subject.name for subject in subjects]) as listener:
            report = run_case(
                lambda: make_case(options),
                subjects,
                timeout=timeout,
                memory_limit=int(memory_limit * 2**30) if memory_limit < math.inf else None,
                listener=listener,
            )
    except KeyboardInterrupt:
        print("Interrupted; every process that was started has been ended.", file=sys.stderr)
        raise typer.Exit(130) from None
    if layers:
        terminal.print_layers(console, report)
    terminal.print_report(console, report)
    if json:
        export.write_json(json, report)
    if junit:
        export.write_junit(junit, report)
    if html:
        from googlenet_parity.html.report import write_report

        write_report(html, report, sys.argv[1:])
    if strict and report.exit_code == 0 and (skipped := report.skipped):
        print(f"error: --strict, and skipped were: {', '.join(skipped)}.", file=sys.stderr)
        raise typer.Exit(2)
    raise typer.Exit(report.exit_code)


@app.command()
def summary(
    image_size: Annotated[Size, typer.Option(metavar="H W", help="Pixels; any size from 1 1 up.")] = (96, 96),
    in_channels: Annotated[int, typer.Option(min=1, help="Channels of the images.")] = 1,
    num_classes: Annotated[int, typer.Option(min=1, help="Logits.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Images.")] = 1,
    layers: Annotated[bool, typer.Option("--layers", help="Every layer, not only the stages.")] = False,
) -> None:
    """Show the network's shapes in each framework's own layout, its size, and the paper's Table 1 beside it."""
    from rich.console import Console

    from googlenet_parity.summary import print_summary

    print_summary(Console(), image_size, in_channels, num_classes, batch_size, layers=layers)


app.command()(cli_training.train)
app.command()(cli_training.predict)
app.command()(cli_traces.record)
app.command()(cli_traces.compare)
app.command()(cli_matrix.matrix)
app.command(epilog="Exit codes: 0 all is measured, 1 an answer is wrong, 2 a backend cannot be measured.")(
    cli_bench.bench
)
app.command()(cli_files.convert)
app.command(epilog="Exit codes: 0 a sound file, 1 something is wrong with it, 2 it cannot be read.")(cli_files.inspect)


def main() -> None:
    """The console script: no command, or an option in its place, stands for ``run``."""
    arguments = sys.argv[1:]
    top_level = {"-h", "--help", "--install-completion", "--show-completion"}
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in top_level):
        sys.argv.insert(1, "run")
    # By itself, SIGTERM (of a job's time limit, say) would leave workers and their files behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.unraisablehook = _send_again
    try:
        app()
    except (GoogLeNetError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except MemoryError as error:
        print(f"error: Out of memory. {error}", file=sys.stderr)
        sys.exit(2)


def _send_again(ignored: Any) -> None:
    """Sends a signal once more whose exception Python has ignored, as it does in callbacks and finalizers."""
    if not isinstance(ignored.exc_value, (KeyboardInterrupt, SystemExit)):
        sys.__unraisablehook__(ignored)
        return
    sent = signal.SIGINT if isinstance(ignored.exc_value, KeyboardInterrupt) else signal.SIGTERM
    timer = threading.Timer(0.1, os.kill, (os.getpid(), sent))  # when that callback is over
    timer.daemon = True
    timer.start()
