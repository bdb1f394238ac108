"""The command ``train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netparity.cli.guard import interruptible
from netparity.cli.options import check_html
from netparity.network.errors import NetparityError, OptionError

if TYPE_CHECKING:
    from rich.console import Console

    from netparity.network.contract import Hyperparameters
    from netparity.runs.lockstep import Lockstep
    from netparity.train.loop import Run
    from netparity.train.start import TrainingOptions

CURVES = ("curves.svg", "curves.png")


def train(
    backend: Annotated[
        str | None, typer.Argument(metavar="BACKEND", show_default=False, help="torch, tf, mx, or module:attribute.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", show_default="looked for, else downloaded", help="The data set's files."),
    ] = None,
    any_data: Annotated[
        bool,
        typer.Option("--any-data", help="Take other data of the same form: no hashes are compared."),
    ] = False,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 0.1,
    momentum: Annotated[float, typer.Option(help="Momentum of SGD (heavy ball).")] = 0.0,
    weight_decay: Annotated[float, typer.Option(help="L2: what of each parameter is added to its gradient.")] = 0.0,
    label_smoothing: Annotated[float, typer.Option(help="Share of the label given to all classes alike.")] = 0.0,
    epochs: Annotated[int, typer.Option(min=1, help="Times that every image is seen.")] = 10,
    batch_size: Annotated[
        int | None, typer.Option(min=1, show_default="128; --lockstep: 8", help="Images of a step.")
    ] = None,
    image_size: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="H W", show_default="96 96; --lockstep: 32 32", help="Pixels to resize to."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights and of the order of the images.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Train on the first N images only.")] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="SCHEME|framework",
            show_default="the network's",
            help="Initial weights: by the network's own scheme, the same in every framework, or by the framework's.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", show_default="runs/BACKEND", help="Checkpoint, history and curves.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in DIR.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Begin anew, over a checkpoint in DIR.")] = False,
    lockstep: Annotated[
        bool,
        typer.Option("--lockstep", help="A few steps in every backend and in the NumPy reference, side by side."),
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="Steps of --lockstep.")] = 20,
    dtype: Annotated[str, typer.Option(metavar="float64|float32", help="Precision of --lockstep.")] = "float64",
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write the result as a page: curves and settings, or each step of --lockstep. "
            "With --resume, also of a training that is done. Needs the extra report.",
        ),
    ] = None,
) -> None:
    """Train the network on its data set, with the framework's own optimiser and loop.

    Every framework starts from the same weights and sees the same images in the same order. A checkpoint is written
    after each epoch; --resume goes on from it and comes to the same weights, bit for bit. Ctrl-C ends the run after
    the step under way and saves, the page of --html too (of several processes: at once, and the last epoch's
    checkpoint stays).

    Several processes share each batch, and take the step that one would take on all of it, where the framework's own
    launcher starts them with this same command: torchrun for torch, TF_CONFIG for tf, MXNet's DMLC variables for mx.

    With --lockstep, nothing is saved: every backend (or the one named) takes the same few steps on the same batches as
    the reference. In float64 all losses, weights and momenta must agree; in float32 the first step is judged layer by
    layer, and the losses are shown beside how far rounding alone may take them.
    """
    from netparity.network.contract import Hyperparameters
    from netparity.network.registered import default_network
    from netparity.runs.lockstep import Lockstep
    from netparity.train.start import TrainingOptions
    from netparity.workers.backends import find_backend

    hyperparameters = Hyperparameters(lr, momentum, weight_decay, label_smoothing)
    if lockstep:
        chosen = Lockstep(
            steps=steps,
            batch_size=batch_size or Lockstep.batch_size,
            image_size=image_size or Lockstep.image_size,
            seed=seed,
            dtype=dtype,
            scheme=init,
            network=default_network(),
        )
        raise typer.Exit(_lockstep(backend, chosen, hyperparameters, html))
    if backend is None:
        raise OptionError("Which backend? torch, tf or mx; or --lockstep for all of them, a few steps side by side.")
    name, target = find_backend(backend)
    options = TrainingOptions(
        network=default_network(),
        name=name,
        target=target,
        hyperparameters=hyperparameters,
        folder=out or Path("runs") / name,
        data=data,
        any_data=any_data,
        batch_size=batch_size or TrainingOptions.batch_size,
        image_size=image_size,
        seed=seed,
        limit=limit,
        init=init,
        resume=resume,
        force=force,
    )
    with interruptible("Ended without saving; a checkpoint that was there before stays."):
        _train(options, epochs, html)


def _lockstep(backend: str | None, options: Lockstep, hyperparameters: Hyperparameters, html: Path | None) -> int:
    """Judges the backend, or every one that is installed, shows the report, and gives the exit code."""
    from rich.console import Console

    from netparity.runs.lockstep import make_lockstep
    from netparity.runs.side_by_side import run
    from netparity.show import run as terminal
    from netparity.show.progress import progress
    from netparity.workers.backends import choose

    check_html(html)
    subjects = choose([backend] if backend else [])
    with interruptible(), progress(Console(stderr=True), [subject.name for subject in subjects]) as listener:
        report = run(lambda: make_lockstep(options, hyperparameters), subjects, listener=listener)
    console = Console()
    terminal.print_steps(console, report)
    terminal.print_report(console, report)
    if html:
        from netparity.show.html.report import write_report

        write_report(html, report, sys.argv[1:])
    return report.exit_code


def _train(options: TrainingOptions, epochs: int, html: Path | None) -> None:
    from rich.console import Console

    from netparity.show.html import page
    from netparity.show.progress import progress
    from netparity.train.start import start, together

    if html:
        page.check_html(html, options.folder)
    console = Console(stderr=True)
    run = start(options, page.shell_line(sys.argv[1:]), progress(console, ()))
    first = run.training.rank == 0
    if (done := run.progress.epoch) >= epochs:
        if first:
            print(f"The run in {run.folder} has {done} epochs already; --epochs says how many it should have in all.")
            _write_page(html, run, epochs)
        return
    if run.changed and first:
        changed = "; ".join(run.changed)
        print(f"Not bit for bit what an unbroken run gives: {changed}. The history notes it.", file=sys.stderr)
    with together(run.training.count):
        if first:
            _show(console, run, epochs, html)
        else:
            for _ in run.epochs(epochs):
                pass


def _show(console: Console, run: Run, epochs: int, html: Path | None) -> None:
    """Trains, with a live bar; a line, new curves and a new page for each epoch that is done."""
    from netparity.show.progress import progress
    from netparity.train.loop import CHECKPOINT, HISTORY
    from netparity.train.signals import stopped_by_signals

    def stopping() -> None:
        if console.is_terminal:
            console.print("Saving after this step; Ctrl-C ends at once, without.", highlight=False)

    undrawn = ""
    with (
        progress(console, [run.settings["backend"]], remaining=True) as listener,
        stopped_by_signals(run, stopping) as signals,
    ):
        try:
            for record in run.epochs(epochs, listener):
                line = (
                    f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}  train loss {record['train_loss']:.4f}  "
                    f"train accuracy {record['train_accuracy']:.4f}  test accuracy {record['test_accuracy']:.4f}  "
                    f"{record['images_per_second']:.0f} images/s"
                )
                # Where both are one terminal, a line goes above the bar.
                if sys.stdout.isatty():
                    console.print(line, highlight=False, soft_wrap=True)
                else:
                    print(line, flush=True)
                undrawn = _draw(run)
                _write_page(html, run, epochs)
        except NetparityError as error:
            _write_page(html, run, epochs, str(error))
            raise
    if undrawn:
        print(undrawn, file=sys.stderr)
    if signals:
        _write_page(html, run, epochs)
        print(f"Interrupted, and saved in {run.folder}; --resume goes on.", file=sys.stderr)
        raise typer.Exit(128 + signals[0])
    drawn = "" if undrawn else f", {CURVES[0]}"
    print(f"In {run.folder}: {CHECKPOINT}, {HISTORY}{drawn}.")


def _write_page(path: Path | None, run: Run, epochs: int, error: str = "") -> None:
    """Writes the page as things stand, if there is to be one; ``error`` is what ended the training."""
    if path is None:
        return
    from netparity.network.registered import default_network
    from netparity.show.html.training import write_training

    done = run.progress
    status = "error" if error else "interrupted" if run.stop else "running" if done.epoch < epochs else "done"
    if status == "running":
        remark = f"Of {epochs} epochs, {done.epoch} are done; this page is written anew after each."
    elif status == "interrupted" and done.step:
        remark = f"Of epoch {done.epoch + 1}, {done.step} of {len(run.training)} steps are done."
    else:
        remark = error
    write_training(path, default_network(), run.settings, run.history, sys.argv[1:], status=status, remark=remark)


def _draw(run: Run) -> str:
    """Draws the curves; gives the sentence that says why not."""
    from netparity.network.frameworks import how_to_install
    from netparity.show import curves

    try:
        for name in CURVES:
            curves.plot({run.settings["backend"]: run.history}, run.folder / name)
    except ModuleNotFoundError as error:
        return f"No curves were drawn: {error.name} is not installed ({how_to_install('report')})."
    return ""
