"""The comparer's false alarms, counted: many cases without a fault, drawn at random, in every installed framework.

A seed settles everything: weights, images, sizes and
counts. An alarm is a mistake of the comparer or of a backend, and worth a person's time either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from googlenet_np import GOOGLENET, init_weights, sample_images
from googlenet_np.weights import SCHEMES
from netparity.network.contract import DTYPES
from netparity.network.settings import CaseSettings
from netparity.runs.case import Case
from netparity.runs.side_by_side import run_each
from netparity.verdict.findings import Status
from netparity.verdict.report import Report
from netparity.workers.backends import Subject
from parity_tests.support.backends import FRAMEWORKS
from parity_tests.support.command import LIMIT

__all__ = ["alarms", "draw_case", "installed", "reports"]


def draw_case(seed: int) -> Case:
    """A case without a fault: 1 to 4 images of 1×1 to 64×64 pixels and 1 to 3 channels, for 2 to 20 classes."""
    random = np.random.default_rng(seed)
    in_channels, num_classes = int(random.integers(1, 4)), int(random.integers(2, 21))
    scheme = str(random.choice(SCHEMES))
    gain = np.float32(random.choice([0.5, 1, 1, 2]))
    weights = {
        name: weight * gain
        for name, weight in init_weights(seed, in_channels=in_channels, num_classes=num_classes, scheme=scheme).items()
    }
    kind = str(random.choice(["normal", "uniform", "samples"]))
    height, width = (int(length) for length in random.integers(1, 65, size=2))
    shape = (int(random.integers(1, 5)), in_channels, height, width)
    images = _images(random, kind, shape)
    labels = random.integers(0, num_classes, len(images))
    settings = CaseSettings(seed, f"{scheme} × {gain:g}", kind, shape, num_classes, DTYPES, GOOGLENET.name)
    return Case(GOOGLENET, weights, images, labels, settings=settings)


def _images(random: np.random.Generator, kind: str, shape: tuple[int, int, int, int]) -> npt.NDArray[np.float32]:
    batch_size, in_channels, height, width = shape
    match kind:
        case "normal":
            return random.standard_normal(shape, np.float32)
        case "uniform":
            return random.random(shape, np.float32)
    first = int(random.integers(0, 16))
    images, _ = sample_images(first + batch_size, image_size=(height, width), in_channels=in_channels)
    return np.ascontiguousarray(images[first:])


def installed() -> list[str]:
    """The backends whose framework is installed."""
    return [name for name, framework in FRAMEWORKS.items() if find_spec(framework) is not None]


def reports(seeds: Sequence[int], backends: Sequence[str]) -> Iterator[Report]:
    """What the comparer says of each seed's case; it should be nothing but ``pass``."""
    subjects = [Subject(name, f"googlenet_{name}.backend:Backend", required=True) for name in backends]
    yield from run_each(map(draw_case, seeds), subjects, timeout=LIMIT)


def alarms(report: Report) -> list[str]:
    """A sentence for every check that was not made, or does not pass."""
    return [
        f"{backend.name}: {check.check} – {check.status}: {check.message}"
        for backend in report.backends
        for check in backend.checks
        if check.status is not Status.PASS
    ]
