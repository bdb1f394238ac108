"""The command line, run in this process: what the fixture ``command`` gives, and what most tests of it need."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["LIMIT", "NUMPY", "SMALL", "Command", "Result", "sentence"]

LIMIT = 600.0
"""Seconds after which a test gives up waiting for a process, so that a hang ends. A busy machine stays far below it."""

SMALL = ("--image-size", "17", "23", "--batch-size", "2")
NUMPY = ("--backend", "numpy=parity_tests.support.numpy_backend:Backend")


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """What was printed, however the lines are broken."""
        return " ".join(self.out.split())


Command = Callable[..., Result]


def sentence(result: Result) -> str:
    """The one sentence of a command that refuses, with exit code 2 and nothing on standard output."""
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert result.err.endswith(".\n")
    assert result.err.count("\n") == 1
    assert result.err[:-1].isprintable()
    return result.err
