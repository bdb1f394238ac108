"""The engine, weakened, fails its tests: ``make proof`` tries all ways, and here is what says so itself."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from parity_tests.proof.mutations import MUTATIONS, Mutation, Verdict, copy_packages, try_out
from parity_tests.support.places import ROOT

BY_NAME = {mutation.name: mutation for mutation in MUTATIONS}
TENSORS = ("verdict/test_tensors.py",)
WEAK = replace(BY_NAME["dtype ignored"], tests=TENSORS)
HARMLESS = Mutation(
    "nothing", "netparity/verdict/tensors.py", "int(np.argmax(share))", "int(np.argmax(share) + 0)", TENSORS
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    copy_packages(folder)
    return folder


@pytest.mark.proof
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.file[10:-3]}: {mutation.name}")
def test_mutation(mutation: Mutation, copy: Path, record_property: Callable[[str, object], None]) -> None:
    verdict, words = try_out(mutation, copy)
    record_property(verdict.value, 1 if verdict is Verdict.RED else f"{mutation.file}: {mutation.name}")
    assert verdict in (Verdict.RED, Verdict.LARGER), words


@pytest.mark.exhaustive
def test_a_mutation_fits_the_code_as_it_is() -> None:
    """What it replaces stands there once, and what comes of it is Python, and another program."""
    for mutation in MUTATIONS:
        source = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(mutation.applied(source))) != ast.dump(ast.parse(source)), mutation.name


def test_each_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(MUTATIONS)


@pytest.mark.parametrize(
    ("mutation", "verdict", "words"),
    [
        pytest.param(
            WEAK,
            Verdict.RED,
            "parity_tests.verdict.test_tensors::test_what_cannot_be_compared",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(HARMLESS, Verdict.SURVIVES, "", marks=pytest.mark.exhaustive),
        pytest.param(
            replace(HARMLESS, new="int(np.argmax(shares))"),
            Verdict.BROKEN,
            "NameError: name 'shares' is not defined",
            marks=pytest.mark.exhaustive,
        ),
        (replace(HARMLESS, old="gone"), Verdict.BROKEN, "'gone' stands 0 times in netparity/verdict/tensors.py"),
        pytest.param(
            replace(HARMLESS, tests=("none.py",)), Verdict.BROKEN, "exit code 4", marks=pytest.mark.exhaustive
        ),
    ],
    ids=["weak", "harmless", "raises", "out of date", "no tests"],
)
def test_what_the_tests_say(mutation: Mutation, verdict: Verdict, words: str, copy: Path) -> None:
    said, why = try_out(mutation, copy)
    assert said is verdict
    assert words in why
    assert (copy / mutation.file).read_bytes() == (ROOT / mutation.file).read_bytes()


@pytest.mark.exhaustive
def test_a_test_that_fails_anyway_shows_nothing(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    (tmp_path / "parity_tests" / "test_red.py").write_text("def test_red():\n    assert False\n", encoding="utf-8")
    assert try_out(replace(HARMLESS, tests=("test_red.py",)), tmp_path) == (
        Verdict.BROKEN,
        "without it, too: parity_tests.test_red::test_red",
    )


@pytest.mark.exhaustive
def test_a_test_of_the_larger_tier_is_told_apart(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    (tmp_path / "parity_tests" / "test_larger.py").write_text(
        "import pathlib, pytest\n"
        "import netparity.verdict.tensors as tensors\n"
        "@pytest.mark.exhaustive\n"
        "def test_larger():\n    assert '+ 0)' not in pathlib.Path(tensors.__file__).read_text()\n",
        encoding="utf-8",
    )
    verdict, test = try_out(replace(HARMLESS, tests=("test_larger.py",)), tmp_path)
    assert (verdict, test) == (Verdict.LARGER, "parity_tests.test_larger::test_larger")
