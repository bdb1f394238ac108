"""The commands ``train`` and ``predict``: their options, and what a person sees while they work."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from googlenet_np.errors import GoogLeNetError, OptionError

if TYPE_CHECKING:
    import numpy.typing as npt
    from rich.console import Console

    from googlenet_np.backend import Backend, BuiltModel, Hyperparameters
    from googlenet_np.batches import Batches
    from googlenet_parity.training import Run

__all__ = ["predict", "train"]

FRAMEWORK_SCHEMES = {"torch": "pytorch", "tf": "keras", "mx": "gluon"}


def train(
    backend: Annotated[
        str | None, typer.Argument(metavar="BACKEND", show_default=False, help="torch, tf, mx, or module:attribute.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", show_default="looked for, else downloaded", help="Fashion-MNIST's four files."),
    ] = None,
    any_data: Annotated[
        bool,
        typer.Option("--any-data", help="Take other data of the same form, such as MNIST: no hashes are compared."),
    ] = False,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 0.1,
    momentum: Annotated[float, typer.Option(help="Of SGD (heavy ball).")] = 0.0,
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
    seed: Annotated[int, typer.Option(min=0, help="Of the weights and of the order of the images.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Train on the first N images only.")] = None,
    init: Annotated[str, typer.Option(metavar="xavier_uniform|framework", help="Initial weights.")] = "xavier_uniform",
    bfloat16: Annotated[
        bool,
        typer.Option("--bfloat16", help="Multiply in bfloat16: faster where the processor has it, and less precise."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", show_default="runs/BACKEND", help="Checkpoint, history and curves.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in DIR.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Begin anew, over a checkpoint in DIR.")] = False,
    lockstep: Annotated[
        bool,
        typer.Option("--lockstep", help="A few steps in every backend and in the NumPy reference, side by side."),
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="Of --lockstep.")] = 20,
    dtype: Annotated[str, typer.Option(metavar="float64|float32", help="Of --lockstep.")] = "float64",
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write the result as a page, to be looked at: curves and settings, or each step of --lockstep. "
            "With --resume, also of a training that is done. Needs the extra report.",
        ),
    ] = None,
) -> None:
    """Train on Fashion-MNIST, as the source document sets it, with the framework's own optimiser and loop.

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
    from googlenet_np.backend import Hyperparameters

    hyperparameters = Hyperparameters(lr, momentum, weight_decay, label_smoothing)
    if lockstep and bfloat16:
        raise OptionError("--lockstep judges float64 and float32; no verdict is about --bfloat16.")
    if lockstep:
        chosen = {"batch_size": batch_size, "image_size": image_size}
        given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        given |= {"steps": steps, "seed": seed, "dtype": dtype, "scheme": init}
        raise typer.Exit(_lockstep(backend, hyperparameters, html, **given))
    if backend is None:
        raise OptionError("Which backend? torch, tf or mx; or --lockstep for all of them, a few steps side by side.")
    try:
        _train(
            backend,
            hyperparameters,
            out,
            epochs,
            data=_Data(data, any_data, batch_size or 128, image_size or (96, 96), seed, limit),
            init=init,
            bfloat16=bfloat16,
            resume=resume,
            force=force,
            html=html,
        )
    except KeyboardInterrupt:
        print("Ended without saving; a checkpoint that was there before stays.", file=sys.stderr)
        raise typer.Exit(130) from None


def predict(
    weights: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT|WEIGHTS", help="A training's checkpoint, or canonical safetensors.")
    ],
    images: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGES",
            help="An array (N, C, H, W) in a .npy file, or a folder of image files. Fashion-MNIST's are light on dark.",
        ),
    ],
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            show_default="the first that is installed, else numpy",
            help="torch, tf, mx, numpy (the reference), or module:attribute.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes of each image, the likeliest first.")] = 3,
    image_size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="H W",
            show_default="the training's, else 96 96",
            help="Pixels to resize image files to; an array keeps its own.",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write them as JSON, too.")] = None,
) -> None:
    """Say what is on images, with probabilities: the softmax of a trained network's logits."""
    from rich.console import Console

    from googlenet_parity import prediction

    _settle_threads()
    network = prediction.load_network(weights)
    loaded, names = prediction.load_named_images(images, image_size or network.image_size, network.in_channels)
    found = prediction.classify(_logits(backend, network.weights, loaded), names, top)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    width = max(map(len, names))
    for image in found:
        classes = "   ".join(f"{seen.name} {seen.probability:.3f}" for seen in image.classes)
        console.print(f"{image.name:<{width}}  {classes}")
    if json:
        prediction.write_json(json, found)


def _logits(backend: str | None, weights: Mapping[str, Any], images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    from googlenet_parity import prediction
    from googlenet_parity.registry import find_backend, registered_backends

    made: Backend | None = None
    if backend is None:
        for name, target in registered_backends().items():
            try:
                made = _make_backend(name, target)
                break
            except OptionError:  # not installed
                continue
    elif backend != prediction.REFERENCE:
        made = _make_backend(*find_backend(backend))
    return prediction.logits(made, weights, images)


def _lockstep(backend: str | None, hyperparameters: Hyperparameters, html: Path | None, **chosen: Any) -> int:
    from rich.console import Console

    from googlenet_parity import terminal
    from googlenet_parity.html.page import check_html
    from googlenet_parity.html.report import write_report
    from googlenet_parity.lockstep import Options, make_case
    from googlenet_parity.registry import choose
    from googlenet_parity.run import run

    if html:
        check_html(html)
    subjects = choose([backend] if backend else [])
    console = Console()
    try:
        with terminal.progress(Console(stderr=True), [subject.name for subject in subjects]) as listener:
            report = run(lambda: make_case(Options(**chosen), hyperparameters), subjects, listener=listener)
    except KeyboardInterrupt:
        print("Interrupted; every process that was started has been ended.", file=sys.stderr)
        return 130
    terminal.print_steps(console, report)
    terminal.print_report(console, report)
    if html:
        write_report(html, report, sys.argv[1:])
    return report.exit_code


def _train(
    backend: str,
    hyperparameters: Hyperparameters,
    out: Path | None,
    epochs: int,
    *,
    data: _Data,
    init: str,
    bfloat16: bool,
    resume: bool,
    force: bool,
    html: Path | None,
) -> None:
    from rich.console import Console

    from googlenet_parity.allocator import keep_freed_memory
    from googlenet_parity.html.page import check_html
    from googlenet_parity.registry import find_backend

    name, target = find_backend(backend)
    scheme = _scheme(name, init)
    folder = out or Path("runs") / name
    _check_folder(folder, resume=resume, force=force)
    if html:
        check_html(html, folder)
    _settle_threads()
    keep_freed_memory()
    made = _make_backend(name, target)
    shard = _join(name, made)
    console = Console(stderr=True)
    training, test, settings = data.load(console, shard)
    settings |= {"init": scheme, "processes": training.count} | ({"precision": "bfloat16"} if bfloat16 else {})
    run = _run(name, made, hyperparameters, training, test, folder, settings, resume=resume)
    folder.mkdir(parents=True, exist_ok=True)
    if run.progress.epoch >= epochs:
        done = run.progress.epoch
        if training.rank == 0:
            print(f"The run in {folder} has {done} epochs already; --epochs says how many it should have in all.")
            if html:
                _write_page(html, run, epochs)
        return
    if run.changed and training.rank == 0:
        print(
            f"Not bit for bit what an unbroken run gives: {'; '.join(run.changed)}. The history notes it.",
            file=sys.stderr,
        )
    if training.count == 1:
        _show(console, run, epochs, html)
        return
    with _together(training.count):
        if training.rank == 0:
            _show(console, run, epochs, html)
        else:
            for _ in run.epochs(epochs):
                pass


def _settle_threads() -> None:
    """Before a framework is loaded: as many threads as there are cores, and sums in a settled order."""
    from googlenet_parity.client import THREAD_VARIABLES
    from googlenet_parity.processor import usable_cores

    cores = usable_cores()
    if (processes := int(os.environ.get("LOCAL_WORLD_SIZE", "1"))) > 1:
        cores = max(1, cores // processes)
        if os.environ.get("OMP_NUM_THREADS") == "1":  # torchrun's own choice, whatever the machine
            del os.environ["OMP_NUM_THREADS"]
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, str(cores))
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _scheme(name: str, init: str) -> str:
    """The initialisation scheme that ``--init`` means for this backend."""
    if init not in ("xavier_uniform", "framework"):
        raise OptionError(f"--init is {init!r}; expected xavier_uniform or framework.")
    if init == "framework" and name not in FRAMEWORK_SCHEMES:
        known = ", ".join(FRAMEWORK_SCHEMES)
        raise OptionError(f"What {name} begins with by itself is not known here; --init framework is for {known}.")
    return FRAMEWORK_SCHEMES[name] if init == "framework" else init


def _check_folder(folder: Path, *, resume: bool, force: bool) -> None:
    from googlenet_parity.training import CHECKPOINT

    there = (folder / CHECKPOINT).exists()
    if resume and not there:
        raise OptionError(f"There is no checkpoint in '{folder}' to go on from; leave out --resume, or name its --out.")
    if there and not resume and not force:
        raise OptionError(f"'{folder}' holds a checkpoint: --resume goes on from it, --force begins anew.")


def _make_backend(name: str, target: str) -> Backend:
    """The backend at ``module:attribute``; here, as training and prediction need no process of their own."""
    from importlib import import_module

    from googlenet_parity.quiet import quiet

    module, _, attribute = target.partition(":")
    try:
        with quiet():
            made: Backend = getattr(import_module(module), attribute)()
    except ModuleNotFoundError as error:
        raise OptionError(f"{name} needs the Python module {error.name!r}, which is not installed.") from None
    except AttributeError:
        raise OptionError(f"The module {module!r} has no {attribute!r} to make the backend {name} with.") from None
    return made


def _join(name: str, made: Backend) -> tuple[int, int]:
    """This process's rank among those that train together, and how many they are."""
    from googlenet_np.backend import JoiningBackend

    rank, count = made.join() if isinstance(made, JoiningBackend) else (0, 1)
    if count == 1 and "TORCHELASTIC_RUN_ID" in os.environ and (started := os.environ.get("WORLD_SIZE", "1")) != "1":
        raise OptionError(f"torchrun started {started} processes, and {name} does not know of it: each would be alone.")
    return rank, count


@contextmanager
def _together(count: int) -> Iterator[None]:
    """Turns what a framework raises where another process has died, which each says in its own way, into a sentence."""
    try:
        yield
    except (GoogLeNetError, typer.Exit):
        raise
    except Exception as error:
        words = (str(error).splitlines() or [""])[0]
        raise GoogLeNetError(
            f"The {count} processes could not go on together; another one may say why. {type(error).__name__}: {words}"
        ) from error


@dataclass(frozen=True)
class _Data:
    """What is trained on, as the options say it."""

    folder: Path | None
    any_data: bool
    batch_size: int
    image_size: tuple[int, int]
    seed: int
    limit: int | None

    def load(self, console: Console, shard: tuple[int, int]) -> tuple[Batches, Batches, dict[str, Any]]:
        """Batches to train on, this shard of them, and to test with; and the settings that say which."""
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        from googlenet_np.batches import Batches
        from googlenet_np.fashion_mnist import load_fashion_mnist
        from googlenet_np.idx import idx_sha256

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
            tasks: dict[str, Any] = {}

            def progress(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(name)
                bars.update(tasks[name], completed=done, total=total or None)

            splits = [
                load_fashion_mnist(split, self.folder, verify=not self.any_data, progress=progress)
                for split in ("train", "test")
            ]
        training = Batches(
            *splits[0], self.batch_size, image_size=self.image_size, seed=self.seed, limit=self.limit, shard=shard
        )
        test = Batches(*splits[1], TEST_BATCH, image_size=self.image_size, seed=None)
        settings = {
            "batch_size": self.batch_size,
            "image_size": list(self.image_size),
            "seed": self.seed,
            "limit": len(training.images),
        }
        if self.any_data:
            settings["data"] = [idx_sha256(images) for images, _ in splits]
        return training, test, settings


TEST_BATCH = 256
"""Images at a time, when no gradient is wanted."""


def _run(
    name: str,
    made: Backend,
    hyperparameters: Hyperparameters,
    training: Batches,
    test: Batches,
    folder: Path,
    chosen: dict[str, Any],
    *,
    resume: bool,
) -> Run:
    from googlenet_np.weights import init_weights
    from googlenet_parity import checkpoint
    from googlenet_parity.environment import environment
    from googlenet_parity.html.page import shell_line
    from googlenet_parity.training import CHECKPOINT, Run, settings_of

    given: dict[str, Any] = {"hyperparameters": hyperparameters, "training": training, "test": test, "folder": folder}
    settings = settings_of(
        name,
        hyperparameters,
        **chosen,
        dtype="float32",
        versions=made.versions(),
        environment=environment(),
        command=shell_line(sys.argv[1:]),
    )
    if resume:
        saved = checkpoint.load(folder / CHECKPOINT)
        Run.check_settings(saved, settings)
        return Run.resumed(_built(name, made, saved.weights, chosen), saved, settings, **given)
    weights = init_weights(chosen["seed"], scheme=chosen["init"])
    return Run(_built(name, made, weights, chosen), settings=settings, **given)


def _built(name: str, made: Backend, weights: Mapping[str, Any], chosen: Mapping[str, Any]) -> BuiltModel:
    """A float32 model, that trains in the precision that was chosen."""
    from googlenet_np.backend import BFloat16Model

    model = made.build(weights, "float32")
    if "precision" in chosen:
        if not isinstance(model, BFloat16Model):
            raise OptionError(f"{name} trains in float32 alone; --bfloat16 is for a backend that can, as torch.")
        model.train_in_bfloat16()
    return model


def _show(console: Console, run: Run, epochs: int, html: Path | None) -> None:
    """The epochs, with a live bar; a line and new curves for each that is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from googlenet_parity.training import CHECKPOINT, HISTORY, Progressed

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=8),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[numbers]}"),
    )
    steps = len(run.training)
    signals: list[int] = []
    undrawn = ""
    # Not redirected: where standard output is a file, its lines are not for the terminal that has the bar.
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal
    ) as bars:
        task = bars.add_task(f"epoch {run.progress.epoch + 1}/{epochs}", total=steps, numbers="")

        def interrupted(signum: int, _: Any) -> None:
            if signals:
                raise KeyboardInterrupt
            signals.append(signum)
            run.stop = True
            bars.update(task, description="saving", numbers="behind this step; Ctrl-C ends at once, without")

        def listener(now: Progressed) -> None:
            if run.stop:
                return
            numbers = f"loss {now.loss:.3f}  accuracy {now.accuracy:.3f}  {now.images_per_second:.0f} images/s"
            what = f"epoch {now.epoch}/{epochs}" if now.step < steps else f"testing {now.epoch}/{epochs}"
            bars.update(task, description=what, completed=now.step, numbers=numbers)

        # Several processes would have to agree on the step behind which they end; so they end at once.
        caught = (signal.SIGINT, signal.SIGTERM) if run.training.count == 1 else ()
        before = {number: signal.signal(number, interrupted) for number in caught}
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
                if html:
                    _write_page(html, run, epochs)
                bars.reset(task, description=f"epoch {min(record['epoch'] + 1, epochs)}/{epochs}", numbers="")
        except GoogLeNetError as error:
            if html:
                _write_page(html, run, epochs, str(error))
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if undrawn:
        print(undrawn, file=sys.stderr)
    if html and signals:
        _write_page(html, run, epochs)
    if signals:
        print(f"Interrupted, and saved in {run.folder}; --resume goes on.", file=sys.stderr)
        raise typer.Exit(128 + signals[0])
    drawn = "" if undrawn else f", {CURVES[0]}"
    print(f"In {run.folder}: {CHECKPOINT}, {HISTORY}{drawn}.")


def _write_page(path: Path, run: Run, epochs: int, error: str = "") -> None:
    """Writes the page as things stand; ``error`` is what ended the training."""
    from googlenet_parity.html.training import write_training

    done = run.progress
    status = "error" if error else "interrupted" if run.stop else "running" if done.epoch < epochs else "done"
    if status == "running":
        remark = f"Of {epochs} epochs, {done.epoch} are done; this page is written anew after each."
    elif status == "interrupted" and done.step:
        remark = f"Of epoch {done.epoch + 1}, {done.step} of {len(run.training)} steps are done."
    else:
        remark = error
    write_training(path, run.settings, run.history, sys.argv[1:], status=status, remark=remark)


CURVES = ("curves.svg", "curves.png")


def _draw(run: Run) -> str:
    """Draws the curves; gives the sentence that says why not."""
    from googlenet_parity import curves

    try:
        for name in CURVES:
            curves.plot({run.settings["backend"]: run.history}, run.folder / name)
    except ModuleNotFoundError as error:
        return f"No curves were drawn: {error.name} is not installed (pip install 'googlenet-parity[report]')."
    return ""
