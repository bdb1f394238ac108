"""Environments that are made once and kept, and the matrix of what runs in them. Nothing is fetched from anywhere.

A stand-in for uv makes the environments: their interpreter is this one, and "installing" writes a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from googlenet_np import GOOGLENET
from netparity.compare.installed import InstallationError, prepare
from netparity.compare.matrix import Matrix, parse_entry, read_entries
from netparity.files.trace import open_trace
from netparity.network.errors import FileError, NetparityError, OptionError
from netparity.verdict.findings import Status
from parity_tests.support.command import LIMIT, Command
from parity_tests.support.tiers import representative
from parity_tests.support.uv import Uv

# Environments


def silent(_: str) -> None:
    """For an installer's words that nobody reads."""


def test_an_environment_is_made_once(uv: Uv, tmp_path: Path) -> None:
    told: list[str] = []
    first = prepare(["torch==1", "numpy"], tmp_path / "cache", tell=told.append)
    assert told == ["looking for torch==1", "looking for numpy", "installed"]
    assert prepare(["torch==1", "numpy"], tmp_path / "cache", tell=silent) == first
    assert uv.installed == ["torch==1 numpy"]
    assert first.version.startswith("3.")
    assert "numpy" in first.packages


@pytest.mark.parametrize(
    "other",
    representative([["torch==2", "numpy"], ["numpy", "torch==1"], ["torch==1"]], quick=[["torch==2", "numpy"]]),
)
def test_other_content_is_another_environment(uv: Uv, tmp_path: Path, other: list[str]) -> None:
    first = prepare(["torch==1", "numpy"], tmp_path, tell=silent)
    assert prepare(other, tmp_path, tell=silent).python != first.python
    assert len(uv.installed) == 2


def test_a_folder_of_source_counts_by_its_content(uv: Uv, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "module.py").write_text("x = 1")
    made = [prepare(["./source"], tmp_path / "cache", base=tmp_path, tell=silent) for _ in range(2)]
    (source / "module.py").write_text("x = 2")
    made.append(prepare(["./source"], tmp_path / "cache", base=tmp_path, tell=silent))
    assert made[0] == made[1]
    assert made[1] != made[2]
    assert uv.installed == ["./source", "./source"]


@pytest.mark.parametrize(
    "damage",
    representative(["no stamp", "no JSON", "another package", "no interpreter"], quick=["no stamp", "another package"]),
)
def test_what_is_not_as_its_stamp_says_is_made_anew(uv: Uv, tmp_path: Path, damage: str) -> None:
    """Half made, or changed by somebody."""
    environment = prepare(["torch"], tmp_path, tell=silent)
    folder = Path(environment.python).parent.parent
    stamp = folder / "netparity.json"
    if damage == "no stamp":
        stamp.unlink()
    elif damage == "no JSON":
        stamp.write_text("{")
    elif damage == "no interpreter":
        Path(environment.python).unlink()
    else:
        content = json.loads(stamp.read_text())
        stamp.write_text(json.dumps({**content, "packages": {**content["packages"], "one-more": "1"}}))
    assert prepare(["torch"], tmp_path, tell=silent) == environment
    assert len(uv.installed) == 2


def test_an_installation_that_fails_has_last_words_and_leaves_nothing_that_counts(uv: Uv, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(InstallationError) as caught:
            prepare(["torch==99"], tmp_path, tell=silent)
        assert str(caught.value) == "looking for torch==99\nerror: no solution: there is no torch==99"
    assert len(uv.installed) == 2


def test_an_interrupted_installation_is_ended_and_made_anew(uv: Uv, tmp_path: Path) -> None:
    slept = tmp_path / "slept"
    program = tmp_path / "programs" / "uv"
    slow = "time.sleep(600)"
    assert slow in program.read_text()
    program.write_text(program.read_text().replace(slow, f"{slow}; Path({str(slept)!r}).touch()"))

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(["torch==slow"], tmp_path, tell=interrupt)
    assert not slept.exists(), "the installer came to its end instead of being ended"
    assert not at_work(program)
    with pytest.raises(KeyboardInterrupt):
        prepare(["torch==slow"], tmp_path, tell=interrupt)
    assert len(uv.installed) == 2


def at_work(program: Path) -> list[str]:
    """The processes that run a program, by Linux' numbers for them; one that has ended has no command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # ended since it was listed
            if os.fsencode(program) in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
    return found


def test_another_interpreter_makes_another_environment(uv: Uv, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    one, two = (prepare(["torch"], tmp_path / "cache", python=python, tell=silent) for python in (None, str(other)))
    assert one.python != two.python
    assert len(uv.installed) == 2


def test_no_interpreter_to_make_it_with(uv: Uv, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="'/no/python' does not exist"):
        prepare(["torch"], tmp_path, python="/no/python", tell=silent)
    with pytest.raises(InstallationError, match="does not run as a Python interpreter"):
        prepare(["torch"], tmp_path, python="/bin/false", tell=silent)
    assert not uv.installed


@pytest.mark.exhaustive
def test_venv_and_pip_without_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For real, from a wheel on this disk."""
    monkeypatch.setattr("shutil.which", lambda *_: None)
    wheel = tiny_wheel(tmp_path)
    environment = prepare(["--no-index", str(wheel)], tmp_path / "cache", tell=silent)
    assert environment.packages["tiny"] == "1.0"
    assert "numpy" not in environment.packages
    told: list[str] = []
    assert prepare(["--no-index", str(wheel)], tmp_path / "cache", tell=told.append) == environment
    assert not told


def tiny_wheel(folder: Path) -> Path:
    """A distribution without content."""
    import zipfile

    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny.py", "")
        file.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        file.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("tiny-1.0.dist-info/RECORD", "")
    return path


# Entries


@pytest.mark.parametrize(
    ("text", "target", "more"),
    [
        ("torch==2.13.0", "googlenet_torch.backend:Backend", ["numpy"]),
        ("tensorflow-cpu==2.15.1", "googlenet_tf.backend:Backend", ["numpy"]),
        ("TensorFlow_CPU[x]>=2 keras==3.0", "googlenet_tf.backend:Backend", ["numpy"]),
        ("numpy==1.24.4 mxnet==1.9.1", "googlenet_mx.backend:Backend", ["numpy<2", "setuptools"]),
    ],
)
def test_an_entry_knows_its_backend(text: str, target: str, more: list[str]) -> None:
    entry = parse_entry(text)
    assert (entry.name, entry.target, entry.requirements) == (text, target, (*text.split(), *more))


@pytest.mark.parametrize("text", ["", "   ", "==2.15", "requests==2", "torchvision"])
def test_an_entry_that_names_no_package_of_a_framework(command: Command, uv: Uv, text: str) -> None:
    result = command("matrix", "torch==2.13.0", text)
    assert result.code == 2
    assert result.err == (
        f"error: The entry {text!r} names no package of a framework; expected one of mxnet, tensorflow, "
        f"tensorflow-cpu, tf-nightly, torch, such as 'tensorflow-cpu==2.15.1'.\n"
    )
    assert not uv.installed


def test_a_matrix_of_nothing(command: Command) -> None:
    result = command("matrix")
    assert result.code == 2
    assert result.err.startswith("error: Which versions? For example: ")


def test_entries_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "matrix.toml").write_text(
        textwrap.dedent(
            """
            entries = [
                "torch==2.13.0",
                { requirements = ["mxnet==2.0.0b1", "./mine"], backend = "mine:Backend", name = "mx2", python = "/x" },
            ]
            """
        )
    )
    one, two = read_entries(tmp_path / "matrix.toml")
    assert (one.name, one.python, one.base) == ("torch==2.13.0", None, tmp_path)
    assert (two.name, two.target, two.python) == ("mx2", "mine:Backend", "/x")
    assert two.requirements == ("mxnet==2.0.0b1", "./mine", "numpy<2", "setuptools")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("entries = [", "is no TOML: "),
        ("\xff", "is no TOML: "),
        ("", 'has no matrix; expected entries = ["tensorflow-cpu==2.15.1", …].'),
        ("entries = []", "has no matrix"),
        ('entries = ["torch"]\nother = 1', "and not other."),
        ("entries = [1]", "Entry 1 of"),
        ("entries = [{}]", "Entry 1 of"),
        ('entries = ["torch", {requirements = "torch"}]', "Entry 2 of"),
        ('entries = [{requirements = ["torch"], name = 1}]', "its other values are strings."),
        ('entries = [{requirements = ["torch"], pyhton = "x"}]', "has pyhton; expected some of backend, name"),
        ('entries = [{requirements = ["torch"], backend = "caffe"}]', "There is no backend 'caffe'"),
        ('entries = ["requests"]', "names no package of a framework"),
    ],
)
def test_a_file_that_is_no_matrix(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "matrix.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(NetparityError) as caught:
        read_entries(path)
    assert words in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="Cannot read"):
        read_entries(tmp_path / "none.toml")


# The matrix

MATRIX = """
entries = [
    { name = "one", requirements = ["numpy==1"], backend = "parity_tests.support.numpy_backend:Backend" },
    { name = "two", requirements = ["numpy==2"], backend = "parity_tests.support.numpy_backend:Backend" },
    { name = "bad", requirements = ["numpy==3"], backend = "parity_tests.support.misbehaving:GivesNaN" },
    { name = "late", requirements = ["numpy==99"], backend = "parity_tests.support.numpy_backend:Backend" },
    { name = "dead", requirements = ["numpy==4"], backend = "parity_tests.support.misbehaving:IsKilled" },
]
"""


@pytest.mark.exhaustive
def test_each_row_is_judged_and_the_bad_ones_cost_nobody_else(
    run_matrix: Callable[..., tuple[int, str, dict[str, Any]]], tmp_path: Path
) -> None:
    code, words, document = run_matrix(MATRIX, "--traces", tmp_path / "traces")
    assert code == 2
    assert {row["name"]: row["status"] for row in document["rows"]} == {
        "one": "pass",
        "two": "pass",
        "bad": "fail",
        "late": "error",
        "dead": "error",
    }
    assert document["rows"][0]["layers"].keys() == document["rows"][1]["layers"].keys()
    assert len(document["rows"][0]["layers"]) == 81
    assert "error late: looking for numpy==99 error: no solution: there is no numpy==99" in words
    assert "b3.inception_3b.p3_2 holds nan" in words, words
    assert "dead was killed by SIGKILL" in words
    assert "The same, bit for bit: one, two." in words
    assert "error: 2 of 5 environments compute the same GoogLeNet as the float64 reference." in words
    assert document["equal"] == [["one", "two"]]
    assert [(pair["first"], pair["second"], pair["identical"]) for pair in document["pairs"]] == [("one", "two", True)]
    assert sorted(path.name for path in (tmp_path / "traces").iterdir()) == ["one.safetensors", "two.safetensors"]
    assert open_trace(tmp_path / "traces" / "one.safetensors").header["backend"] == "one"


@pytest.mark.exhaustive
def test_rows_that_differ_within_rounding_pass(run_matrix: Callable[..., tuple[int, str, dict[str, Any]]]) -> None:
    content = """
    entries = [
        { name = "one", requirements = ["numpy==1"], backend = "parity_tests.support.numpy_backend:Backend" },
        { name = "two", requirements = ["numpy==2"], backend = "parity_tests.support.misbehaving:RoundsOtherwise" },
    ]
    """
    code, words, document = run_matrix(content)
    assert code == 0
    assert "one | two b1.conv " in words
    assert document["equal"] == [["one"], ["two"]]
    assert "pass: 2 of 2 environments compute" in words


def test_a_row_that_fails_and_one_that_cannot_be_made(
    run_matrix: Callable[..., tuple[int, str, dict[str, Any]]],
) -> None:
    content = """
    entries = [
        { name = "late", requirements = ["numpy==99"], backend = "parity_tests.support.numpy_backend:Backend" },
        { name = "bad", requirements = ["numpy==3"], backend = "parity_tests.support.misbehaving:GivesNaN" },
    ]
    """
    code, words, document = run_matrix(content)
    assert code == 2
    assert {row["name"]: row["status"] for row in document["rows"]} == {"late": "error", "bad": "fail"}
    assert "b3.inception_3b.p3_2 holds nan" in words
    assert "error: 0 of 2 environments compute" in words


@pytest.mark.parametrize(("beyond", "exit_code"), [(None, 0), ("b1.conv", 1)], ids=["rounding", "more"])
def test_rows_that_pass_and_are_apart_fail(beyond: str | None, exit_code: int) -> None:
    """As float32 gradients may be, which no row is judged by."""
    row: Any = SimpleNamespace(status=Status.PASS)
    pair: Any = SimpleNamespace(comparison=SimpleNamespace(first_beyond=beyond))
    settings: Any = SimpleNamespace(network="GoogLeNet")
    matrix = Matrix((row, row), (pair,), settings, GOOGLENET)
    assert matrix.exit_code == exit_code
    assert ("1 pairs are apart" in matrix.verdict[1]) == bool(exit_code)


def test_where_nothing_ran_there_is_a_column_for_each_stage(
    run_matrix: Callable[..., tuple[int, str, dict[str, Any]]],
) -> None:
    entry = '{ name = "late", requirements = ["numpy==99"], backend = "parity_tests.support.numpy_backend:Backend" }'
    code, words, _ = run_matrix(f"entries = [{entry}]")
    assert code == 2
    assert words.startswith("environment b1 b2 b3 b4 b5 fc verdict ")
    assert " late – – – – – – error " in words


def test_names_must_differ(command: Command, uv: Uv, tmp_path: Path) -> None:
    result = command("matrix", "torch==1", "torch==1", "--cache", tmp_path)
    assert result.code == 2
    assert result.err == "error: The matrix has 'torch==1' more than once.\n"
    assert not uv.installed


def test_ctrl_c_leaves_nothing_at_work(uv: Uv, tmp_path: Path) -> None:
    command_line = [
        sys.executable,
        "-m",
        "netparity",
        "matrix",
        "torch==slow",
        "--cache",
        str(tmp_path / "cache"),
    ]
    process = subprocess.Popen(
        command_line, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "torch==slow: looking for its environment\n"
    end = time.monotonic() + LIMIT
    while not uv.installed:
        assert process.poll() is None
        assert time.monotonic() < end, f"no installation has begun within the limit of {LIMIT:.0f} s"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Interrupted; finished environments are kept, and nothing else goes on."
    assert not list((tmp_path / "cache").glob("*/netparity.json"))
