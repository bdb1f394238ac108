"""Traces, recorded once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from netparity.files.trace import Trace, open_trace
from parity_tests.compare.traces import CASE, NUMPY
from parity_tests.support.command import LIMIT
from parity_tests.support.tiers import representative


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The trace of the NumPy backend in one precision, recorded once by the command; not to be changed."""
    folder = tmp_path_factory.mktemp("traces")

    def get(dtype: str) -> Path:
        path = folder / f"{dtype}.safetensors"
        if not path.exists():
            arguments = ["record", NUMPY, "-o", path, *CASE, "--dtype", dtype]
            subprocess.run([sys.executable, "-m", "netparity", *map(str, arguments)], check=True, timeout=LIMIT)
        return path

    return get


@pytest.fixture(params=representative(["float32", "float64"], quick=["float32"]))
def trace(request: pytest.FixtureRequest, recorded: Callable[[str], Path]) -> Trace:
    return open_trace(recorded(request.param))


@pytest.fixture
def single(recorded: Callable[[str], Path]) -> Trace:
    return open_trace(recorded("float32"))
