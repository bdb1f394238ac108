"""Workers in other interpreters: what they need there, and interpreters that are none, or lie, hang and die."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import netparity
from netparity.network.errors import OptionError
from netparity.workers.backends import Subject, choose
from netparity.workers.interpreters import START, find_interpreter
from parity_tests.support.backends import FRAMEWORKS, require
from parity_tests.support.command import LIMIT, NUMPY, SMALL, Command
from parity_tests.support.tiers import representative

ROOT = Path(netparity.__file__).parent.parent
TARGET = "parity_tests.support.numpy_backend:Backend"
FLOAT32 = (*SMALL, "--dtype", "float32")

PRELUDE = f"""\
#!{sys.executable}
import os, sys, time

def send(line):
    os.write(int(sys.argv[-3]), line + b"\\n")

def go_on():
    os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])

"""
"""Of a program that stands in for an interpreter."""

Interpreter = Callable[[str], Path]


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    """Makes a program that stands in for an interpreter."""

    def make(source: str) -> Path:
        path = tmp_path / "python"
        path.write_text(PRELUDE + textwrap.dedent(source), encoding="utf-8")
        path.chmod(0o755)
        return path

    return make


# What a worker needs


OWN = ("PIL", "jinja2", "matplotlib", "pooch", "rich", "safetensors", "threadpoolctl", "typer")
"""What this project needs for itself; an environment that has a framework may lack all of it."""


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "module",
    [
        "netparity.workers.worker",
        "parity_tests.support.numpy_backend",
        *(f"googlenet_{name}.backend" for name in FRAMEWORKS),
    ],
)
def test_a_worker_needs_its_framework_and_numpy_alone(module: str) -> None:
    name = module.partition(".")[0].removeprefix("googlenet_")
    if name in FRAMEWORKS:
        require(name)
    lacking = set(OWN) - ({"rich"} if name == "tf" else set())  # Keras brings it
    source = f"import importlib, sys; sys.modules.update(dict.fromkeys({lacking})); importlib.import_module({module!r})"
    subprocess.run([sys.executable, "-c", source], check=True)


def test_another_interpreter_needs_nothing_of_this_project(
    command: Command, interpreter: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds our packages, though its own paths do not lead there, and nothing that leads it to this one's."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("PYTHONSTARTUP", "astray")
    python = interpreter(
        f"""
        assert os.listdir(os.environ["PYTHONPATH"]) and "PYTHONSTARTUP" not in os.environ
        packages = [os.path.join(os.environ["PYTHONPATH"], name) for name in ("googlenet_np", "googlenet_torch")]
        assert all(map(os.path.islink, packages))
        os.chdir({str(tmp_path)!r})
        go_on()
        """
    )
    result = command("run", *NUMPY, *FLOAT32, "--python", f"other={TARGET}:{python}")
    assert result.code == 0, result.words
    assert "pass: numpy, other" in result.words


@pytest.mark.exhaustive
def test_a_backend_of_ones_own_goes_along(
    command: Command, interpreter: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of this interpreter's, which the other one does not have."""
    (tmp_path / "mine.py").write_text(
        "from parity_tests.support.numpy_backend import Backend as Mine", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    go_on = interpreter("os.environ['PYTHONPATH'] += os.pathsep + " + repr(str(ROOT)) + "; go_on()")
    result = command("run", *FLOAT32, "--backend", "mine=mine:Mine", "--python", f"mine={go_on}")
    assert result.code == 0, result.words


@pytest.mark.exhaustive
def test_two_interpreters_are_compared(command: Command, interpreter: Interpreter) -> None:
    other = ("--python", f"other={TARGET}:{interpreter('go_on()')}")
    result = command("compare", f"numpy={TARGET}", "other", *SMALL, *other, "--require", "bitwise")
    assert result.code == 0, result.words
    assert "every bit is the same" in result.words
    assert "backend: numpy | other" in result.words


@pytest.mark.exhaustive
def test_a_record_by_another_interpreter(command: Command, interpreter: Interpreter, tmp_path: Path) -> None:
    out = tmp_path / "trace.safetensors"
    result = command("record", f"numpy={TARGET}", "-o", out, *SMALL, "--python", interpreter("go_on()"))
    assert result.code == 0
    assert out.exists()


# Who is meant


def test_names_and_interpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netparity.workers.backends.registered_backends", lambda: {"torch": "a:B", "tf": "c:D"})
    python = find_interpreter(sys.executable)
    assert choose([]) == [Subject("torch", "a:B"), Subject("tf", "c:D")]
    assert choose([], [f"tf={python}"]) == [Subject("torch", "a:B"), Subject("tf", "c:D", True, python)]
    assert choose(["tf"], [f"old=tf:{python}"]) == [Subject("tf", "c:D", True), Subject("old", "c:D", True, python)]
    assert choose(["x=m:N"], [f"x={python}"]) == [Subject("x", "m:N", True, python)]
    assert choose(["torch"], [f"x=m:N:{python}"])[1] == Subject("x", "m:N", True, python)


@pytest.mark.parametrize(
    ("interpreter", "words"),
    [
        ("tf", "--python is 'tf'; expected NAME=PATH or NAME=BACKEND:PATH."),
        ("tf=", "--python is 'tf='; expected NAME=PATH"),
        ("=/bin/sh", "expected NAME=PATH"),
        ("caffe=/bin/sh", "There is no backend 'caffe'; registered are: "),
        ("old=caffe:/bin/sh", "There is no backend 'caffe'; registered are: "),
        ("tf=/no/such/python", "'/no/such/python' does not exist; expected a Python interpreter"),
        ("tf=/", "'/' is no program that can be run"),
    ],
)
def test_what_names_no_interpreter(interpreter: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        choose([], [interpreter])
    assert words in str(caught.value)


def test_an_interpreter_that_is_not_there_is_a_sentence(command: Command) -> None:
    result = command("run", *NUMPY, *FLOAT32, "--python", "numpy=/no/such/python")
    assert result.code == 2
    assert result.err == (
        "error: '/no/such/python' does not exist; expected a Python interpreter, such as /opt/env/bin/python.\n"
    )


def test_an_old_interpreter_says_so() -> None:
    source = START.replace("import sys\n", "import sys\nsys.version_info = (3, 9, 18)\n")
    result = subprocess.run([sys.executable, "-c", source], check=False, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == "Python 3.9 is too old; this project's code needs 3.10.\n"


# Interpreters that misbehave

BAD = {
    "lacks NumPy": (
        "import no_such_numpy",
        "ended by itself with exit code 1; its last words: ModuleNotFoundError: No module named 'no_such_numpy'",
    ),
    "is no Python": ("", "ended by itself with exit code 0, without a word."),
    "prints garbage": (
        "os.write(1, os.urandom(5000) + b'\\nthe end\\n'); sys.exit(3)",
        "ended by itself with exit code 3; its last words: the end",
    ),
    "floods": ("for _ in range(5000): os.write(1, b'so on\\n' * 2000)", "its last words: so on"),
    "dies": (
        "print('goodbye', flush=True); os.kill(os.getpid(), 9)",
        "killed by SIGKILL, as when memory runs out; its last words: goodbye",
    ),
    "hangs": (f"time.sleep({2 * LIMIT})", "did not finish within 2 s and was ended"),
    "answers no JSON": ("send(b'hello'); time.sleep(6000)", "sent what is no reply and was ended"),
    "answers no text": ("send(b'\\xff'); time.sleep(6000)", "sent what is no reply and was ended"),
    "answers no reply": ("send(b'[1]'); time.sleep(6000)", "sent what is no reply and was ended"),
    "answers half a reply": ("send(b'{}'); time.sleep(6000)", "sent what is no reply and was ended"),
    "answers half an error": ("send(b'{\"error\": 1}'); time.sleep(6000)", "sent what is no reply and was ended"),
    "answers unasked": ("send(b'[]\\n' * 500); time.sleep(6000)", "sent what is no reply and was ended"),
}


@pytest.mark.parametrize("what", representative(BAD, quick=["dies", "hangs", "answers half a reply"]))
def test_an_interpreter_that_misbehaves_is_an_error(command: Command, interpreter: Interpreter, what: str) -> None:
    source, words = BAD[what]
    timeout = ("--timeout", 2) if what == "hangs" else ()
    bad = ("--backend", f"bad={TARGET}", "--python", f"bad={interpreter(source)}")
    result = command("run", *bad, *FLOAT32, *timeout)
    assert result.code == 2
    assert words in result.words
    assert result.err == ""


def test_an_interpreter_without_the_framework_is_named(command: Command, interpreter: Interpreter) -> None:
    python = interpreter("go_on()")
    target = "other=parity_tests.support.misbehaving:NeedsMissingModule"
    result = command("run", *FLOAT32, "--backend", target, "--python", f"other={python}")
    assert result.code == 2
    assert f"other needs the Python module 'no_such_framework', which is not installed in {python}." in result.words


@pytest.mark.exhaustive
def test_it_costs_nobody_but_itself(command: Command, interpreter: Interpreter) -> None:
    result = command("run", *NUMPY, *FLOAT32, "--python", f"bad={TARGET}:{interpreter('sys.exit(1)')}")
    assert result.code == 2
    assert "error: 1 of 2 judged backends pass." in result.words
