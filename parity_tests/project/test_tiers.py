"""The tests themselves: folders, imports of each other, tiers, and a collection that loads no framework."""

from __future__ import annotations

import ast
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import netparity
import parity_tests
from parity_tests.support.command import LIMIT

TESTS = Path(parity_tests.__file__).parent
ENGINE = Path(netparity.__file__).parent
CONTRIBUTING = TESTS.parent / "CONTRIBUTING.md"

BESIDE_THE_ROOMS = {"googlenet_np", "packages", "lesson", "project", "proof", "support", "source_document"}
WITHOUT_TESTS = {"support", "source_document"}
MOST_MODULES = 15
FRAMEWORKS = {"torch", "tensorflow", "keras", "mxnet", "jax", "onnx", "onnxruntime"}

MODULES = {path.relative_to(TESTS).as_posix(): path for path in sorted(TESTS.rglob("*.py"))}


def folders_in(package: Path) -> set[str]:
    return {path.parent.name for path in package.glob("*/__init__.py")}


FOLDERS = sorted(folders_in(TESTS))


@functools.cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


# Folders


def test_folders_mirror_the_rooms_of_the_engine() -> None:
    assert set(FOLDERS) == folders_in(ENGINE) | BESIDE_THE_ROOMS


@pytest.mark.skipif(not CONTRIBUTING.exists(), reason="needs the source tree: the package is installed without guides")
@pytest.mark.parametrize("folder", sorted(BESIDE_THE_ROOMS))
def test_whoever_adds_a_test_reads_of_each_other_folder(folder: str) -> None:
    assert f"`{folder}`" in CONTRIBUTING.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_tests_and_one_subject(folder: str) -> None:
    modules = [path.name for path in (TESTS / folder).glob("*.py") if path.name != "__init__.py"]
    assert any(name.startswith("test_") for name in modules) == (folder not in WITHOUT_TESTS)
    assert len(modules) <= MOST_MODULES, modules


# Imports


def imported(module: str) -> set[str]:
    """Whatever an import may mean, anywhere in a module: ``a.b`` and ``a.b.c`` of ``from a.b import c``."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by a relative name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def fixtures(module: str) -> set[str]:
    return {
        node.name
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if "fixture" in ast.unparse(decorator).partition("(")[0]
    }


def is_of_tests(name: str) -> bool:
    return name.partition(".")[0] == "parity_tests" and any(
        part == "conftest" or part.startswith("test_") for part in name.split(".")[1:]
    )


@pytest.mark.parametrize("module", MODULES)
def test_nobody_imports_tests_or_fixtures(module: str) -> None:
    """What several tests share is a function of a support module, or a fixture that pytest finds by itself."""
    assert sorted(filter(is_of_tests, imported(module))) == []
    if fixtures(module):
        name = Path(module).name
        assert name == "conftest.py" or name.startswith("test_"), "fixtures live where nobody has to import them"


# Tiers

SPY = """
import json, os, sys

def pytest_collection_finish(session):
    markers = [[marker.name for marker in item.iter_markers()] for item in session.items]
    with open(os.environ["COLLECTED"], "w") as file:
        json.dump({"markers": markers, "modules": sorted(sys.modules)}, file)
"""


@pytest.fixture
def collect(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The markers of each test that pytest picks, and what was imported until then."""
    (tmp_path / "spy.py").write_text(SPY, encoding="utf-8")

    def collect(*arguments: str) -> dict[str, Any]:
        # A site that is named must be there, and its tests' own needs too: none of the collection's business.
        environment = {name: os.environ[name] for name in os.environ.keys() - {"GOOGLENET_SITE", "PYTEST_ADDOPTS"}}
        environment |= {
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
            "COLLECTED": str(tmp_path / "collected.json"),
        }
        options = ("-q", "--collect-only", "-p", "spy", "-p", "no:cacheprovider")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=TESTS.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads((tmp_path / "collected.json").read_text(encoding="utf-8"))
        return found

    return collect


def tiers(collected: dict[str, Any]) -> set[str]:
    return {
        next((name for name in ("proof", "exhaustive") if name in markers), "quick") for markers in collected["markers"]
    }


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ([], {"quick"}),
        pytest.param(["-m", "not proof"], {"quick", "exhaustive"}, marks=pytest.mark.exhaustive),
        pytest.param(["-m", "proof"], {"proof"}, marks=pytest.mark.exhaustive),
        pytest.param(["-m", "exhaustive"], {"exhaustive"}, marks=pytest.mark.exhaustive),
    ],
    ids=["make test", "make test-all", "make proof", "the rest alone"],
)
def test_a_tier_is_what_was_asked_for(
    collect: Callable[..., dict[str, Any]], options: list[str], chosen: set[str]
) -> None:
    folders = [str(TESTS / folder) for folder in ("proof", "workers")]
    assert tiers(collect(*options, *folders)) == chosen


@pytest.mark.exhaustive
def test_collecting_all_tests_loads_no_framework(collect: Callable[..., dict[str, Any]]) -> None:
    """It would be the same 25 seconds in each process that runs some of them."""
    collected = collect(str(TESTS))
    assert tiers(collected) == {"quick"}
    assert sorted(FRAMEWORKS & set(collected["modules"])) == []
