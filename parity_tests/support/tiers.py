"""Which cases of a product stand for the rest in the quick tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import pytest

__all__ = ["representative"]


def representative(values: Iterable[Any], quick: Collection[Any] | Callable[[Any], bool]) -> list[Any]:
    """Parameters of a test, of which those that are not ``quick`` are left to ``make test-all``.

    Args:
        values: One for each case; a tuple for a test of several arguments.
        quick: The values that stand for their kind, or a function that tells them.

    Raises:
        ValueError: None of the values is quick: nothing stands for the rest.
    """
    cases = list(values)
    chosen = [bool(quick(value)) if callable(quick) else value in quick for value in cases]
    if not any(chosen):
        raise ValueError(f"quick={quick!r} is none of the {len(cases)} values.")
    return [
        value
        if is_quick
        else pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.exhaustive)
        for value, is_quick in zip(cases, chosen, strict=True)
    ]
