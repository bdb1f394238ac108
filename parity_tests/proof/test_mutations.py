"""The comparer, weakened, fails its own tests. ``make mutations`` tries all ways; here are those that matter most."""

from __future__ import annotations

import ast
import shutil
import signal
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from parity_tests.proof.mutations import MUTATIONS, ROOT, Copy, Mutation, Verdict, copies, main, outcomes, refusal

BY_NAME = {mutation.name: mutation for mutation in MUTATIONS}
DTYPE_IGNORED = replace(BY_NAME["dtype ignored"], tests=("test_measure.py",))
HARMLESS = Mutation(
    "nothing",
    "netparity/verdict/tensors.py",
    "worst = int(np.argmax(share))",
    "worst = int(np.argmax(share) + 0)",
    ("test_measure.py",),
)


def try_out(mutation: Mutation) -> tuple[Verdict, str]:
    with copies() as places:
        (outcome,) = outcomes([mutation], places)
    return outcome.verdict, outcome.words


# The catalogue


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_code_as_it_is(mutation: Mutation) -> None:
    """What it replaces stands there once, and what comes of it is Python, and another program."""
    source = (ROOT / mutation.file).read_text(encoding="utf-8")
    mutated = ast.parse(mutation.applied(source))
    assert ast.dump(mutated) != ast.dump(ast.parse(source))


def test_there_are_as_many_as_are_promised() -> None:
    assert len(BY_NAME) == len(MUTATIONS) >= 40
    files = {Path(mutation.file).stem for mutation in MUTATIONS}
    assert files >= {"bounds", "tensors", "checks", "layer_gradients", "ground_truth", "findings", "report", "answers"}


# What the tests say of them


@pytest.mark.parametrize(
    "name",
    [
        "bounds × 1000",
        "NaN is no difference",
        "means compared",
        "last layer skipped",
        "first sample compared alone",
        "dtype ignored",
    ],
)
def test_a_weakened_comparer_fails_its_tests(name: str) -> None:
    verdict, test = try_out(BY_NAME[name])
    assert verdict is Verdict.RED
    assert test.split("::")[0] in BY_NAME[name].order


def test_a_mutation_that_changes_nothing_survives() -> None:
    assert try_out(HARMLESS) == (Verdict.SURVIVES, "")


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("worst = int(np.argmax(shares))", "NameError: name 'shares' is not defined"),
        ("worst = int(np.argmax(share)", "collection failure"),
        ('worst = __import__("os")._exit(3)', "exit code 3"),
    ],
    ids=["raises", "no Python", "ends"],
)
def test_code_that_cannot_run_shows_nothing(new: str, words: str) -> None:
    """A comparer that raises lets nothing pass, so it is no weaker; whatever runs, or not, is no test that failed."""
    verdict, said = try_out(replace(HARMLESS, new=new))
    assert verdict is Verdict.BROKEN
    assert words in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"old": "no such words"}, "'no such words' stands 0 times in netparity/verdict/tensors.py, expected once"),
        ({"old": "actual"}, "times in netparity/verdict/tensors.py, expected once"),
        ({"tests": ("test_none.py",)}, "exit code 4"),
        ({"tests": ("test_measure.py::test_none",)}, "exit code 4"),
    ],
    ids=["gone", "several", "no file", "no test"],
)
def test_a_mutation_that_is_out_of_date_shows_nothing(changes: dict[str, str], words: str) -> None:
    verdict, said = try_out(replace(HARMLESS, **changes))  # type: ignore[arg-type]
    assert verdict is Verdict.BROKEN
    assert words in said


def test_a_copy_is_as_before_when_a_mutation_was_tried_out() -> None:
    with copies() as (place,):
        for _ in outcomes([DTYPE_IGNORED], [place]):
            pass
        assert (place.folder / HARMLESS.file).read_bytes() == (ROOT / HARMLESS.file).read_bytes()
        assert [outcome.verdict for outcome in outcomes([HARMLESS], [place])] == [Verdict.SURVIVES]


# The command


@pytest.mark.parametrize(
    ("chosen", "code", "words"),
    [
        ([DTYPE_IGNORED], 0, "1 mutations, 1 turn the suite red, 0 survive ("),
        ([HARMLESS, DTYPE_IGNORED], 1, "2 mutations, 1 turn the suite red, 1 survive ("),
        ([HARMLESS, replace(HARMLESS, old="gone")], 2, "2 mutations, 0 turn the suite red, 1 survive, 1 broken ("),
    ],
    ids=["red", "survives", "broken"],
)
def test_the_command_counts(
    chosen: list[Mutation],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("parity_tests.proof.mutations.MUTATIONS", chosen)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert main(["--jobs", "2"]) == code
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1].startswith(words)
    assert ("SURVIVES nothing (netparity/verdict/tensors.py)" in printed) == (HARMLESS in chosen)
    assert "dtype ignored" not in printed
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_which_test_went_red(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parity_tests.proof.mutations.MUTATIONS", [HARMLESS, DTYPE_IGNORED])
    assert main(["--verbose", "dtype"]) == 0
    test = "test_measure.py::test_what_cannot_be_compared_fails[more precise-malformed]"
    assert f"red      dtype ignored (netparity/verdict/tensors.py): {test}" in capsys.readouterr().out


def test_tests_that_fail_without_a_mutation_judge_none() -> None:
    with copies() as (place,):
        with (place.folder / "parity_tests" / "test_measure.py").open("a", encoding="utf-8") as file:
            file.write("\n\ndef test_red() -> None:\n    assert not SHAPE\n")
        assert refusal(place, ["test_measure.py"]) == "the tests fail as it is: test_measure.py::test_red"


def test_nor_do_tests_of_what_is_not_the_copy() -> None:
    with copies() as (place,):
        assert refusal(place, ["test_measure.py::test_permuted_entries_are_a_difference"]) == ""
        shutil.rmtree(place.folder / "googlenet_np")
        assert refusal(place, ["test_measure.py"]) == (
            f"the tests import {ROOT / 'googlenet_np' / '__init__.py'}, which is not in the copy"
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "No mutation can be judged: the tests fail as it is"), (["no such"], "no mutation's name holds")],
    ids=["tests fail", "none chosen"],
)
def test_the_command_refuses(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parity_tests.proof.mutations.MUTATIONS", [replace(HARMLESS, tests=("test_none.py",))])
    try:
        code = main(arguments)
    except SystemExit as exit_:  # of argparse
        code = int(exit_.code or 0)
    assert code == 2
    assert words in "".join(capsys.readouterr())


def test_an_interrupted_command_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    under_way: list[subprocess.Popen[bytes]] = []

    def interrupt(place: Copy) -> NoReturn:
        assert place.process is not None
        under_way.append(place.process)
        raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("parity_tests.proof.mutations.Copy.result", interrupt)
    with pytest.raises(KeyboardInterrupt):
        main([])
    assert [process.returncode for process in under_way] == [-signal.SIGKILL]
    assert list(tmp_path.iterdir()) == []
