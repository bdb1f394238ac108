"""The commands train and predict: what they print and keep, how they stop and go on, and a sentence for what is wrong.

The data are thirteen images to train on and seven to test with, of no meaning; the settings, as small as can be.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from googlenet_np import CLASSES, GOOGLENET, forward, init_weights, load_images, sample_images, save_weights
from netparity.files import checkpoint
from netparity.network.errors import NetparityError
from netparity.train.loop import CHECKPOINT, HISTORY
from parity_tests.support.backends import BACKENDS, require
from parity_tests.support.command import LIMIT, Command, Result
from parity_tests.support.idx_files import write_files
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]

NUMPY = "numpy=parity_tests.support.numpy_backend:Backend"
PART = ("--limit", "5")
"""Two steps an epoch, of four images and of one."""
DRAWN = find_spec("matplotlib") is not None
UNDRAWN = "No curves were drawn: matplotlib is not installed (pip install 'googlenet-parity[report]').\n"
FILES = {CHECKPOINT, HISTORY, *(["curves.svg", "curves.png"] if DRAWN else [])}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("data"))


Train = Callable[..., Result]


def options(data: Path, folder: Path) -> tuple[object, ...]:
    return ("--any-data", "--data", data, "--image-size", 9, 11, "--batch-size", 4, "--out", folder)


@pytest.fixture
def drawing_train(command: Command, data: Path, tmp_path: Path) -> Train:
    """Runs the command in this process; the run is kept in the folder ``run``."""

    def run(*arguments: object, backend: str = NUMPY) -> Result:
        return command("train", backend, *options(data, tmp_path / "run"), *arguments)

    return run


@pytest.fixture
def train(drawing_train: Train, monkeypatch: pytest.MonkeyPatch) -> Train:
    """The same as if matplotlib were not installed: the curves take longer than the training."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    return drawing_train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def weights_of(folder: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in checkpoint.load(GOOGLENET, folder / CHECKPOINT).weights.items()}


def state_of(folder: Path) -> dict[str, bytes]:
    return {
        name: array.tobytes() for name, array in checkpoint.load(GOOGLENET, folder / CHECKPOINT).state.arrays.items()
    }


def history_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / HISTORY).read_text(encoding="utf-8").splitlines()]


def numbers_of(folder: Path) -> list[dict[str, Any]]:
    """The epochs' records without what a clock says."""
    return [
        {key: value for key, value in record.items() if key not in ("seconds", "images_per_second")}
        for record in history_of(folder)[1:]
    ]


def sentence(result: Result, code: int = 2) -> str:
    """The one sentence of a command that failed."""
    assert result.code == code
    assert result.out == ""
    assert re.fullmatch(r"error: .*[.]\n", result.err), result.err
    return result.err


# A run


def test_what_a_run_prints_and_keeps(drawing_train: Train, folder: Path) -> None:
    result = drawing_train("--epochs", 2, "--momentum", 0.9, "--seed", 3, *PART)
    assert result.code == 0
    *epochs, last = result.out.splitlines()
    number = r"\d\.\d{4}"
    for place, line in enumerate(epochs, start=1):
        assert re.fullmatch(
            rf"epoch {place}/2  train loss {number}  train accuracy {number}  test accuracy {number}  \d+ images/s",
            line,
        )
    assert len(epochs) == 2
    assert last == f"In {folder}: {CHECKPOINT}, {HISTORY}{', curves.svg' if DRAWN else ''}."
    assert result.err == ("" if DRAWN else UNDRAWN)
    assert {file.name for file in folder.iterdir()} == FILES

    header, *records = history_of(folder)
    assert header["format"] == "netparity history"
    assert header["backend"] == "numpy"
    assert header["hyperparameters"]["momentum"] == pytest.approx(0.9)
    assert (header["batch_size"], header["image_size"], header["seed"], header["limit"]) == (4, [9, 11], 3, 5)
    assert header["versions"]["numpy"] == np.__version__
    assert header["command"].startswith("netparity train numpy=")
    assert [record["epoch"] for record in records] == [1, 2]
    for record, line in zip(records, epochs, strict=True):
        assert f"train loss {record['train_loss']:.4f}  train accuracy {record['train_accuracy']:.4f}" in line
        assert record["train_accuracy"] * 5 == pytest.approx(round(record["train_accuracy"] * 5))
        assert record["test_accuracy"] * 7 == pytest.approx(round(record["test_accuracy"] * 7))

    saved = checkpoint.load(GOOGLENET, folder / CHECKPOINT)
    assert saved.progress == checkpoint.Progress(epoch=2)
    assert saved.history == records
    assert saved.settings == header
    assert len(saved.state.arrays) == 116


def test_the_numbers_are_those_of_the_steps(train: Train, folder: Path, data: Path) -> None:
    """By hand: the steps one after the other, the means over images and not over batches."""
    from googlenet_np import Batches, load_fashion_mnist
    from netparity.network import sgd
    from netparity.network.contract import Hyperparameters, Step

    train("--epochs", 2, "--lr", 0.03, "--seed", 5, *PART)
    batches = Batches(*load_fashion_mnist("train", data, verify=False), 4, image_size=(9, 11), seed=5, limit=5)
    steps: list[Step] = []
    weights, _ = sgd.train(
        GOOGLENET,
        init_weights(5),
        [*batches.epoch(0), *batches.epoch(1)],
        Hyperparameters(0.03),
        listener=steps.append,
        dtype="float32",
    )
    assert weights_of(folder) == {name: array.tobytes() for name, array in weights.items()}
    records = numbers_of(folder)
    for record, own in zip(records, (steps[:2], steps[2:]), strict=True):
        sizes = [4, 1]
        assert record["train_loss"] == pytest.approx(np.average([step.loss for step in own], weights=sizes))
        assert record["train_accuracy"] == pytest.approx(np.average([step.accuracy for step in own], weights=sizes))
    images, labels = load_fashion_mnist("test", data, verify=False)
    (batch,) = Batches(images, labels, 7, image_size=(9, 11), seed=None)
    logits = forward(weights, batch[0], dtype="float32", layers=["fc"])["fc"]
    assert records[-1]["test_accuracy"] == pytest.approx((logits.argmax(axis=1) == labels).mean())


def test_options_reach_the_training(train: Train, folder: Path) -> None:
    changed = ("--epochs", 1, "--lr", 0.05, "--weight-decay", 0.5, "--label-smoothing", 0.2, "--limit", 6)
    assert train(*changed).code == 0
    header = history_of(folder)[0]
    assert header["limit"] == 6
    assert header["hyperparameters"] == pytest.approx(
        {"lr": 0.05, "momentum": 0.0, "weight_decay": 0.5, "label_smoothing": 0.2}
    )


def test_runs_go_where_one_expects_them(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as in the fixture train
    monkeypatch.chdir(tmp_path)
    assert command("train", NUMPY, *options(data, tmp_path)[:-2], "--epochs", 1, "--limit", 1).code == 0
    assert {file.name for file in (tmp_path / "runs" / "numpy").iterdir()} == {CHECKPOINT, HISTORY}


def test_without_matplotlib_the_run_goes_on(train: Train, folder: Path) -> None:
    result = train("--epochs", 2, "--limit", 4)
    assert result.code == 0
    assert result.err == UNDRAWN
    assert result.out.splitlines()[-1] == f"In {folder}: {CHECKPOINT}, {HISTORY}."
    assert len(history_of(folder)) == 3


# Going on


@pytest.mark.exhaustive
def test_more_epochs_continue_bit_for_bit(train: Train, folder: Path, tmp_path: Path) -> None:
    settings = ("--momentum", 0.9, "--label-smoothing", 0.1, *PART)
    assert train("--epochs", 3, *settings).code == 0
    unbroken = weights_of(folder), state_of(folder), numbers_of(folder)
    folder.rename(tmp_path / "unbroken")
    assert train("--epochs", 1, *settings).code == 0
    result = train("--epochs", 3, *settings, "--resume")
    assert result.code == 0
    assert [line.split()[:2] for line in result.out.splitlines()[:-1]] == [["epoch", "2/3"], ["epoch", "3/3"]]
    assert (weights_of(folder), state_of(folder), numbers_of(folder)) == unbroken


def test_going_on_with_other_versions_is_told_and_noted(train: Train, folder: Path) -> None:
    train("--epochs", 1, "--limit", 4)
    saved = checkpoint.load(GOOGLENET, folder / CHECKPOINT)
    saved.settings["versions"] = {**saved.settings["versions"], "numpy": "1.0"}
    checkpoint.save(folder / CHECKPOINT, saved)
    result = train("--epochs", 2, "--limit", 4, "--resume")
    assert result.code == 0
    told = f"Not bit for bit what an unbroken run gives: numpy 1.0 then, {np.__version__} now. The history notes it.\n"
    assert told in result.err
    settings = history_of(folder)[0]
    assert settings["versions"]["numpy"] == "1.0"
    (since,) = settings["went_on"]
    assert (since["epoch"], since["step"], since["versions"]["numpy"]) == (1, 0, np.__version__)
    assert "Not bit for bit" not in train("--epochs", 2, "--limit", 4, "--resume").err


def test_epochs_that_are_done_already(train: Train, folder: Path) -> None:
    train("--epochs", 2, "--limit", 4)
    before = {file: file.read_bytes() for file in folder.iterdir()}
    result = train("--epochs", 2, "--limit", 4, "--resume")
    assert result.code == 0
    assert result.out == (f"The run in {folder} has 2 epochs already; --epochs says how many it should have in all.\n")
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


OTHER_SETTINGS = {
    "lr": (("--lr", 0.2), "lr was 0.1, now 0.2"),
    "momentum": (("--momentum", 0.5), "momentum was 0, now 0.5"),
    "seed": (("--seed", 1), "seed was 0, now 1"),
    "limit": (("--limit", 3), "limit was 4, now 3"),
    "batch size": (("--batch-size", 2), "batch_size was 4, now 2"),
    "two": (("--lr", 0.2, "--seed", 1), r"seed was 0, now 1; lr was 0\.1, now 0\.2"),
}


@pytest.fixture(scope="module")
def one_epoch(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch with four images; not to be changed."""
    folder = tmp_path_factory.mktemp("one") / "run"
    assert ended(start(data, folder, "--epochs", "1", "--limit", "4", backend=NUMPY)).code == 0
    return folder


@pytest.mark.parametrize("name", representative(OTHER_SETTINGS, quick=["limit", "two"]))
def test_other_settings_are_refused(command: Command, data: Path, one_epoch: Path, name: str) -> None:
    changed, words = OTHER_SETTINGS[name]
    before = {file: file.read_bytes() for file in one_epoch.iterdir()}
    message = sentence(
        command("train", NUMPY, *options(data, one_epoch), "--limit", 4, "--resume", "--epochs", 2, *changed)
    )
    assert re.search(rf"goes on only with what it began with: {words}\.", message), message
    assert {file: file.read_bytes() for file in one_epoch.iterdir()} == before


def test_other_data_are_refused(command: Command, one_epoch: Path, tmp_path: Path) -> None:
    other = write_files(tmp_path / "other")
    images = other / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1] + b"\x07")
    result = command("train", NUMPY, *options(other, one_epoch), "--limit", 4, "--resume", "--epochs", 2)
    assert "data was [" in sentence(result)


def test_a_checkpoint_is_not_overwritten_by_accident(train: Train, folder: Path) -> None:
    train("--epochs", 1, "--limit", 4)
    before = (folder / CHECKPOINT).read_bytes()
    message = sentence(train("--epochs", 1, "--limit", 4))
    assert message == f"error: '{folder}' holds a checkpoint: --resume goes on from it, --force begins anew.\n"
    assert (folder / CHECKPOINT).read_bytes() == before
    assert train("--epochs", 1, "--limit", 4, "--force", "--lr", 0.01).code == 0
    assert (folder / CHECKPOINT).read_bytes() != before


def test_no_checkpoint_to_go_on_from(train: Train, folder: Path) -> None:
    message = sentence(train("--resume"))
    assert message.startswith(f"error: There is no checkpoint in '{folder}' to go on from")
    assert not folder.exists()


def test_a_damaged_checkpoint(train: Train, folder: Path) -> None:
    train("--epochs", 1, "--limit", 4)
    (folder / CHECKPOINT).write_bytes((folder / CHECKPOINT).read_bytes()[:-1])
    assert "is not a safetensors file" in sentence(train("--epochs", 2, "--limit", 4, "--resume"))


def test_a_training_that_diverges(train: Train, folder: Path) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        result = train("--lr", 1e6)
    assert "has diverged; try a lower --lr" in sentence(result)
    assert not (folder / CHECKPOINT).exists()


def test_a_training_that_diverges_later_keeps_its_checkpoint(
    train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity_tests.support.numpy_backend import Backend

    train("--epochs", 1, "--limit", 4)
    before = (folder / CHECKPOINT).read_bytes()
    right = Backend.step

    def diverging(self: Backend, w: Array, *others: Any) -> tuple[Array, Array]:
        w, v = right(self, w, *others)
        return w * np.inf, v

    monkeypatch.setattr(Backend, "step", diverging)
    with np.errstate(invalid="ignore"):
        result = train("--epochs", 2, "--limit", 4, "--resume")
    assert "The weights are not finite after step 1 of epoch 2" in sentence(result)
    assert (folder / CHECKPOINT).read_bytes() == before


def test_a_checkpoint_of_another_precision_is_refused(train: Train, folder: Path) -> None:
    """Older versions could train in bfloat16, and said so in the settings."""
    train("--epochs", 1, "--limit", 4)
    saved = checkpoint.load(GOOGLENET, folder / CHECKPOINT)
    checkpoint.save(folder / CHECKPOINT, replace(saved, settings=saved.settings | {"precision": "bfloat16"}))
    refused = sentence(train("--epochs", 2, "--limit", 4, "--resume"))
    assert refused == "error: A training goes on only with what it began with: precision was bfloat16, now not given.\n"


# The page


def test_a_page_of_the_training(train: Train, tmp_path: Path, folder: Path) -> None:
    pytest.importorskip("jinja2")
    page = tmp_path / "a.html"
    assert train("--epochs", 2, "--html", page, *PART).code == 0
    first = page.read_text(encoding="utf-8")
    last = numbers_of(folder)[-1]
    assert f"loss {last['train_loss']:.4f}, accuracy {last['train_accuracy']:.4f} in training" in first
    page.unlink()
    assert train("--epochs", 2, "--html", page, "--resume", *PART).code == 0
    assert "after 2 epochs" in page.read_text(encoding="utf-8")
    assert "It went on with a training" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "told to end"])
def test_an_interrupted_training_leaves_a_page_and_goes_on_bit_for_bit(
    train: Train, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    pytest.importorskip("jinja2")
    from parity_tests.support.numpy_backend import Backend

    right, steps = Backend.step, []

    def stopped(self: Backend, *others: Any) -> tuple[Array, Array]:
        steps.append(1)
        if len(steps) == 2 * 116 + 1:  # in the first step of the second epoch
            os.kill(os.getpid(), number)
        return right(self, *others)

    monkeypatch.setattr(Backend, "step", stopped)
    result = train("--epochs", 3, "--html", tmp_path / "a.html", *PART)
    assert result.code == 128 + number
    assert result.err.removeprefix(UNDRAWN) == f"Interrupted, and saved in {folder}; --resume goes on.\n"
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<title>interrupted: " in page
    assert "after 1 epoch in" in page
    assert "Of epoch 2, 1 of 2 steps are done." in page
    progress = checkpoint.load(GOOGLENET, folder / CHECKPOINT).progress
    assert (progress.epoch, progress.step) == (1, 1)

    monkeypatch.setattr(Backend, "step", right)
    assert train("--epochs", 2, "--resume", *PART).code == 0
    resumed = weights_of(folder), state_of(folder), numbers_of(folder)
    assert train("--epochs", 2, "--force", *PART).code == 0
    assert resumed == (weights_of(folder), state_of(folder), numbers_of(folder))


def test_the_page_stands_after_each_epoch(train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a training which is killed, or ended by a second Ctrl-C, leaves the page of what it had reached."""
    pytest.importorskip("jinja2")
    from netparity.train.loop import Run

    right, titles = Run._train_epoch, []

    def train_epoch(run: Run, count: int, listener: Any) -> None:
        if run.progress.epoch:
            titles.append(re.findall(r"<title>(\w+): .* after (\d) epoch", page.read_text(encoding="utf-8"))[0])
            assert f"Of 3 epochs, {run.progress.epoch} are done" in page.read_text(encoding="utf-8")
        right(run, count, listener)

    page = folder / "a.html"  # in the folder that the run makes
    monkeypatch.setattr(Run, "_train_epoch", train_epoch)
    assert train("--epochs", 3, "--limit", 4, "--html", page).code == 0
    assert titles == [("running", "1"), ("running", "2")]
    assert "<title>done: " in page.read_text(encoding="utf-8")


def test_a_page_of_a_training_that_diverged(train: Train, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    with np.errstate(over="ignore", invalid="ignore"):
        result = train("--lr", 1e6, "--html", tmp_path / "a.html")
    assert "has diverged" in sentence(result)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<title>error: " in page
    assert "has diverged; try a lower --lr" in page


def test_the_history_says_the_command_as_a_shell_takes_it(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as in the fixture train
    folder = tmp_path / "my run"
    assert command("train", NUMPY, *options(data, folder), "--epochs", 1, "--limit", 4).code == 0
    told = history_of(folder)[0]["command"]
    assert shlex.split(told)[-5:] == [str(folder), "--epochs", "1", "--limit", "4"]


@pytest.mark.parametrize("more", [(), ("--lockstep",)], ids=["train", "lockstep"])
@pytest.mark.parametrize(("name", "words"), [("", "is a folder"), ("none/a.html", "there is no folder")])
def test_a_page_that_cannot_be_written_is_told_before_the_work(
    train: Train, tmp_path: Path, folder: Path, name: str, words: str, more: tuple[str, ...]
) -> None:
    pytest.importorskip("jinja2")
    message = sentence(train(*more, "--html", tmp_path / name))
    assert words in message
    assert not folder.exists()


# What is wrong

WRONG: dict[str, tuple[tuple[object, ...], str]] = {
    "no backend": ((), "Which backend?"),
    "unknown backend": (("jax",), "There is no backend 'jax'; registered are: "),
    "no such module": (("x=no_such_module:Backend",), "needs the Python module 'no_such_module', which is not instal"),
    "no such class": (("x=parity_tests.support.numpy_backend:Frontend",), "has no 'Frontend'"),
    "lr": ((NUMPY, "--lr", 0), "lr is 0.0; expected a finite number, above 0"),
    "momentum": ((NUMPY, "--momentum", 1), "momentum is 1.0; expected a finite number, 0 or more and under 1"),
    "init": ((NUMPY, "--init", "zeros"), "--init is 'zeros'; expected xavier_uniform or framework"),
    "init of numpy": ((NUMPY, "--init", "framework"), "What numpy begins with by itself is not known"),
    "no data": ((NUMPY, "--data", "/nonexistent"), "The folder '/nonexistent' holds no train-images"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_exit_code_2_and_one_sentence(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, words = WRONG[name]
    assert words in sentence(command("train", *arguments))
    assert list(tmp_path.iterdir()) == []


def test_other_data_must_be_asked_for(command: Command, data: Path, tmp_path: Path) -> None:
    message = sentence(command("train", NUMPY, "--data", data, "--out", tmp_path / "run"))
    assert "is not the file of Fashion-MNIST" in message


def test_a_framework_that_is_not_installed(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "googlenet_torch.backend", None)
    assert "torch needs the Python module 'googlenet_torch.backend'" in sentence(train(backend="torch"))


# Stopped and gone on, in processes that can be killed

SETTINGS = ("--momentum", "0.9", "--weight-decay", "0.001", "--label-smoothing", "0.1", "--epochs", "2", "--limit", "9")
STEPS = 3
"""Of an epoch of nine images, four at a time."""

COMMAND = "import runpy, sys; sys.modules['matplotlib'] = None; runpy.run_module('netparity', run_name='__main__')"
"""What ``python -m netparity`` runs, without its curves."""

HALTED = f"""
import time
from pathlib import Path
from netparity.system.openblas import import_numpy
import_numpy()  # as the command does: other kernels, other bits
from netparity.train import loop
right = loop.Run._train_epoch
def train_epoch(run, count, listener):
    def waiting(task, done, *far):
        if listener: listener(task, done, *far)
        if done == {STEPS + 2}:
            Path(MARKER).touch()
            for _ in range({int(LIMIT)} * 20):
                if run.stop: break
                time.sleep(0.05)
    right(run, count, waiting)
loop.Run._train_epoch = train_epoch
{COMMAND}
"""
"""The same, but that the run waits within the fifth step, the second of the second epoch, until a signal comes."""


def start(data: Path, folder: Path, *arguments: str, backend: str, code: str = COMMAND) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, "train", backend, *map(str, options(data, folder)), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> Result:
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        pytest.fail(f"The limit was reached: the training has not ended after {LIMIT:.0f} s.")
    finally:
        process.kill()  # one that is caught in a loop
    assert "Traceback" not in out + err
    return Result(process.returncode, out, err)


def target(name: str) -> str:
    if name == "numpy":
        return NUMPY
    require(name)
    return f"{name}=googlenet_{name}.backend:Backend"


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder of a backend's run that nothing has stopped; each is made once."""

    @functools.cache
    def run(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name) / "run"
        result = ended(start(data, folder, *SETTINGS, backend=target(name)))
        assert result.code == 0, result.err
        assert result.err == UNDRAWN
        return folder

    return run


def resume(data: Path, folder: Path, name: str, unbroken: Path) -> None:
    """Goes on to the end, and compares all bits with those of the other run."""
    result = ended(start(data, folder, *SETTINGS, "--resume", backend=target(name)))
    assert result.code == 0, result.err
    assert weights_of(folder) == weights_of(unbroken)
    assert state_of(folder) == state_of(unbroken)
    assert numbers_of(folder) == numbers_of(unbroken)


def halted(data: Path, folder: Path, name: str) -> subprocess.Popen[str]:
    """A run that waits within the second step of the second epoch, until a signal comes."""
    marker = folder.parent / "halted"
    code = HALTED.replace("MARKER", repr(str(marker)))
    process = start(data, folder, *SETTINGS, backend=target(name), code=code)
    deadline = time.monotonic() + LIMIT
    while not marker.exists():
        late = time.monotonic() > deadline
        if process.poll() is not None or late:
            process.kill()
            words = process.communicate()[1]
            pytest.fail(f"The limit of {LIMIT:.0f} s was reached: {words}" if late else words)
        time.sleep(0.05)
    return process


def interrupt(data: Path, folder: Path, name: str, number: signal.Signals) -> None:
    process = halted(data, folder, name)
    process.send_signal(number)
    result = ended(process)
    assert result.code == 128 + number, result.err
    assert result.err.removeprefix(UNDRAWN) == f"Interrupted, and saved in {folder}; --resume goes on.\n"
    progress = checkpoint.load(GOOGLENET, folder / CHECKPOINT).progress
    assert (progress.epoch, progress.step) == (1, 2)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["numpy", *BACKENDS])
def test_killed_in_mid_epoch_and_resumed(
    data: Path, unbroken: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "run"
    process = halted(data, folder, name)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.load(GOOGLENET, folder / CHECKPOINT).progress == checkpoint.Progress(epoch=1)
    resume(data, folder, name, unbroken(name))


@pytest.mark.exhaustive  # in this process, test_an_interrupted_training_leaves_a_page… shows the same
@pytest.mark.parametrize("name", ["numpy", *BACKENDS])
def test_interrupted_in_mid_epoch_and_resumed(
    data: Path, unbroken: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    interrupt(data, tmp_path / "run", name, signal.SIGINT)
    resume(data, tmp_path / "run", name, unbroken(name))


@pytest.mark.exhaustive
def test_a_job_that_is_told_to_end_saves(data: Path, tmp_path: Path) -> None:
    interrupt(data, tmp_path / "run", "numpy", signal.SIGTERM)


# Lockstep


@pytest.mark.exhaustive
def test_lockstep_in_float64(command: Command) -> None:
    result = command("train", NUMPY, *LOCKSTEP, "--momentum", 0.9, "--weight-decay", 0.01, "--label-smoothing", 0.1)
    assert result.code == 0
    assert "pass: numpy" in result.words
    rows = [line.split() for line in result.out.splitlines() if re.match(r"\s+\d+\s+\d\.\d{6}", line)]
    assert [int(row[0]) for row in rows] == [1, 2, 3]
    assert all(abs(float(row[2])) < 1e-12 for row in rows)


@pytest.mark.exhaustive
def test_lockstep_in_float32(command: Command) -> None:
    result = command("train", NUMPY, *LOCKSTEP, "--dtype", "float32")
    assert result.code == 0
    assert "float32 may" in result.words
    rows = [line.split() for line in result.out.splitlines() if re.match(r"\s+\d+\s+\d\.\d{6}", line)]
    assert len(rows) == 3
    for _, _, floor, off in rows:
        assert 0 < float(floor) < 0.1
        assert abs(float(off)) < float(floor)


LOCKSTEP = ("--lockstep", "--steps", 3, "--batch-size", 2, "--image-size", 9, 11)


@pytest.mark.parametrize(
    ("step", "settings", "words"),
    representative(
        [
            ("super().step(w, v, size * g, h, size)", ("--steps", 2), "gradient summed over the batch"),
            ("(w - h.lr * (g + h.momentum * v2), v2)", ("--momentum", 0.9), "Nesterov's momentum"),
        ],
        quick=lambda case: "summed" in case[2],
    ),
    ids=["summed", "Nesterov"],
)
def test_lockstep_names_a_mistake(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    settings: tuple[object, ...],
    words: str,
) -> None:
    """A backend of a file of its own, with one thing wrong with its step."""
    (tmp_path / "mistaken.py").write_text(
        "from parity_tests.support import numpy_backend\n"
        "class Backend(numpy_backend.Backend):\n"
        "    def step(self, w, v, g, h, size):\n"
        "        v2 = h.momentum * v + g + h.weight_decay * w\n"
        f"        return {step}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    result = command("train", "mistaken=mistaken:Backend", *LOCKSTEP, *settings)
    assert result.code == 1
    assert f"why mistaken: training: explained by {words}" in result.words
    assert "fail: 0 of 1 judged backends pass." in result.words


# Predict


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_weights(path, init_weights(3))
    return path


def test_predict_a_folder(command: Command, weights_file: Path, tmp_path: Path) -> None:
    images, _ = sample_images(3, image_size=(28, 28))
    folder = tmp_path / "images"
    folder.mkdir()
    for name, image in zip(("c.png", "a.png", "b.png"), images, strict=True):
        Image.fromarray((image[0] * 255).astype(np.uint8)).save(folder / name)
    written = tmp_path / "seen.json"
    size = ("--image-size", 17, 23)
    result = command("predict", weights_file, folder, "--backend", "numpy", "--top", 2, "--json", written, *size)
    assert result.code == 0
    assert result.err == ""
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines] == ["a.png", "b.png", "c.png"]

    logits = forward(init_weights(3), load_images(folder, image_size=(17, 23)), layers=["fc"])["fc"]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    seen = json.loads(written.read_text(encoding="utf-8"))
    for line, row, share in zip(lines, seen, shares, strict=True):
        assert row["name"] == line.split()[0]
        best = np.argsort(-share)[:2]
        assert [entry["number"] for entry in row["classes"]] == best.tolist()
        assert [entry["name"] for entry in row["classes"]] == [CLASSES[number] for number in best]
        assert [entry["probability"] for entry in row["classes"]] == pytest.approx(share[best], rel=1e-4)
        assert f"{CLASSES[best[0]]} {share[best[0]]:.3f}" in line


def test_predict_an_array_of_other_classes(command: Command, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.safetensors", init_weights(1, in_channels=3, num_classes=4))
    np.save(tmp_path / "images.npy", np.random.default_rng(0).random((70, 3, 9, 11)))
    result = command("predict", tmp_path / "weights.safetensors", tmp_path / "images.npy", "-b", "numpy", "--top", 9)
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines] == list(map(str, range(70)))
    for line in lines:
        assert sorted(re.findall(r"class (\d) ", line)) == list("0123")
        assert sum(map(float, re.findall(r"0\.\d{3}", line))) == pytest.approx(1, abs=0.003)


def test_predict_from_a_checkpoint_at_its_own_size(command: Command, one_epoch: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)).save(folder / "one.png")
    written = tmp_path / "seen.json"
    result = command("predict", one_epoch / CHECKPOINT, folder, "--backend", NUMPY, "--json", written)
    assert result.code == 0
    weights = checkpoint.load(GOOGLENET, one_epoch / CHECKPOINT).weights
    logits = forward(weights, load_images(folder, image_size=(9, 11)), layers=["fc"])["fc"]
    (seen,) = json.loads(written.read_text(encoding="utf-8"))
    assert seen["classes"][0]["number"] == logits.argmax()
    assert len(seen["classes"]) == 3


@pytest.mark.parametrize("name", representative(BACKENDS, quick=["torch"]))
def test_predict_by_each_backend(command: Command, weights_file: Path, tmp_path: Path, name: str) -> None:
    require(name)
    np.save(tmp_path / "images.npy", sample_images(2, image_size=(17, 23))[0])
    results = [command("predict", weights_file, tmp_path / "images.npy", "--backend", each) for each in (name, "numpy")]
    assert results[0].out == results[1].out != ""


def test_predict_by_the_first_backend_that_is_installed(
    command: Command, weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netparity.train import prediction
    from parity_tests.support.numpy_backend import Backend

    np.save(tmp_path / "images.npy", sample_images(2, image_size=(17, 23))[0])
    known = {"torch": "no_such_module:Backend", "mine": "parity_tests.support.numpy_backend:Backend"}
    monkeypatch.setattr(prediction, "registered_backends", lambda: known)
    monkeypatch.setattr(Backend, "predict", lambda _, images: np.eye(10, dtype=np.float32)[[9] * len(images)] * 50)
    result = command("predict", weights_file, tmp_path / "images.npy", "--top", 1)
    assert result.out == "0  Ankle boot 1.000\n1  Ankle boot 1.000\n"
    del known["mine"]
    result = command("predict", weights_file, tmp_path / "images.npy")
    assert result.out == command("predict", weights_file, tmp_path / "images.npy", "--backend", "numpy").out
    assert result.code == 0


def test_a_framework_that_is_broken_is_no_missing_one(
    command: Command, weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netparity.train import prediction

    np.save(tmp_path / "images.npy", sample_images(2, image_size=(17, 23))[0])
    (tmp_path / "broken.py").write_text("raise RuntimeError('cannot load\\nlibcuda.so.')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(prediction, "registered_backends", lambda: {"torch": "broken:Backend"})
    result = command("predict", weights_file, tmp_path / "images.npy")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: torch cannot be made: RuntimeError: cannot load libcuda.so.\n"


PREDICTED_WRONG: dict[str, tuple[tuple[str, str, str], str]] = {
    "no weights": (("none.safetensors", "images.npy", "numpy"), "Cannot read .*none.safetensors"),
    "no images": (("weights.safetensors", "none.npy", "numpy"), "Cannot read .*none.npy"),
    "images as weights": (("images.npy", "images.npy", "numpy"), "is not a safetensors file"),
    "channels": (("weights.safetensors", "rgb.npy", "numpy"), "images have 3 channels"),
    "backend": (("weights.safetensors", "images.npy", "jax"), "There is no backend 'jax'"),
}


@pytest.mark.parametrize("name", PREDICTED_WRONG)
def test_predict_says_what_is_wrong(command: Command, weights_file: Path, tmp_path: Path, name: str) -> None:
    (weights, images, backend), words = PREDICTED_WRONG[name]
    (tmp_path / "weights.safetensors").symlink_to(weights_file)
    np.save(tmp_path / "images.npy", np.zeros((1, 1, 9, 11), np.float32))
    np.save(tmp_path / "rgb.npy", np.zeros((1, 3, 9, 11), np.float32))
    message = sentence(command("predict", tmp_path / weights, tmp_path / images, "--backend", backend))
    assert re.search(words, message), message


def test_errors_are_of_one_family() -> None:
    from netparity.train.loop import DivergedError

    assert issubclass(DivergedError, NetparityError)
