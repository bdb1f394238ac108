"""Many versions of many frameworks, each in an environment of its own, against the reference and against each other."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from netparity.compare.comparison import Comparison, compare_traces
from netparity.compare.installed import Environment, InstallationError, prepare
from netparity.compare.recording import RecordingError, record_case
from netparity.files.disk import read_file
from netparity.files.trace import open_trace, write_trace
from netparity.network.contract import DType
from netparity.network.errors import FileError, OptionError
from netparity.network.frameworks import FRAMEWORKS, framework_of
from netparity.network.network import Network
from netparity.network.settings import CaseSettings
from netparity.runs.case import Case
from netparity.runs.side_by_side import run
from netparity.system.processor import usable_cores
from netparity.system.progress import ProgressListener
from netparity.verdict.findings import LAYERS, Status, worst
from netparity.verdict.report import BackendReport
from netparity.workers.backends import Subject, find_backend

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DTYPE: DType = "float32"
"""The precision of the traces: in float64, rounding would hide under the gate what an update may have moved."""

INSTALLED, JUDGED, RECORDED = 0.4, 0.8, 0.99
"""The shares of a row that are done at these points, for whoever watches."""


@dataclass(frozen=True)
class Entry:
    """One row's recipe.

    Attributes:
        name: What the table calls it.
        target: The backend's ``module:attribute``.
        requirements: What its environment holds, as pip takes it.
        python: The interpreter that the environment is made with; None for this one's.
        base: The folder that paths among the requirements start from.
    """

    name: str
    target: str
    requirements: tuple[str, ...]
    python: str | None = None
    base: Path | None = None


@dataclass(frozen=True)
class Row:
    """What became of an entry.

    Attributes:
        entry, environment: What was asked for, and where it ran; None where that could not be made.
        report: The verdict against the reference; None where nothing ran.
        trace: Its numbers, for the pairs; None where it could not be recorded.
        error: Why something is missing, with the last lines of the installer or the backend.
    """

    entry: Entry
    environment: Environment | None = None
    report: BackendReport | None = None
    trace: Path | None = None
    error: str = ""

    @property
    def status(self) -> Status:
        """The report's status; ``error`` where there is none, or where something is missing of what passes."""
        if self.report is None or (self.error and self.report.status is Status.PASS):
            return Status.ERROR
        return self.report.status

    @property
    def shares(self) -> dict[str, float]:
        """Layer to the share of its rounding bound that it uses, fed the reference's own input."""
        judged = self.report.find(LAYERS) if self.report else None
        return {found.name: found.share for found in judged.measurements} if judged else {}

    @property
    def complaints(self) -> tuple[str, ...]:
        """What did not pass, in sentences."""
        lines = [self.error] if self.error else []
        if self.report is not None:
            messages = {check.message: check.check for check in self.report.checks if check.status is not Status.PASS}
            lines += [f"{check} – {message}" for message, check in messages.items() if message not in self.error]
            if self.report.diagnosis:
                lines.append(self.report.diagnosis.sentence())
        return tuple(lines)


@dataclass(frozen=True)
class Pair:
    """Two rows, set against each other: the names of both, and how their traces differ."""

    first: str
    second: str
    comparison: Comparison


@dataclass(frozen=True)
class Matrix:
    """All rows and every pair of those that ran, in the order of the entries.

    Attributes:
        rows, pairs: What was found.
        settings: How the case came about.
        network: The network that every row was judged by.
    """

    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    settings: CaseSettings
    network: Network

    @property
    def equal(self) -> list[tuple[str, ...]]:
        """The rows in groups whose numbers are the same, bit for bit; a row that equals no other is its own group."""
        groups: dict[str, list[str]] = {}
        same = {frozenset((pair.first, pair.second)) for pair in self.pairs if pair.comparison.identical}
        for name in (row.entry.name for row in self.rows if row.trace is not None):
            head = next((head for head in groups if frozenset((head, name)) in same), name)
            groups.setdefault(head, []).append(name)
        return [tuple(group) for group in groups.values()]

    @property
    def distinct_pairs(self) -> list[Pair]:
        """The pairs that differ, one for each two groups of equal rows."""
        heads = {group[0] for group in self.equal}
        return [pair for pair in self.pairs if {pair.first, pair.second} <= heads]

    @property
    def verdict(self) -> tuple[Status, str]:
        """The status, and a sentence."""
        passing = sum(row.status is Status.PASS for row in self.rows)
        network = self.settings.network
        sentence = f"{passing} of {len(self.rows)} environments compute the same {network} as the float64 reference"
        apart = sum(pair.comparison.first_beyond is not None for pair in self.pairs)
        return self.status, sentence + (f"; {apart} pairs are apart by more than rounding can do." if apart else ".")

    @property
    def status(self) -> Status:
        """The worst status of all rows; ``fail`` if two of them are apart by more than rounding can do."""
        apart = [Status.FAIL for pair in self.pairs if pair.comparison.first_beyond is not None]
        return worst([*(row.status for row in self.rows), *apart])

    @property
    def exit_code(self) -> int:
        """0: every row passes. 1: one does not, or two are apart. 2: one could not be judged."""
        status = self.status
        return 0 if status is Status.PASS else 1 if status.failed else 2


def parse_entry(text: str) -> Entry:
    """An entry of the command line: requirements, separated by spaces; OptionError if none brings a framework."""
    return _entry(text, tuple(text.split()), what=f"The entry {text!r}")


def read_entries(path: Path) -> list[Entry]:
    """The entries of a TOML file.

    ``entries`` is a list; each entry is a string as on the command line, or a table with ``requirements`` (a list),
    and perhaps ``name``, ``backend`` (a registered one, or ``module:attribute``) and ``python`` (an interpreter).

    Raises:
        FileError: No such file, no TOML, or something else in it.
        OptionError: An entry brings no framework, or names no backend.
    """
    where = repr(str(path))
    try:
        content = tomllib.loads(read_file(path).decode())
    except ValueError as error:
        raise FileError(f"{where} is no TOML: {error}.") from None
    given = content.pop("entries", None)
    if content or not isinstance(given, list) or not given:
        more = f", and not {', '.join(sorted(content))}" if content else ""
        raise FileError(f'{where} has no matrix; expected entries = ["tensorflow-cpu==2.15.1", …]{more}.')
    base = path.parent.absolute()
    return [_read_entry(entry, base, f"Entry {place} of {where}") for place, entry in enumerate(given, 1)]


def _read_entry(given: Any, base: Path, what: str) -> Entry:
    if isinstance(given, str):
        return replace(_entry(given, tuple(given.split()), what=what), base=base)
    if not isinstance(given, dict):
        raise FileError(f"{what} is {given!r}; expected a string or a table.")
    known = {"name", "backend", "python", "requirements"}
    if unknown := sorted(given.keys() - known):
        raise FileError(f"{what} has {', '.join(unknown)}; expected some of {', '.join(sorted(known))}.")
    requirements = given.get("requirements")
    texts = [given[key] for key in ("name", "backend", "python") if key in given]
    if not isinstance(requirements, list) or not all(isinstance(text, str) for text in [*requirements, *texts]):
        raise FileError(f"{what} needs requirements, a list of strings; its other values are strings.")
    name = given.get("name") or " ".join(requirements)
    entry = _entry(name, tuple(requirements), what=what, backend=given.get("backend"))
    return replace(entry, python=given.get("python"), base=base)


def _entry(name: str, requirements: tuple[str, ...], *, what: str, backend: str | None = None) -> Entry:
    framework = next(filter(None, (framework_of(_distribution(text)) for text in requirements)), None)
    wanted = backend or (framework.name if framework else "")
    if not requirements or not wanted:
        known = sorted(name for framework in FRAMEWORKS.values() for name in framework.distributions)
        raise OptionError(
            f"{what} names no package of a framework; expected one of {', '.join(known)}, "
            f"such as 'tensorflow-cpu==2.15.1'."
        )
    _, target = find_backend(wanted)
    return Entry(name, target, (*requirements, *(framework.companions if framework else ("numpy",))))


def _distribution(requirement: str) -> str:
    """The name that a requirement begins with, as package indexes spell it."""
    match = re.match(r"[A-Za-z0-9._-]*[A-Za-z0-9]", requirement)
    return re.sub(r"[-_.]+", "-", match.group()).lower() if match else ""


def run_matrix(
    entries: Sequence[Entry],
    make_case: Callable[[], Case],
    *,
    cache: Path,
    traces: Path | None = None,
    timeout: float = 600.0,
    listener: ProgressListener | None = None,
) -> Matrix:
    """Makes an environment for each entry, judges what runs there, and sets all of them against each other.

    Args:
        entries: The entries, under different names.
        make_case: Gives weights and images.
        cache: Where environments are kept.
        traces: A folder that keeps each row's numbers, for comparisons with other machines; None for none.
        timeout: Seconds that one backend may take.
        listener: Called as the work goes on, maybe from another thread; an entry is done at 1.

    Raises:
        OptionError: Two entries have one name.
        NetparityError: The case cannot be made.
    """
    names = [entry.name for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise OptionError(f"The matrix has {', '.join(map(repr, twice))} more than once.")
    tell: ProgressListener = listener or (lambda task, done, total, step: None)
    rows = {entry.name: _prepared(entry, cache, tell) for entry in entries}
    case = make_case()
    with ExitStack() as stack:
        folder = traces or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netparity-")))
        folder.mkdir(parents=True, exist_ok=True)
        ready = [row for row in rows.values() if row.environment is not None]
        for start in range(0, len(ready), usable_cores()):
            for row in _judged(ready[start : start + usable_cores()], case, timeout, tell):
                rows[row.entry.name] = _recorded(row, case, folder, timeout, tell)
        pairs = tuple(_pairs(list(rows.values()), case.network))
        return Matrix(tuple(rows[name] for name in names), pairs, case.settings, case.network)


def _prepared(entry: Entry, cache: Path, tell: ProgressListener) -> Row:
    tell(entry.name, 0.0, 1.0, "looking for its environment")
    try:
        step = partial(tell, entry.name, 0.0, 1.0)
        environment = prepare(entry.requirements, cache, python=entry.python, base=entry.base, tell=step)
    except (InstallationError, OptionError, OSError) as error:
        tell(entry.name, 1.0, 1.0, "cannot be installed")
        return Row(entry, error=str(error))
    tell(entry.name, INSTALLED, 1.0, "installed")
    return Row(entry, environment)


def _judged(rows: Sequence[Row], case: Case, timeout: float, tell: ProgressListener) -> Iterator[Row]:
    listener = _between(INSTALLED, JUDGED, tell)
    report = run(lambda: case, [_subject(row) for row in rows], timeout=timeout, listener=listener)
    for row, judged in zip(rows, report.backends, strict=True):
        yield replace(row, report=judged)


def _recorded(row: Row, case: Case, folder: Path, timeout: float, tell: ProgressListener) -> Row:
    listener = _between(JUDGED, RECORDED, tell)
    path = folder / f"{re.sub(r'[^A-Za-z0-9._=-]+', '-', row.entry.name)}.safetensors"
    try:
        # All cores for each: how many threads share a sum may decide about its bits.
        trace = record_case(case, _subject(row), DTYPE, timeout=timeout, listener=listener)
        write_trace(path, trace.header, trace.tensors)
    except RecordingError as error:
        tell(row.entry.name, 1.0, 1.0, "failed")
        return replace(row, error=str(error))
    tell(row.entry.name, 1.0, 1.0, "done")
    return replace(row, trace=path)


def _between(start: float, end: float, tell: ProgressListener) -> ProgressListener:
    """A listener to one part of a row's work."""
    return lambda task, done, total, step: tell(task, start + (end - start) * done / total, 1.0, step)


def _subject(row: Row) -> Subject:
    assert row.environment is not None
    return Subject(row.entry.name, row.entry.target, required=True, python=row.environment.python)


def _pairs(rows: Sequence[Row], network: Network) -> Iterator[Pair]:
    ran = [(row.entry.name, open_trace(row.trace, network)) for row in rows if row.trace is not None]
    for (first, one), (second, other) in combinations(ran, 2):
        yield Pair(first, second, compare_traces(one, other))
