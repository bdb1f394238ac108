"""Trainings that are killed at any moment and resumed, several times: they end with the bits of an unbroken one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from googlenet_np import GOOGLENET
from netparity.files import checkpoint
from netparity.train.loop import CHECKPOINT, HISTORY
from parity_tests.support.command import LIMIT
from parity_tests.support.idx_files import write_files

KILLS = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("data"))


def start(data: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Eight epochs of one step, each with its checkpoint; goes on from one that is there."""
    command = [sys.executable, "-m", "netparity", "train", "numpy=parity_tests.support.numpy_backend:Backend"]
    command += ["--any-data", "--data", str(data), "--image-size", "9", "11", "--batch-size", "4", "--limit", "4"]
    command += ["--momentum", "0.9", "--epochs", "8", "--out", str(folder)]
    command += ["--resume"] if (folder / CHECKPOINT).exists() else []
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    try:
        _, words = process.communicate(timeout=LIMIT)  # only so that a hang ends
    finally:
        process.kill()
    assert process.returncode == 0, words.decode()


def kept(folder: Path) -> tuple[Any, ...]:
    """All bits of a run, but for what a clock says."""
    saved = checkpoint.load(GOOGLENET, folder / CHECKPOINT)
    _, *epochs = map(json.loads, (folder / HISTORY).read_text(encoding="utf-8").splitlines())
    numbers = [{key: epoch[key] for key in epoch if key not in ("seconds", "images_per_second")} for epoch in epochs]
    arrays = ({name: array.tobytes() for name, array in each.items()} for each in (saved.weights, saved.state.arrays))
    return (*arrays, numbers)


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Any, ...], float]:
    """What an unbroken run keeps, and how long it took."""
    folder, begun = tmp_path_factory.mktemp("unbroken") / "run", time.monotonic()
    finish(start(data, folder))
    return kept(folder), time.monotonic() - begun


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(10))
def test_killed_and_resumed(
    seed: int,
    data: Path,
    unbroken: tuple[tuple[Any, ...], float],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    right, seconds = unbroken
    drawn, killed, resumed = random.Random(seed), 0, 0
    for _ in range(KILLS):
        process = start(data, tmp_path / "run")
        try:
            process.communicate(timeout=drawn.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
            resumed += (tmp_path / "run" / CHECKPOINT).exists()
    finish(start(data, tmp_path / "run"))
    record_property("kills", killed)
    record_property("of them after a checkpoint", resumed)
    assert kept(tmp_path / "run") == right
