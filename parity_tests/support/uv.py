"""A stand-in for uv: its environments are this interpreter, and "installing" writes a line."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["UV", "Uv"]

UV = f"""\
#!{sys.executable}
import os, sys, time
from pathlib import Path

with open(os.environ["UV_LOG"], "a") as log:
    print(*sys.argv[1:], file=log)
if sys.argv[1] == "venv":
    python = Path(sys.argv[-1]) / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\\nexec {sys.executable} "$@"\\n')
    python.chmod(0o755)
else:
    for requirement in sys.argv[5:]:
        print("looking for", requirement, flush=True)
        if requirement.endswith("==99"):
            sys.exit(f"error: no solution: there is no {{requirement}}")
        if requirement.endswith("==slow"):
            time.sleep(600)
    print("installed")
"""


class Uv:
    """The stand-in's log."""

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def installed(self) -> list[str]:
        """What was installed, environment by environment."""
        lines = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        return [line.split(maxsplit=4)[4] for line in lines if line.startswith("pip install")]
