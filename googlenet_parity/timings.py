"""What a benchmark has measured: seconds by round, and the numbers that follow from them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from googlenet_np.architecture import layer_table
from googlenet_parity.engines import ENGINES
from googlenet_parity.verdict import Status

__all__ = ["BASELINE", "Benchmark", "Measured", "Setting", "Timing", "multiplication_flops"]

BASELINE = ENGINES[0].name
"""What ratios are to."""


@dataclass(frozen=True)
class Setting:
    """What every way computes: a forward pass, or a step of training, on images of one channel and ten classes.

    Attributes:
        batch_size: Images in a call.
        image_size: Height and width in pixels.
        training: A step of stochastic gradient descent.
    """

    batch_size: int
    image_size: tuple[int, int] = (96, 96)
    training: bool = False

    @property
    def flops(self) -> int:
        """Of one call: two for each multiply-add of convolutions and the dense layer; all else counts none.

        The backward pass has as many for the gradients by the weights, and as many by each layer's input; but nobody
        needs the one by the images.
        """
        rows = layer_table(image_size=self.image_size)
        forward = sum(row.multiply_adds for row in rows)
        multiply_adds = 3 * forward - rows[0].multiply_adds if self.training else forward
        return 2 * multiply_adds * self.batch_size

    def __str__(self) -> str:
        height, width = self.image_size
        what = "training" if self.training else "inference"
        return f"{what}, batch {self.batch_size}, 1×{height}×{width}"


@dataclass(frozen=True)
class Timing:
    """One way of one backend in one setting.

    Attributes:
        backend: As it was asked for.
        version: Of its framework.
        way: As the backend names it.
        setting: What it computed.
        status: ``pass`` if it was timed, which is so if its answer is right; ``fail``, if that is wrong; ``error``, if
            it raised, died or hung; ``skipped``, if it says that it cannot.
        message: Why it was not timed.
        seconds: What a call took, by round.
        first_call: What making the way and calling it once took, compilation included, in seconds.
        first_result: From the start of its process to the end of its first call: imports, weights, and the first call.
        peak_memory: The most that its process has held at once, in bytes.
        group: The ways that took turns with each other have the same, counted from 0.
    """

    backend: str
    version: str
    way: str
    setting: Setting
    status: Status = Status.PASS
    message: str = ""
    seconds: tuple[float, ...] = ()
    first_call: float | None = None
    first_result: float | None = None
    peak_memory: int | None = None
    group: int = 0

    @property
    def median(self) -> float | None:
        """Seconds that a call takes, the median over the rounds."""
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """The fastest round and the slowest, in seconds."""
        return (min(self.seconds), max(self.seconds)) if self.seconds else None

    @property
    def images_per_second(self) -> float | None:
        """By the median."""
        return self.setting.batch_size / self.median if self.median else None

    @property
    def flops_per_second(self) -> float | None:
        """By the median; what a way saves by other algorithms counts as done."""
        return self.setting.flops / self.median if self.median else None

    def ratio_to(self, other: Timing | None) -> float | None:
        """How many times as fast as ``other`` it is: the median of the rounds' own ratios, since noise meets both.

        None where one was not timed, or where the two did not take turns.
        """
        if other is None or not self.seconds or not other.seconds or self.group != other.group:
            return None
        return statistics.median(theirs / mine for mine, theirs in zip(self.seconds, other.seconds, strict=True))


@dataclass(frozen=True)
class Measured:
    """All ways in one setting, measured in the same rounds, or where memory was short in groups, each in its own."""

    setting: Setting
    timings: tuple[Timing, ...]

    @property
    def baseline(self) -> Timing | None:
        """ONNX Runtime, if it was timed."""
        return next((timing for timing in self.timings if timing.backend == BASELINE and timing.seconds), None)

    @property
    def groups(self) -> tuple[tuple[Timing, ...], ...]:
        """The ways that were timed, those together that took turns with each other."""
        timed = [timing for timing in self.timings if timing.seconds]
        return tuple(tuple(each) for _, each in groupby(timed, lambda timing: timing.group))


@dataclass(frozen=True)
class Benchmark:
    """A whole run.

    Attributes:
        measured: By setting, in the order asked for.
        limit: Float32 operations a second of the fastest product of large matrices in the run; None without one.
        required: The backends that were asked for by name.
        environment: Where it ran, and in ``load`` how many processes wanted a core there, over the minute before.
        options: Rounds, threads, and whatever else decides about the numbers.
    """

    measured: tuple[Measured, ...]
    limit: float | None = None
    required: frozenset[str] = frozenset()
    environment: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether other work had half a core or more in the minute before, and perhaps in the run."""
        return self.environment.get("load", 0.0) >= 0.5

    def share_of_limit(self, timing: Timing) -> float | None:
        """What a way makes of the processor."""
        if self.limit is None or timing.flops_per_second is None:
            return None
        return timing.flops_per_second / self.limit

    @property
    def exit_code(self) -> int:
        """2 if a backend could not be measured at all in a setting, 1 if an answer was wrong, 0 otherwise.

        Engines count by wrong answers alone. A backend that was not asked for and is not installed does not count.
        """
        for measured in self.measured:
            for backend, statuses in _by_backend(measured.timings).items():
                missing = statuses == {Status.SKIPPED} and backend not in self.required
                if not missing and statuses <= {Status.SKIPPED, Status.ERROR}:
                    return 2
        wrong = any(timing.status is Status.FAIL for measured in self.measured for timing in measured.timings)
        return 1 if wrong else 0


def multiplication_flops(size: int, seconds: Sequence[float]) -> float:
    """Operations a second of the fastest product of two matrices of size × size."""
    return 2 * size**3 / min(seconds)


def _by_backend(timings: Iterable[Timing]) -> dict[str, set[Status]]:
    statuses: dict[str, set[Status]] = {}
    for timing in timings:
        if timing.backend not in {engine.name for engine in ENGINES}:
            statuses.setdefault(timing.backend, set()).add(timing.status)
    return statuses
