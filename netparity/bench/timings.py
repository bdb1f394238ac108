"""What a benchmark has measured: seconds by round, and the numbers that follow from them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netparity.bench.engines import ENGINES
from netparity.network.network import IMAGES, Network
from netparity.verdict.findings import Status

BASELINE = ENGINES[0].name
"""The engine that every way is compared with."""


@dataclass(frozen=True)
class Setting:
    """What every way computes: a forward pass, or a step of training, on images of one channel and ten classes.

    Attributes:
        batch_size: Images in a call.
        image_size: Height and width in pixels.
        training: Whether a step of stochastic gradient descent is computed.
    """

    batch_size: int
    image_size: tuple[int, int] = (96, 96)
    training: bool = False

    def flops(self, network: Network) -> int:
        """Operations of one call: two for each multiply-add of a network's layers; all else counts none.

        The backward pass has as many for the gradients by the weights, and as many by each layer's input; but nobody
        needs the one by the images.
        """
        multiply_adds = {row.name: row.multiply_adds for row in network.table(image_size=self.image_size)}
        total = sum(multiply_adds.values())
        if self.training:
            total = 3 * total - sum(multiply_adds[layer.name] for layer in network if IMAGES in layer.inputs)
        return 2 * total * self.batch_size

    def __str__(self) -> str:
        height, width = self.image_size
        what = "training" if self.training else "inference"
        return f"{what}, batch {self.batch_size}, 1×{height}×{width}"


@dataclass(frozen=True)
class Timing:
    """One way of one backend in one setting.

    Attributes:
        backend: The backend's name, as the caller gave it.
        version: Version of its framework.
        way: As the backend names it.
        setting: What it computed.
        status: ``pass`` if it was timed, which is so if its answer is right; ``fail``, if that is wrong; ``error``, if
            it raised, died or hung; ``skipped``, if it says that it cannot.
        message: Why it was not timed.
        seconds: What a call took, by round.
        first_call: What making the way and calling it once took, compilation included, in seconds.
        peak_memory: The most that its process has held at once, in bytes.
    """

    backend: str
    version: str
    way: str
    setting: Setting
    status: Status = Status.PASS
    message: str = ""
    seconds: tuple[float, ...] = ()
    first_call: float | None = None
    peak_memory: int | None = None

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
        """Images that it takes in a second, by the median."""
        return self.setting.batch_size / self.median if self.median else None

    def ratio_to(self, other: Timing | None) -> float | None:
        """How many times as fast as ``other`` it is: the median of the rounds' own ratios, since noise meets both.

        None where one was not timed.
        """
        if other is None or not self.seconds or not other.seconds:
            return None
        return statistics.median(theirs / mine for mine, theirs in zip(self.seconds, other.seconds, strict=True))


@dataclass(frozen=True)
class Measured:
    """All ways in one setting, measured in the same rounds."""

    setting: Setting
    timings: tuple[Timing, ...]

    @property
    def baseline(self) -> Timing | None:
        """ONNX Runtime, if it was timed."""
        return next((timing for timing in self.timings if timing.backend == BASELINE and timing.seconds), None)


@dataclass(frozen=True)
class Benchmark:
    """A whole run.

    Attributes:
        network: What ran.
        measured: By setting, in the order asked for.
        limit: Float32 operations a second of the fastest product of large matrices in the run; None without one.
        required: The backends that were asked for by name.
        environment: Where it ran, and in ``load`` how many processes wanted a core there, over the minute before.
        options: Rounds, threads, and whatever else decides about the numbers.
    """

    network: Network
    measured: tuple[Measured, ...]
    limit: float | None = None
    required: frozenset[str] = frozenset()
    environment: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether other work had half a core or more in the minute before, and perhaps in the run."""
        return self.environment.get("load", 0.0) >= 0.5

    def flops_per_second(self, timing: Timing) -> float | None:
        """Operations that a way does in a second, by the median; what it saves by other algorithms counts as done."""
        return timing.setting.flops(self.network) / timing.median if timing.median else None

    def share_of_limit(self, timing: Timing) -> float | None:
        """Operations that a way does in a second, as a share of the processor's limit."""
        rate = self.flops_per_second(timing)
        return None if self.limit is None or rate is None else rate / self.limit

    @property
    def exit_code(self) -> int:
        """2 if a backend could not be measured at all in a setting, 1 if an answer was wrong, 0 otherwise.

        Engines count by wrong answers alone. A backend that was not asked for and is not installed does not count.
        """
        engines = {engine.name for engine in ENGINES}
        for measured in self.measured:
            for backend in {timing.backend for timing in measured.timings} - engines:
                statuses = {timing.status for timing in measured.timings if timing.backend == backend}
                missing = statuses == {Status.SKIPPED} and backend not in self.required
                if not missing and statuses <= {Status.SKIPPED, Status.ERROR}:
                    return 2
        return int(any(timing.status is Status.FAIL for measured in self.measured for timing in measured.timings))


def multiplication_flops(size: int, seconds: Sequence[float]) -> float:
    """Operations a second of the fastest product of two matrices of size × size."""
    return 2 * size**3 / min(seconds)
