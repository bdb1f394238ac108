"""``tools/bootstrap.py`` and the Makefile: when an environment is made, kept, brought up to date, or refused.

They are not part of the installed package, so away from the source tree these tests are skipped.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parity_tests.support.command import LIMIT

TREE = Path(__file__).resolve().parents[2]
SCRIPT = TREE / "tools" / "bootstrap.py"
if not SCRIPT.exists():
    pytest.skip("needs the source tree: the package is installed without tools/", allow_module_level=True)

ANEW, IN_PLACE, NOTHING = ["venv", ".[all,dev]"], [".[all,dev]"], list[str]()

SetUp = Callable[..., list[str]]


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return importlib.import_module("bootstrap")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with the inputs of the bootstrap, and nothing else."""
    (tmp_path / "a tree" / "tools").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "tools/bootstrap.py"):
        (tmp_path / "a tree" / name).write_text(f"content of {name}")
    return tmp_path / "a tree"


@pytest.fixture
def set_up(bootstrap: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> SetUp:
    """Sets the tree up with stand-ins for venv and pip, of which one may fail; returns what was run of them."""

    def run(*extras: str, any_python: bool = False, at: Path = root, **fails: BaseException) -> list[str]:
        steps: list[str] = []

        def step(command: list[str], _: Path, what: str) -> None:
            steps.append("venv" if command[2] == "venv" else command[-1])
            if steps[-1] == "venv":
                (Path(command[3]) / "bin").mkdir(parents=True)  # fails where something is left
                (Path(command[3]) / "bin" / "python").touch()
            if command[2] in fails:
                raise fails[command[2]]

        monkeypatch.setattr(bootstrap, "run", step)
        bootstrap.set_up(at, any_python, set(extras))
        return steps

    return run


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "tools/bootstrap.py"])
def test_made_once_then_kept_and_brought_up_to_date(set_up: SetUp, root: Path, name: str) -> None:
    assert set_up() == ANEW
    os.utime(root / name, (0, 2**31))
    assert set_up() == NOTHING
    (root / name).write_text("changed")
    assert (set_up(), set_up()) == (IN_PLACE, NOTHING)
    assert (set_up("docs"), set_up("docs"), set_up()) == ([".[all,dev,docs]"], NOTHING, NOTHING)
    (root / name).write_text("changed again")
    assert set_up() == [".[all,dev,docs]"], "an extra stays"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit("no network")])
@pytest.mark.parametrize("step", ["venv", "pip"])
def test_what_failed_or_was_interrupted_is_made_anew(
    set_up: SetUp, root: Path, step: str, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        set_up(**{step: error})
    assert (set_up(), set_up()) == (ANEW, NOTHING)
    (root / "constraints.txt").write_text("changed")
    with pytest.raises(type(error)):
        set_up(pip=error)
    (root / "constraints.txt").write_text("content of constraints.txt")
    assert set_up() == ANEW


@pytest.mark.parametrize("stamp", ["", "{", "[]", "3", '{"python": "3.11"}'])
def test_what_does_not_fit_is_made_anew(set_up: SetUp, root: Path, stamp: str) -> None:
    (root / "elsewhere").mkdir()
    (root / ".venv").symlink_to(root / "elsewhere")
    assert set_up() == ANEW
    assert (root / "elsewhere").is_dir()
    (root / ".venv" / "googlenet-parity.json").write_text(stamp)
    assert set_up() == ANEW
    (root / ".venv" / "bin" / "python").unlink()
    (root / ".venv" / "bin" / "python").symlink_to(root / "removed")
    assert set_up() == ANEW
    assert set_up(at=root.rename(root.with_name("moved"))) == ANEW


def test_only_a_named_python_replaces_an_environment(
    bootstrap: Any, set_up: SetUp, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up()
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 11) if sys.version_info[:2] == (3, 12) else (3, 12))
    assert set_up(any_python=True) == NOTHING
    (root / "constraints.txt").write_text("changed")
    assert (set_up(any_python=True), set_up()) == (IN_PLACE, ANEW)


@pytest.mark.parametrize("version", [(3, 6), (3, 9), (3, 13), (4, 0)])
def test_unsupported_python_is_refused_before_anything_is_touched(
    bootstrap: Any, set_up: SetUp, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]
) -> None:
    set_up()
    message = rf"^error: this is Python {version[0]}\.{version[1]}, and googlenet-parity needs 3\.10 to 3\.12; name"
    monkeypatch.setattr(bootstrap.sys, "version_info", version)
    with pytest.raises(SystemExit, match=message):
        set_up()
    assert set_up(any_python=True) == NOTHING


def test_failure_shows_the_last_lines_of_both_streams(
    bootstrap: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = "import sys; [print('line', i, flush=True) for i in range(100)]; sys.exit('the end')"
    bootstrap.run([sys.executable, "-c", script.partition(" sys.exit")[0]], tmp_path, "It")
    assert capfd.readouterr() == ("", "")
    with pytest.raises(SystemExit, match="It failed; its last lines:\n    line 81\n") as caught:
        bootstrap.run([sys.executable, "-c", script], tmp_path, "It")
    assert str(caught.value).endswith("line 99\n    the end")


def test_an_interruption_takes_pip_along_and_the_next_one_waits(root: Path) -> None:
    """With a stand-in for venv that does not end; the first of two set-ups is ended by a signal."""
    (root / "venv.py").write_text("import os, time; print(os.getpid(), file=open('pid', 'w')); time.sleep(6000)")
    shutil.copy(SCRIPT, root / "tools")
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, str(root / "tools" / "bootstrap.py")]
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + LIMIT
    while not (root / "pid").exists() or not (root / "pid").read_text():
        assert time.monotonic() < deadline, f"the limit of {LIMIT:.0f} s was reached"
        time.sleep(0.02)
    second = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert second.stdout is not None
    assert second.stdout.readline().startswith("Waiting for another make")
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=LIMIT) == 143
    with pytest.raises(ProcessLookupError):
        os.kill(int((root / "pid").read_text()), 0)
    assert second.stdout.readline().startswith("Making .venv")
    second.send_signal(signal.SIGINT)
    assert second.communicate(timeout=LIMIT)[1] == "Interrupted; the next make starts the set-up again.\n"
    assert second.returncode == 130


def test_an_old_python_gets_as_far_as_the_sentence() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names - {"__future__"}  # whose annotations are newer than 3.6


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_lists_every_target_and_names_a_missing_python() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (TREE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets is not None
    assert [line.split()[1] for line in make().stdout.splitlines()] == targets[1].split()
    missing = make("parity", "PYTHON=no-such-python")
    assert missing.returncode != 0
    assert "there is no 'no-such-python'; install Python 3.10 to 3.12, or name one" in missing.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("arguments", "options"),
    [(["setup"], "--any-python"), (["setup", "PYTHON=python9"], ""), (["docs"], "--any-python docs")],
)
def test_make_sets_up_what_a_target_needs(arguments: list[str], options: str) -> None:
    lines = make("--dry-run", *arguments).stdout.splitlines()
    assert [line.partition("tools/bootstrap.py")[2].strip() for line in lines if "bootstrap" in line] == [options]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in os.environ.keys() - {"PYTHON", "MAKEFLAGS", "MAKELEVEL"}}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True, check=False)
