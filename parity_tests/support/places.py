"""Where things lie beside the tests."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ROOT", "TESTS"]

TESTS = Path(__file__).resolve().parents[1]
"""The package of tests."""

ROOT = TESTS.parent
"""Where the packages lie side by side, in the repository as in an installation."""
