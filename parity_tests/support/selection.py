"""Which cases of a test module are run, so that what they share is made for them and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["selected"]


def selected(request: pytest.FixtureRequest, argument: str) -> set[Any]:
    """The values of one argument in the tests that this run takes from the module of a module's fixture."""
    cases = (getattr(item, "callspec", None) for item in request.session.items if item.path == request.path)
    return {case.params[argument] for case in cases if case is not None and argument in case.params}
