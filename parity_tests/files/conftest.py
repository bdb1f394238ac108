"""Files of weights in every format, written once."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity_tests.files.formats import ENDINGS, Stored, Weights, make_weights, write
from parity_tests.support.backends import FRAMEWORKS


@pytest.fixture(scope="module")
def weights() -> Weights:
    return make_weights()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> Iterator[Stored]:
    """A file of the weights in each format, written once by its framework; not to be changed."""
    folder = tmp_path_factory.mktemp("stored")

    def get(ending: str) -> Path:
        path = folder / f"net{ending}"
        if not path.exists():
            write(path, weights, ENDINGS[".pt" if ending == ".pth" else ending])
        return path

    yield get
    shutil.rmtree(folder)


@pytest.fixture(params=FRAMEWORKS)
def absent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A backend whose framework cannot be found, as if it were not installed."""
    backend: str = request.param
    for name in list(sys.modules):
        if name.partition(".")[0] == f"googlenet_{backend}":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, FRAMEWORKS[backend], None)
    return backend
