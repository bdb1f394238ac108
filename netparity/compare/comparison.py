"""Two traces, tensor by tensor: the same bits, or apart by what rounding may do, or by more; and what else differs."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from netparity.files.golden import STATISTICS, SUMMARIES, places
from netparity.files.trace import ACTIVATIONS, Trace
from netparity.network.contract import Array
from netparity.network.errors import OptionError
from netparity.verdict.findings import Status

CHUNK = 2**20
"""Entries that are looked at together, so that memory stays small and each number is read once."""


class Requirement(str, enum.Enum):
    """What two traces must have in common."""

    ROUNDING = "rounding"
    """Numbers that are no further apart than rounding allows."""
    BITWISE = "bitwise"
    """All bits."""

    def __str__(self) -> str:
        return self.value


def find_requirement(text: str, option: str = "--require") -> Requirement:
    """The requirement of that name; without one, an :class:`OptionError` names the option that gives it."""
    try:
        return Requirement(text)
    except ValueError:
        raise OptionError(f"{option} is {text!r}; expected {' or '.join(Requirement)}.") from None


@dataclass(frozen=True)
class Difference:
    """How one tensor differs between two traces.

    Attributes:
        name: The tensor's name in the trace: ``activations/b1.conv``, ``gradients/fc.bias``, ``loss``, …
        identical: Whether all bits are the same; then the rest is zero.
        error: The largest absolute difference.
        ulp: The same, in units in the last place of the larger number there.
        share: The same, as a share of what rounding allows the two together; None where no bound is known, infinite
            where the numbers cannot be compared.
        index: The entry with that difference.
        first, second: The two numbers there.
        differing: The share of entries that differ, among those that were compared.
        sampled: How many entries were compared, of a tensor that a golden has a sample of; 0 where it was all.
        statistic: What ``first`` and ``second`` are, if they are no entry: ``smallest``, ``largest`` or ``mean``.
        message: A sentence, if the tensors cannot be compared number by number.
    """

    name: str
    identical: bool
    error: float = 0.0
    ulp: float = 0.0
    share: float | None = 0.0
    index: tuple[int, ...] | None = None
    first: float = float("nan")
    second: float = float("nan")
    differing: float = 0.0
    sampled: int = 0
    statistic: str = ""
    message: str = ""

    @property
    def beyond(self) -> bool:
        """Whether rounding alone cannot have done it."""
        return self.share is not None and not self.share <= 1

    @property
    def label(self) -> str:
        """The tensor's name for a person: of an activation, its layer's."""
        return self.name.removeprefix(ACTIVATIONS)

    def sentence(self) -> str:
        """How the tensor differs, for a person."""
        if self.message or self.identical:
            return f"{self.label} {self.message or 'is the same, bit for bit'}"
        share = "" if self.share is None else f", {self.share:.3g} of what rounding allows"
        where = f"as its {self.statistic} number" if self.statistic else f"at {self.index}"
        entries = f"the {self.sampled} entries kept" if self.sampled else "its entries"
        return (
            f"{self.label} differs by {self.error:.3g}, {self.ulp:.3g} ulp{share}: {self.first:.9g} and "
            f"{self.second:.9g} {where}; {self.differing:.2%} of {entries} differ"
        )


@dataclass(frozen=True)
class Comparison:
    """What two traces have in common, and what not.

    Attributes:
        first, second: What the two traces are of: backend and version.
        required: What must hold.
        differences: Every tensor, layers in canonical order first.
        changed: Images whose predicted class is another: place, first's class, second's class.
        environment: What differs around the numbers: what, first's, second's.
    """

    first: str
    second: str
    required: Requirement
    differences: tuple[Difference, ...]
    changed: tuple[tuple[int, int, int], ...] = ()
    environment: tuple[tuple[str, str, str], ...] = ()

    @property
    def identical(self) -> bool:
        """Whether all numbers are the same, bit for bit."""
        return all(difference.identical for difference in self.differences)

    @property
    def first_different(self) -> Difference | None:
        """The first tensor that differs at all."""
        return next((difference for difference in self.differences if not difference.identical), None)

    @property
    def first_beyond(self) -> Difference | None:
        """The first tensor that differs by more than rounding can do."""
        return next((difference for difference in self.differences if difference.beyond), None)

    @property
    def largest(self) -> Difference:
        """The tensor that uses the largest share of what rounding allows."""
        return max(self.differences, key=lambda difference: difference.share or 0.0)

    @property
    def status(self) -> Status:
        """``pass`` or ``fail``, by what is required."""
        return self.verdict[0]

    @property
    def verdict(self) -> tuple[Status, str]:
        """The status, and a sentence that explains it."""
        if self.identical:
            return Status.PASS, "every bit is the same."
        if self.first_beyond:
            return Status.FAIL, "rounding does not explain what differs."
        if self.required is Requirement.BITWISE:
            return Status.FAIL, "every bit was required to be the same; rounding explains what differs."
        return Status.PASS, "not the same bits; rounding explains what differs."

    @property
    def exit_code(self) -> int:
        """0: what is required holds. 1: it does not."""
        return 0 if self.status is Status.PASS else 1


def compare_traces(first: Trace, second: Trace, required: str = Requirement.ROUNDING) -> Comparison:
    """Sets two traces of the same weights and images against each other.

    Each may be as far from the exact numbers as rounding allows it; so they may be apart by the sum of the two. What
    has no such bound (gradients in float32, which a single kink moves by percents) is compared and decides nothing,
    unless every bit is required.

    Where one of them is a golden, the other is compared with what the golden keeps: the hash says whether any bit
    differs, the kept entries and the statistics by how much.

    Args:
        first: One trace, or golden.
        second: The other one.
        required: A :class:`Requirement`, or its name.

    Raises:
        OptionError: They cannot be compared: other weights, images, labels or precisions; or no such requirement.
    """
    requirement = find_requirement(required)
    _check_comparable(first, second)
    difference_of = _difference
    if first.sampled or second.sampled:
        first, second = first.condensed(), second.condensed()
        difference_of = partial(_sampled_difference, summaries=(first.header[SUMMARIES], second.header[SUMMARIES]))
    differences = []
    # A trace has its layers in canonical order.
    for name in sorted({**first.tensors, **second.tensors}, key=lambda name: not name.startswith(ACTIVATIONS)):
        allowed = [trace.header["allowed"].get(name) for trace in (first, second)]
        limit = None if None in allowed else sum(allowed)
        differences.append(difference_of(name, first.tensors.get(name), second.tensors.get(name), limit))
    before, after = first.tensors["predictions"], second.tensors["predictions"]
    changed = tuple((int(place), int(before[place]), int(after[place])) for place in np.flatnonzero(before != after))
    environment = tuple(_apart(first.header, second.header))
    return Comparison(first.label, second.label, requirement, tuple(differences), changed, environment)


def _check_comparable(first: Trace, second: Trace) -> None:
    """Raises unless both traces are of the same weights, images and labels, in the same precision."""
    faults = []
    for what in ("weights", "images", "labels"):
        one, other = (str(trace.header["sha256"].get(what)) for trace in (first, second))
        if one != other:
            faults.append(f"other {what} (SHA-256 {one[:12]}… and {other[:12]}…)")
    one, other = first.header["dtype"], second.header["dtype"]
    if one != other:
        faults.append(f"another precision ({one} and {other})")
    if faults:
        raise OptionError(f"{first.label} and {second.label} cannot be compared: {', '.join(faults)}.")


def _difference(
    name: str,
    one: Array | None,
    other: Array | None,
    limit: float | None,
    *,
    shape: tuple[int, ...] | None = None,
    places: Array | None = None,
) -> Difference:
    """How two arrays differ; where they are samples, of which shape and from which places tells where."""
    if one is None or other is None:
        which = "first" if one is None else "second"
        return Difference(name, identical=False, share=None, message=f"is missing in the {which}")
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        message = f"is {one.dtype} of shape {one.shape} in the first, {other.dtype} of {other.shape} in the second"
        return Difference(name, identical=False, share=float("inf"), message=message)
    flat_one, flat_other = one.reshape(-1), other.reshape(-1)
    differing, worst, place = 0, 0.0, 0
    for start in range(0, one.size, CHUNK):
        a, b = flat_one[start : start + CHUNK], flat_other[start : start + CHUNK]
        bits = np.dtype(f"u{a.dtype.itemsize}")
        unequal = a.view(bits) != b.view(bits)
        if not unequal.any():
            continue
        differing += int(unequal.sum())
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
        apart[unequal & ~(np.isfinite(a) & np.isfinite(b))] = np.inf
        apart[~unequal] = 0.0  # two NaNs, or two infinities, of the same bits
        at = int(apart.argmax())
        if apart[at] > worst:
            worst, place = float(apart[at]), start + at
    if not differing:
        return Difference(name, identical=True)
    a, b = flat_one[place], flat_other[place]
    index = tuple(map(int, np.unravel_index(place if places is None else places[place], shape or one.shape)))
    finite = np.isfinite(worst)
    return Difference(
        name,
        identical=False,
        error=worst,
        ulp=_ulp(a, b, worst) if finite else float("inf"),
        share=_share(worst, limit),
        index=index,
        first=float(a),
        second=float(b),
        differing=differing / one.size,
        message="" if finite else f"holds {a} in the first and {b} in the second, at {index}",
    )


def _sampled_difference(
    name: str,
    one: Array | None,
    other: Array | None,
    limit: float | None,
    *,
    summaries: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> Difference:
    """How what two goldens keep of a tensor differs: its entries, and three numbers of the whole."""
    if one is None or other is None:
        return _difference(name, one, other, limit)
    first, second = (each[name] for each in summaries)
    if any(first[key] != second[key] for key in ("dtype", "shape")):
        shapes = (f"{each['dtype']} of shape {tuple(each['shape'])}" for each in (first, second))
        message = "is {} in the first, {} in the second".format(*shapes)
        return Difference(name, identical=False, share=float("inf"), message=message)
    if first["sha256"] == second["sha256"]:
        return Difference(name, identical=True)
    shape = tuple(first["shape"])
    if STATISTICS[0] not in first:
        return _difference(name, one, other, limit)  # kept whole
    found = _difference(name, one, other, limit, shape=shape, places=places(name, math.prod(shape)))
    same = found.identical
    found = replace(found, identical=False, sampled=one.size)
    for statistic in STATISTICS:
        found = _with_statistic(found, statistic, first[statistic], second[statistic], one.dtype, limit)
    if same and not found.error and not found.message:
        return replace(found, message=f"has other bits, and the {one.size} entries kept of it are the same")
    return found


def _with_statistic(
    found: Difference, statistic: str, a: float | None, b: float | None, dtype: np.dtype[Any], limit: float | None
) -> Difference:
    """The difference of the entries, or that of a number of the whole, if that tells more."""
    if a is None or b is None:
        return replace(found, share=float("inf"), message=found.message or "holds numbers that are not finite")
    error = abs(a - b)
    if error <= found.error or found.beyond:  # an entry that is beyond tells where, too
        return found
    ulp, share = _ulp(dtype.type(a), dtype.type(b), error), _share(error, limit)
    return replace(found, error=error, ulp=ulp, share=share, first=a, second=b, index=None, statistic=statistic)


def _share(error: float, limit: float | None) -> float | None:
    if limit is None:
        return None if np.isfinite(error) else float("inf")
    return 0.0 if error == 0 else error / limit if limit else float("inf")


def _ulp(a: Any, b: Any, error: float) -> float:
    if not np.issubdtype(a.dtype, np.floating):
        return error
    return error / float(np.spacing(max(abs(a), abs(b))))


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What differs in the versions and the environments, and whose traces they are."""
    if one["backend"] != other["backend"]:
        yield "backend", one["backend"], other["backend"]
    for table in ("versions", "environment"):
        for key in {**one[table], **other[table]}:
            pair = [setting_words(header[table].get(key)) for header in (one, other)]
            if pair[0] != pair[1]:
                yield key, pair[0], pair[1]


def setting_words(value: Any) -> str:
    """A value of a trace's or a report's environment, for a person."""
    if value is None:
        return "–"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
