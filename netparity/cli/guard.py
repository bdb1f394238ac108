"""What an interrupted command says, and its exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def interruptible(words: str = "Interrupted; every process that was started has been ended.") -> Iterator[None]:
    """Turns Ctrl-C within its block into a sentence on standard error, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        print(words, file=sys.stderr)
        raise typer.Exit(130) from None
