"""The pytest plugin: the fixture ``parity``, and an option that writes goldens instead of comparing with them.

pytest loads it by its entry point in every run of whoever has this package installed. So it imports nothing until the
fixture is called: no framework, no NumPy. The option's name begins with ``parity`` so that it is nobody else's.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from netparity.compare.comparison import Comparison
    from netparity.files.trace import Trace
    from netparity.testing.assertions import AnyBackend
    from netparity.verdict.report import BackendReport

OPTION = "--parity-update"
VARIABLE = "NETPARITY_BACKENDS"
"""The environment variable that names the backends which must be there, separated by commas or spaces."""

PROPERTY = "netparity"
"""The name under which a test's report carries what the summary shows; JUnit files have it, too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("netparity")
    group.addoption(
        OPTION,
        action="store_true",
        default=False,
        help="write the golden files of the tests that run, instead of comparing with them",
    )


class Parity:
    """What the fixture gives: :func:`~netparity.testing.assertions.assert_parity` for one test."""

    def __init__(self, node: pytest.Item, update: bool) -> None:
        self._node = node
        self._update = update

    def __call__(
        self, backend: AnyBackend, *, golden: str | os.PathLike[str] | None = None, **options: Any
    ) -> BackendReport | Comparison | Trace:
        """What :func:`~netparity.testing.assertions.assert_parity` does, with the same options; and beyond it:

        - Relative paths of ``golden``, ``weights`` and ``images`` are relative to the test's own file.
        - A backend whose framework is not installed is skipped, unless ``NETPARITY_BACKENDS`` names it.
        - With ``--parity-update``, the golden is written; nothing is compared.
        - What passes and is worth a look (other bits, checks that were skipped) is shown at the end of the run.
        """
        __tracebackhide__ = True
        from netparity.testing import MissingFrameworkError, assert_parity, update_golden

        for key in ("weights", "images"):
            if isinstance(options.get(key), (str, os.PathLike)):
                options[key] = self._path(options[key])
        golden = None if golden is None else self._path(golden)
        try:
            if golden is not None and self._update:
                options = {key: value for key, value in options.items() if key not in ("require", "remake")}
                return self._written(golden, update_golden(backend, golden, **options))
            if golden is not None:
                options = {"remake": f"pytest {shlex.quote(self._node.nodeid)} {OPTION}", **options}
            found: BackendReport | Comparison = assert_parity(backend, golden=golden, **options)
        except MissingFrameworkError as error:
            if error.backend in re.findall(r"[^\s,]+", os.environ.get(VARIABLE, "")):
                pytest.fail(f"{VARIABLE} names the backend {error.backend!r}: {error}", pytrace=False)
            pytest.skip(f"backend {error.backend!r}: {error}")
        return self._passed(found, golden)

    def _path(self, path: str | os.PathLike[str]) -> Path:
        """The path relative to where pytest runs, as messages and a golden's header should have it."""
        return Path(os.path.relpath(self._node.path.parent / path))

    def _written(self, golden: Path, trace: Trace) -> Trace:
        wrong = next((name for name, share in trace.header["local"].items() if share > 1), None)
        doubt = (
            f" Mind that its {wrong} alone is further from the float64 reference than rounding can be." if wrong else ""
        )
        self._note(f"{golden}: written, {golden.stat().st_size:,} bytes of {trace.label}.{doubt}")
        return trace

    def _passed(self, found: BackendReport | Comparison, golden: Path | None) -> BackendReport | Comparison:
        from netparity.compare.comparison import Comparison
        from netparity.testing.messages import changes_note, skips_note

        if isinstance(found, Comparison):
            if not found.identical:
                self._note(changes_note(found, str(golden)))
        elif skips := skips_note(found):
            self._note(skips)
        return found

    def _note(self, words: str) -> None:
        # With the report, because under pytest-xdist this process is not the one that shows the summary.
        self._node.user_properties.append((PROPERTY, words))


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> Parity:
    """A call of it holds a backend to the float64 reference, or to a golden file: see :class:`Parity`."""
    return Parity(request.node, request.config.getoption(OPTION, default=False))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    notes = [
        words
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, words in report.user_properties
        if name == PROPERTY
    ]
    if notes:
        terminalreporter.section("netparity")
        for words in dict.fromkeys(notes):
            terminalreporter.line(words)
