"""Fixtures that every test module shares, and the header of a run."""

from __future__ import annotations

import os
import platform
import signal
from pathlib import Path

import pytest

from googlenet_np.fashion_mnist import find_fashion_mnist
from netparity.network.contract import Backend
from netparity.network.errors import DataError
from parity_tests.backends import BACKENDS, VARIABLE, installed_versions, load, required

# OpenMP's threads spin while they wait for each other. Where two processes share two cores, as under pytest-xdist,
# they spin in the way of the very thread that they wait for, and PyTorch runs five to ten times slower (measured).
# The variable is read when a framework loads its OpenMP, hence here and not in a fixture.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

HEADER_SHOWN = pytest.StashKey[bool]()


def pytest_configure() -> None:
    required()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell that started this with "&"
        signal.signal(signal.SIGINT, signal.default_int_handler)  # or what the tests interrupt would not hear of it


def pytest_report_header(config: pytest.Config) -> list[str]:
    config.stash[HEADER_SHOWN] = True
    return _header()


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    # Under --pyargs, pytest finds this file when it collects: too late for the header.
    return [] if config.stash.get(HEADER_SHOWN, False) else _header()


def _header() -> list[str]:
    versions = [f"{name} {version}" for name, version in installed_versions().items()]
    return [
        f"versions: {', '.join(versions)}; {platform.machine()}, {os.cpu_count()} cores",
        f"{VARIABLE}: {', '.join(required()) or 'not set, so a backend that is not installed is skipped'}",
    ]


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
