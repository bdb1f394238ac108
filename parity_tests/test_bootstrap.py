"""``tools/bootstrap.py`` and the Makefile: when an environment is made, kept, brought up to date, or refused.

They are not part of the installed package, so away from the source tree these tests are skipped.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TREE = Path(__file__).resolve().parent.parent
SCRIPT = TREE / "tools" / "bootstrap.py"
if not SCRIPT.exists():
    pytest.skip("needs the source tree: the package is installed without tools/", allow_module_level=True)


@pytest.fixture
def bootstrap() -> Any:
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


@pytest.fixture
def root(tmp_path: Path, bootstrap: Any) -> Path:
    """A tree that has the bootstrap's inputs, and nothing else."""
    root = tmp_path / "a tree"
    for name in bootstrap.INPUTS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"content of {name}")
    return root


class Recorder:
    """Stands in for ``bootstrap.run``: notes each step instead of running it; makes the files that venv would."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.project = ""
        self.fails_at: tuple[str, BaseException] | None = None

    def __call__(self, command: list[str], root: Path, what: str) -> None:
        step = command[2]
        self.steps.append(step)
        self.project = command[-1]
        if step == "venv":
            assert not Path(command[3]).exists()
            (Path(command[3]) / "bin").mkdir(parents=True)
            (Path(command[3]) / "bin" / "python").touch()
        if self.fails_at is not None and self.fails_at[0] == step:
            raise self.fails_at[1]

    def taken(self) -> list[str]:
        """The steps since the last call."""
        steps, self.steps = self.steps, []
        return steps


@pytest.fixture
def recorder(bootstrap: Any, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(bootstrap, "run", recorder)
    return recorder


FROM_NOTHING = ["venv", "pip"]
IN_PLACE = ["pip"]


class TestSetUp:
    def test_fresh_tree_then_nothing_to_do(self, bootstrap: Any, root: Path, recorder: Recorder) -> None:
        bootstrap.set_up(root)
        assert recorder.taken() == FROM_NOTHING
        bootstrap.set_up(root)
        assert recorder.taken() == []

    @pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "tools/bootstrap.py"])
    def test_changed_input_is_installed_in_place(
        self, bootstrap: Any, root: Path, recorder: Recorder, name: str
    ) -> None:
        bootstrap.set_up(root)
        recorder.taken()
        (root / name).write_text("changed")
        bootstrap.set_up(root)
        assert recorder.taken() == IN_PLACE
        bootstrap.set_up(root)
        assert recorder.taken() == []

    def test_an_extra_is_installed_when_it_is_asked_for_and_stays(
        self, bootstrap: Any, root: Path, recorder: Recorder
    ) -> None:
        bootstrap.set_up(root)
        assert (recorder.taken(), recorder.project) == (FROM_NOTHING, ".[all,dev]")
        bootstrap.set_up(root, more=["docs"])
        assert (recorder.taken(), recorder.project) == (IN_PLACE, ".[all,dev,docs]")
        bootstrap.set_up(root, more=["docs"])
        bootstrap.set_up(root)
        assert recorder.taken() == []
        (root / "constraints.txt").write_text("changed")
        bootstrap.set_up(root)
        assert (recorder.taken(), recorder.project) == (IN_PLACE, ".[all,dev,docs]")

    def test_a_file_that_was_only_touched_is_no_change(self, bootstrap: Any, root: Path, recorder: Recorder) -> None:
        bootstrap.set_up(root)
        recorder.taken()
        os.utime(root / "pyproject.toml", (0, 2**31))
        bootstrap.set_up(root)
        assert recorder.taken() == []

    @pytest.mark.parametrize("step", ["venv", "pip"])
    def test_interrupted_while_made_is_made_anew(
        self, bootstrap: Any, root: Path, recorder: Recorder, step: str
    ) -> None:
        recorder.fails_at = (step, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            bootstrap.set_up(root)
        recorder.fails_at = None
        (root / ".venv" / "half").touch()
        recorder.taken()
        bootstrap.set_up(root)
        assert recorder.taken() == FROM_NOTHING
        assert not (root / ".venv" / "half").exists()

    def test_interrupted_while_brought_up_to_date_is_made_anew(
        self, bootstrap: Any, root: Path, recorder: Recorder
    ) -> None:
        bootstrap.set_up(root)
        (root / "constraints.txt").write_text("changed")
        recorder.fails_at = ("pip", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            bootstrap.set_up(root)
        recorder.fails_at = None
        recorder.taken()
        (root / "constraints.txt").write_text("content of constraints.txt")
        bootstrap.set_up(root)
        assert recorder.taken() == FROM_NOTHING

    def test_failed_pip_is_tried_again(self, bootstrap: Any, root: Path, recorder: Recorder) -> None:
        recorder.fails_at = ("pip", bootstrap.SetupError("no network"))
        for _ in range(2):
            with pytest.raises(bootstrap.SetupError, match="no network"):
                bootstrap.set_up(root)
            assert recorder.taken() == ["venv", "pip"]

    def test_moved_tree_is_made_anew(self, bootstrap: Any, root: Path, recorder: Recorder) -> None:
        bootstrap.set_up(root)
        recorder.taken()
        moved = root.rename(root.with_name("moved"))
        bootstrap.set_up(moved)
        assert recorder.taken() == FROM_NOTHING

    @pytest.mark.parametrize("stamp", ["", "{", "[]", "7", '{"python": "3.11"}'])
    def test_unreadable_stamp_is_no_stamp(self, bootstrap: Any, root: Path, recorder: Recorder, stamp: str) -> None:
        bootstrap.set_up(root)
        recorder.taken()
        (root / ".venv" / bootstrap.STAMP).write_text(stamp)
        bootstrap.set_up(root)
        assert recorder.taken() == FROM_NOTHING

    def test_python_behind_the_environment_is_gone(self, bootstrap: Any, root: Path, recorder: Recorder) -> None:
        bootstrap.set_up(root)
        recorder.taken()
        (root / ".venv" / "bin" / "python").unlink()
        (root / ".venv" / "bin" / "python").symlink_to(root / "removed")
        bootstrap.set_up(root)
        assert recorder.taken() == FROM_NOTHING

    def test_a_link_in_the_place_of_the_environment_goes_but_not_its_target(
        self, bootstrap: Any, root: Path, recorder: Recorder
    ) -> None:
        (root / "elsewhere").mkdir()
        (root / "elsewhere" / "mine").touch()
        (root / ".venv").symlink_to(root / "elsewhere")
        bootstrap.set_up(root)
        assert recorder.taken() == FROM_NOTHING
        assert (root / "elsewhere" / "mine").exists()

    def test_named_python_of_another_version_makes_it_anew(
        self, bootstrap: Any, root: Path, recorder: Recorder, other_version: Callable[[], None]
    ) -> None:
        bootstrap.set_up(root)
        recorder.taken()
        other_version()
        bootstrap.set_up(root, any_python=True)
        assert recorder.taken() == []
        bootstrap.set_up(root)
        assert recorder.taken() == FROM_NOTHING

    def test_any_python_brings_an_environment_of_another_version_up_to_date(
        self, bootstrap: Any, root: Path, recorder: Recorder, other_version: Callable[[], None]
    ) -> None:
        bootstrap.set_up(root)
        made_with = json.loads((root / ".venv" / bootstrap.STAMP).read_text())["python"]
        recorder.taken()
        other_version()
        (root / "constraints.txt").write_text("changed")
        bootstrap.set_up(root, any_python=True)
        assert recorder.taken() == IN_PLACE
        assert json.loads((root / ".venv" / bootstrap.STAMP).read_text())["python"] == made_with

    def test_unsupported_python_is_refused_before_anything_is_touched(
        self, bootstrap: Any, root: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bootstrap.set_up(root)
        recorder.taken()
        monkeypatch.setattr(bootstrap.sys, "version_info", (3, 13, 0, "final", 0))
        with pytest.raises(bootstrap.SetupError):
            bootstrap.set_up(root)
        bootstrap.set_up(root, any_python=True)
        assert recorder.taken() == []

    @pytest.fixture
    def other_version(self, bootstrap: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        other = (3, 11, 0) if sys.version_info[:2] == (3, 12) else (3, 12, 0)
        return lambda: monkeypatch.setattr(bootstrap.sys, "version_info", other)


class TestSentences:
    @pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12)])
    def test_supported_python(self, bootstrap: Any, version: tuple[int, int]) -> None:
        bootstrap.check_python(version)

    @pytest.mark.parametrize("version", [(3, 6), (3, 9), (3, 13), (4, 0)])
    def test_unsupported_python(self, bootstrap: Any, version: tuple[int, int]) -> None:
        message = rf"this is Python {version[0]}\.{version[1]}, and googlenet-parity needs 3\.10 to 3\.12; name another"
        with pytest.raises(bootstrap.SetupError, match=message):
            bootstrap.check_python(version)

    def test_missing_module(self, bootstrap: Any) -> None:
        with pytest.raises(bootstrap.SetupError, match=r"has no module 'no_such_module', .* python3-venv"):
            bootstrap.check_modules("json", "no_such_module")

    def test_windows(self, bootstrap: Any) -> None:
        with pytest.raises(bootstrap.SetupError, match="Linux and macOS"):
            bootstrap.check_system("nt")

    @pytest.mark.parametrize(
        ("system", "machine", "named"),
        [("darwin", "arm64", "macOS on arm64"), ("linux", "ppc64le", "Linux on ppc64le")],
    )
    def test_no_mxnet_wheel(
        self,
        bootstrap: Any,
        root: Path,
        recorder: Recorder,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        system: str,
        machine: str,
        named: str,
    ) -> None:
        monkeypatch.setattr(bootstrap.sys, "platform", system)
        monkeypatch.setattr(bootstrap.platform, "machine", lambda: machine)
        bootstrap.set_up(root)
        assert recorder.taken() == FROM_NOTHING
        assert f"MXNet is left out, since it has no wheel for {named} " in capsys.readouterr().out

    @pytest.mark.parametrize(("system", "machine"), [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64")])
    def test_no_word_where_mxnet_has_a_wheel(
        self,
        bootstrap: Any,
        root: Path,
        recorder: Recorder,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        system: str,
        machine: str,
    ) -> None:
        monkeypatch.setattr(bootstrap.sys, "platform", system)
        monkeypatch.setattr(bootstrap.platform, "machine", lambda: machine)
        bootstrap.set_up(root)
        assert "MXNet" not in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("raised", "status", "message"),
        [(None, 0, ""), ("SetupError", 1, "error: a sentence\n"), ("KeyboardInterrupt", 130, "Interrupted")],
    )
    def test_exit_status(
        self,
        bootstrap: Any,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        raised: str | None,
        status: int,
        message: str,
    ) -> None:
        def set_up(*_: Any) -> None:
            if raised:
                raise {"SetupError": bootstrap.SetupError, "KeyboardInterrupt": KeyboardInterrupt}[raised]("a sentence")

        monkeypatch.setattr(bootstrap, "set_up", set_up)
        monkeypatch.setattr(bootstrap.signal, "signal", lambda *_: None)
        assert bootstrap.main([]) == status
        assert capsys.readouterr().err.startswith(message)


class TestRun:
    def test_success_is_silent(self, bootstrap: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        bootstrap.run([sys.executable, "-c", "print('a word')"], tmp_path, "It")
        assert capsys.readouterr() == ("", "")

    def test_failure_shows_the_last_lines_of_both_streams(self, bootstrap: Any, tmp_path: Path) -> None:
        script = "import sys; [print('line', i, flush=True) for i in range(100)]; sys.exit('the end')"
        with pytest.raises(bootstrap.SetupError, match=r"It failed; its last lines:") as caught:
            bootstrap.run([sys.executable, "-c", script], tmp_path, "It")
        lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
        assert lines == [f"line {i}" for i in range(81, 100)] + ["the end"]

    def test_an_interruption_takes_the_command_down(
        self, bootstrap: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[subprocess.Popen[str]] = []

        def interrupted(process: subprocess.Popen[str], _: object) -> None:
            started.append(process)
            raise KeyboardInterrupt

        monkeypatch.setattr(bootstrap, "show_steps", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.run([sys.executable, "-c", "import time; time.sleep(20)"], tmp_path, "It")
        assert started[0].returncode == -signal.SIGTERM

    def test_two_set_ups_of_one_tree_take_turns(self, bootstrap: Any, root: Path) -> None:
        first = bootstrap.lock(root)
        second = threading.Thread(target=lambda: bootstrap.lock(root).close(), daemon=True)
        second.start()
        second.join(timeout=0.3)
        assert second.is_alive()
        first.close()
        second.join(timeout=10)
        assert not second.is_alive()


class TestScript:
    def test_an_old_python_gets_as_far_as_the_sentence(self) -> None:
        ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))

    def test_standard_library_only(self) -> None:
        tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert imported <= sys.stdlib_module_names
        assert "__future__" not in imported  # annotations is newer than 3.6

    def test_runs_isolated(self) -> None:
        result = subprocess.run([sys.executable, "-IS", SCRIPT, "--help"], capture_output=True, text=True, check=True)
        assert "--any-python" in result.stdout


class TestAgreement:
    """What the bootstrap, pyproject.toml and constraints.txt say of the same thing."""

    @pytest.mark.parametrize("minor", range(6, 16))
    def test_python_versions(self, bootstrap: Any, project: dict[str, Any], minor: int) -> None:
        supported = bootstrap.OLDEST <= (3, minor) <= bootstrap.NEWEST
        assert SpecifierSet(project["requires-python"]).contains(f"3.{minor}") == supported

    @pytest.mark.parametrize("machine", ["x86_64", "aarch64", "arm64", "ppc64le", "i686"])
    @pytest.mark.parametrize("system", ["linux", "darwin"])
    def test_frameworks_of_a_platform(self, bootstrap: Any, project: dict[str, Any], system: str, machine: str) -> None:
        platform = {"sys_platform": system, "platform_machine": machine}
        requirements = [Requirement(line) for line in project["optional-dependencies"]["all"]]
        names = {item.name for item in requirements if item.marker is None or item.marker.evaluate(platform)}
        assert ("mxnet" in names) == ((system, machine) in bootstrap.MXNET_WHEELS)
        assert ("tensorflow-cpu" in names) == ((system, machine) == ("linux", "x86_64"))
        assert ("tensorflow" in names) != ("tensorflow-cpu" in names)
        assert "torch" in names

    @pytest.mark.parametrize("extra", ["torch", "tf", "tf-cpu", "mx", "data", "report"])
    def test_the_extra_all_asks_for_what_each_extra_asks(self, project: dict[str, Any], extra: str) -> None:
        extras = project["optional-dependencies"]
        every, asked = ({line.partition(";")[0].strip() for line in extras[name]} for name in ("all", extra))
        assert asked <= every

    def test_every_requirement_is_pinned_within_its_bounds(self, project: dict[str, Any]) -> None:
        extras = project["optional-dependencies"]
        for line in project["dependencies"] + extras["all"] + extras["dev"] + extras["docs"]:
            requirement = Requirement(line)
            pinned = [pin for pin in pins() if pin.name == requirement.name]
            assert pinned, f"{requirement.name} is not pinned"
            for pin in pinned:
                assert requirement.specifier.contains(str(pin.specifier)[2:]), f"{pin} is outside {requirement}"

    def test_pins_are_exact(self) -> None:
        assert [pin for pin in pins() if not re.fullmatch(r"==[0-9.]+(b\d+)?", str(pin.specifier))] == []


def pins() -> Iterator[Requirement]:
    for line in (TREE / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield Requirement(line)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
class TestMake:
    def test_alone_lists_every_target(self) -> None:
        result = make()
        assert result.returncode == 0
        text = (TREE / "Makefile").read_text(encoding="utf-8")
        targets = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
        assert targets is not None
        assert [line.split()[1] for line in result.stdout.splitlines()] == targets[1].split()

    def test_no_such_python(self) -> None:
        result = make("parity", "PYTHON=no-such-python")
        assert result.returncode != 0
        assert "there is no 'no-such-python'; install Python 3.10 to 3.12, or name one" in result.stderr

    def test_the_site_has_its_extra(self) -> None:
        (command,) = [line for line in make("--dry-run", "docs").stdout.splitlines() if "tools/bootstrap.py" in line]
        assert command.endswith("--extra docs")

    @pytest.mark.parametrize(
        ("variables", "option"), [((), "--any-python"), (("PYTHON=python9",), "")], ids=["unnamed", "named"]
    )
    def test_only_a_named_python_replaces_an_environment(self, variables: tuple[str, ...], option: str) -> None:
        commands = make("--dry-run", "setup", *variables).stdout.splitlines()
        assert commands[-1].partition("tools/bootstrap.py")[2].strip() == option


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")
    }
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True, check=False)
