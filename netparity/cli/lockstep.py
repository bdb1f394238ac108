"""``train --lockstep``: a few steps of training in every backend and in the reference."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from netparity.cli.guard import interruptible

if TYPE_CHECKING:
    from netparity.network.contract import Hyperparameters
    from netparity.runs.lockstep import Lockstep


def lockstep(backend: str | None, options: Lockstep, hyperparameters: Hyperparameters, html: Path | None) -> int:
    """Judges the backend, or every one that is installed, shows the report, and gives the exit code."""
    from rich.console import Console

    from netparity.runs.lockstep import make_lockstep
    from netparity.runs.side_by_side import run
    from netparity.show import run as terminal
    from netparity.show.progress import progress
    from netparity.workers.backends import choose

    if html:
        from netparity.show.html.page import check_html

        check_html(html)
    subjects = choose([backend] if backend else [])
    with interruptible(), progress(Console(stderr=True), [subject.name for subject in subjects]) as listener:
        report = run(lambda: make_lockstep(options, hyperparameters), subjects, listener=listener)
    console = Console()
    terminal.print_steps(console, report)
    terminal.print_report(console, report)
    if html:
        from netparity.show.html.report import write_report

        write_report(html, report, sys.argv[1:])
    return report.exit_code
