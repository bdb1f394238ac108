"""The pages of ``docs/`` that show code: it runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import netparity.testing.assertions  # noqa: F401 – pytester forgets what its runs import, and would import it by halves
from netparity.files.golden import ENTRIES
from parity_tests.support.backends import require

pytest_plugins = ["pytester"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "regression.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="docs/regression.md is only in the repository")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.exhaustive
def test_the_code_of_the_page_on_regression(pytester: pytest.Pytester) -> None:
    require("torch")
    suite, script = blocks("python")
    pytester.mkdir("tests")
    pytester.makepyfile(**{"tests/test_numbers": suite})
    arguments = ("-p", "netparity.testing.plugin", "tests/test_numbers.py")
    result = pytester.runpytest_inprocess(*arguments, "--parity-update", "-k", "keep")
    result.assert_outcomes(passed=2, deselected=1)
    written = r"tests/golden/torch-float\d\d.safetensors: written, [\d,]+ bytes of torch \S+\.$"
    found_lines = [line for line in result.outlines if re.match(written, line)]
    shown = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(written, line)]
    assert len(found_lines) == len(shown) == 2
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=3)
    pytester.makepyfile(script=script)
    printed = pytester.runpython(pytester.path / "script.py").stdout.str()
    assert re.match(r"torch \S+ and torch \S+ agree; bit for bit: True$", printed)


def test_the_page_on_regression_says_what_is_kept() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"- {ENTRIES} entries, spread" in text
    assert f"not among the {ENTRIES}" in text
