"""What ``make proof`` keeps of its units, so that a stopped run goes on, and what it counts of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from parity_tests.support.backends import installed_versions
from parity_tests.support.places import ROOT

__all__ = ["chosen_slice", "counts", "digest", "kind_of", "passed", "read"]

Record = Mapping[str, Any]
"""Of one unit: ``unit``, its name; ``outcome``, ``passed`` or ``failed``; ``found``, what it says of itself."""


@cache
def digest() -> str:
    """A hash of all that a unit's outcome depends on: the packages, the tests, and the versions of the frameworks."""
    found = hashlib.sha256(repr(installed_versions()).encode())
    for package in ("googlenet_np", "googlenet_torch", "googlenet_tf", "googlenet_mx", "netparity", "parity_tests"):
        for path in sorted((ROOT / package).rglob("*.py")):
            found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def chosen_slice(slice_: str | None, draw: str | None) -> tuple[int, int]:
    """Which slice of how many is meant by ``K/N``, or drawn by ``SEED/N``.

    Raises:
        ValueError: Neither has that form.
    """
    if draw:
        seed, _, of = draw.rpartition("/")
        return int(hashlib.sha256(seed.encode()).hexdigest(), 16) % int(of) + 1, int(of)
    number, _, of = (slice_ or "1/1").partition("/")
    if not 1 <= int(number) <= int(of):
        raise ValueError(f"{number} is not in 1 to {of}.")
    return int(number), int(of)


def read(path: Path) -> list[Record]:
    """The last record of each unit; a line that a killed run left unfinished counts none."""
    last: dict[str, Record] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        last[record["unit"]] = record
    return list(last.values())


def passed(records: Iterable[Record]) -> set[str]:
    """The units that need not run again."""
    return {record["unit"] for record in records if record["outcome"] == "passed"}


def kind_of(unit: str) -> str:
    """What kind of search a unit is of: ``faults`` of those in ``test_faults.py``."""
    return Path(unit.partition("::")[0]).stem.removeprefix("test_")


def counts(records: Iterable[Record], units: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """What was found, by kind: how many units there are, ran, passed and failed; what they say, added or listed."""
    found: dict[str, dict[str, Any]] = {
        kind: {"units": number, "ran": 0, "passed": 0, "failed": 0} for kind, number in sorted(units.items())
    }
    for record in records:
        own = found.setdefault(kind_of(record["unit"]), {"units": 0, "ran": 0, "passed": 0, "failed": 0})
        own["ran"] += 1
        own[record["outcome"]] += 1
        for key, value in record["found"].items():
            own[key] = own.get(key, 0) + value if isinstance(value, int) else sorted([*own.get(key, []), value])
    return found
