"""What ``make proof`` has besides pytest: slices, records by which a stopped run goes on, and counts that are kept."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from parity_tests.proof.records import chosen_slice, counts, read
from parity_tests.support.places import ROOT

UNITS = """
import pathlib, pytest

pytestmark = pytest.mark.proof

@pytest.mark.parametrize("number", range(4))
def test_unit(number, record_property):
    record_property("seeds", 10)
    if number == 1:
        record_property("surviving", "one")
    assert number != 1 or pathlib.Path("mended").exists()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of four units, of which the second fails until there is a file ``mended``."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text("from parity_tests.proof.conftest import *\n", encoding="utf-8")
    (tmp_path / "test_things.py").write_text(UNITS, encoding="utf-8")
    return tmp_path


def proof(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "proof", *options, "test_things.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.exhaustive
@pytest.mark.parametrize("processes", [0, 2])
def test_a_stopped_run_goes_on_and_its_counts_are_kept(folder: Path, processes: int) -> None:
    assert "1 failed, 1 passed" in proof(folder, "-n", str(processes), "--slice", "2/2")
    (folder / "mended").touch()
    printed = proof(folder, "-n", str(processes), "--keep")
    assert "3 passed, 1 skipped" in printed
    assert "things     4 units, 4 ran, 4 passed, 0 failed, 40 seeds, 1 surviving" in printed
    (kept,) = (folder / "docs" / "results").iterdir()
    assert well_formed(kept) == ["things"]
    assert "4 passed" in proof(folder, "--again", "-p", "no:xdist")


def well_formed(path: Path) -> list[str]:
    """The kinds that a kept file has counts of."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["format"] == "netparity proof"
    assert re.fullmatch(r"[0-9a-f]{40}", kept["commit"])
    assert re.fullmatch(r"[0-9a-f]{64}", kept["sources"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", kept["date"])
    for own in kept["kinds"].values():
        assert own["passed"] + own["failed"] == own["ran"] <= own["units"]
    return list(kept["kinds"])


def test_what_is_kept_of_the_last_run() -> None:
    path = ROOT / "docs" / "results" / "proof.json"
    if not path.exists():
        pytest.skip("docs/results/proof.json is not there; make proof ARGS=--keep writes it")
    assert well_formed(path) == ["faults", "fuzzing", "kills", "mutations", "soundness"]


def test_slices_are_named_or_drawn() -> None:
    assert chosen_slice(None, None) == (1, 1)
    assert chosen_slice("3/7", None) == (3, 7)
    drawn = {chosen_slice(None, f"{seed}/7") for seed in range(100)}
    assert drawn == {(number, 7) for number in range(1, 8)}
    assert chosen_slice(None, "e81c0b5/7") == chosen_slice(None, "e81c0b5/7")


@pytest.mark.parametrize("option", ["--slice=8/7", "--slice=0/7", "--slice=a", "--draw=1/0", "--draw=x"])
def test_what_is_no_slice(option: str) -> None:
    name, _, value = option.partition("=")
    with pytest.raises((ValueError, ZeroDivisionError)):
        chosen_slice(*((value, None) if name == "--slice" else (None, value)))


def test_the_last_record_of_a_unit_counts(tmp_path: Path) -> None:
    lines = [
        {"unit": "a/test_x.py::one", "outcome": outcome, "found": {"n": 2, "of": "b"}}
        for outcome in ("failed", "passed")
    ]
    lines.append({**lines[0], "unit": "a/test_x.py::two", "found": {"n": 3, "of": "a"}})
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines), '{"unit": "cut']), encoding="utf-8")
    assert counts(read(path), {"x": 5, "y": 1}) == {
        "x": {"units": 5, "ran": 2, "passed": 1, "failed": 1, "n": 5, "of": ["a", "b"]},
        "y": {"units": 1, "ran": 0, "passed": 0, "failed": 0},
    }
