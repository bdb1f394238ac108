"""The tests of other folders that draw their examples, with more of them than they draw every day, and other ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from parity_tests.proof.records import digest
from parity_tests.support.command import LIMIT
from parity_tests.support.places import ROOT

FACTOR = 5
FILES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "parity_tests").rglob("test_*.py")
    if re.search(r"^from hypothesis import", path.read_text(encoding="utf-8"), re.MULTILINE)
)


@pytest.mark.proof
@pytest.mark.parametrize("file", FILES)
def test_more_examples(file: str, record_property: Callable[[str, object], None]) -> None:
    seed = int(digest()[:8], 16)  # other examples each time that anything has changed
    command = [sys.executable, "-m", "pytest", "-q", "-p", "parity_tests.proof.more_examples", "-p", "no:cacheprovider"]
    process = subprocess.run(
        [*command, f"--hypothesis-seed={seed}", file],
        cwd=ROOT,
        env=os.environ | {"NETPARITY_EXAMPLES": str(FACTOR)},
        capture_output=True,
        text=True,
        timeout=6 * LIMIT,  # only so that a hang ends
        check=False,
    )
    assert process.returncode == 0, f"with --hypothesis-seed={seed}:\n{process.stdout}{process.stderr}"
    passed = re.search(r"(\d+) passed", process.stdout)
    assert passed
    record_property("tests with five times their examples", int(passed[1]))
