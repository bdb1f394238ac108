"""A plugin for a run of pytest: ``NETPARITY_EXAMPLES`` times as many examples of Hypothesis, other ones by its seed."""

from __future__ import annotations

import os
from typing import Any

import hypothesis
import pytest

FACTOR = int(os.environ["NETPARITY_EXAMPLES"])


class Settings(hypothesis.settings):
    """In place of Hypothesis' own, from which a test asks for a number of examples that are always the same."""

    def __init__(self, parent: hypothesis.settings | None = None, **given: Any) -> None:
        given |= {"derandomize": False, "database": None, "deadline": None}
        if "max_examples" in given:
            given["max_examples"] *= FACTOR
        super().__init__(parent, **given)


hypothesis.settings = Settings  # type: ignore[misc]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the tests that draw: those of Hypothesis, and those that draw inside and have an argument ``examples``."""
    drawing = [i for i in items if i.get_closest_marker("hypothesis") or "examples" in getattr(i, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in drawing])
    items[:] = drawing
