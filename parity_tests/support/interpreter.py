"""Interpreters of their own, and packages that are as good as installed there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from netparity.network.registered import BACKEND_GROUP

__all__ = ["in_fresh_interpreter", "register"]


def in_fresh_interpreter(source: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs ``source`` with empty folders for its work and its home, and with the packages that are under test."""
    for name in ("work", "home"):
        (folder / name).mkdir()
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "LANG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"HOME": str(folder / "home"), "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "2"}
    result = subprocess.run(
        [sys.executable, "-B", "-c", textwrap.dedent(source), *arguments],
        cwd=folder / "work",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result


def register(folder: Path, name: str, target: str) -> None:
    """Makes ``folder`` a place where a package is installed whose entry point is the backend ``name``."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[{BACKEND_GROUP}]\n{name} = {target}\n", encoding="utf-8")
