"""The histories of real trainings in docs/results: the source's settings, the published accuracy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from parity_tests.support.backends import BACKENDS

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"

pytestmark = pytest.mark.skipif(not RESULTS.is_dir(), reason="docs/results is only in the repository")


def result(backend: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((RESULTS / f"{backend}.json").read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_ran_as_the_source_sets_it_and_came_to_the_published_accuracy(backend: str) -> None:
    kept = result(backend)
    assert kept["backend"] == backend
    assert kept["hyperparameters"] == {
        "lr": pytest.approx(0.1),
        "momentum": 0,
        "weight_decay": 0,
        "label_smoothing": 0,
    }
    assert (kept["batch_size"], kept["image_size"], kept["limit"]) == (128, [96, 96], 60_000)
    assert kept["command"].startswith(f"googlenet-parity train {backend} --epochs ")
    assert kept["versions"]
    assert [record["epoch"] for record in kept["epochs"]] == list(range(1, len(kept["epochs"]) + 1))
    assert len(kept["epochs"]) >= 3
    if len(kept["epochs"]) == 10:
        assert kept["epochs"][-1]["test_accuracy"] >= 0.87


def test_one_backend_ran_all_ten_epochs() -> None:
    assert 10 in [len(result(backend)["epochs"]) for backend in BACKENDS]
