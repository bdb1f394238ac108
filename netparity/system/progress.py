"""How work reports its progress to whoever shows it."""

from __future__ import annotations

from typing import Protocol


class ProgressListener(Protocol):
    """Hears how far work is. It may be called from several threads."""

    def __call__(self, task: str, done: float, total: float, step: str) -> None:
        """``done`` of ``total`` parts of ``task`` are finished, and ``step`` is the last or the next of them."""
        ...
