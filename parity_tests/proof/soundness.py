"""The comparer's false alarms, counted: many cases without a fault, drawn at random, in every installed framework.

Run as ``python -m parity_tests.proof.soundness --seeds 200``. A seed settles everything: weights, images, sizes and
counts. An alarm is a mistake of the comparer or of a backend, and worth a person's time either way.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

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

__all__ = ["alarms", "draw_case", "installed", "main", "reports"]

SEEDS_PER_PROCESS = 10
"""After so many cases the frameworks start afresh: what they keep of models that are gone is up to 80 MB a case."""


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
    for start in range(0, len(seeds), SEEDS_PER_PROCESS):
        part = seeds[start : start + SEEDS_PER_PROCESS]
        yield from run_each(map(draw_case, part), subjects, timeout=60.0 * len(part))


def alarms(report: Report) -> list[str]:
    """A sentence for every check that was not made, or does not pass."""
    return [
        f"{backend.name}: {check.check} – {check.status}: {check.message}"
        for backend in report.backends
        for check in backend.checks
        if check.status is not Status.PASS
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code: 0 for no alarm, 1 for one, 2 where there is no framework to judge."""
    parser = argparse.ArgumentParser(
        prog="python -m parity_tests.proof.soundness", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many cases (default: 200)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (default: 0)")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    backends = installed()
    if not backends:
        console.print("No framework is installed: there is nothing to judge.")
        return 2
    start, judged, alarmed = time.monotonic(), 0, 0
    seeds = range(options.first, options.first + options.seeds)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(", ".join(backends), total=len(seeds))
        for report in reports(seeds, backends):
            judged += 1
            progress.advance(task)
            for alarm in alarms(report):
                console.print(f"[red]alarm[/] {escape(str(report.settings.to_json()))}\n  {escape(alarm)}")
            alarmed += report.status is not Status.PASS
            if judged % SEEDS_PER_PROCESS == 0 and not console.is_terminal:  # a log shows no bar
                console.print(f"{judged} of {len(seeds)} seeds, {alarmed} with an alarm")
    minutes = (time.monotonic() - start) / 60
    console.print(
        f"{len(seeds)} seeds without a fault, {len(backends)} backends ({', '.join(backends)}): "
        f"{alarmed} seeds with an alarm, in {minutes:.1f} minutes."
    )
    return 1 if alarmed else 0


if __name__ == "__main__":
    sys.exit(main())
