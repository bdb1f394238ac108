"""Fixtures that every test module shares, and the header of a run."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from googlenet_np.fashion_mnist import find_fashion_mnist
from netparity.cli import main as cli
from netparity.network.contract import Backend
from netparity.network.errors import DataError
from parity_tests.support.backends import BACKENDS, VARIABLE, installed_versions, load, required
from parity_tests.support.command import SMALL, Command, Result
from parity_tests.support.uv import UV, Uv

# OpenMP's threads spin while they wait for each other. Where two processes share two cores, as under pytest-xdist,
# they spin in the way of the very thread that they wait for, and PyTorch runs five to ten times slower (measured).
# The variable is read when a framework loads its OpenMP, hence here and not in a fixture.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# OpenBLAS' threads do so too, at every small product: a second thread costs as much processor time again and saves
# none of the clock's (measured). With one process for each core, one thread each; a test that needs two asks for two.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

HEADER_SHOWN = pytest.StashKey[bool]()


MARKERS = {
    "exhaustive": "the rest of a product of which another test is the representative; make test-all runs it",
    "proof": "a search rather than a test; make proof runs it, in slices",
}


def pytest_configure(config: pytest.Config) -> None:
    for marker, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")
    required()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell that started this with "&"
        signal.signal(signal.SIGINT, signal.default_int_handler)  # or what the tests interrupt would not hear of it


def pytest_report_header(config: pytest.Config) -> list[str]:
    config.stash[HEADER_SHOWN] = True
    return _header()


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    # Under --pyargs, pytest finds this file when it collects: too late for the header.
    return [] if config.stash.get(HEADER_SHOWN, False) else _header()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Quick by default: without ``-m``, and without a test that is named, neither of the slower tiers is run."""
    if config.option.markexpr or any("::" in argument for argument in config.args):
        return
    slower = {item for item in items if any(item.get_closest_marker(marker) for marker in MARKERS)}
    config.hook.pytest_deselected(items=list(slower))
    items[:] = [item for item in items if item not in slower]


def _header() -> list[str]:
    versions = [f"{name} {version}" for name, version in installed_versions().items()]
    return [
        f"versions: {', '.join(versions)}; {platform.machine()}, {os.cpu_count()} cores",
        f"{VARIABLE}: {', '.join(required()) or 'not set, so a backend that is not installed is skipped'}",
    ]


@pytest.fixture(scope="session", autouse=True)
def spared() -> Iterator[None]:
    """What each of some hundred commands and files would cost again, and no test can see: fsync is for power cuts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", cache(get_command))
        patch.setattr("os.fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn, as ``netparity.backends`` would give it."""
    return load(request.param)


@pytest.fixture(scope="session")
def fashion_mnist() -> Path:
    """The folder of the real Fashion-MNIST files; a test that asks for it is skipped where they are not."""
    try:
        return find_fashion_mnist(download=False)
    except DataError as error:
        pytest.skip(f"needs Fashion-MNIST (Debian's package dataset-fashion-mnist): {error}")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs the console script's function in this process."""
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("TERM", "dumb")
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["netparity", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Result(int(exit_.value.code or 0), out, err)

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uv:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "uv").write_text(UV, encoding="utf-8")
    (programs / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("UV_LOG", str(tmp_path / "uv.log"))
    return Uv(tmp_path / "uv.log")


@pytest.fixture
def run_matrix(command: Command, uv: Uv, tmp_path: Path) -> Callable[..., tuple[int, str, dict[str, Any]]]:
    def run(content: str, *options: object) -> tuple[int, str, dict[str, Any]]:
        (tmp_path / "matrix.toml").write_text(content)
        where = ("--file", tmp_path / "matrix.toml", "--cache", tmp_path / "cache", "--json", tmp_path / "matrix.json")
        result = command("matrix", *where, *SMALL, *options)
        return result.code, result.words, json.loads((tmp_path / "matrix.json").read_text())

    return run
