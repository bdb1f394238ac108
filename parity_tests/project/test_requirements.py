"""What pyproject.toml, constraints.txt and ``tools/bootstrap.py`` say of the same thing.

The last two are not part of the installed package, so away from the source tree these tests are skipped.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TREE = Path(__file__).resolve().parents[2]
if not (TREE / "tools" / "bootstrap.py").exists():
    pytest.skip("needs the source tree: the package is installed without tools/", allow_module_level=True)

MXNET_WHEELS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


@pytest.mark.parametrize("minor", range(6, 16))
def test_python_versions(project: dict[str, Any], minor: int) -> None:
    bootstrap = runpy.run_path(str(TREE / "tools" / "bootstrap.py"))
    supported = bootstrap["OLDEST"] <= (3, minor) <= bootstrap["NEWEST"]
    assert SpecifierSet(project["requires-python"]).contains(f"3.{minor}") == supported


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "arm64", "ppc64le", "i686"])
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_frameworks_of_a_platform(project: dict[str, Any], system: str, machine: str) -> None:
    platform = {"sys_platform": system, "platform_machine": machine}
    requirements = [Requirement(line) for line in project["optional-dependencies"]["all"]]
    names = {item.name for item in requirements if item.marker is None or item.marker.evaluate(platform)}
    assert ("mxnet" in names) == ((system, machine) in MXNET_WHEELS)
    assert ("tensorflow-cpu" in names) == ((system, machine) == ("linux", "x86_64"))
    assert ("tensorflow" in names) != ("tensorflow-cpu" in names)
    assert "torch" in names


@pytest.mark.parametrize("extra", ["torch", "tf", "tf-cpu", "mx", "data", "report"])
def test_the_extra_all_asks_for_what_each_extra_asks(project: dict[str, Any], extra: str) -> None:
    extras = project["optional-dependencies"]
    every, asked = ({line.partition(";")[0].strip() for line in extras[name]} for name in ("all", extra))
    assert asked <= every


def test_every_requirement_is_pinned_within_its_bounds(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    for line in project["dependencies"] + extras["all"] + extras["dev"] + extras["docs"]:
        requirement = Requirement(line)
        pinned = [pin for pin in pins() if pin.name == requirement.name]
        assert pinned, f"{requirement.name} is not pinned"
        for pin in pinned:
            assert requirement.specifier.contains(str(pin.specifier)[2:]), f"{pin} is outside {requirement}"


def test_pins_are_exact() -> None:
    assert [pin for pin in pins() if not re.fullmatch(r"==[0-9.]+(b\d+)?", str(pin.specifier))] == []


def pins() -> Iterator[Requirement]:
    for line in (TREE / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield Requirement(line)
