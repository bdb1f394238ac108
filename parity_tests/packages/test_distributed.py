"""Several processes on loopback, each with its part of every batch: the steps are those of one process on all of it.

The joint batches have 3, 5, 2 and 1 images and everything is on (momentum, weight decay, label smoothing): parts of
unequal length, one of them empty, tell a mean over images from a mean of means.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, init_weights
from netparity.files import checkpoint
from netparity.network import sgd
from netparity.network.contract import JoiningBackend, Step
from netparity.train.loop import CHECKPOINT, HISTORY
from netparity.verdict.bounds import FLOAT64_GATE
from parity_tests.packages.joint_training import ALL, SIZES, Trained, batches, train
from parity_tests.packages.joint_training import load as load_trained
from parity_tests.support.backends import BACKENDS, load, require
from parity_tests.support.command import LIMIT, Command
from parity_tests.support.idx_files import write_files

Array = npt.NDArray[Any]

DEATHS = {"torch": 1, "tf": 1, "mx": 0}
"""Step after which a process dies. MXNet's store waits for its dead, so there none does."""

GATES = {"torch": FLOAT64_GATE, "tf": FLOAT64_GATE, "mx": 2.0**-20}
"""How far two processes may be from one. MXNet 1.9.1's store keeps float64 numbers in float32: in four steps, that is
some ten roundings of 2⁻²⁴ for a weight; a mean of means is off by far more."""

LOOPBACK = "lo" if sys.platform == "linux" else "lo0"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def by_torch() -> list[dict[str, str]]:
    (port,) = free_ports(1)
    met = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": LOOPBACK}
    return [{**met, "RANK": str(rank)} for rank in range(2)]


def by_tf() -> list[dict[str, str]]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    tasks = [{"type": "worker", "index": rank} for rank in range(2)]
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def by_mx() -> list[dict[str, str]]:
    (port,) = free_ports(1)
    met = {"DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": str(port), "DMLC_NODE_HOST": "127.0.0.1"}
    met |= {"DMLC_NUM_WORKER": "2", "DMLC_NUM_SERVER": "1"}
    return [{**met, "DMLC_ROLE": role} for role in ("scheduler", "server", "worker", "worker")]


ENVIRONMENTS: Mapping[str, Callable[[], list[dict[str, str]]]] = {"torch": by_torch, "tf": by_tf, "mx": by_mx}
"""What each framework's launcher sets, process by process."""

Start = Callable[..., "list[subprocess.Popen[str]]"]


@contextmanager
def starting() -> Iterator[Start]:
    """Starts the same command in every environment; whatever still runs behind it is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: object, environments: list[dict[str, str]]) -> list[subprocess.Popen[str]]:
        command = [sys.executable, *map(str, arguments)]
        common = {
            **os.environ,
            # Two processes, each with a worker, on two cores: with several threads each, they spin in the way of the
            # one that all of them wait for.
            "OMP_NUM_THREADS": "1",
            "TF_NUM_INTRAOP_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        processes = [
            subprocess.Popen(
                command,
                env={**common, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            for environment in environments
        ]
        started.extend(processes)
        return processes

    try:
        yield run
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes whose end is that of the test, too."""
    with starting() as run:
        yield run


def printed_by(process: subprocess.Popen[str]) -> str:
    """What it printed, once it has ended."""
    try:
        return process.communicate(timeout=LIMIT)[0]
    except subprocess.TimeoutExpired:
        pytest.fail(f"A process was still running at the limit of {LIMIT:.0f} s: a hang, or a very slow machine.")


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What they printed; all of them must end well."""
    printed = [printed_by(process) for process in processes]
    for process, words in zip(processes, printed, strict=True):
        assert process.returncode == 0, words
    return printed


@functools.cache
def desired() -> Trained:
    """The reference's training."""
    steps: list[Step] = []
    weights, state = sgd.train(GOOGLENET, init_weights(5), batches(0, 1), ALL, listener=steps.append)
    return Trained(steps, weights, state.arrays)


def assert_agrees(actual: Trained, right: Trained, gate: float) -> None:
    assert [step.images for step in actual.steps] == [step.images for step in right.steps] == list(SIZES)
    assert [step.accuracy for step in actual.steps] == pytest.approx([step.accuracy for step in right.steps])
    losses = [step.loss for step in right.steps]
    np.testing.assert_allclose([step.loss for step in actual.steps], losses, rtol=gate, atol=0)
    assert_close(actual.weights, right.weights, right.weights, gate)
    # What a momentum is added to sets the scale where it is itself a small difference of large terms.
    assert_close(actual.state, right.state, right.weights, gate)


def assert_close(
    actual: Mapping[str, Array], right: Mapping[str, Array], scales: Mapping[str, Array], gate: float
) -> None:
    assert actual.keys() == right.keys()
    for name, array in right.items():
        assert actual[name].dtype == np.float64, name
        limit = gate * max(np.abs(array).max(), np.abs(scales[name]).max())
        np.testing.assert_allclose(actual[name], array, rtol=0, atol=limit, err_msg=name)


# The same step


class Joint(NamedTuple):
    """What came of a run of ``joint_training.py``: its folder, and how each process ended."""

    folder: Path
    codes: list[int]
    words: str


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Joint]:
    """One run for each framework, which tells of the steps and of the death; what is dear is the start."""

    @functools.cache
    def run(name: str) -> Joint:
        folder = tmp_path_factory.mktemp(name)
        arguments = ("-m", "parity_tests.packages.joint_training", name, folder, DEATHS[name])
        with starting() as start:
            processes = start(*arguments, environments=ENVIRONMENTS[name]())
            words = "\n".join([printed_by(process) for process in processes])
            return Joint(folder, [process.returncode for process in processes], words)

    return run


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", BACKENDS)
def test_two_processes_take_the_steps_of_one(name: str, joint: Callable[[str], Joint]) -> None:
    backend = load(name)
    folder, codes, words = joint(name)
    assert {file.name for file in folder.iterdir()} == {"0.npz", "1.npz"}, words
    assert DEATHS[name] or not any(codes), words
    ranks = [load_trained(folder / f"{rank}.npz") for rank in range(2)]
    alone = train(backend.build(init_weights(5), "float64"), batches(0, 1))
    for each in ranks:
        assert_agrees(each, alone, GATES[name])
        assert_agrees(each, desired(), GATES[name])
    assert ranks[0].steps == ranks[1].steps
    for array, other in zip(ranks[0].weights.values(), ranks[1].weights.values(), strict=True):
        assert array.tobytes() == other.tobytes()


def test_mxnet_has_the_weights_before_it_sends_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both go under the same key: a request for weights that is still on its way may be answered with gradients."""
    backend = load("mx")
    import mxnet

    from googlenet_mx.backend import MXNetModel

    events: list[str] = []

    def watched(name: str, known: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            events.append(name)
            return known(*arguments, **options)

        return call

    store = mxnet.kv.create("local")
    for place, name in ((store, "broadcast"), (store, "pushpull"), (mxnet.nd, "waitall")):
        monkeypatch.setattr(place, name, watched(name, getattr(place, name)))
    model: Any = backend.build(init_weights(5), "float64")
    MXNetModel(model._model, store).train(batches(0, 1)[:1], ALL)
    assert events == ["broadcast"] * 116 + ["waitall"] + ["pushpull"] * 116


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name in BACKENDS if DEATHS[name]])
def test_when_one_dies_the_other_ends_with_an_error(name: str, joint: Callable[[str], Joint]) -> None:
    require(name)
    folder, codes, words = joint(name)
    assert codes[1] == 3, words
    assert codes[0] != 0
    assert not list(folder.glob("*-alone.npz"))


# The command


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("data"))


def options(data: Path, folder: Path) -> tuple[object, ...]:
    """Thirteen images, four at a time: the second process has nothing of the last one."""
    settings = ("--momentum", 0.9, "--weight-decay", 0.001, "--label-smoothing", 0.1, "--epochs", 2)
    return ("--any-data", "--data", data, "--image-size", 9, 11, "--batch-size", 4, "--out", folder, *settings)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / HISTORY).read_text(encoding="utf-8").splitlines()]


def assert_same_run(folder: Path, right: Path, gate: float) -> None:
    """The same numbers, but for rounding, in the history and the checkpoint."""
    header, *epochs = records(folder)
    assert header["processes"] == 2
    _, *right_epochs = records(right)
    assert len(epochs) == len(right_epochs) == 2
    for epoch, right_epoch in zip(epochs, right_epochs, strict=True):
        assert epoch["train_loss"] == pytest.approx(right_epoch["train_loss"], rel=gate)
        for key in ("epoch", "train_accuracy", "test_accuracy"):
            assert epoch[key] == pytest.approx(right_epoch[key])
    saved, right_saved = (checkpoint.load(GOOGLENET, each / CHECKPOINT) for each in (folder, right))
    assert saved.progress == right_saved.progress
    assert_close(saved.weights, right_saved.weights, right_saved.weights, gate)
    assert_close(saved.state.scaled(1.0), right_saved.state.scaled(1.0), right_saved.weights, gate)


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Command, str], Path]:
    """The folder of one process's training, once for each framework."""

    @functools.cache
    def folder_of(name: str) -> Path:
        return tmp_path_factory.mktemp(f"{name}-alone") / "run"

    def run(command: Command, name: str) -> Path:
        folder = folder_of(name)
        if not folder.exists():
            target = f"{name}=parity_tests.packages.joint_training:{name}"
            assert command("train", target, *options(data, folder)).code == 0
        return folder

    return run


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", BACKENDS)
def test_the_same_command(
    command: Command, name: str, start: Start, data: Path, tmp_path: Path, alone: Callable[[Command, str], Path]
) -> None:
    """One process writes, the other is silent; and the second epoch goes on from the first one's checkpoint."""
    require(name)
    target = f"{name}=parity_tests.packages.joint_training:{name}"
    right = alone(command, name)
    joint = ("-m", "netparity", "train", target, *options(data, tmp_path / "joint"))
    ended(start(*joint, "--epochs", 1, environments=ENVIRONMENTS[name]()))
    printed = ended(start(*joint, "--resume", environments=ENVIRONMENTS[name]()))
    assert sum("epoch 2/2  train loss" in words for words in printed) == 1
    assert_same_run(tmp_path / "joint", right, GATES[name])
    assert {file.name for file in (tmp_path / "joint").iterdir()} == {file.name for file in right.iterdir()}


@pytest.mark.exhaustive
def test_a_killed_process_is_a_sentence_of_the_other(start: Start, data: Path, tmp_path: Path) -> None:
    require("torch")
    arguments = ("-m", "netparity", "train", "torch", *options(data, tmp_path), "--epochs", 100_000)
    processes = start(*arguments, environments=by_torch())
    assert processes[0].stdout is not None
    assert "epoch " in processes[0].stdout.readline()
    processes[1].kill()
    words = printed_by(processes[0])
    assert processes[0].returncode == 2
    assert "error: The 2 processes could not go on together; another one may say why. RuntimeError: " in words
    assert "Traceback" not in words
    assert checkpoint.load(GOOGLENET, tmp_path / CHECKPOINT).progress.step == 0


def torchrun(*arguments: object) -> tuple[object, ...]:
    return ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "netparity", *arguments)


@pytest.mark.exhaustive
def test_torchrun_as_it_is(
    command: Command, start: Start, data: Path, tmp_path: Path, alone: Callable[[Command, str], Path]
) -> None:
    require("torch")
    target = "torch=parity_tests.packages.joint_training:torch"
    right = alone(command, "torch")
    arguments = torchrun("train", target, *options(data, tmp_path / "joint"))
    (words,) = ended(start(*arguments, environments=[{"GLOO_SOCKET_IFNAME": LOOPBACK}]))
    assert words.count("train loss") == 2
    assert_same_run(tmp_path / "joint", right, FLOAT64_GATE)


# What is refused


def test_one_process_is_no_several(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("WORLD_SIZE", "TF_CONFIG", "DMLC_ROLE"):
        monkeypatch.delenv(variable, raising=False)
    for name in BACKENDS:
        backend = load(name)
        assert isinstance(backend, JoiningBackend)
        assert backend.join() == (0, 1)


def refusal(command: Command, data: Path, tmp_path: Path, target: str) -> str:
    result = command("train", target, *options(data, tmp_path / "run"))
    assert result.code == 2
    assert not (tmp_path / "run").exists()
    return result.err


def test_torchrun_for_another_framework(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    words = refusal(command, data, tmp_path, "numpy=parity_tests.support.numpy_backend:Backend")
    assert words == "error: torchrun started 2 processes, and numpy does not know of it: each would be alone.\n"


@pytest.mark.parametrize(
    "config",
    [
        "no JSON",
        "{}",
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "evaluator", "index": 0}}',
    ],
)
def test_a_configuration_without_a_place(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    require("tf")
    monkeypatch.setenv("TF_CONFIG", config)
    assert "error: TF_CONFIG describes no place among workers" in refusal(command, data, tmp_path, "tf")


def test_an_mxnet_without_the_store(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("mx")
    import mxnet

    monkeypatch.setenv("DMLC_ROLE", "worker")
    monkeypatch.setattr(mxnet.runtime.Features, "is_enabled", lambda *_: False)
    words = refusal(command, data, tmp_path, "mx")
    assert words == "error: This MXNet is built without a distributed key-value store: it trains in one process.\n"
