"""What an import of one of the packages loads of the engine, and that the rest comes when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from parity_tests.support.backends import BACKENDS, FRAMEWORKS, require
from parity_tests.support.tiers import representative

PACKAGES = ("googlenet_np", *(f"googlenet_{backend}" for backend in BACKENDS))

LOADED = """
import sys
import {package}
for name in sys.modules:
    print(*name.split(".")[: 2 if name.startswith("netparity.") else 1], sep=".")
"""


@pytest.fixture(params=representative(PACKAGES, ["googlenet_np"]))
def package(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name != "googlenet_np":
        require(name.removeprefix("googlenet_"))
    return name


def test_an_import_loads_the_room_network_and_none_above_it(package: str) -> None:
    command = [sys.executable, "-c", LOADED.format(package=package)]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    own = FRAMEWORKS.get(package.removeprefix("googlenet_"))
    rooms = {"netparity.network", "netparity.system"} if own else {"netparity.system"}
    assert {name for name in loaded if name.startswith("netparity.")} == rooms
    assert loaded & set(FRAMEWORKS.values()) == ({own} if own else set())
    # Keras imports Pillow and Rich by itself.
    assert not loaded & ({"safetensors", "typer"} | ({"PIL", "rich"} if own != "tensorflow" else set()))


def test_what_comes_late_is_there_when_it_is_asked_for(package: str) -> None:
    module = import_module(package)
    missing = [name for name in module.__all__ if name not in dir(module) or not hasattr(module, name)]
    assert missing == []
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        module.nothing  # noqa: B018
