"""Reports as files that other programs read: JSON, and JUnit XML for continuous integration."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from googlenet_np.files import atomic_write
from googlenet_parity.verdict import CheckResult, Measurement, Observation, Report, Status

__all__ = ["write_json", "write_junit"]

FORMAT_VERSION = 1


def write_json(path: Path, report: Report) -> None:
    """The whole report, every measurement included. Numbers that JSON lacks (infinity, NaN) are null.

    Raises:
        FileError: The file cannot be written.
    """
    document = {
        "format": "googlenet-parity report",
        "format_version": FORMAT_VERSION,
        "status": str(report.status),
        "exit_code": report.exit_code,
        "settings": report.settings,
        "losses": report.losses,
        "loss_floor": report.loss_floor,
        "environment": report.environment,
        "backends": [
            {
                "name": backend.name,
                "status": str(backend.status),
                "versions": backend.versions,
                "seconds": round(backend.seconds, 3),
                "checks": [_check(check) for check in backend.checks],
                "diagnosis": backend.diagnosis and asdict(backend.diagnosis),
                "losses": [_number(loss) for loss in backend.losses],
                "observations": [_observation(observation) for observation in backend.observations],
            }
            for backend in report.backends
        ],
    }
    with atomic_write(path) as file:
        file.write(json.dumps(document, indent=1, allow_nan=False).encode() + b"\n")


def write_junit(path: Path, report: Report) -> None:
    """One test suite for each backend, one test case for each check.

    Raises:
        FileError: The file cannot be written.
    """
    suites = ElementTree.Element("testsuites", name="googlenet-parity")
    for backend in report.backends:
        kinds = [_junit_kind(check.status) for check in backend.checks]
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=backend.name,
            tests=str(len(kinds)),
            failures=str(kinds.count("failure")),
            errors=str(kinds.count("error")),
            skipped=str(kinds.count("skipped")),
            time=f"{backend.seconds:.3f}",
        )
        for check, kind in zip(backend.checks, kinds, strict=True):
            case = ElementTree.SubElement(suite, "testcase", classname=backend.name, name=check.check)
            if kind:
                ElementTree.SubElement(case, kind, message=check.message, type=str(check.status))
    ElementTree.indent(suites)
    with atomic_write(path) as file:
        file.write(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n")


def _junit_kind(status: Status) -> str:
    return {Status.PASS: "", Status.SKIPPED: "skipped", Status.ERROR: "error"}.get(status, "failure")


def _check(check: CheckResult) -> dict[str, Any]:
    return {
        "check": check.check,
        "status": str(check.status),
        "message": check.message,
        "worst": check.worst and check.worst.name,
        "share": check.worst and _number(check.worst.share),
        "measurements": [_measurement(measurement) for measurement in check.measurements],
    }


def _measurement(measurement: Measurement) -> dict[str, Any]:
    return {
        "name": measurement.name,
        "status": str(measurement.status),
        "share": _number(measurement.share),
        "error": _number(measurement.error),
        "limit": _number(measurement.limit),
        "index": measurement.index,
        "actual": _number(measurement.actual),
        "desired": _number(measurement.desired),
        "beyond": measurement.beyond,
        "message": measurement.message,
    }


def _observation(observation: Observation) -> dict[str, Any]:
    values = {name: _number(value) for name, value in observation.values.items()}
    return {"name": observation.name, "message": observation.message, "values": values}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
