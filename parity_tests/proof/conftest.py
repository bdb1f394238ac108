"""What ``make proof`` has besides pytest: slices, records by which a stopped run goes on, and the counts."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from netparity.show.json_file import write_json
from parity_tests.proof import records
from parity_tests.support.places import ROOT

COUNTED = pytest.StashKey[Mapping[str, int]]()
"""How many units there are of each kind, chosen or not."""

MARK = ("proof", True)
"""By this property a report is known as that of a unit; markers do not reach the process that hears of all."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("proof")
    group.addoption("--slice", dest="proof_slice", metavar="K/N", help="only every N-th unit, from the K-th on")
    group.addoption("--draw", dest="proof_draw", metavar="SEED/N", help="one of N slices, drawn by any SEED")
    group.addoption("--again", dest="proof_again", action="store_true", help="run what has passed already, too")
    group.addoption("--keep", dest="proof_keep", action="store_true", help="write docs/results/proof.json")


def pytest_configure(config: pytest.Config) -> None:
    try:
        _slice(config)
    except (ValueError, ZeroDivisionError) as error:
        raise pytest.UsageError(f"--slice is K/N, --draw is SEED/N: {error}") from None
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Records(config), "proof-records")


def pytest_report_header(config: pytest.Config) -> str:
    number, of = _slice(config)
    return f"proof: slice {number} of {of}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    units = [item for item in items if item.get_closest_marker("proof")]
    if not units:
        return
    getattr(config, "workeroutput", {})["proof"] = counted = dict(Counter(records.kind_of(u.nodeid) for u in units))
    config.stash[COUNTED] = counted
    number, of = _slice(config)
    chosen = set(units[number - 1 :: of])
    items[:] = [item for item in items if item in chosen or item not in units]
    config.hook.pytest_deselected(items=[unit for unit in units if unit not in chosen])
    passed = (
        set()
        if config.getoption("proof_again", False)
        else records.passed(records.read(_path(config, records.digest())))
    )
    for unit in chosen:
        unit.user_properties.append(MARK)
        if unit.nodeid in passed:  # skipped, not left out: every process of pytest-xdist must have the same tests
            unit.add_marker(pytest.mark.skip(reason="kept: it has passed with these very sources (--again runs it)"))


def _slice(config: pytest.Config) -> tuple[int, int]:
    return records.chosen_slice(config.getoption("proof_slice", None), config.getoption("proof_draw", None))


def _path(config: pytest.Config, digest: str) -> Path:
    return config.rootpath / "build" / "proof" / f"{digest[:16]}.jsonl"


class Records:
    """In the process that hears of all tests: writes each unit's record, and in the end the counts."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.digest = records.digest()  # at once: sources may change before the end
        self.path = _path(config, self.digest)
        self.ran = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        ended = report.failed or (report.when == "call" and report.passed)
        if not ended or MARK not in report.user_properties:
            return
        self.ran = True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        record = {"unit": report.nodeid, "outcome": report.outcome, "found": dict(report.user_properties[1:])}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        if counted := getattr(node, "workeroutput", {}).get("proof"):
            self.config.stash[COUNTED] = counted

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        keep = self.config.getoption("proof_keep", False)
        if not self.ran and not keep:
            return
        found = records.counts(records.read(self.path), self.config.stash.get(COUNTED, {}))
        terminalreporter.section("proof, with what was kept of earlier runs")
        for kind, own in found.items():
            more = [f"{len(value) if isinstance(value, list) else value} {key}" for key, value in own.items()]
            terminalreporter.write_line(f"{kind:<10} {', '.join(more)}")
        if keep:
            commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
            made = {"commit": commit, "sources": self.digest, "date": f"{datetime.now(timezone.utc):%Y-%m-%d}"}
            path = self.config.rootpath / "docs" / "results" / "proof.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, "proof", made | {"kinds": found})
            terminalreporter.write_line(f"Kept in {path}.")
