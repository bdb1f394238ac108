"""Results as JUnit XML, for continuous integration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from xml.etree import ElementTree

from netparity.files.disk import atomic_write

Outcome = Literal["", "failure", "error", "skipped"]


class Case(NamedTuple):
    """One test case: an outcome with its message and type, or an empty one if the case passed."""

    name: str
    outcome: Outcome = ""
    message: str = ""
    type: str = ""


class Suite(NamedTuple):
    """Test cases of one subject and one class, with the seconds that they took together, if those are known."""

    name: str
    cases: Sequence[Case]
    classname: str
    seconds: float | None = None


def write_junit(path: Path, name: str, suites: Iterable[Suite]) -> None:
    """Writes test suites under one name; raises FileError if there can be no such file."""
    root = ElementTree.Element("testsuites", name=name)
    for suite in suites:
        outcomes = [case.outcome for case in suite.cases]
        attributes = {
            "name": suite.name,
            "tests": str(len(outcomes)),
            "failures": str(outcomes.count("failure")),
            "errors": str(outcomes.count("error")),
            "skipped": str(outcomes.count("skipped")),
        }
        if suite.seconds is not None:
            attributes["time"] = f"{suite.seconds:.3f}"
        element = ElementTree.SubElement(root, "testsuite", attributes)
        for case in suite.cases:
            child = ElementTree.SubElement(element, "testcase", classname=suite.classname, name=case.name)
            if case.outcome:
                ElementTree.SubElement(child, case.outcome, message=case.message, type=case.type)
    ElementTree.indent(root)
    with atomic_write(path) as file:
        file.write(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
